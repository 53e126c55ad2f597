"""Gates against their limits, and what waivers hold for."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.close_policy import DEFAULT, PolicyError, parse
from allocation.calc.gates import GATES, Measured, Waived, holding, judged, kept, read, share

RULES: Any = DEFAULT.rules
amounts = st.decimals(0, 10, places=6)


def waived(gate: str, value: str) -> Waived:
    return Waived(gate, Decimal(value), "because", "ann", "bob")


def one(code: str, value: Any, *waivers: Waived, lacks: bool = False) -> Any:
    (gate,) = judged({code: Measured(Decimal(value), "told", lacks)}, RULES, waivers)
    return gate


def test_a_share_at_its_limit_passes_and_one_above_does_not() -> None:
    assert one("unpriced", "0.001").ok  # 0.1 %
    assert not one("unpriced", "0.001000001").ok
    assert one("unallocated", "0.05").ok
    assert one("unexplained", "0.005").ok
    assert not one("coverage", "1").passes
    assert not one("reconciled", "0", lacks=True).passes  # never reconciled


@given(amounts, amounts)
def test_a_waiver_holds_up_to_its_value_and_for_its_gate_alone(value: Decimal, given_for: Decimal) -> None:
    gate = one("unallocated", value, waived("unallocated", str(given_for)), waived("unpriced", "10"))
    assert gate.passes == (value <= Decimal("0.05") or value <= given_for)
    assert (gate.waived is not None) == (not gate.ok and value <= given_for)


def test_what_cannot_be_waived_is_not() -> None:
    assert not one("ended", "3", waived("ended", "31")).passes
    assert not one("recomputed", "3", waived("recomputed", "31")).passes


def test_a_gate_holds_from_its_first_step_on() -> None:
    gates = judged({gate.code: Measured(Decimal(99)) for gate in GATES}, RULES, ())
    held = {to: {gate.code for gate in holding(gates, to)} for to in ("preliminary", "soft_closed", "closed")}
    assert held["preliminary"] == {"ended", "earlier", "coverage", "freshness", "recomputed", "verified"}
    assert held["soft_closed"] - held["preliminary"] == {"rates", "unpriced", "unallocated", "unexplained", "approvals"}
    assert held["closed"] - held["soft_closed"] == {"disputes"}  # 99 is within what may lack an owner


def test_what_a_month_passed_is_read_as_it_was_kept() -> None:
    passed = [
        one("unpriced", "0.002", waived("unpriced", "0.0025")),
        one("disputes", "1", lacks=True),
        one("rates", "0"),
    ]
    assert read(json.loads(json.dumps(kept(passed)))) == passed


def test_shares_are_of_what_is_there() -> None:
    assert share(Decimal(1), Decimal(4)) == Decimal("0.25")
    assert share(Decimal(-1), Decimal(4)) == Decimal("0.25")
    assert share(Decimal(0), Decimal(0)) == 0
    assert share(Decimal(1), Decimal(0)) == 1  # a part of nothing is no small thing


def test_a_policy_changes_what_it_names_only() -> None:
    found = parse(
        [
            {"gate": "unpriced", "limit": "0.01", "from": "closed"},
            {"gate": "freshness", "from": "never"},
            {"holidays": ["2026-12-25"]},
            {"task": "invoices", "due": 5, "owner": "ann"},
            {"task": "tea", "title": "Tea", "owner": "bob", "due": 1},
            {"task": "rates", "drop": True},
        ]
    )
    assert found.rules["unpriced"] == ("closed", Decimal("0.01"))
    assert {code for code in found.rules if found.rules[code] != DEFAULT.rules[code]} == {"unpriced", "freshness"}
    assert [str(day) for day in found.holidays] == ["2026-12-25"]
    tasks = {task.code: task for task in found.tasks}
    assert (tasks["invoices"].due, tasks["invoices"].owner, tasks["invoices"].link) == (
        5,
        "ann",
        "/reconciliation/invoices/",
    )
    assert "tea" in tasks
    assert "rates" not in tasks
    never = judged({"freshness": Measured(Decimal(9))}, found.rules, ())  # type: ignore[arg-type]
    assert never == []
    assert parse([]) == DEFAULT


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"gate": "colour"}, "entry 1: gate 'colour' is not known; possible: ended"),
        ({"gate": "unpriced", "limit": "much"}, "entry 1: limit"),
        ({"gate": "unpriced", "limit": "NaN"}, "entry 1: limit"),
        ({"gate": "unpriced", "limit": -1}, "entry 1: limit"),
        ({"gate": "unpriced", "from": "open"}, "entry 1: from 'open' is not known"),
        ({"gate": "unpriced", "to": 1}, "entry 1: to is not known here"),
        ({"holidays": ["25 December"]}, "entry 1: holidays: a day is written 2026-12-25"),
        ({"holidays": "2026-12-25"}, "entry 1: holidays: a list"),
        ({"task": "tea"}, "entry 1: title"),
        ({"task": "tea", "title": "Tea", "owner": "bob", "due": 0}, "entry 1: due"),
        ({"task": "tea", "title": "Tea", "owner": "bob", "due": 1, "link": "//evil.example"}, "entry 1: link"),
        ({"task": "tea", "drop": True}, "entry 1: task 'tea' is not known"),
        ({"x": 1}, "entry 1: one of gate, holidays, task"),
        ("x", "entry 1: not a mapping"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_by_entry_and_field(entry: Any, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        parse([entry])
    with pytest.raises(PolicyError, match="is a list"):
        parse({"gate": "unpriced"})
