"""Currencies on stored data: charges in the site's, with what they were; what no rate converts is reported."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation import rulebook
from allocation.costing import fx as step
from allocation.costing import other_charges, terms
from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge
from allocation.verification import verify
from finops import fx
from finops.fx_files import Published
from finops.models import SiteMark
from ingest.models import DirtySlice
from tests.allocation.stated import DAY, KINDS, NOON, line, state, whole_day

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
TINY = D("0.000000000001")


@pytest.fixture(autouse=True)
def finance(ledger: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    settings.FINANCE_COST_CENTRE = "CC-FIN"
    SiteMark.objects.create(name="demo", value={"until": str(DAY)})


def rates(*given: tuple[date, str, str, str]) -> None:
    found = fx.load([Published(*each[:3], D(each[3])) for each in given], source="ecb", actor="test")
    if found.days:
        step.charge_anew(*found.days)


def state_charges(*entries: dict[str, Any]) -> None:
    terms.load("other_charges", [{"from": str(DAY), **entry} for entry in entries], other_charges.parse, actor="test")


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def charged(**only: Any) -> list[tuple[Any, ...]]:
    names = (
        "subject",
        "effective_cost",
        "billing_currency",
        "original_currency",
        "original_cost",
        "fx_rate",
        "owner__code",
    )
    return sorted(Charge.objects.filter(**only).values_list(*names), key=str)


def test_a_licence_in_euros_is_charged_in_dollars_at_the_last_rate_before_its_day() -> None:
    state_charges({"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR"})
    rates((DAY - timedelta(days=1), "EUR", "USD", "1.08"), (DAY + timedelta(days=1), "EUR", "USD", "9"))
    derive()
    assert charged() == [("other tracing", 108, "USD", "EUR", 100, D("1.08"), None)]
    assert step.missing_rates() == []


def test_without_a_rate_charges_stay_in_their_currency_and_are_reported_until_one_is_published() -> None:
    state_charges({"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR"})
    rates((DAY - timedelta(days=6), "EUR", "USD", "1.08"))  # too old
    derive()
    assert charged() == [("other tracing", 100, "EUR", "", None, None, None)]
    (missing,) = step.missing_rates()
    assert (missing.day, missing.currency, missing.site, missing.charges, missing.cost) == (DAY, "EUR", "USD", 1, 100)
    assert "2026-09-08: no rate of EUR/USD" in str(missing)
    rates((DAY, "EUR", "USD", "1.10"))
    derive()
    assert charged() == [("other tracing", 110, "USD", "EUR", 100, D("1.1"), None)]


def test_a_corrected_rate_converts_again_from_what_was_and_not_from_what_became() -> None:
    state_charges({"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR"})
    for rate in ("1.10", "1.20"):
        rates((DAY, "EUR", "USD", rate))
        derive()
    assert charged() == [("other tracing", 120, "USD", "EUR", 100, D("1.2"), None)]


def test_what_rounding_leaves_is_finances_own_line() -> None:
    # Three times 10^-12 EUR at 1.5: each rounds to 2 x 10^-12, their sum to 4.
    state_charges(*({"code": code, "category": "licence", "amount": f"{TINY:f}", "currency": "EUR"} for code in "abc"))
    rates((DAY, "EUR", "USD", "1.5"))
    derive()
    rounding = ("fx rounding", -2 * TINY, "USD", "EUR", None, None, "CC-FIN")
    assert charged() == [rounding, *((f"other {code}", 2 * TINY, "USD", "EUR", TINY, D("1.5"), None) for code in "abc")]
    owners = AllocatedCost.objects.filter(charge__subject="fx rounding").values_list("cost_centre__code", flat=True)
    assert list(owners) == ["CC-FIN"]


def test_a_site_in_another_currency_converts_its_usage_with_tiers_and_owners_kept(settings: Any) -> None:
    settings.REPORT_CURRENCY = "EUR"
    rulebook.load(
        [{"id": "r", "priority": 1, "when": {"provider": "openai"}, "to": {"cost_centre": "CC-1"}}], actor="test"
    )
    state("gate", [{"native_id": "1", "occurred_at": NOON, "input_uncached": 1_000_000}])
    rates((DAY, "EUR", "USD", "1.25"))
    derive()
    # gpt-5: 1.25 USD per million tokens of input, and 1 USD is 1 / 1.25 = 0.8 EUR.
    (charge,) = Charge.objects.filter(charge_category="Usage")
    assert (charge.list_cost, charge.effective_cost, charge.billing_currency) == (1, 1, "EUR")
    assert (charge.original_currency, charge.original_cost, charge.fx_rate) == ("USD", D("1.25"), D("0.8"))
    assert (charge.list_unit_price, charge.tier != "") == (1, True)
    assert AllocatedCost.objects.get(charge=charge).cost_centre.code == "CC-1"


def test_the_month_average_is_that_of_the_days_published_so_far(settings: Any) -> None:
    settings.FX = fx.MONTH_AVERAGE
    state_charges({"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR"})
    rates((date(2026, 9, 1), "EUR", "USD", "1.0"), (date(2026, 8, 31), "EUR", "USD", "7"))
    derive()
    assert charged()[0][1] == 100
    rates((date(2026, 9, 30), "EUR", "USD", "1.5"))
    derive()
    assert charged()[0][1:3] == (125, "USD"), "(1.0 + 1.5) / 2"


def test_lines_of_an_invoice_in_euros_are_converted_row_by_row() -> None:
    rates((DAY, "EUR", "USD", "1.1"))
    stated = {"list_cost": None, "contracted_cost": D(10), "effective_cost": D(10), "billed_cost": D(10), "sku_id": "a"}
    given = [stated | {"billing_currency": currency} for currency in ("EUR", "USD", "CHF")]
    (euro, dollar, franc), entries = step.convert_lines(DAY, given)
    assert (euro["billed_cost"], euro["billing_currency"], euro["sku_id"]) == (11, "USD", "a")
    assert (euro["original_currency"], euro["original_cost"], euro["fx_rate"]) == ("EUR", 10, D("1.1"))
    unchanged = {"original_currency": "", "original_cost": None, "fx_rate": None, "fx_day": None, "fx_source": ""}
    assert dollar == given[1] | unchanged
    assert franc == given[2] | unchanged, "no rate is known: it stays in its own currency"
    assert entries == [], "nothing was rounded"


def test_a_charge_keeps_the_day_and_the_source_of_its_rate_whatever_it_is_of(settings: Any) -> None:
    settings.REPORT_CURRENCY = "EUR"
    state("gate", [{"native_id": "1", "occurred_at": NOON, "input_uncached": 1_000_000}])
    state_charges({"code": "tracing", "category": "licence", "amount": "10"})
    usd = {"provider": "anthropic", "billing_currency": "USD"}
    state("costs", [line("5", **usd)], [whole_day()])
    rates((DAY - timedelta(days=1), "EUR", "USD", "1.25"))
    derive()
    found = Charge.objects.order_by("provenance", "subject").values_list("subject", "provenance", "fx_day", "fx_source")
    yesterday = DAY - timedelta(days=1)
    assert list(found) == [
        ("", "billed", yesterday, "ecb"), ("", "computed", yesterday, "ecb"), ("other tracing", "computed", yesterday, "ecb"),
    ]  # fmt: skip


def test_the_source_of_a_corrected_cross_or_average_rate_names_all_that_it_is_made_of(settings: Any) -> None:
    state_charges({"code": "tracing", "category": "licence", "amount": "100", "currency": "GBP"})
    rates((DAY, "EUR", "USD", "1.10"), (DAY, "EUR", "GBP", "0.8"))
    rates((DAY, "EUR", "USD", "1.20"))
    derive()
    assert Charge.objects.get().fx_source == "ecb + ecb (2)"
    settings.FX = fx.MONTH_AVERAGE
    step.charge_anew(DAY, DAY)
    derive()
    assert Charge.objects.get().fx_source == "month average of ecb + ecb (2)"


def test_a_rate_revision_charges_the_days_again_that_it_marks_and_no_other() -> None:
    early = DAY - timedelta(days=7)
    entry = {"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR", "every": "month"}
    state_charges(entry | {"spread": "month_start", "from": str(early)}, entry | {"code": "b", "spread": "month_start"})
    rates((early, "EUR", "USD", "1.1"), (DAY, "EUR", "USD", "1.1"))
    derive()
    before = dict(Charge.objects.values_list("charge_date", "pk"))
    rates((DAY, "EUR", "USD", "1.2"))
    assert set(DirtySlice.objects.values_list("charge_date", flat=True)) == {DAY}
    derive()
    after = {day: (pk, cost) for day, pk, cost in Charge.objects.values_list("charge_date", "pk", "effective_cost")}
    assert after[early] == (before[early], 110), "the very row that it was"
    assert after[DAY][0] != before[DAY]
    assert after[DAY][1] == 120
