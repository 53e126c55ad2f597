"""Claims of benefits: a class each, a baseline, shares that sum to one."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from allocation.calc.outcomes_benefits import parse
from allocation.calc.outcomes_fields import Known, Wrong

KNOWN = Known({"CC-1": 7}, {("CC-1", "triage"): 70}, datetime(2026, 10, 1, tzinfo=UTC))
CASH: dict[str, Any] = {
    "effect": "handling", "month": "2026-09", "kind": "cash", "pnl_line": "6420 Outsourcing", "unit": "EUR",
    "cost_centre": "CC-1",
    "baseline": "900", "actual": "600.5", "realisation": "0.8",
}  # fmt: skip


def test_a_claim_of_cash() -> None:
    found = parse(CASH | {"features": {"chat": "0.25", "mail": "0.75"}, "team": "triage"}, KNOWN)
    assert (found.cost_centre_id, found.team_id, found.unit) == (7, 70, "EUR")
    assert found.features == {"chat": "0.25", "mail": "0.75"}
    assert (found.realisation, found.matures_on) == (Decimal("0.8"), date(2026, 12, 30))


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"pnl_line": ""}, "pnl_line", "missing"), ({"kind": "capacity", "unit": "hours"}, "pnl_line", "contradicts"),
        ({"kind": "capacity", "pnl_line": "", "unit": "days"}, "unit", "bad_choice"), ({"unit": "euro"}, "unit", "too_long"),
        ({"kind": "quality", "pnl_line": "", "unit": ""}, "unit", "missing"), ({"baseline": ""}, "baseline", "missing"),
        ({"actual": None}, "actual", "missing"), ({"basis": "outcomes"}, "baseline", "contradicts"),
        ({"basis": "outcomes", "kind": "capacity", "pnl_line": "", "unit": "hours"}, "basis", "contradicts"),
        ({"realisation": ""}, "realisation", "missing"), ({"realisation": "80"}, "realisation", "out_of_range"),
        ({"cost_centre": ""}, "cost_centre", "missing"), ({"cost_centre": "CC-9"}, "cost_centre", "unknown_owner"),
        ({"features": {"chat": "0.5", "mail": "0.4"}}, "features", "contradicts"), ({"features": ["a",
        "b"]}, "features", "missing"),
        ({"features": {"chat": "0", "mail": "1"}}, "features", "out_of_range"),
        ({"features": {"chat": None}}, "features", "out_of_range"),
        ({"matures_on": "2026-09-30"}, "matures_on", "contradicts"), ({"month": "2026-9"}, "month", "bad_time"),
        ({"note": "x"}, "note", "unknown_field"),
        ({"effect": "saves Ann's time"}, "effect", "bad_text"),
    ],
)  # fmt: skip
def test_what_is_no_claim_is_refused_by_field_and_reason(changes: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Wrong) as refused:
        parse(CASH | changes, KNOWN)
    assert (refused.value.field, refused.value.reason) == (field, reason)


def test_one_feature_needs_no_share_and_outcomes_say_their_own() -> None:
    assert parse(CASH | {"features": "chat"}, KNOWN).features == {"chat": "1"}
    by = {"basis": "outcomes", "baseline": "", "actual": "", "features": "chat|mail"}
    assert parse(CASH | by, KNOWN).features == {"chat": "", "mail": ""}
