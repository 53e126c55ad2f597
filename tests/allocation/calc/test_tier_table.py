"""The tier table: factors of cost per query whose product is its net change, exactly."""

from decimal import Decimal
from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.tier_levels import Count, Usage
from allocation.calc.tier_table import FACTORS, Evidence, Row, Table, lines, roi_signal, tier_table

JULY, AUGUST = "2026-07", "2026-08"


def usage(period: str, tier: str, of: dict[str, tuple[int, str]], *, estimated: bool = False) -> list[Usage]:
    """Class -> tokens and price of a million."""
    return [
        Usage(period, tier, estimated, name, Decimal(tokens), Decimal(tokens) * Decimal(price) / 1_000_000)
        for name, (tokens, price) in of.items()
    ]


def row(table: Table, tier: str) -> Row:
    return next(each for each in table.rows if each.tier == tier)


def planted() -> tuple[list[Usage], list[Count]]:
    """simple: 1,000 queries of 1 call; only the price falls to a tenth: x0.10.

    complex: 1,000 queries of 2 calls and 100,000 tokens at $10 a million; then 500 queries of 4 calls (x2), 100,000 tokens
    besides 2.1 million of reasoning (x22), at $1 (x0.1), so that each call holds as many (50) as it did: x4.4 in all.
    """
    rows = [
        *usage(JULY, "simple", {"input_uncached": (800_000, "1"), "output_visible": (200_000, "5")}),
        *usage(AUGUST, "simple", {"input_uncached": (1_600_000, "0.1"), "output_visible": (400_000, "0.5")}),
        *usage(JULY, "complex", {"output_visible": (100_000, "10")}),
        *usage(AUGUST, "complex", {"output_visible": (100_000, "1"), "output_reasoning": (2_100_000, "1")}),
    ]
    counts = [
        Count(JULY, "simple", False, 1_000, 1_000), Count(AUGUST, "simple", False, 2_000, 2_000),
        Count(JULY, "complex", False, 1_000, 2_000), Count(AUGUST, "complex", False, 500, 2_000),
    ]  # fmt: skip
    return rows, counts


def test_planted_factors_come_out_and_multiply_to_the_net_change() -> None:
    table = tier_table(*planted(), JULY, AUGUST)
    expected = {
        "simple": {"reasoning": 1, "calls_per_query": 1, "tokens_per_call": 1, "price": 0.1},
        "complex": {"reasoning": 22, "calls_per_query": 2, "tokens_per_call": 1, "price": 0.1},
    }
    for tier, net in (("simple", 0.10), ("complex", 4.4)):
        found = row(table, tier)
        assert found.factors is not None
        assert {name: float(value) for name, value in found.factors.items()} == pytest.approx(expected[tier], abs=1e-9)
        assert float(found.net or 0) == pytest.approx(net, abs=1e-9)
        assert found.net == prod(found.factors.values(), start=Fraction(1))


def test_cost_per_query_before_and_after_is_the_net_change() -> None:
    """simple: 1.80 / 1,000 then 0.36 / 2,000; complex: 1.00 / 1,000 then 2.20 / 500. 2.20 of 2.56 is complex."""
    table = tier_table(*planted(), JULY, AUGUST)
    assert [each.tier for each in table.rows] == ["simple", "complex"]
    simple, hard = table.rows
    assert (simple.base.cost_per_query, simple.chosen.cost_per_query) == (Fraction(18, 10_000), Fraction(18, 100_000))
    assert (hard.base.cost_per_query, hard.chosen.cost_per_query) == (Fraction(1, 1_000), Fraction(44, 10_000))
    assert (hard.spend_share, hard.query_share) == (Fraction(220, 256), Fraction(1, 5))


_amount = st.integers(1, 10**9)
_classes = ("input_uncached", "cache_read", "output_visible", "output_reasoning")


@st.composite
def _period(draw: st.DrawFn, period: str) -> tuple[list[Usage], Count]:
    names = draw(st.sets(st.sampled_from(_classes), max_size=4)) | {"output_visible"}
    rows = [
        Usage(period, "complex", False, name, Decimal(draw(_amount)), Decimal(draw(_amount)) / 1_000_000)
        for name in sorted(names)
    ]
    return rows, Count(period, "complex", False, draw(st.integers(30, 999)), draw(_amount))


