"""A rate of exchange that comes late for a frozen month: the open month bears it, and what agreements cost still closes."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from allocation import fx_changes
from allocation.close import manifest
from allocation.costing import capacity, terms
from allocation.derived import refresh
from allocation.models import BillingPeriod, Charge
from allocation.verification import verify
from finops import fx
from finops.fx_files import Published
from finops.models import SiteMark
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.allocation.costing.test_capacity import DAY, FLEET, calls
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
CHECKS = ("conservation", "agreements_close", "closed_hash")
IN_EUROS = FLEET | {
    "basis": "allocation", "energy": None, "staff": None, "meters": None, "currency": "EUR", "rent": "2.07",
    "serves": [{"model": "llama-70b", "reserved": 1}],
}  # fmt: skip


def violations() -> list[tuple[str, list[str]]]:
    return [(check.id, check.examples) for check in verify() if check.id in CHECKS and not check.ok]


@pytest.fixture
def frozen(ledger: None, tmp_path: Path) -> None:
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    fx.load([Published(DAY, "EUR", "USD", D("1.0837"))], source="ecb", actor="test")
    SiteMark.objects.update_or_create(name="demo", defaults={"value": {"until": "2026-09-11"}})
    terms.load("capacity", [IN_EUROS], capacity.parse, actor="test")
    refresh()
    assert violations() == []
    held = BillingPeriod.objects.create(month=DAY.replace(day=1), state="soft_closed")
    manifest.write(Period.month_of(held.month))


def late(rate: str) -> None:
    asked = fx_changes.propose([Published(DAY, "EUR", "USD", D(rate))], source="bank", by="ann").approval
    assert asked is not None
    approving.decide(asked, by="bob", accept=True)
    refresh()


def charged(**where: Any) -> Decimal:
    rows = Charge.objects.filter(subject="fleet a100-lab", **where)
    return rows.aggregate(sum=Sum("effective_cost"))["sum"] or D(0)


def test_a_late_rate_is_borne_by_the_open_month_and_the_fleet_still_costs_what_was_agreed(frozen: None) -> None:
    agreed = D("2.07") * 3 * 24  # EUR a day
    assert charged(charge_date=DAY) == agreed * D("1.0837")
    late("2.5")
    assert charged(charge_date=DAY) == agreed * D("1.0837")
    assert charged(corrects_date=DAY) == agreed * (D("2.5") - D("1.0837"))
    assert violations() == []
    late("1.7331")  # once more: back at one rate, anew at another
    assert charged(corrects_date=DAY) == agreed * (D("1.7331") - D("1.0837"))
    assert violations() == []


def test_a_correction_that_is_a_cent_more_is_still_found(frozen: None) -> None:
    late("2.5")
    row = Charge.objects.filter(
        corrects_date=DAY, subject="fleet a100-lab", reversal=False, effective_cost__gt=0
    ).first()
    assert row is not None
    Charge.objects.filter(pk=row.pk).update(effective_cost=row.effective_cost + D("0.01"))  # type: ignore[operator]
    found = dict(violations())
    assert "fleet a100-lab 2026-09-08 used and idle 149.044" in found["agreements_close"][0], "0.01 / 2.5 = 0.004 more"
