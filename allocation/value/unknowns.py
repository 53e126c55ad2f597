"""What a question names that nothing has: told beside its figures, which would read as zero."""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from allocation import selectors
from allocation.models import CostCentre, CostDaily
from allocation.scope import Scope
from allocation.selectors import UNALLOCATED, CostQuery
from finops.periods import Period

_FIELDS = {
    "x_CostCentre": "cost_centre__code", "x_Team": "team__code", "ServiceProviderName": "provider", "x_Model": "model",
    "x_QueryTier": "tier", "x_Environment": "environment", "x_Feature": "feature", "x_Provenance": "provenance",
    "x_Basis": "basis",
}  # fmt: skip
_SHOWN = 20  # cost centres below another that a note names


def notes(scope: Scope, query: CostQuery) -> list[str]:
    """A sentence for each value of a filter that no usage in the period has, and for a currency in which nothing is billed.

    A cost centre that bears nothing itself says which ones below it do. One query per filter.
    """
    return [*of_filters(scope, query.period, query.filters), *of_currency(scope, query.period, query.currency)]


def of_currency(scope: Scope, period: Period, currency: str) -> list[str]:
    """A sentence where nothing of a period is billed in a currency, and something in another."""
    known = selectors.currencies(scope, period)
    if not known or currency in known:
        return []
    return [f"nothing is billed in {currency} in {period}; there is cost in {', '.join(known)}"]


def of_filters(
    scope: Scope, period: Period, filters: Mapping[str, Collection[str]], *, exact: bool = False
) -> list[str]:
    """A sentence for each unknown value. ``exact``: no ``*`` and ``?``, and empty means none."""
    rows = scope.of(CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)).order_by()
    if filters and not rows.exists():
        return [f"there is no cost in {period}"]
    found = []
    for name, values in filters.items():
        known = set(rows.values_list(_FIELDS[name], flat=True).distinct())
        absent = "" if exact else UNALLOCATED if name == "x_CostCentre" else None
        texts = {absent if each is None else each for each in known} - {None}
        for value in values:
            if value in texts or (not exact and any(_fits(text, value) for text in texts)):
                continue
            below = _below(scope, value) & texts if name == "x_CostCentre" else set()
            found.append(f"no usage has {name} {value[:60]!r} in {period}{_told(below)}")
    return found


def _fits(text: str | None, pattern: str) -> bool:
    return fnmatchcase(text or "", pattern.replace("[", "[[]"))


def _below(scope: Scope, code: str) -> set[str | None]:
    """Codes of the cost centres below one, at any depth."""
    tree = scope.of(CostCentre.objects.all(), "id").values_list("code", "parent__code")
    found: set[str | None] = set()
    level = {code}
    while level := {child for child, parent in tree if parent in level} - found:
        found |= level
    return found


def _told(below: set[str | None]) -> str:
    if not below:
        return ""
    names = sorted(str(each) for each in below)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" itself; a filter takes no cost centres below it, which are {', '.join(names[:_SHOWN])}{more}: name those"
