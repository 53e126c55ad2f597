"""Other rules over a day that is allocated: only what moves is written, and it is as if all of it had been."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext

from allocation import rule_changes
from allocation.derived import allocate_days, refresh
from allocation.models import AllocatedCost, AllocatedDay, Charge, CostCentre, CostDaily
from ingest.services import Import, ingest_file
from tests.allocation.attribution.test_splits import sound
from tests.records import payload, write_lines
from tests.state import dump
from tests.web.ledger import by_class

pytestmark = pytest.mark.usefixtures("ledger")
DAY = date(2026, 9, 8)
TEAMS, KEYS = ("search", "chat", "platform", "risk"), ("key-a", "key-b", "key-c", "key-d", "key-e")
SHARES = [
    "SELECT c.id, a.part, r.rule, o.code, t.code, a.quantity, a.list_cost, a.contracted_cost, a.effective_cost, a.billed_cost "
    "FROM allocated_cost a JOIN charge c ON c.id = a.charge_id LEFT JOIN allocation_allocationrule r ON r.id = a.rule_id "
    "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id LEFT JOIN allocation_team t ON t.id = a.team_id ORDER BY 1, 2",
    "SELECT d.charge_date, o.code, t.code, d.provider, d.model, d.tier, d.tier_estimated, d.environment, d.feature, "
    "d.provenance, d.billing_currency, d.basis, d.corrects_date, d.list_cost, d.contracted_cost, d.effective_cost, "
    "d.billed_cost, d.unpriced_estimate, d.requests, d.queries, d.tokens, d.unpriced_tokens, d.bill_priced_tokens "
    "FROM cost_daily d LEFT JOIN allocation_costcentre o ON o.id = d.cost_centre_id "
    "LEFT JOIN allocation_team t ON t.id = d.team_id ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13",
    "SELECT d.charge_date, o.code, t.code, d.provider, d.model, d.tier, d.tier_estimated, d.environment, d.feature, "
    "d.provenance, d.billing_currency, d.basis, d.charge_category, d.price_class, d.service, d.told, d.original_currency, "
    "d.fx_rate, d.quantity, d.priced_quantity, d.list_cost, d.contracted_cost, d.effective_cost, d.billed_cost "
    "FROM class_daily d LEFT JOIN allocation_costcentre o ON o.id = d.cost_centre_id "
    "LEFT JOIN allocation_team t ON t.id = d.team_id ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18",
]  # fmt: skip


@pytest.fixture
def calls(ledger: None, tmp_path: Path) -> None:
    """Queries of one to three calls, some of them by two keys, some unpriced, a charge that is declared somebody's."""
    rows = []
    for number in range(60):
        some = random.Random(number)
        for call in range(some.choice((1, 1, 3))):
            team, key = some.choice(TEAMS), some.choice(KEYS)
            given = {"output": some.choice((10, 700, 5000)), "trace": f"trace-{number}" if number % 3 else None}
            given["model"] = "nobody-prices-this" if number % 10 == 0 else "gpt-5"
            rows.append(
                payload(f"{number}-{call}", team=team, key=key, at=f"2026-09-08T13:{number:02}:0{call}.0Z", **given)
            )
    ingest_file(Import(write_lines(tmp_path / "calls.jsonl", rows), "litellm"))
    refresh()
    owned = Charge.objects.order_by("id").first()
    assert owned is not None
    Charge.objects.filter(pk=owned.pk).update(owner=CostCentre.objects.create(code="CC-1"))


def some_rules(some: random.Random, count: int) -> list[dict[str, Any]]:
    """Rules by team and key; to one, by fixed shares, or by the queries of others."""
    found = []
    for number in range(count):
        when: dict[str, Any] = (
            {"tag.team": some.choice(TEAMS)} if some.random() < 0.5 else {"api_key": some.choice(KEYS)}
        )
        first, second = some.sample(["CC-1", "CC-2", "CC-3"], 2)
        to = some.choice(
            [
                {"cost_centre": first}, {"cost_centre": first, "team": "t"}, {"shares": {first: "0.7", second: "0.3"}},
                {"proportional": {"driver": "queries", "over": [first, second]}},
            ]
        )  # fmt: skip
        found.append({"id": f"r{number}", "priority": number, "when": when, "to": to})
    return found


