"""Contracts: what is listed at a price costs another, and a volume's rate is one for all of its users."""

import re
from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.contracts import Contracts, blended, counts, parse
from allocation.calc.contracts_fields import AgreementError, Match, _meet

D = Decimal
DAY = date(2026, 9, 8)
GPT = {"provider": "openai", "model_served": "gpt-5-mini", "billing_account": "acme", "tags": {"team": "search"}}


def load(text: str) -> Contracts:
    return parse(yaml.safe_load(text))


def cost(contracts: Contracts, listed: str, quantity: int = 0, price_class: str = "input_uncached", **sums: Any) -> Any:
    contract = contracts.of(DAY, GPT, price_class, "USD")
    assert contract is not None
    sums = {name: D(value) for name, value in sums.items()}
    return blended(contract, sums, price_class).cost(D(listed), D(quantity))


def test_a_discount_is_a_percentage_off_the_list_price_and_a_markup_on_it() -> None:
    assert cost(load('[{code: a, provider: openai, discount: "12.5"}]'), "80") == 80 - 80 * D("0.125")
    assert cost(load('[{code: a, provider: openai, markup: "3"}]'), "80") == 80 + 80 * D("0.03")


def test_a_cost_is_rounded_half_even_once_at_twelve_decimals() -> None:
    half = load('[{code: a, discount: "50"}]')
    assert cost(half, "0.000000000001") == 0  # 0.5e-12
    assert cost(half, "0.000000000003") == D("0.000000000002")  # 1.5e-12


TIERS = """
- {code: a, provider: openai, tiers: [{over: "1000", discount: "10"}, {over: "5000", discount: "20"}], applies: %s}
"""


def test_graduated_tiers_give_every_user_the_months_blended_rate() -> None:
    # 8000 of list cost: 1000 at 100 %, 4000 at 90 %, 3000 at 80 % = 1000 + 3600 + 2400 = 7000, 87.5 % for everybody.
    assert cost(load(TIERS % "graduated"), "16", list_cost="8000") == 16 * D("0.875")
    assert cost(load(TIERS % "graduated"), "16", list_cost="1000") == 16


def test_a_whole_volume_has_the_rate_of_the_tier_it_reaches() -> None:
    assert cost(load(TIERS % "whole"), "16", list_cost="8000") == 16 * D("0.8")
    assert cost(load(TIERS % "whole"), "16", list_cost="5000") == 16 * D("0.9")  # not over 5000
    assert cost(load(TIERS % "whole"), "16", list_cost="0") == 16


def test_a_tier_of_tokens_may_have_a_price_of_its_own_and_is_about_tokens_alone() -> None:
    contracts = load('[{code: a, discount: "10", basis: tokens, tiers: [{over: "3000000", rate: "0.50"}]}]')
    # 4 million tokens: three quarters at 90 % of list, one quarter at 0.50 for a million.
    assert cost(contracts, "8", 4_000_000, tokens="4000000") == D("0.75") * D("7.2") + 1 * D("0.50")
    assert cost(contracts, "8", 2, "image", tokens="4000000") == D("7.2")


def test_an_allowance_is_free_for_everybody_pro_rata() -> None:
    contracts = load('[{code: a, free: {web_search: "1000"}}]')
    # 4000 searches, 1000 of them free: everybody pays three quarters.
    assert cost(contracts, "10", 1000, "web_search", web_search="4000") == D("7.5")
    assert cost(contracts, "10", 1000, "web_search", web_search="800") == 0
    assert cost(contracts, "10", 1000, "input_uncached", web_search="4000") == 10


def test_the_first_by_priority_then_the_one_that_names_more_holds_while_it_is_valid() -> None:
    contracts = load("""
    - {code: wide, discount: "1"}
    - {code: narrow, provider: openai, model: "gpt-5*", discount: "2", valid_to: 2026-09-08}
    - {code: narrow-later, provider: openai, model: "gpt-5*", discount: "3", valid_from: 2026-09-08}
    - {code: urgent, tag.team: legal, discount: "4", priority: 1}
    """)
    codes = {day: contracts.of(day, GPT, "request", "USD").code for day in (date(2026, 9, 7), DAY)}  # type: ignore[union-attr]
    assert codes == {date(2026, 9, 7): "narrow", DAY: "narrow-later"}
    legal = contracts.of(DAY, GPT | {"tags": {"team": "legal"}}, "request", "USD")
    assert legal is not None
    assert legal.code == "urgent"
    other = contracts.of(DAY, {"provider": "anthropic"}, "request", "USD")
    assert other is not None
    assert other.code == "wide"


