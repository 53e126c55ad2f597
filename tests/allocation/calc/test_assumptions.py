"""The assumption register: what an entry has to say, what is refused and how, and what differs between two."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.assumptions import GRADES, Register, difference, in_words, parse
from allocation.calc.contracts_fields import AgreementError
from finops.documents import read_yaml

SHIPPED = Path(__file__).parents[3] / "allocation" / "assumptions.yaml"
ENTRY = {
    "code": "price", "name": "Price", "group": "g", "unit": "USD", "low": "1", "base": "2.5", "high": "4",
    "source": "a page", "as_of": "2026-09-01", "grade": "measured", "owner": "finance",
}  # fmt: skip


def entry(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ENTRY, **changes}.items() if value is not None}


def test_an_entry_has_a_range_and_where_it_is_from() -> None:
    one = parse([entry()]).get("price")
    assert (one.low, one.base, one.high) == (Decimal(1), Decimal("2.5"), Decimal(4))
    assert (one.source, one.as_of, one.grade, one.owner) == ("a page", date(2026, 9, 1), "measured", "finance")
    assert in_words(one) == "2.5 (1 to 4) USD"


def test_without_a_range_the_base_is_all_there_is() -> None:
    one = parse([entry(low=None, high=None)]).get("price")
    assert (one.low, one.high, one.ranged) == (one.base, one.base, False)
    assert in_words(one) == "2.5 USD"


def test_a_choice_and_a_date_are_read_as_such() -> None:
    choice = entry(unit="choice", choices=["ttc", "calls"], base="calls", low=None, high=None)
    assert parse([choice]).get("price").base == "calls"
    day = entry(unit="date", low="2027-01-01", base=date(2027, 9, 1), high="2028-06-01")
    assert parse([day]).get("price").base == date(2027, 9, 1)


def test_the_dear_end_is_the_high_one_unless_it_is_said() -> None:
    one, other = parse([entry()]).get("price"), parse([entry(dearer="low")]).get("price")
    assert (one.optimistic, one.squeeze) == (1, 4)
    assert (other.optimistic, other.squeeze) == (4, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base": 2.5}, 'price: base is a float; write it in quotes: "2.5"'),
        ({"base": "5"}, "price: base must lie from low to high, and 5 is not from 1 to 4"),
        ({"high": None}, "price: high is missing: low and high go together"),
        ({"base": None}, "price: base must be a number in quotes"),
        ({"low": "-1"}, "price: low must be at least 0"),
        ({"base": "NaN"}, "price: base must be a number"),
        ({"base": "1e300"}, "price: base must be at least 0, below"),
        ({"unit": "share"}, "price: base is a share, from 0 to 1, not 2.5"),
        ({"unit": "share/year", "low": "-1"}, "price: low is a change of a year above -1"),
        ({"unit": ""}, "price: unit must be a text of 1 to 40"),
        ({"source": None}, "price: source must be a text"),
        ({"as_of": None}, "price: as_of is missing"),
        ({"as_of": "soon"}, "price: as_of must be a date YYYY-MM-DD"),
        ({"grade": "gold"}, "price: grade is 'gold', must be one of measured, published"),
        ({"grade": None}, "price: grade must be a text"),
        ({"owner": None}, "price: owner must be a text"),
        ({"dearer": "left"}, "price: dearer is 'left'"),
        ({"choices": ["a"]}, "price: choices are for the unit choice, not USD"),
        ({"unit": "choice", "choices": [], "low": None, "high": None}, "price: choices must be a list of words"),
        ({"unit": "choice", "choices": ["a", "a"], "low": None, "high": None}, "price: choices names one of them twice"),
        ({"unit": "choice", "choices": ["a"], "base": "b", "low": None, "high": None}, "price: base is 'b', must be one of a"),
        ({"unit": "choice", "choices": ["a"], "base": "a"}, "price: low is for numbers and dates"),
        ({"code": "Price!"}, "Price!: code is of small letters"),
        ({"code": None}, "entry 1: needs a code"),
        ({"colour": "red"}, "price: unknown field 'colour'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_entry_and_field(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(AgreementError) as refused:
        parse([entry(**changes)])
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize("document", [None, {}, "x", [1], [entry(), entry()]])
def test_a_document_is_a_list_of_entries_with_codes_of_their_own(document: Any) -> None:
    with pytest.raises(AgreementError):
        parse(document)


def test_what_one_register_leaves_out_it_takes_from_the_other() -> None:
    over = parse([entry(base="3")]).over(parse([entry(), entry(code="other")]))
    assert (over.number("price"), over.number("other")) == (Decimal(3), Decimal("2.5"))


def test_a_code_that_is_not_there_or_no_number_is_told() -> None:
    with pytest.raises(AgreementError, match="nothing: is not in the assumption register"):
        Register().number("nothing")
    register = parse([entry(unit="date", low=None, high=None, base="2027-01-01")])
    with pytest.raises(AgreementError, match="price: is a date, not a number"):
        register.number("price")


def test_a_difference_names_code_and_field() -> None:
    before, after = parse([entry(), entry(code="gone")]), parse([entry(base="3"), entry(code="new")])
    found = [(one.code, one.field, one.before, one.after) for one in difference(before, after)]
    assert found == [
        ("price", "base", "2.5", "3"), ("gone", "", "2.5 (1 to 4) USD", ""), ("new", "", "", "2.5 (1 to 4) USD"),
    ]  # fmt: skip
    assert difference(before, before) == []


@given(st.lists(st.decimals(0, 10**9, places=6), min_size=3, max_size=3).map(sorted))
def test_any_ordered_range_is_kept_exactly(values: list[Decimal]) -> None:
    low, base, high = (f"{value:f}" for value in values)
    one = parse([entry(low=low, base=base, high=high)]).get("price")
    assert [one.low, one.base, one.high] == values


def test_the_shipped_register_says_of_every_figure_where_it_is_from() -> None:
    register = parse(read_yaml(SHIPPED.read_text(encoding="utf-8")))
    assert len(register.entries) > 100
    assert all(len(one.source) > 3 and one.owner and one.grade in GRADES for one in register.entries.values())
    assert {one.group for one in register.entries.values()} >= {"tiers", "macro", "techniques", "evidence", "prices"}


@pytest.mark.parametrize(
    ("code", "low", "base", "high"),
    [
        ("ttc_multiplier.simple", "1", "1", "1"), ("ttc_multiplier.moderate", "1.5", "3", "5"),
        ("ttc_multiplier.complex", "5", "10", "50"), ("ttc_multiplier.research", "15", "30", "100"),
        ("calls_per_task.simple", "1", "1", "2"), ("calls_per_task.moderate", "1", "2", "5"),
        ("calls_per_task.complex", "7", "29", "108"), ("calls_per_task.research", "30", "60", "250"),
        ("debate_overhead.moderate", "1", "1.25", "1.5"), ("debate_overhead.complex", "1.5", "2", "2.5"),
        ("debate_overhead.research", "4", "8", "15"), ("token_price_change_same_sku", "-0.25", "0", "0.2"),
        ("token_price_change_frontier", "-0.5", "-0.2", "1"), ("token_price_fall_fixed_quality", "3", "10", "40"),
        ("gpu_price_change_until_relief", "-0.15", "0.1", "0.4"), ("gpu_price_change_after_relief", "-0.35", "-0.2", "-0.05"),
        ("accelerator_supply_growth", "1.5", "2.5", "3"), ("token_demand_growth", "2", "4", "10"),
        ("reasoning_token_share", "0.5", "0.6", "0.85"), ("prompt_token_growth", "1.2", "2", "4"),
        ("cached_input_share", "0.1", "0.35", "0.6"), ("self_host_utilisation", "0.15", "0.4", "0.7"),
    ],
)  # fmt: skip
def test_the_shipped_parameters_are_those_that_were_found(code: str, low: str, base: str, high: str) -> None:
    one = parse(read_yaml(SHIPPED.read_text(encoding="utf-8"))).get(code)
    assert (one.low, one.base, one.high) == (Decimal(low), Decimal(base), Decimal(high))
