"""Reads the entries of commitments (their form: allocation.calc.commitments)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.calc.amortisation import DAY, HOUR, STEPS, Instalment, all_steps, day_of, instant, monthly
from allocation.calc.commitments import (
    CAPACITY,
    CREDIT,
    ENTERPRISE,
    KINDS,
    SEATS,
    SUBSCRIPTION,
    Capacity,
    Commitment,
    Commitments,
    Seat,
)
from allocation.calc.contracts_fields import LOWEST, AgreementError, Fields, Match, entries, exact
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.overrides import ALIASES

_OPEN = date(2100, 1, 1)  # the end of what goes on
_COMMON = (
    "code", "kind", "from", "to", "zone", "currency", "owner", "priority", "terminated", "purchase", "commitment_id", "note",
)  # fmt: skip
_OF_KIND = {
    **dict.fromkeys(CAPACITY, ("units", "unit_price", "price", "per", "capacity", "weights", "step")),
    CREDIT: ("face", "price"), ENTERPRISE: ("amount",), SEATS: ("price", "seats", "assigned", "covers"),
    SUBSCRIPTION: ("price", "covers"),
}  # fmt: skip
ZERO, ONE = Decimal(0), Decimal(1)


def parse(document: Any) -> Commitments:
    """Commitments of their YAML form. Raises AgreementError naming the entry and the field."""
    found = [_commitment(fields) for fields in entries(document, "commitments")]
    ordered = tuple(sorted(found, key=lambda one: (one.priority, one.code)))
    _pools_apart([one for one in ordered if one.kind == CREDIT])
    return Commitments(ordered, min((one.first for one in ordered), default=None))


def _pools_apart(credits: list[Commitment]) -> None:
    for number, one in enumerate(credits):
        for two in credits[number + 1 :]:
            apart = one.end <= two.start or two.end <= one.start or one.currency != two.currency
            if one.match != two.match and not apart and one.match.meets(two.match):
                raise AgreementError(
                    f"{two.code}: may pay for some of the usage of {one.code}, but not for the same: which is consumed first "
                    "is open; give both the same dimensions, or keep them apart"
                )


def _commitment(fields: Fields) -> Commitment:
    kind = fields.text("kind")
    if kind not in KINDS:
        raise fields.wrong("kind", f"is {kind!r}, must be one of {', '.join(KINDS)}")
    fields.only((*_COMMON, *_OF_KIND[kind]))
    zone = fields.zone()
    first, last, ended = (fields.instant(name) for name in ("from", "to", "terminated"))
    if first is None:
        raise fields.wrong("from", "is missing: the first day")
    goes_on = kind in (SEATS, SUBSCRIPTION) or (kind in CAPACITY and fields.text("per", "term") != "term")
    if last is None and not goes_on:
        raise fields.wrong("to", "is missing: the first day after it")
    start, end = instant(first, zone), instant(last or _OPEN, zone)
    if end <= start:
        raise fields.wrong("to", "must be after from")
    if ended is not None and not start < instant(ended, zone) < end:
        raise fields.wrong("terminated", "must lie after from and before to")
    common = Commitment(
        fields.code, kind, fields.match(), fields.whole("priority", LOWEST), _owner(fields, fields.entry.get("owner")),
        fields.currency(), zone, start, end, None if ended is None else instant(ended, zone),
        fields.text("commitment_id") or fields.code, fields.one_of("purchase", ("computed", "invoiced")) == "computed",
        DAY,
    )  # fmt: skip
    if kind in CAPACITY:
        return _capacity(fields, common)
    if kind == CREDIT:
        return _credit(fields, common)
    if kind == ENTERPRISE:
        _whole_days(fields, common)
        return common._replace(amount=fields.money("amount"))
    return _seats(fields, common)


def _owner(fields: Fields, value: Any) -> tuple[str, str]:
    if value is None:
        return "", ""
    if (
        isinstance(value, Mapping)
        and set(value) <= {"cost_centre", "team"}
        and isinstance(value.get("cost_centre"), str)
    ):
        return value["cost_centre"], str(value.get("team") or "")
    raise fields.wrong("owner", f"must be {{cost_centre: CODE, team: CODE}}, not {value!r}")


def _whole_days(fields: Fields, one: Commitment) -> None:
    for name, at in (("from", one.start), ("to", one.end), ("terminated", one.ended)):
        if at is not None and instant(day_of(at, one.zone), one.zone) != at:
            raise fields.wrong(name, f"must be a date: a {one.kind} is counted in days")


def _capacity(fields: Fields, common: Commitment) -> Commitment:
    step = fields.one_of("step", STEPS)
    common = common._replace(step=step)
    if step == DAY:
        _whole_days(fields, common)
    units = fields.number("units")
    if fields.given("price") == fields.given("unit_price"):
        raise fields.wrong("price", "or unit_price must be given, one of them")
    price = (
        fields.money("price")
        if fields.given("price")
        else fields.fits("unit_price", fields.money("unit_price") * units)
    )
    per = fields.one_of("per", ("term", "month", DAY, HOUR))
    gpus = common.kind == "reserved_gpu"
    size = ONE if gpus and not fields.given("capacity") else fields.number("capacity")
    if not size * units:
        raise fields.wrong("capacity", "times units must be above 0")
    weights = _weights(fields, {"gpu_hour": ONE} if gpus else dict.fromkeys(TOKEN_CLASSES, ONE))
    common = common._replace(capacity=Capacity(size * units, weights))
    if per == "term":
        return common._replace(instalments=(Instalment(price, common.start, common.end),))
    if per == "month":
        return common._replace(instalments=tuple(monthly(price, common.start, common.end, common.zone)))
    if per == DAY:
        _whole_days(fields, common)
    elif step == DAY:
        raise fields.wrong("per", "hour needs step: hour")
    time = Instalment(price, common.start, common.stops)
    count = all_steps(time, per, common.zone)
    return common._replace(paid_by=per, instalments=(time._replace(price=price * count),), as_consumed=True)


def _weights(fields: Fields, default: dict[str, Decimal]) -> dict[str, Decimal]:
    given = fields.entry.get("weights")
    if given is None:
        return default
    if not isinstance(given, Mapping) or not given:
        raise fields.wrong("weights", 'must map token classes or units to numbers, such as {input: "1", output: "4"}')
    found: dict[str, Decimal] = {}
    # The wide names first, so that "reasoning" corrects what "output" said.
    for name, value in sorted(given.items(), key=lambda item: -len(ALIASES.get(item[0], ()))):
        classes = ALIASES.get(name, (name,))
        if classes[0] not in (*TOKEN_CLASSES, *UNITS):
            known = ", ".join((*ALIASES, *TOKEN_CLASSES, *UNITS))
            raise fields.wrong(f"weights.{name}", f"is no token class or unit; known are {known}")
        found |= dict.fromkeys(classes, exact(value, f"{fields.code}: weights.{name}"))
    return found


def _credit(fields: Fields, common: Commitment) -> Commitment:
    _whole_days(fields, common)
    face = fields.money("face")
    price = fields.money("price") if fields.given("price") else face
    if not face:
        raise fields.wrong("face", "must be above 0: what may be consumed")
    if common.ended is not None:
        raise fields.wrong("terminated", "is nothing for a credit: write the day it expires as to")
    return common._replace(amount=face, instalments=(Instalment(price, common.start, common.end),))


def _seats(fields: Fields, common: Commitment) -> Commitment:
    _whole_days(fields, common)
    covers = _covers(fields)
    last = day_of(common.end, common.zone)
    if common.kind == SUBSCRIPTION:
        bought, seats = 1, [Seat("", *common.owner, common.first, last)]
    else:
        bought = fields.whole("seats", 0)
        if not bought:
            raise fields.wrong("seats", "must be given: how many are bought")
        seats = _assigned(fields, common.first, last)
        _enough(fields, seats, bought)
    price = fields.fits("price", fields.money("price") * bought)
    return common._replace(
        instalments=tuple(monthly(price, common.start, common.end, common.zone)), bought=bought, seats=tuple(seats),
        covers=covers,
    )  # fmt: skip


def _covers(fields: Fields) -> Match | None:
    value = fields.entry.get("covers")
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value:
        raise fields.wrong("covers", "must name dimensions, such as {source: [claude_code, codex]}")
    inner = Fields({**value, "code": f"{fields.code}: covers"}, 0)
    inner.only(("code",))
    return inner.match()


def _assigned(fields: Fields, first: date, last: date) -> list[Seat]:
    given = fields.entry.get("assigned") or []
    if not isinstance(given, list):
        raise fields.wrong("assigned", "must be a list, such as [{who: ada@example.com, cost_centre: CC-100}]")
    seats = []
    for number, value in enumerate(given, start=1):
        known = {"who", "cost_centre", "team", "from", "to"}
        if not isinstance(value, Mapping) or not {"who", "cost_centre"} <= set(value) <= known:
            raise fields.wrong("assigned", f"{number} needs who and cost_centre, and may have team, from and to")
        inner = Fields({**value, "code": f"{fields.code}: assigned {number}"}, 0)
        start, end = inner.day("from") or first, inner.day("to") or last
        if not first <= start < end <= last:
            raise inner.wrong("from", f"and to must lie in order within the term, {first} to {last}")
        seats.append(Seat(inner.text("who"), inner.text("cost_centre"), inner.text("team"), start, end))
    return seats


def _enough(fields: Fields, seats: list[Seat], bought: int) -> None:
    for day in sorted({seat.start for seat in seats}):
        held = [seat.who for seat in seats if seat.holds_on(day)]
        if len(held) > bought:
            raise fields.wrong("assigned", f"{len(held)} seats are assigned on {day}, but {bought} are bought")
        if twice := sorted({who for who in held if held.count(who) > 1}):
            raise fields.wrong("assigned", f"{twice[0]} has two seats on {day}")
