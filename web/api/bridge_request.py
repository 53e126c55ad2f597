"""What a request for a bridge asks: two sides, each written as a request for costs."""

from dataclasses import dataclass

from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from allocation.selectors import FILTERS, CostQuery
from allocation.value.bridge import DIMENSIONS
from finops.periods import Period
from web.api.cost_request import CostRequest, parse

GROUPS_MAX = 2
NAMES = (
    "month", "start", "end", "compare_month", "compare_start", "compare_end", "against", "group_by", "column", "currency",
    *(f"filter[{name}]" for name in FILTERS), *(f"compare_filter[{name}]" for name in FILTERS),
)  # fmt: skip
_COMPARE = "compare_"


@dataclass(frozen=True)
class BridgeRequest:
    """The side after, the side before, and how the bridge is told. ``budget``: the budget of ``after`` stands before it."""

    after: CostRequest
    before: CostQuery
    budget: bool

    @property
    def query(self) -> CostQuery:
        """The side after."""
        return CostQuery(self.after.period, filters=self.after.filters, currency=self.after.currency)

    @property
    def owner(self) -> str | None:
        """The one cost centre whose budget is meant; None: the whole."""
        codes = self.after.filters.get("x_CostCentre", ())
        return codes[0] if codes else None


def parse_bridge(given: QueryDict) -> BridgeRequest:
    """The parameters of a request. Without compare_*, the period before and the same filters. Raises ValidationError."""
    after = parse(given)
    for name in after.dimensions:
        if name not in DIMENSIONS:
            raise ValidationError({"group_by": f"cannot group a bridge by {name}; possible: {', '.join(DIMENSIONS)}"})
    if len(after.dimensions) > GROUPS_MAX:
        raise ValidationError({"group_by": f"at most {GROUPS_MAX} dimensions"})
    budget = _against(given, after)
    if not any(name.startswith(_COMPARE) for name in given):
        return BridgeRequest(after, CostQuery(after.before(), filters=after.filters, currency=after.currency), budget)
    other = _compared(given, after)
    return BridgeRequest(after, CostQuery(other.period, filters=other.filters, currency=after.currency), budget)


def _compared(given: QueryDict, after: CostRequest) -> CostRequest:
    asked = QueryDict(mutable=True)
    for name, value in given.items():
        if name.startswith(_COMPARE):
            asked[name.removeprefix(_COMPARE)] = str(value)
    if not {"month", "start", "end"} & set(asked):
        before = after.before()
        asked.update({"start": str(before.start), "end": str(before.end)})
    if not any(name.startswith("filter[") for name in asked):
        for name, values in after.filters.items():
            asked[f"filter[{name}]"] = ",".join(values)
    try:
        return parse(asked)
    except ValidationError as wrong:
        detail = wrong.detail if isinstance(wrong.detail, dict) else {}
        raise ValidationError({f"{_COMPARE}{name}": told for name, told in detail.items()}) from None


def _against(given: QueryDict, after: CostRequest) -> bool:
    value = given.get("against", "")
    if value not in ("", "budget"):
        raise ValidationError({"against": "budget, or nothing"})
    codes = after.filters.get("x_CostCentre", ())
    known = (
        set(after.filters) <= {"x_CostCentre"}
        and len(codes) <= 1
        and not any("*" in code or "?" in code for code in codes)
    )
    if value and (not known or after.column != "EffectiveCost" or codes == ("(unallocated)",)):
        raise ValidationError({"against": "a budget is of EffectiveCost, for the whole or for one x_CostCentre alone"})
    return bool(value)


def days(period: Period) -> dict[str, str]:
    """A period as an answer writes it."""
    return {"start": f"{period.start}", "end": f"{period.end}"}
