"""Charges that no call causes and no agreement states, as people write them: licences, staff, training runs, taxes.

A list of entries, in any order::

    - code: tracing
      category: observability     # licence, staff, compliance, fine_tuning, training, evaluation, observability, tax,
                                  # credit, adjustment or other
      description: "Tracing platform, order 4711"
      amount: "1200.00"           # what it costs; of a month with every: month. A credit is negative
      currency: EUR               # default USD
      from: 2026-01-01            # its first day
      to: 2027-01-01              # exclusive; default: open with every: month, else one day
      every: month                # again in each month from its first day on; a shorter last month by its days
      spread: day                 # with every: day (default) or month_start; with from and to: term (default: evenly over
                                  # its days) or month_start (in equal parts)
      zone: Europe/Berlin         # clock of its days; default UTC
      owner: {cost_centre: CC-100, team: search}   # or a pool; default: by the rules
      pool: platform              # rules see it as {layer: other, project: platform}
      about: {provider: openai, feature: chat}     # dimensions that filters and rules see
      workload: training          # or inference; default: training for fine_tuning and training
      behaviour: variable         # with usage; default fixed
    - {code: vat, category: tax, amount: "228", currency: EUR, from: 2026-01-31, tax: recoverable}
    - {code: gst, category: tax, rate: "0.1", from: 2026-01-01, every: month, tax: non_recoverable, base: {provider: openai}}
    - {code: sla, category: credit, amount: "-50", from: 2026-02-03, credit: charge, base: tracing}

BilledCost falls on the first day of what an amount is for, EffectiveCost is spread; of taxes, credits and adjustments all
costs are equal. *tax*: a recoverable one is never a team's, it goes to finance; one that is not follows its ``base``: the
owners of other entries (a code or a list, by their amounts), or usage by its cost of the day (dimensions of usage keys).
``rate`` in place of an amount: a part of what the base costs each day. *credit*: follows the ``charge`` that it corrects
(its base), the ``earner`` (its owner) or a ``pool``.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from allocation.calc.amortisation import DAY, ZERO, Instalment, day_of, midnight, monthly, months_later, share_of
from allocation.calc.contracts_fields import AgreementError, Fields, Match, entries, exact
from allocation.calc.nested_fields import inner, owner, some

CATEGORIES = (
    "licence", "staff", "compliance", "fine_tuning", "training", "evaluation", "observability", "tax", "credit",
    "adjustment", "other",
)  # fmt: skip
_FIELDS = (
    "code", "category", "description", "amount", "rate", "currency", "from", "to", "every", "spread", "zone", "owner", "pool",
    "about", "workload", "behaviour", "tax", "credit", "base",
)  # fmt: skip
CHARGE_CATEGORIES = {"tax": "Tax", "credit": "Credit", "adjustment": "Adjustment"}
_TRAINING = ("fine_tuning", "training")
_YEAR = 12
_LEAST, _RATE = -(10**12) + 1, 1_000


class OtherCharge(NamedTuple):
    """One entry. ``rate`` None: ``amount`` is stated. ``base_codes`` or ``base``: whose owners it follows."""

    code: str
    category: str
    amount: Decimal
    rate: Decimal | None
    currency: str
    begin: date
    end: date | None
    monthly: bool
    spread: str
    zone: ZoneInfo
    owner: tuple[str, str]
    dimensions: Mapping[str, Any]
    workload: str
    behaviour: str
    recoverable: bool
    base_codes: tuple[str, ...]
    base: Match | None
    digest: str

    @property
    def charge_category(self) -> str:
        """FOCUS ChargeCategory."""
        return CHARGE_CATEGORIES.get(self.category, "Purchase")


class OtherCharges(NamedTuple):
    """All entries, and the first day of any."""

    charges: tuple[OtherCharge, ...]

    @property
    def begins(self) -> date | None:
        """The first day of any entry."""
        return min((charge.begin for charge in self.charges), default=None)


class Amount(NamedTuple):
    """What an entry costs on a day."""

    effective: Decimal
    billed: Decimal


def parse(document: Any) -> OtherCharges:
    """Entries from their YAML form. Raises AgreementError naming the entry and the field."""
    charges = tuple(_charge(fields) for fields in entries(document, "other charges"))
    by_code = {charge.code: charge for charge in charges}
    for charge in charges:
        for code in charge.base_codes:
            found = by_code.get(code)
            if found is None or found.base_codes or found.base is not None or found.rate is not None:
                why = "is no entry of this file" if found is None else "has a base itself"
                raise AgreementError(f"{charge.code}: base {code!r} {why}")
    return OtherCharges(charges)


def _charge(fields: Fields) -> OtherCharge:
    fields.only(_FIELDS)
    if fields.match().wanted:
        raise AgreementError(
            f"{fields.code}: write dimensions under about: {{...}}, those of its base under base: {{...}}"
        )
    category = fields.one_of("category", CATEGORIES, default="other")
    begin, end = fields.day("from"), fields.day("to")
    if begin is None:
        raise fields.wrong("from", "is missing: its first day")
    if end is not None and end <= begin:
        raise fields.wrong("to", "must be after from")
    codes, base = _base(fields)
    rate = exact(fields.entry["rate"], f"{fields.code}: rate", most=_RATE) if fields.given("rate") else None
    if rate is not None and (fields.given("amount") or not (codes or base) or category != "tax"):
        raise fields.wrong("rate", "is for a tax with a base, in place of an amount")
    charge = OtherCharge(
        fields.code, category, ZERO if rate is not None else fields.money("amount", least=_LEAST), rate,
        fields.currency(), begin, end, _every(fields), _spread(fields, end), fields.zone(), owner(fields, "owner"),
        _dimensions(fields, category), _workload(fields, category), fields.one_of("behaviour", ("fixed", "variable")),
        fields.text("tax") == "recoverable", codes, base, digest(fields.entry),
    )  # fmt: skip
    _check(fields, charge)
    return charge


def _check(fields: Fields, charge: OtherCharge) -> None:
    if charge.rate is None and charge.amount == 0:
        raise fields.wrong("amount", "is 0: leave the entry out")
    if (charge.category == "credit") != (charge.amount < 0) and charge.category != "adjustment":
        raise fields.wrong("amount", "is negative for a credit, and only for one or an adjustment")
    if charge.owner[0] and fields.given("pool"):
        raise fields.wrong("pool", "and owner exclude each other")
    based = bool(charge.base_codes) or charge.base is not None
    if charge.category == "tax":
        kind = fields.one_of("tax", ("", "recoverable", "non_recoverable"))
        if not kind:
            raise fields.wrong("tax", "is missing: recoverable or non_recoverable")
        if kind == "non_recoverable" and not based:
            raise fields.wrong("base", "is missing: a tax that is not recoverable follows its base")
    elif charge.category == "credit":
        needs = {"charge": based, "earner": bool(charge.owner[0]), "pool": fields.given("pool")}
        kind = fields.one_of("credit", ("", *needs))
        if not needs.get(kind):
            raise fields.wrong("credit", "must be charge (with a base), earner (with an owner) or pool (with a pool)")
    elif based or fields.given("tax") or fields.given("credit"):
        raise AgreementError(f"{fields.code}: base, tax and credit are for taxes and credits")


def _every(fields: Fields) -> bool:
    return fields.one_of("every", ("", "month")) == "month"


def _spread(fields: Fields, end: date | None) -> str:
    if _every(fields):
        return fields.one_of("spread", ("day", "month_start"))
    if end is not None:
        return fields.one_of("spread", ("term", "month_start"))
    if fields.given("spread"):
        raise fields.wrong("spread", "needs a to, or every: month")
    return "term"


def _workload(fields: Fields, category: str) -> str:
    return fields.one_of("workload", ("inference", "training"), "training" if category in _TRAINING else "inference")


def _dimensions(fields: Fields, category: str) -> dict[str, Any]:
    about = inner(fields, "about")
    found = about.match().exact() if about else {}
    if about and len(about.match().wanted) != len({**found, **found.get("tags", {})}.keys() - {"tags"}):
        raise fields.wrong("about", "says one value of each dimension, no pattern and no list")
    if about and (unknown := sorted(about.entry.keys() - {"code"} - {name for name, _ in about.match().wanted})):
        raise fields.wrong("about", f"names {unknown[0]}, which is no dimension of a usage key")
    if pool := fields.text("pool"):
        if found.get("project"):
            raise fields.wrong("pool", "stands in place of about: project")
        found["project"] = pool
    return {"operation": _workload(fields, category), **found}


def _base(fields: Fields) -> tuple[tuple[str, ...], Match | None]:
    value = fields.entry.get("base")
    if isinstance(value, Mapping):
        match = inner(fields, "base")
        return (), some(match) if match else None
    codes = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(code, str) and code for code in codes):
        raise fields.wrong("base", f"must be a code, a list of codes, or dimensions of usage keys, not {value!r}")
    return tuple(dict.fromkeys(codes)), None


def digest(entry: Mapping[str, Any]) -> str:
    """The hash of an entry's content, whatever the order of its fields: an approval holds for it alone."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode()).hexdigest()


