"""The dimensions of cost as pages call them: names in URLs, values for people, the order of tiers."""

from finops.focus import TIERS

# name in the URL -> FOCUS column
FILTERS = {
    "cost_centre": "x_CostCentre", "team": "x_Team", "provider": "ServiceProviderName", "model": "x_Model",
    "tier": "x_QueryTier", "environment": "x_Environment", "feature": "x_Feature",
}  # fmt: skip
NAMELESS = "none named"  # model or provider of charges that name none: agreements, lines of bills
OTHER = "Other"
_MOST_VALUES, _LONGEST = 50, 200


def filters_of(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """FOCUS column -> values that a query string asks for; what makes no sense in it is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        column = FILTERS.get(name)
        values = found.get(column or "", ())
        if (
            column
            and value not in values
            and len(value) <= _LONGEST
            and len(values) < _MOST_VALUES
            and "\0" not in value
        ):
            found[column] = (*values, value)
    return found


def tier_rank(tier: str | None) -> int:
    """Place of a tier in the order of tiers."""
    return TIERS.index(tier) if tier in TIERS else len(TIERS)


def tier_name(tier: str | None) -> str:
    """A tier as a reader sees it."""
    return tier.capitalize() if tier in TIERS else tier or "No tier"


def called(column: str, value: str | None) -> str:
    """A value of a dimension for people."""
    if value == "*":
        return "compared without it"
    if column == "x_CostCentre" and value is None:
        return "Unallocated"
    if column == "x_QueryTier":
        return tier_name(value)
    return value or NAMELESS