@given(_period(JULY), _period(AUGUST))
def test_the_product_of_the_factors_is_the_net_change_whatever_the_usage(
    old: tuple[list[Usage], Count], new: tuple[list[Usage], Count]
) -> None:
    found = row(tier_table([*old[0], *new[0]], [old[1], new[1]], JULY, AUGUST), "complex")
    assert (found.status, set(found.factors or ())) == ("compared", set(FACTORS))
    before, after = (
        sum((Fraction(each.spend) for each in rows), Fraction(0)) / count.queries for rows, count in (old, new)
    )
    assert found.net == after / before == prod((found.factors or {}).values(), start=Fraction(1))


def test_more_reasoning_at_a_dear_price_is_no_rise_of_the_price() -> None:
    """Input $1, output $10: 900 + 100 + 0 tokens = 0.0019; with 190 of reasoning 0.0038, so x2 is reasoning's alone."""
    rows = [
        *usage(JULY, "moderate", {"input_uncached": (900, "1"), "output_visible": (100, "10")}),
        *usage(AUGUST, "moderate", {"input_uncached": (900, "1"), "output_visible": (100, "10")}),
        *usage(AUGUST, "moderate", {"output_reasoning": (190, "10")}),
    ]
    counts = [Count(month, "moderate", False, 30, 30) for month in (JULY, AUGUST)]
    found = row(tier_table(rows, counts, JULY, AUGUST), "moderate")
    assert found.factors == {"reasoning": 2, "calls_per_query": 1, "tokens_per_call": 1, "price": 1}


def test_a_class_that_the_base_lacks_has_the_price_change_of_the_others() -> None:
    """Visible output falls from $10 to $5; reasoning, new, costs $5: its work counts at $10 and the price factor is 1/2."""
    rows = [
        *usage(JULY, "moderate", {"output_visible": (100, "10")}),
        *usage(AUGUST, "moderate", {"output_visible": (100, "5"), "output_reasoning": (300, "5")}),
    ]
    counts = [Count(month, "moderate", False, 30, 30) for month in (JULY, AUGUST)]
    found = row(tier_table(rows, counts, JULY, AUGUST), "moderate")
    assert found.factors == {
        "reasoning": 4,
        "calls_per_query": 1,
        "tokens_per_call": 1,
        "price": Fraction(1, 2),
    }


def test_a_new_a_stopped_and_a_rare_tier_are_said_so_and_have_no_factor() -> None:
    rows, counts = planted()
    rows += usage(AUGUST, "research", {"output_visible": (10, "1")}) + usage(JULY, "moderate", {"page": (10, "1")})
    rows += usage(JULY, "odd", {"output_visible": (10, "1")}) + usage(AUGUST, "odd", {"output_visible": (10, "1")})
    counts += [Count(AUGUST, "research", False, 99, 99), Count(JULY, "moderate", False, 99, 99)]
    counts += [Count(JULY, "odd", False, 29, 29), Count(AUGUST, "odd", False, 99, 99)]
    table = tier_table(rows, counts, JULY, AUGUST)
    found = {each.tier: (each.status, each.factors, each.net) for each in table.rows if each.status != "compared"}
    assert found == {
        "moderate": ("stopped", None, None), "research": ("new", None, None), "odd": ("too_few", None, None)
    }  # fmt: skip
    assert [each.tier for each in table.rows] == ["simple", "moderate", "complex", "research", "odd"]
    assert row(table, "odd").why == "29 and 99 queries, 30 needed of each"
    assert table.mix is not None
    assert (table.mix.mix, table.mix.within) == (None, None)
    assert table.why == "not in both periods: moderate, research; under 30 queries: odd"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"output_visible": (100, "0")}, "no cost in the base period"),
        ({"output_reasoning": (100, "1")}, "no usage with a price but reasoning in the base period"),
    ],
)
def test_what_cannot_be_compared_says_why(changed: dict[str, tuple[int, str]], why: str) -> None:
    rows = [*usage(JULY, "simple", changed), *usage(AUGUST, "simple", {"output_visible": (100, "1")})]
    counts = [Count(month, "simple", False, 30, 30) for month in (JULY, AUGUST)]
    found = row(tier_table(rows, counts, JULY, AUGUST), "simple")
    assert (found.status, found.why, found.factors) == ("not_comparable", why, None)