def stored() -> list[Any]:
    """What a day's allocation is: shares, what pages read, and the distribution of cost per query."""
    found: list[Any] = []
    with connection.cursor() as cursor:
        for query in SHARES:
            cursor.execute(query)
            found.append(cursor.fetchall())
    return [*found, dump()["queries"]]


@pytest.mark.parametrize("seed", range(3))
def test_any_change_of_rules_leaves_what_allocating_all_of_the_day_leaves(calls: None, seed: int) -> None:
    some = random.Random(seed)
    rules = some_rules(some, 6)
    rule_changes.load(rules, actor="test")
    for _ in range(6):
        at = some.randrange(len(rules))
        rules = [*rules[:at], some_rules(some, at + 1)[-1], *rules[at + 1 :]]
        rule_changes.load(rules, actor="test")
        moved = stored()
        AllocatedDay.objects.all().delete()
        allocate_days([DAY])
        assert stored() == moved
        by_class()
        assert stored() == moved, "made of the stored shares, as after an upgrade, it is the same"
    sound()


def shares() -> dict[Any, str]:
    """Cost centre of each row of allocated_cost, by where the row lies and who wrote it: another for each row written."""
    rows = AllocatedCost.objects.annotate(row=RawSQL("allocated_cost.ctid::text || allocated_cost.xmin::text", []))
    return dict(rows.values_list("row", "cost_centre__code"))


def test_one_rule_for_others_touches_the_charges_of_its_keys_alone(calls: None) -> None:
    given = {"search": "CC-1", "chat": "CC-2", "platform": "CC-3"}
    rules = [
        {"id": f"r-{team}", "priority": number, "when": {"tag.team": team}, "to": {"cost_centre": centre}}
        for number, (team, centre) in enumerate(given.items())
    ]
    rule_changes.load(rules, actor="test")
    before = shares()
    daily = dict(CostDaily.objects.values_list("id", "cost_centre__code"))
    rule_changes.load([*rules[:2], rules[2] | {"to": {"cost_centre": "CC-2"}}], actor="test")
    after = shares()
    gone = {before[pk] for pk in before.keys() - after.keys()}
    assert gone == {"CC-3"}, "shares of the rule's keys; those of others are the rows that they were"
    assert {after[pk] for pk in after.keys() - before.keys()} == {"CC-2"}
    assert {daily[pk] for pk in daily.keys() - set(CostDaily.objects.values_list("id", flat=True))} == {"CC-2", "CC-3"}
    assert AllocatedDay.objects.get().rules == 2


def test_rules_that_change_nothing_write_nothing(calls: None) -> None:
    rules = some_rules(random.Random(9), 4)
    rule_changes.load(rules, actor="test")
    found = stored()
    with CaptureQueriesContext(connection) as asked:
        rule_changes.load([*rules, rules[0] | {"id": "r9", "priority": 99}], actor="test")  # never comes to its turn
    assert stored() == found
    written = [query["sql"] for query in asked if "allocated_cost" in query["sql"] and "SELECT" not in query["sql"][:7]]
    assert written == []


def test_what_the_rules_make_of_a_key_is_told_by_its_bearers_and_the_names_pages_show(calls: None) -> None:
    kept = AllocatedDay.objects.get()
    assert {centre for _, bearers in kept.borne.values() for centre in bearers} == {None}
    rule_changes.load(
        [{"id": "r", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}}], actor="test"
    )
    centre = CostCentre.objects.get(code="CC-1").pk
    assert {tuple(bearers) for _, bearers in AllocatedDay.objects.get().borne.values()} == {(None,), (centre,)}