def test_money_in_tiers_is_of_one_currency_and_usage_listed_in_another_is_not_meant() -> None:
    contracts = load(TIERS % "whole")
    assert contracts.of(DAY, GPT, "request", "EUR") is None
    assert load('[{code: a, discount: "1"}]').of(DAY, GPT, "request", "EUR") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "a list"),
        ("[{discount: '1'}]", "entry 1: needs a code"),
        ("[{code: a}, {code: a}]", "a: this code is used twice"),
        ("[{code: a, discount: 12.5}]", 'a: discount is a float; write it in quotes: "12.5"'),
        ("[{code: a, discount: '101'}]", "a: discount is a percentage of at most 100"),
        ("[{code: a, discount: '1', markup: '1'}]", "a: discount and markup exclude"),
        ("[{code: a, colour: red}]", "a: unknown field 'colour'"),
        ("[{code: a, valid_from: 2026-02-01, valid_to: 2026-02-01}]", "a: valid_to must be after"),
        ("[{code: a, valid_from: soon}]", "a: valid_from must be a date"),
        ("[{code: a, tiers: [{over: '5', discount: '1'}, {over: '5', discount: '2'}]}]", "a: tiers 2 must begin above"),
        ("[{code: a, tiers: [{over: '5'}]}]", "a: tiers 1 needs over and one of"),
        ("[{code: a, tiers: [{over: '5', rate: '1'}]}]", "a: tiers 1: rate is a price for tokens"),
        ("[{code: a, free: {apples: '1'}}]", "a: free must name one amount"),
        ("[{code: a, provider: []}]", "a: provider must be a text or a list"),
        ("[{code: a, provider: openai}, {code: b, model: 'gpt-*'}]", "b: may mean the same usage as a"),
        ("[{code: a, model: 'gpt-5*'}, {code: b, model: ['o3', 'gpt-?-mini']}]", "b: may mean the same usage as a"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_entry_and_the_field(text: str, said: str) -> None:
    with pytest.raises(AgreementError, match=re.escape(said)):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        "[{code: a, provider: openai}, {code: b, provider: anthropic}]",
        "[{code: a, model: 'gpt-5*'}, {code: b, model: ['gpt-4*', 'o3']}]",
        "[{code: a, valid_to: 2026-01-01}, {code: b, valid_from: 2026-01-01}]",
        "[{code: a, currency: EUR}, {code: b, currency: USD}]",
        "[{code: a, provider: openai, priority: 1}, {code: b, provider: openai}]",
    ],
)
def test_entries_that_never_mean_the_same_usage_stand_beside_each_other(text: str) -> None:
    load(text)


@given(st.text("ab?*", max_size=6), st.text("ab?*", max_size=6), st.text("ab", min_size=1, max_size=6))
def test_patterns_that_match_one_text_are_found_to_meet(one: str, two: str, text: str) -> None:
    both = [Match((("model", (pattern,)),)).holds({"model_served": text}, "") for pattern in (one, two)]
    if all(both):
        assert _meet(one, two)


def test_patterns_that_no_text_matches_both_do_not_meet() -> None:
    assert not _meet("gpt-5*", "gpt-4*")
    assert not _meet("a?", "a")
    assert _meet("gpt-[45]*", "gpt-4o")


USAGE = st.lists(
    st.tuples(st.sampled_from("xyz"), st.decimals("0", "3000", places=3), st.integers(0, 5_000_000)), min_size=1, max_size=12
)  # fmt: skip
BOOKS = st.sampled_from(
    [
        TIERS % "graduated", TIERS % "whole",
        '[{code: a, free: {list_cost: "700"}, discount: "7"}]',
        '[{code: a, basis: tokens, tiers: [{over: "2000000", rate: "0.7"}, {over: "9000000", markup: "2"}], '
        'free: {tokens: "100000"}}]',
    ]
)  # fmt: skip


@given(BOOKS, USAGE, st.randoms(use_true_random=False))
def test_in_whatever_order_and_parts_usage_comes_every_user_is_charged_the_same(
    book: str, usage: Any, random: Any
) -> None:
    contracts = load(book)
    contract = contracts.contracts[0]

    def charged(rows: list[tuple[str, Decimal, int]]) -> dict[Any, Decimal]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for _, listed, tokens in rows:  # as each day notes what it adds
            for basis in contract.bases():
                sums[basis] += counts(basis, "input_uncached", D(tokens), listed) or 0
        of = blended(contract, sums, "input_uncached")
        return {row: of.cost(row[1], D(row[2])) for row in rows}

    shuffled = list(usage)
    random.shuffle(shuffled)
    assert charged(shuffled) == charged(usage)


@given(BOOKS, USAGE)
def test_no_discount_costs_more_than_the_list_price_nor_less_than_nothing(book: str, usage: Any) -> None:
    contract = load(book).contracts[0]
    sums = {"list_cost": sum(row[1] for row in usage), "tokens": D(sum(row[2] for row in usage))}
    found = blended(contract, sums, "input_uncached")
    assert 0 <= found.paid <= 1
    assert 0 <= found.factor <= Fraction(51, 50)


@given(USAGE)
def test_the_blended_rate_costs_the_month_what_its_tiers_cost(usage: Any) -> None:
    contract = load(TIERS % "graduated").contracts[0]
    total = sum(Fraction(row[1]) for row in usage)
    by_hand = sum(
        max(min(total, Fraction(end)) - start, 0) * factor
        for start, end, factor in ((0, 1000, Fraction(1)), (1000, 5000, Fraction(9, 10)), (5000, 10**9, Fraction(4, 5)))
    )
    assert total * blended(contract, {"list_cost": sum(row[1] for row in usage)}, "output_visible").factor == by_hand