def test_calls_that_are_not_counted_give_no_factor() -> None:
    rows = [*usage(JULY, "simple", {"page": (9, "1")}), *usage(AUGUST, "simple", {"page": (9, "1")})]
    counts = [Count(JULY, "simple", False, 30, 0), Count(AUGUST, "simple", False, 30, 30)]
    assert row(tier_table(rows, counts, JULY, AUGUST), "simple").why == "no calls in the base period"


def test_money_of_estimated_tiers_stands_apart_and_moves_no_factor() -> None:
    """2.56 of known tiers and 1.44 of an estimated one: shares 2.20 / 4, 0.36 / 4 and 1.44 / 4."""
    rows, counts = planted()
    known = tier_table(rows, counts, JULY, AUGUST)
    rows.append(Usage(AUGUST, "simple", True, "output_visible", Decimal(9), Decimal("1.44")))
    counts.append(Count(AUGUST, "simple", True, 7, 7))
    table = tier_table(rows, counts, JULY, AUGUST)
    assert [(each.factors, each.chosen.spend, each.chosen.queries) for each in table.rows] == [
        (each.factors, each.chosen.spend, each.chosen.queries) for each in known.rows
    ]
    simple, hard = table.rows
    assert (simple.chosen.estimated_spend, simple.chosen.estimated_queries) == (Decimal("1.44"), 7)
    assert (simple.spend_share, simple.estimated_share, hard.spend_share) == (
        Fraction(36, 400), Fraction(144, 400), Fraction(220, 400),
    )  # fmt: skip


def test_a_tier_of_estimates_alone_has_no_cost_per_query() -> None:
    table = tier_table(
        [Usage(AUGUST, "simple", True, "x", Decimal(1), Decimal(2))],
        [Count(AUGUST, "simple", True, 50, 50)],
        JULY,
        AUGUST,
    )
    assert (table.rows[0].status, table.rows[0].chosen.cost_per_query) == ("none", None)
    assert (table.rows[0].estimated_share, table.rows[0].query_share) == (Fraction(1), None)


def test_all_tiers_together_change_by_mix_and_within_tiers() -> None:
    """Before 2.80 / 2,000; the mix of August at July's costs: (2,000 x 0.0018 + 500 x 0.001) / 2,500; now 2.56 / 2,500."""
    mix = tier_table(*planted(), JULY, AUGUST).mix
    assert mix is not None
    before, mixed, now = Fraction("0.0014"), Fraction("0.00164"), Fraction("0.001024")
    assert mix == (now / before, mixed / before, now / mixed)


def test_without_evidence_and_below_the_minimum_sample_nothing_is_claimed() -> None:
    half = Fraction(1, 2)
    assert roi_signal(None) == roi_signal(Evidence(half, half, 29)) == "no_evidence"
    assert roi_signal(Evidence(half, half, 30)) == "positive"
    assert roi_signal(Evidence(-half, -half, 30)) == "negative"
    assert roi_signal(Evidence(-half, half, 30)) == roi_signal(Evidence(0, half, 30)) == "marginal"
    table = tier_table(*planted(), JULY, AUGUST, {"complex": Evidence(-half, -half, 99)})
    assert [each.roi for each in table.rows] == ["no_evidence", "negative"]


def test_monthly_lines_have_a_gap_where_a_tier_has_no_query() -> None:
    rows, counts = planted()
    counts.append(Count("2026-09", "simple", False, 10, 10))
    rows.append(Usage("2026-09", "simple", False, "output_visible", Decimal(1), Decimal("0.5")))
    found = lines(rows, counts)
    assert [(point.month, point.cost_per_query) for point in found["complex"]] == [
        (JULY, Fraction(1, 1_000)), (AUGUST, Fraction(44, 10_000)), ("2026-09", None),
    ]  # fmt: skip
    assert found["simple"][2][2:5] == (Fraction(1, 20), Decimal("0.5"), 10)


def test_a_period_that_nobody_asked_for_changes_nothing() -> None:
    rows, counts = planted()
    table = tier_table(rows, counts, JULY, AUGUST)
    more = [*rows, *usage("2026-01", "research", {"page": (1, "1")})]
    assert tier_table(more, counts, JULY, AUGUST) == table
