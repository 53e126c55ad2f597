"""The tier table and the distribution on planted data: causes, modes, what is estimated, unpriced, unsaid or without evidence."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from allocation.calc.distribution import ONE_MODE, TWO_MODES
from allocation.calc.tier_table import NEGATIVE, NO_EVIDENCE
from allocation.derived import refresh
from allocation.models import CostDaily, UsageDaily
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery, QueryError
from allocation.value import outcomes, tiers
from finops.periods import Period
from ingest.models import UsageKey
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import Usage, by_class, load

AUGUST, SEPTEMBER = Period.month("2026-08"), Period.month("2026-09")


def planted() -> None:
    """simple: the price falls to a tenth. complex: 1,000 queries of 2 calls, 100,000 tokens at $10; then 500 of 4 calls, as many
    tokens besides 2.1 million of reasoning, at $1: x22 reasoning, x2 calls, x0.1 price = x4.4.
    """
    july, august = date(2026, 7, 3), date(2026, 8, 3)
    load(
        Usage("1.8", day=july, tier="simple", tokens=1_000_000, queries=1_000),
        Usage("0.36", day=august, tier="simple", tokens=2_000_000, queries=2_000),
        Usage("1", day=july, tier="complex", tokens=100_000, queries=1_000),
        Usage("0.1", day=august, tier="complex", tokens=100_000, queries=500),
        Usage("2.1", day=august, tier="complex", tokens=2_100_000, queries=0, price_class="output_reasoning"),
    )  # fmt: skip
    CostDaily.objects.filter(tier="complex", queries__gt=0).update(requests=2_000)


@pytest.mark.django_db
def test_planted_causes_come_out_as_factors_that_multiply_to_the_net_change() -> None:
    planted()
    found = tiers.report(EVERYTHING, CostQuery(Period.month("2026-07")), CostQuery(AUGUST))
    simple, hard = found.table.rows
    assert simple.factors == {"reasoning": 1, "calls_per_query": 1, "tokens_per_call": 1, "price": Fraction(1, 10)}
    assert hard.factors == {"reasoning": 22, "calls_per_query": 2, "tokens_per_call": 1, "price": Fraction(1, 10)}
    assert (simple.net, hard.net) == (Fraction(1, 10), Fraction(44, 10))
    mix = found.table.mix
    assert mix is not None
    assert mix.net == mix.mix * mix.within == Fraction("2.56") / 2_500 / (Fraction("2.8") / 2_000)


@pytest.mark.usefixtures("ledger")
def test_a_mixture_of_two_modes_is_told_with_its_figures_and_one_mode_as_one(tmp_path: Path) -> None:
    """gpt-5-mini at $0.25 and $2.00 a million: 380 queries of 100 + 10 tokens = $0.000045, 20 of 4,000 + 2,000 = $0.005."""
    cheap = [payload(f"c{n}", model="gpt-5-mini", model_group="gpt-5-mini", trace=f"c{n}") for n in range(380)]
    dear = [
        payload(f"d{n}", model="gpt-5-mini", model_group="gpt-5-mini", trace=f"d{n}", prompt=4_000, output=2_000)
        for n in range(20)
    ]
    ingest_file(Import(write_lines(tmp_path / "two.jsonl", [*cheap, *dear]), "litellm"))
    refresh()
    low, high = Decimal("0.000045"), Decimal("0.005")
    whole, parts, ignored, currencies, _ = tiers.distributions(EVERYTHING, CostQuery(SEPTEMBER))
    assert (whole.verdict, currencies, ignored) == (TWO_MODES, ("USD",), ())
    spend = 380 * low + 20 * high
    assert [(mode.queries, mode.spend, mode.median.value) for mode in whole.modes] == [
        (380, 380 * low, low),
        (20, 20 * high, high),
    ]
    assert [mode.spend_share for mode in whole.modes] == [
        Fraction(380 * low) / Fraction(spend),
        Fraction(20 * high) / Fraction(spend),
    ]
    assert {name: each.value for name, each in whole.quantiles.items()} == {"p50": low, "p95": low, "p99": high}
    assert whole.top is not None
    assert (whole.top.queries, whole.top.share) == (4, Fraction(4 * high) / Fraction(spend))
    assert {tier: each.verdict for tier, each in parts.items()} == {"simple": ONE_MODE, "moderate": "too_few"}


@pytest.mark.django_db
def test_estimated_money_and_what_has_no_price_stand_apart() -> None:
    """A tier of whose usage nothing has a price costs nobody knows what, not nothing."""
    load(
        Usage("3", tier="simple", queries=30), Usage("1", tier="simple", queries=10, estimated=True),
        Usage(None, tier="complex", queries=40, tokens=700), Usage("5", tier="", provenance="billed", queries=0),
    )  # fmt: skip
    found = tiers.report(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER))
    simple, hard = found.table.rows
    assert (simple.chosen.cost_per_query, simple.chosen.estimated_cost_per_query) == (Fraction(1, 10), Fraction(1, 10))
    assert (simple.spend_share, simple.estimated_share) == (Fraction(3, 4), Fraction(1, 4))
    assert (hard.chosen.cost_per_query, hard.chosen.unpriced) == (None, 700)
    assert (found.chosen.cost, found.chosen.beside, found.chosen.unpriced_tokens) == (Decimal(9), Decimal(5), 700)
    point = tiers.monthly(EVERYTHING, CostQuery(SEPTEMBER))["simple"][0]
    assert (point.cost_per_query, point.estimated_cost_per_query) == (Fraction(1, 10), Fraction(1, 10))


@pytest.mark.django_db
def test_output_of_sources_that_say_nothing_of_reasoning_is_told() -> None:
    load(Usage("3", model="told", tokens=300), Usage("1", model="silent", tokens=100))
    for model, reasoning in (("told", 0), ("silent", None)):
        key = UsageKey.objects.get(model_served=model)
        UsageDaily.objects.create(
            charge_date=date(2026, 9, 1), usage_key_id=key.pk, tier="simple", tier_estimated=False, rate_slot_id=1, events=1,
            requests=10, queries=10, failed=0, output_visible=300, output_reasoning=reasoning,
        )  # fmt: skip
    by_class()
    found = tiers.report(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER)).table.rows[0]
    assert found.chosen.untold == Fraction(100, 400)


@pytest.mark.django_db
def test_a_tier_returns_what_its_outcomes_show_and_nothing_below_the_minimum() -> None:
    """Both tried the same 100 tasks worth $2. moderate costs $0.10 more and resolves 40 more: pays; complex $1 more for none."""
    planted()
    arms = {"simple": (40, "0.01"), "moderate": (80, "0.11"), "complex": (80, "1.11"), "research": (20, "2")}
    rows = [
        {"source": "desk", "id": f"{tier}-{n}", "task": f"{n}", "at": "2026-08-20T00:00:00Z", "tier": tier,
         "evidence": "measured", "currency": "USD", "cost": cost, "success": n < good, "value": "2" if n < good else "",
         "feature": "chat"}
        for tier, (good, cost) in arms.items() for n in range(100)
    ]  # fmt: skip
    assert outcomes.take(rows, by="ann").refused == []
    july = CostQuery(Period.month("2026-07"))
    found = tiers.report(EVERYTHING, july, CostQuery(AUGUST))
    assert {tier: each.answer.question.base for tier, each in found.returns.items()} == {
        "moderate": "simple", "complex": "moderate", "research": "complex",
    }  # fmt: skip
    paying = found.returns["moderate"].evidence
    assert paying is not None
    assert (paying.low > 0, paying.sample, found.returns["moderate"].relative) == (True, 100, True)
    assert found.returns["research"].evidence is None, "20 of 100 resolved are too few"
    assert {row.tier: row.roi for row in found.table.rows} == {"simple": NO_EVIDENCE, "complex": NEGATIVE}
    assert (
        tiers.report(EVERYTHING, july, CostQuery(AUGUST, filters={"x_Feature": ("mail",)})).returns["moderate"].evidence
        is None
    )


@pytest.mark.django_db
def test_a_question_that_cannot_be_answered_says_why() -> None:
    with pytest.raises(QueryError, match="cannot compare USD with EUR: a tier table has one currency"):
        tiers.report(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER, currency="EUR"))
    with pytest.raises(QueryError, match="no cost column 'Money'; possible: ListCost"):
        tiers.monthly(EVERYTHING, CostQuery(AUGUST), "Money")
