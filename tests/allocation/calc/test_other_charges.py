"""Charges that people state: their days add up to their amounts, and follow whom they are declared to follow."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.contracts_fields import AgreementError
from allocation.calc.other_charges import amount_on, parse, worth

D = Decimal


def charge(**given):
    entry = {"code": "tracing", "category": "licence", "amount": "310", "from": "2026-01-01"} | given
    return parse([{name: value for name, value in entry.items() if value is not None}]).charges[0]


def effective(found, *days):
    return [amount_on(found, date.fromisoformat(day)).effective for day in days]


def test_a_monthly_amount_is_spread_over_the_days_of_each_month():
    licence = charge(every="month")
    assert effective(licence, "2025-12-31", "2026-01-01", "2026-01-31", "2026-03-07") == [0, 10, 10, 10]
    assert effective(charge(every="month", amount="280"), "2026-02-01") == [10], "February has 28 days"


def test_a_monthly_amount_may_fall_on_the_first_day_of_each_month():
    licence = charge(every="month", spread="month_start")
    assert effective(licence, "2026-01-01", "2026-01-02", "2026-02-01") == [310, 0, 310]


def test_a_month_begins_on_the_day_of_the_first_and_on_the_last_of_shorter_months():
    licence = charge(**{"from": "2026-01-31"}, every="month", spread="month_start")
    assert effective(licence, "2026-01-31", "2026-02-28", "2026-03-28", "2026-03-31") == [310, 310, 0, 310]


def test_a_training_run_is_amortised_evenly_over_its_term():
    run = charge(category="fine_tuning", amount="36500", to="2027-01-01")
    assert effective(run, "2026-01-01", "2026-12-31", "2027-01-01") == [100, 100, 0]
    assert (run.workload, run.behaviour) == ("training", "fixed")
    by_month = charge(amount="36500", to="2027-01-01", spread="month_start")
    assert effective(by_month, "2026-02-01", "2026-02-02") == [D("3041.666666666666"), 0]


def test_an_amount_without_a_term_falls_on_its_day():
    assert effective(charge(), "2025-12-31", "2026-01-01", "2026-01-02") == [0, 310, 0]


def test_what_is_billed_falls_on_the_first_day_of_what_it_is_for():
    term = charge(to="2026-02-01")
    assert [amount_on(term, date(2026, 1, day)) for day in (1, 2)] == [(10, 310), (10, 0)]
    tax = charge(category="tax", tax="recoverable", to="2026-02-01")
    assert amount_on(tax, date(2026, 1, 1)) == (10, 10), "all costs of a tax are equal"


@given(
    amount=st.decimals(D("0.01"), 10**9, places=2), begin=st.dates(date(2023, 12, 1), date(2024, 12, 31)),
    months=st.integers(1, 26), every=st.booleans(), start=st.booleans(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_the_days_of_any_term_add_up_to_its_amounts(amount, begin, months, every, start, zone):
    from allocation.calc.amortisation import months_later

    end = months_later(begin, months)
    given = {"every": "month"} if every else {}
    given |= {"spread": "month_start"} if start else {}
    found = charge(amount=str(amount), zone=zone, to=str(end), **{"from": str(begin)}, **given)
    days = [amount_on(found, begin + timedelta(days=n)) for n in range(-3, (end - begin).days + 3)]
    for costs in zip(*days, strict=True):
        assert sum(costs) == amount * (months if every else 1)


def test_a_last_month_that_is_shorter_costs_its_share_of_its_days():
    # January whole, then 14 of February's 28 days
    half = charge(every="month", amount="280", to="2026-02-15")
    days = [amount_on(half, date(2026, 1, 1) + timedelta(days=n)).effective for n in range(60)]
    assert sum(days) == 280 + 140


def test_what_an_entry_comes_to_is_its_amount_or_a_year_of_it():
    assert worth(charge()) == 310
    assert worth(charge(every="month")) == 12 * 310
    assert worth(charge(every="month", to="2026-03-01")) == 2 * 310
    assert (
        worth(charge(category="tax", amount=None, rate="0.1", tax="non_recoverable", base={"provider": "openai"}))
        is None
    )


def test_an_approval_is_of_the_content_whatever_the_order_of_its_fields():
    one = charge()
    again = parse([{"from": "2026-01-01", "amount": "310", "category": "licence", "code": "tracing"}]).charges[0]
    assert one.digest == again.digest != charge(amount="311").digest


def test_a_pool_is_a_project_that_rules_see():
    assert charge(pool="platform", about={"provider": "openai"}).dimensions == {
        "provider": "openai", "project": "platform", "operation": "inference",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from": None}, "tracing: from is missing"),
        ({"amount": 3.1}, "amount is a float"),
        ({"amount": "0"}, "amount is 0"),
        ({"amount": "-1"}, "amount is negative for a credit"),
        ({"category": "gift"}, "category is 'gift', must be one of"),
        ({"to": "2026-01-01"}, "to must be after from"),
        ({"spread": "day"}, "spread needs a to, or every: month"),
        ({"every": "month", "spread": "term"}, "spread is 'term', must be one of day, month_start"),
        ({"category": "tax"}, "tax is missing"),
        ({"category": "tax", "tax": "non_recoverable"}, "base is missing"),
        ({"category": "tax", "tax": "non_recoverable", "base": "nothing"}, "base 'nothing' is no entry of this file"),
        ({"category": "tax", "tax": "recoverable", "base": "tracing"}, "base 'tracing' has a base itself"),
        ({"category": "credit", "amount": "-5"}, "credit must be charge"),
        ({"category": "credit", "amount": "-5", "credit": "earner"}, "credit must be charge"),
        ({"base": "other"}, "base, tax and credit are for taxes"),
        ({"rate": "0.1"}, "rate is for a tax with a base"),
        ({"owner": {"cost_centre": "CC-1"}, "pool": "p"}, "pool and owner exclude each other"),
        ({"about": {"colour": "red"}}, "about names colour"),
        ({"about": {"provider": "open*"}}, "about says one value"),
        ({"provider": "openai"}, "write dimensions under about"),
        ({"ownr": "x"}, "unknown field 'ownr'"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_names_the_entry_and_the_field(given, message):
    with pytest.raises(AgreementError) as caught:
        charge(**given)
    assert message in str(caught.value)