def worth(charge: OtherCharge) -> Decimal | None:
    """What an entry comes to, of a recurring one in a year or until it ends if that is sooner; None: nobody knows."""
    if charge.rate is not None:
        return None
    if not charge.monthly:
        return charge.amount
    end = min(charge.end or date.max, months_later(charge.begin, _YEAR))
    return sum((part.price for part in _instalments(charge._replace(end=end), end)), ZERO)


def amount_on(charge: OtherCharge, day: date) -> Amount:
    """What an entry with an amount costs on a day. Over all days both costs sum to its amounts, exactly."""
    effective = billed = ZERO
    for part in _instalments(charge, day):
        starts = day_of(part.start, charge.zone) == day
        effective += _effective(charge, part, day)
        billed += part.price if starts else ZERO
    if charge.charge_category != "Purchase":
        billed = effective
    return Amount(effective, billed)


def _effective(charge: OtherCharge, part: Instalment, day: date) -> Decimal:
    if charge.spread != "month_start":
        return share_of(part, day, DAY, charge.zone).cost
    if charge.monthly:
        return part.price if day_of(part.start, charge.zone) == day else ZERO
    months = [each.start for each in monthly(Decimal(1), part.start, part.end, charge.zone)]
    days = [day_of(at, charge.zone) for at in months]
    if day not in days:
        return ZERO
    each: Decimal = share_of(_as_days(part, len(days)), date.fromordinal(days.index(day) + 1), DAY, _UTC).cost
    return each


_UTC = ZoneInfo("UTC")


def _as_days(part: Instalment, count: int) -> Instalment:
    """An instalment in ``count`` equal steps, the first on day 1 of the calendar."""
    start, end = (midnight(date.fromordinal(number), _UTC) for number in (1, count + 1))
    return Instalment(part.price, start, end)


def _instalments(charge: OtherCharge, day: date) -> list[Instalment]:
    """What an entry's amount is for, at least up to the end of what a day belongs to."""
    start = midnight(charge.begin, charge.zone)
    if not charge.monthly:
        return [
            Instalment(
                charge.amount, start, _midnight(charge, charge.end or date.fromordinal(charge.begin.toordinal() + 1))
            )
        ]
    passed = (day.year - charge.begin.year) * 12 + day.month - charge.begin.month + 1
    end = min(charge.end or date.max, months_later(charge.begin, max(passed, 1)))
    return monthly(charge.amount, start, _midnight(charge, end), charge.zone)


def _midnight(charge: OtherCharge, day: date) -> datetime:
    return midnight(day, charge.zone)
