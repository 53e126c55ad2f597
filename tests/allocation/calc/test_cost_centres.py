"""The tree of cost centres: dated entries, no cycles, and children that sum to their parents."""

from datetime import date
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.cost_centres import on, parse_centres, sums
from allocation.calc.rules import RuleError

TREE = """
- {code: CC-1, name: Products, gl_account: "640100", legal_entity: ACME GmbH, currency: EUR}
- {code: CC-100, parent: CC-1, charging: showback, to: 2026-10-01}
- {code: CC-100, parent: CC-2, charging: chargeback, from: 2026-10-01}
- {code: CC-2}
"""


def test_a_cost_centre_moves_to_another_parent_on_a_day() -> None:
    centres = parse_centres(yaml.safe_load(TREE))
    assert [on(centres, day)["CC-100"].parent for day in (date(2026, 9, 30), date(2026, 10, 1))] == ["CC-1", "CC-2"]
    assert on(centres, date(2026, 9, 30))["CC-100"].charging_on(date(2026, 9, 30)) == "showback"
    first = on(centres, date(2026, 9, 30))["CC-1"]
    assert (first.gl_account, first.legal_entity, first.currency) == ("640100", "ACME GmbH", "EUR")


def test_charging_changes_on_its_own_days_and_before_the_first_it_is_for_information() -> None:
    text = "- {code: A, charging: {showback: 2026-01-01, chargeback: 2026-10-01}}"
    centre = parse_centres(yaml.safe_load(text))[0]
    assert [centre.charging_on(date(*day)) for day in ((2025, 12, 31), (2026, 9, 30), (2026, 10, 1))] == [
        "showback", "showback", "chargeback",
    ]  # fmt: skip


@given(st.lists(st.integers(-1, 8), min_size=1, max_size=9), st.data())
def test_ar11_children_sum_to_their_parent(parents: list[int], data: st.DataObject) -> None:
    above = {f"C{n}": f"C{parent}" if 0 <= parent < n else "" for n, parent in enumerate(parents)}
    own = {code: data.draw(st.decimals(-(10**6), 10**6, places=12)) for code in above}
    found = sums(lambda code: above[code], own)
    for code, amount in found.items():
        assert amount == own[code] + sum((found[child] for child in above if above[child] == code), Decimal(0))
    assert sum(found[code] for code in above if not above[code]) == sum(own.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "list of cost centres"),
        ("- {name: x}", "cost centre 1: needs a code"),
        ("- {code: A, parent: B}", "A: parent: there is no cost centre B"),
        ("- {code: A, parent: A}", "A: parent: a cycle: A > A"),
        ("- {code: A, parent: B}\n- {code: B, parent: C}\n- {code: C, parent: A}", "A: parent: a cycle: A > B > C > A"),
        (
            "- {code: A}\n- {code: B, parent: A}\n- {code: A, parent: B, from: 2026-01-01}",
            "A: two entries hold on 2026-01-01",
        ),
        (
            "- {code: A, to: 2026-01-01}\n- {code: B, parent: A}\n- {code: A, parent: B, from: 2026-01-01}",
            "A: parent: a cycle on 2026-01-01: A > B > A",
        ),
        ("- {code: A, to: 2026-01-01}\n- {code: B, parent: A}", "B: parent: there is no cost centre A on 2026-01-01"),
        ("- {code: A, currency: euro}", "A: currency"),
        ("- {code: A, charging: free}", "A: charging"),
        ("- {code: A, colour: red}", "A: unknown field colour"),
        ("- {code: A, from: 2026-02-01, to: 2026-01-01}", "A: to must be after from"),
    ],
)
def test_a_tree_that_cannot_be_used_is_named_with_its_field(text: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse_centres(yaml.safe_load(text))
