"""Business metrics that costs are shared by."""

from decimal import Decimal

import pytest
import yaml

from allocation.calc.drivers import among, parse_metrics
from allocation.calc.rules import RuleError


def test_a_metric_has_one_value_for_a_cost_centre_and_month_and_none_is_carried_over() -> None:
    found = parse_metrics([{"month": "2026-09", "name": "headcount", "cost_centre": "A", "value": "42.5"}])
    assert found.values == {("headcount", "2026-09"): {"A": Decimal("42.5")}}
    assert found.names == ["headcount"]


def test_weights_are_of_those_who_share_and_nobody_weighs_less_than_nothing() -> None:
    weighed = {"A": Decimal(3), "B": Decimal(-1), "C": Decimal(2)}
    assert among(weighed, ["C", "B", "X"]) == {"B": Decimal(0), "C": Decimal(2), "X": Decimal(0)}
    assert among(weighed, None) == {"A": Decimal(3), "B": Decimal(0), "C": Decimal(2)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "a list of entries"),
        ("- {month: '2026-09', name: headcount, value: 1}", "driver 1: an entry has month, name, cost_centre, value"),
        (
            "- {month: '2026-13', name: headcount, cost_centre: A, value: 1}",
            "driver 1: month: a month is written YYYY-MM",
        ),
        ("- {month: '2026-09', name: queries, cost_centre: A, value: 1}", "counted from usage"),
        ("- {month: '2026-09', name: Head Count, cost_centre: A, value: 1}", "driver 1: name"),
        ("- {month: '2026-09', name: headcount, cost_centre: A, value: 1.5}", 'as a text, "1.5"'),
        ("- {month: '2026-09', name: headcount, cost_centre: A, value: '-1'}", "below zero"),
        ("- {month: '2026-09', name: headcount, cost_centre: A, value: NaN}", "not a value"),
        (
            "- {month: '2026-09', name: headcount, cost_centre: A, value: 1}\n"
            "- {month: '2026-09', name: headcount, cost_centre: A, value: 2}",
            "driver 2: headcount of A in 2026-09 stands there twice",
        ),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_with_its_field(text: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse_metrics(yaml.safe_load(text))
