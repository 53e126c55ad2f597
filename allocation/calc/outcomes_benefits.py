"""Benefits as people claim them: fields in, a claim that can be checked out, or why it is none."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.outcomes_fields import EVIDENCE, Fields, Known, Wrong
from allocation.calc.roi_gains import OUTCOMES, STATED
from finops.periods import Period

CASH, CAPACITY, QUALITY = "cash", "capacity", "quality"
HOURS = "hours"
MATURES_AFTER = timedelta(days=90)  # unless the claim says when: what a quarter's review sees
NAMES = (
    "effect", "month", "kind", "basis", "pnl_line", "unit", "cost_centre", "team", "features", "baseline", "actual",
    "direction", "realisation", "evidence", "reference", "matures_on", "replaces",
)  # fmt: skip
_FEATURES_MAX = 50


class Claimed(NamedTuple):
    """The fields of allocation.models.Benefit that its claim states."""

    effect: str
    month: date
    kind: str
    basis: str
    pnl_line: str
    unit: str
    cost_centre_id: int
    team_id: int | None
    features: dict[str, str]
    baseline: Decimal | None
    actual: Decimal | None
    direction: str
    realisation: Decimal
    evidence: str
    reference: str
    matures_on: date


def parse(row: Any, known: Known) -> Claimed:
    """A claim. Raises Wrong: cash names its line of profit and loss, capacity is in hours, shares of features sum to 1."""
    fields = Fields(row, NAMES)
    kind, basis = (
        fields.one_of("kind", (CASH, CAPACITY, QUALITY), None),
        fields.one_of("basis", (STATED, OUTCOMES), STATED),
    )
    month, line = fields.month("month"), fields.text("pnl_line", 200)
    if (kind == CASH) != bool(line):
        detail = (
            "names the line of profit and loss where the cash shows" if kind == CASH else "cash alone shows in a line"
        )
        raise Wrong("missing" if kind == CASH else "contradicts", "pnl_line", detail)
    if basis == OUTCOMES and kind != CASH:
        raise Wrong("contradicts", "basis", "outcomes state a value in money: of kind cash alone")
    baseline, actual = fields.number("baseline"), fields.number("actual")
    if basis == STATED and (baseline is None or actual is None):
        raise Wrong(
            "missing", "baseline" if baseline is None else "actual", "has to be given: what it is compared with"
        )
    if basis == OUTCOMES and not (baseline is None and actual is None):
        raise Wrong("contradicts", "baseline" if baseline is not None else "actual", "outcomes say what they are worth")
    realisation = fields.share("realisation")
    if realisation is None:
        raise Wrong("missing", "realisation", "has to be given: 1 where all of it is realised")
    centre, team = fields.owner(known, needed=True)
    assert centre is not None
    matures = fields.day("matures_on", Period.month_of(month).end + MATURES_AFTER)
    if matures < Period.month_of(month).end:
        raise Wrong("contradicts", "matures_on", "lies before the end of the month")
    return Claimed(
        effect=fields.id("effect", 100), month=month, kind=kind, basis=basis, pnl_line=line, unit=_unit(fields, kind),
        cost_centre_id=centre, team_id=team, features=_features(fields, basis), baseline=baseline, actual=actual,
        direction=fields.one_of("direction", ("decrease", "increase"), "decrease"), realisation=realisation,
        evidence=fields.one_of("evidence", EVIDENCE, "declared"), reference=fields.text("reference", 300), matures_on=matures,
    )  # fmt: skip


def _unit(fields: Fields, kind: str) -> str:
    if kind == CASH:
        return fields.currency("unit", needed=True)
    if kind == CAPACITY:
        return fields.one_of("unit", (HOURS,), HOURS)
    return fields.id("unit", 20)


def _features(fields: Fields, basis: str) -> dict[str, str]:
    """Feature: share. A list, or names with ``|`` between them, is of one feature, or of outcomes, which say their own."""
    value = fields.row.get("features")
    if value in (None, "", {}, []):
        return {}
    if isinstance(value, Mapping):
        found = {_name(name): _share(share) for name, share in value.items()}
        if sum(found.values()) != 1:
            raise Wrong("contradicts", "features", "their shares do not sum to 1")
        shares = {name: f"{share.normalize():f}" for name, share in found.items()}
    else:
        names = [_name(name) for name in (value if isinstance(value, list) else str(value).split("|"))]
        if basis == STATED and len(names) > 1:
            raise Wrong("missing", "features", "say the share of each: {feature: share}, so that it counts once")
        shares = dict.fromkeys(names, "1" if basis == STATED else "")
    if len(shares) > _FEATURES_MAX:
        raise Wrong("out_of_range", "features", f"at most {_FEATURES_MAX} of them")
    return shares


def _name(name: Any) -> str:
    return Fields({"features": name}, ("features",)).text("features", 200, None)


def _share(share: Any) -> Decimal:
    found = Fields({"features": share}, ("features",)).number("features", Decimal(0), Decimal(1))
    if not found:
        raise Wrong("out_of_range", "features", "a share lies above 0 and up to 1")
    return found
