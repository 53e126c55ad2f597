"""Statements are sums: cents by largest remainder over all cost centres, and every part of a document adds up (R10, R11)."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.statement import rounded_by, rounded_to
from allocation.calc.statement_changes import Cell, effects, sentence
from allocation.calc.statement_policy import Policies, dispute_until, parse
from allocation.calc.statement_words import part_words, rule_words
from allocation.calc.statements import LINE_COLUMNS, Budget, Inputs, amounts, build, content_hash
from finops.money import MONEY, minor_digits
from finops.periods import Period

SEPTEMBER = Period.month("2026-09")
CENTRES = ["CC-100", "CC-200", "CC-300", None]
costs = st.one_of(  # half and quarter units too: ties are where an order shows
    st.integers(-(10**18), 10**18).map(lambda units: Decimal(units).scaleb(-12)),
    st.integers(-200, 200).map(lambda quarters: Decimal(quarters) * Decimal("0.0025")),
)
currencies = st.sampled_from(["USD", "JPY", "KWD"])
shares = st.dictionaries(st.sampled_from([f"CC-{n}" for n in range(40)]), costs, min_size=1)


def frame(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """LINE_COLUMNS of (cost centre, basis, team, model, tier, cost, queries)."""
    full = [
        (code, basis, team, "openai" if model else "", model, tier, Decimal(cost), queries, queries, queries * 100, 0,
         Decimal(0), 0)
        for code, basis, team, model, tier, cost, queries in rows
    ]  # fmt: skip
    columns = list(zip(*full, strict=True)) if full else [()] * len(LINE_COLUMNS)
    return pd.DataFrame(
        {
            name: pd.Series(
                list(values), dtype=pd.ArrowDtype(MONEY) if "Cost" in name[-4:] or "Estimate" in name[-8:] else object
            )
            for name, values in zip(LINE_COLUMNS, columns, strict=True)
        }
    )


def inputs(lines: pd.DataFrame, before: pd.DataFrame | None = None, **changes: Any) -> Inputs:
    empty = frame()
    given_ = Inputs(
        SEPTEMBER, "USD", lines, empty if before is None else before, {}, date(2026, 1, 1), {"CC-100": "Search"}, Policies(),
        {}, {},
    )  # fmt: skip
    return given_._replace(**changes)


rows = st.lists(
    st.tuples(
        st.sampled_from(CENTRES), st.sampled_from(["direct", "shared", "idle", "correction", "adjustment", "variance"]),
        st.sampled_from(["search", "chat", None]), st.sampled_from(["gpt-5", "gpt-5-mini", "claude", ""]),
        st.sampled_from(["simple", "complex", ""]), st.integers(-(10**15), 10**16).map(lambda n: str(Decimal(n).scaleb(-12))),
        st.integers(0, 500),
    ),
    max_size=30,
)  # fmt: skip


@given(shares, currencies)
def test_ar10_the_cents_add_up_to_the_whole_rounded_once_and_nobody_moves_by_a_unit(
    exact: dict[str, Decimal], currency: str
) -> None:
    unit = Fraction(1, 10 ** minor_digits(currency))
    charged = rounded_by(exact, currency)
    whole = Fraction(sum(exact.values(), Decimal(0)))
    assert sum(Fraction(amount) for amount in charged.values()) == round(whole / unit) * unit
    assert all(abs(Fraction(charged[code]) - Fraction(exact[code])) < unit for code in exact)


@given(shares, currencies)
def test_ar10_nothing_is_charged_nothing(exact: dict[str, Decimal], currency: str) -> None:
    charged = rounded_by(exact | {"CC-0": Decimal(0), "CC-99": Decimal(0)}, currency)
    assert charged["CC-0"] == charged["CC-99"] == 0


@given(shares, currencies, st.randoms())
def test_ar10_cents_do_not_hang_on_the_order_of_the_cost_centres(
    exact: dict[str, Decimal], currency: str, chance: Any
) -> None:
    shuffled = list(exact.items())
    chance.shuffle(shuffled)
    assert rounded_by(dict(shuffled), currency) == rounded_by(exact, currency)


@given(shares, currencies)
def test_ar10_a_credit_of_everything_is_the_charge_of_everything_negated(
    exact: dict[str, Decimal], currency: str
) -> None:
    mirrored = rounded_by({code: -cost for code, cost in exact.items()}, currency)
    assert mirrored == {code: -amount for code, amount in rounded_by(exact, currency).items()}


def test_ar10_equal_halves_of_a_cent_go_to_the_first_name_both_ways() -> None:
    half = Decimal("0.005")
    assert rounded_by({"b": half, "a": half}, "USD") == {"a": Decimal("0.01"), "b": Decimal(0)}
    assert rounded_by({"b": -half, "a": -half}, "USD") == {"a": Decimal("-0.01"), "b": Decimal(0)}


@given(st.lists(costs, min_size=1, max_size=20), currencies)
def test_parts_of_a_negative_amount_mirror_those_of_the_amount(exact: list[Decimal], currency: str) -> None:
    unit = 10 ** minor_digits(currency)
    goal = Decimal(round(Fraction(sum(exact)) * unit)).scaleb(-minor_digits(currency))
    mirrored = rounded_to([-cost for cost in exact], -goal, currency)
    assert mirrored == [-amount for amount in rounded_to(exact, goal, currency)]


@settings(max_examples=60, deadline=None)
@given(rows, rows)
def test_ar11_every_sum_in_a_document_is_the_sum_of_its_lines(now: list[Any], before: list[Any]) -> None:
    lines = frame(*now)
    made = build(inputs(lines, frame(*before)))
    whole = amounts(lines, "USD")
    exact = sum((Decimal(row[5]) for row in now), Decimal(0))
    assert sum(whole.values(), Decimal(0)) == Decimal(round(Fraction(exact) * 100)).scaleb(-2)
    assert {each.cost_centre: each.amount for each in made if each.cost_centre in whole} == {
        code: amount for code, amount in whole.items() if code is not None
    }
    for each in made:
        document = each.document
        for parts in (document["parts"], document["lines"], [*document["drivers"], document["other"]]):
            assert sum((Decimal(part["amount"]) for part in parts), Decimal(0)) == each.amount
        for part in document["parts"]:
            same = [line for line in document["lines"] if line["basis"] == part["basis"]]
            assert sum(Decimal(line["amount"]) for line in same) == Decimal(part["amount"])
        told = [Decimal(effect["amount"]) for effect in document["change"]["effects"]]
        if document["change"]["before"] is not None:
            assert sum(told, Decimal(0)) == Decimal(document["change"]["difference"])


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms())
def test_the_same_lines_in_any_order_make_the_same_documents(now: list[Any], chance: Any) -> None:
    shuffled = list(now)
    chance.shuffle(shuffled)
    assert build(inputs(frame(*now))) == build(inputs(frame(*shuffled)))


def test_more_queries_another_mix_and_a_higher_cost_per_query_explain_the_difference() -> None:
    """Before: 100 simple at 0.10 and 10 complex at 1.00 = 20.00. Now: 150 at 0.10 and 30 at 1.20 = 51.00."""
    before = [_cell("simple", "10.00", 100), _cell("complex", "10.00", 10)]
    now = [_cell("simple", "15.00", 150), _cell("complex", "36.00", 30)]
    found = effects(now, before, Decimal("31.00"), "USD")
    volume = Fraction(180 - 110) * Fraction(20, 110)  # 70 more queries at the mean of 0.1818 = 12.727
    mix = 150 * Fraction(10, 100) + 30 * Fraction(10, 10) - 180 * Fraction(20, 110)  # 45 - 32.727 = 12.273
    rate = Fraction(51) - 45  # 30 complex queries at 0.20 more
    assert [round(float(each), 2) for each in (volume, mix, rate)] == [12.73, 12.27, 6.0]
    assert found == {"volume": Decimal("12.73"), "mix": Decimal("12.27"), "rate": Decimal("6.00")}
    assert sentence(found, Decimal("31.00"), "August 2026", "USD") == (
        "Up 31.00 USD on August 2026: +12.73 more queries, +12.27 a dearer mix of models and tiers, "
        "+6.00 a higher cost per query."
    )


def test_what_the_sentence_leaves_out_stands_in_it_as_all_else() -> None:
    change = {
        "volume": Decimal("9"),
        "shared": Decimal("-4.50"),
        "rate": Decimal("3"),
        "idle": Decimal("1"),
        "mix": Decimal("-1.5"),
    }
    told = sentence(change, Decimal("7.00"), "August 2026", "USD")
    assert told == (
        "Up 7.00 USD on August 2026: +9.00 more queries, \u22124.50 shared cost, +3.00 a higher cost per query, "
        "\u22120.50 all else."
    )


def test_without_a_month_before_nothing_is_claimed() -> None:
    made = build(inputs(frame(("CC-100", "direct", None, "gpt-5", "simple", "12.34", 5))))[0]
    assert made.document["change"]["effects"] == []
    assert (
        made.document["change"]["sentence"] == "Nothing was charged in August 2026: there is nothing to compare with."
    )


def test_the_five_dearest_drivers_are_named_over_all_teams_and_the_rest_is_one() -> None:
    rows_ = [("CC-100", "direct", team, f"m{n}", "simple", f"{n}.00", 1) for n in range(1, 8) for team in ("a", "b")]
    document = build(inputs(frame(*rows_, ("CC-100", "idle", None, "", "", "9.00", 0))))[0].document
    told = [(driver["label"], driver["amount"]) for driver in document["drivers"]]
    assert told == [("m7", "14.00"), ("m6", "12.00"), ("m5", "10.00"), ("Idle capacity", "9.00"), ("m4", "8.00")]
    assert document["other"] == {"count": 3, "amount": "12.00"}  # m1, m2, m3: 2 + 4 + 6


def test_budget_and_year_stand_beside_the_amount() -> None:
    lines = frame(("CC-100", "direct", None, "gpt-5", "simple", "120.004", 5))
    made = build(
        inputs(lines, budgets={"CC-100": Budget(Decimal(100), Decimal("900.5"))}, earlier={"CC-100": Decimal("700.10")})
    )
    document = made[0].document
    assert document["budget"] == {"budget": "100.00", "variance": "-20.00"}
    assert document["year_to_date"] == {
        "from": "2026-01",
        "amount": "820.10",
        "budget": "900.50",
        "variance": "80.40",
    }


def test_the_hash_is_of_what_the_document_says() -> None:
    made = build(inputs(frame(("CC-100", "direct", None, "gpt-5", "simple", "1.00", 5))))[0]
    assert made.content_hash == content_hash(dict(reversed(made.document.items())))
    assert content_hash(made.document | {"amount": "1.01"}) != made.content_hash


def test_rules_and_pools_are_told_in_plain_words() -> None:
    when = {"tag.team": "search", "api_key": ["a*", "b"], "environment": {"not": "dev"}, "feature": {"absent": True}}
    shares = {"shares": {"CC-100": "0.70", "CC-200": "0.3"}}
    assert rule_words("r10", when, shares, "CC-100") == (
        "r10 (team is search and api key is a* or b and environment is not dev and no feature), 70 %"
    )
    proportional = {"proportional": {"driver": "gpu_time"}}
    assert rule_words("r20", {}, proportional, "CC-100") == "r20, in proportion to gpu time"
    weights = {"CC-100": "1", "CC-200": "2"}
    assert part_words("platform", weights, "CC-200", gives=False) == "platform, 66.7 % of it"
    assert part_words("platform", weights, "CC-300", gives=True) == "platform, which it passes on"


def test_showback_is_marked_for_information_and_unpriced_usage_is_said() -> None:
    lines = frame(("CC-100", "direct", None, "gpt-5", "simple", "1.00", 5))
    lines.loc[0, "x_UnpricedTokens"] = 1_200
    lines["x_UnpricedEstimate"] = pd.Series([Decimal("3.456")], dtype=pd.ArrowDtype(MONEY))
    policies = parse([{"cost_centre": "*", "kind": "showback"}])
    document = build(inputs(lines, policies=policies))[0].document
    assert document["kind"] == "showback"
    assert [note["text"] for note in document["notes"]] == [
        "For information: nothing is posted to the books.", "A draft: every figure may still change.",
        "1,200 tokens have no price yet and are in no amount; estimated at 3.46 USD.",
    ]  # fmt: skip


def test_the_dispute_window_counts_working_days_and_no_holiday() -> None:
    friday, christmas = date(2026, 10, 2), date(2026, 12, 24)
    assert dispute_until(friday, 5) == date(2026, 10, 9)
    holidays = frozenset({date(2026, 12, 25), date(2027, 1, 1)})
    assert dispute_until(christmas, 5, holidays) == date(2027, 1, 4)  # 28, 29, 30, 31 December, then Monday


def test_a_policy_holds_from_its_day_and_leaves_the_rest_to_that_of_all() -> None:
    policies = parse(
        [
            {"cost_centre": "*", "kind": "showback", "contact": "finance@example.com", "dispute_days": 7},
            {"cost_centre": "CC-100", "kind": "chargeback", "from": "2026-09-01", "email": "search@example.com"},
            {"holidays": ["2026-12-25"]},
        ]
    )
    august, september = (policies.of("CC-100", date(2026, month, 1)) for month in (8, 9))
    assert (august.kind, september.kind) == ("showback", "chargeback")
    assert september == ("chargeback", "finance@example.com", 7, ("search@example.com",), "")
    assert policies.of("CC-200", date(2026, 9, 1)).kind == "showback"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([{"kind": "showback"}], 'entry 1: needs a cost_centre, a code or "*" for all'),
        ([{"cost_centre": "CC-1", "kind": "gift"}], "CC-1: kind is 'gift', must be one of chargeback, showback"),
        ([{"cost_centre": "CC-1", "dispute_days": 0}], "CC-1: dispute_days must be from 1 to 60, not 0"),
        ([{"cost_centre": "CC-1", "email": "a b@c"}], "CC-1: email must be an address, or a list of them, not 'a b@c'"),
        ([{"cost_centre": "CC-1"}, {"cost_centre": "CC-1"}], "CC-1: two entries begin on 0001-01-01"),
        ([{"cost_centre": "CC-1", "until": 3}], "CC-1: unknown field 'until'; known are "),
        ([{"cost_centre": "CC-1", "webhook": "file:///etc"}], "CC-1: webhook must be a URL, not 'file:///etc'"),
    ],
)
def test_a_wrong_policy_names_the_entry_and_the_field(document: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        parse(document)


def _cell(tier: str, cost: str, queries: int) -> Cell:
    return Cell("direct", ("openai", "gpt-5"), tier, Decimal(cost), queries)
