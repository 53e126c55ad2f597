"""A cost report in another currency: its lines rule in the site's, matched with what is computed and never summed."""

from decimal import Decimal
from typing import Any

import pytest

from allocation.costing import fx as step
from allocation.derived import refresh
from allocation.models import Charge
from allocation.verification import verify
from finops import fx
from finops.fx_files import Published
from tests.allocation.stated import DAY, KINDS, NOON, line, state, total, whole_day

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal


@pytest.fixture(autouse=True)
def kinds(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def test_lines_in_euros_rule_what_is_computed_in_dollars() -> None:
    # gpt-5: 8 million tokens of input at 1.25 = 10 USD. The report says 10 EUR, at 1.1 USD: 1 USD more.
    fx.load([Published(DAY, "EUR", "USD", D("1.1"))], source="ecb", actor="test")
    state("gate", [{"native_id": "1", "occurred_at": NOON, "input_uncached": 8_000_000}])
    tax: dict[str, Any] = {"charge_category": "Tax", "scope": "tax"}
    state("costs", [line("10", billing_currency="EUR"), line("2", billing_currency="EUR", **tax)], [whole_day()])
    derive()
    assert total("billed_cost") == D("1.1") * (10 + 2)
    assert set(Charge.objects.values_list("billing_currency", flat=True)) == {"USD"}
    found = Charge.objects.filter(provenance="billed").order_by("charge_category")
    assert list(
        found.values_list("charge_category", "effective_cost", "original_currency", "original_cost", "fx_rate")
    ) == [
        ("Tax", D("2.2"), "EUR", 2, D("1.1")),
        ("Usage", 1, "EUR", D("0.909090909091"), D("1.1")),
    ]
    assert step.missing_rates() == []
