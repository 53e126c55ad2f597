"""Every check of ``verify`` names exactly the violation that is planted, and nothing on undamaged data."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from allocation import rulebook
from allocation.costing import steps
from allocation.derived import refresh
from allocation.value import agent_tasks
from allocation.verification import verify
from finops import audit
from finops.tokens import UNITS
from ingest.services import Import, ingest_file
from ingest.sources import get_source
from tests.allocation.costing.agreed import agree
from tests.allocation.stated import KINDS, state, whole_day
from tests.records import payload, write_lines
from tests.web.ledger import by_class

pytestmark = pytest.mark.usefixtures("ledger")

RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"shares": {"CC-1": "0.7", "CC-2": "0.3"}}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "legal"}, "to": {"cost_centre": "CC-3", "team": "contracts"}},
]


@pytest.fixture(autouse=True)
def priced_month(ledger: None, tmp_path: Path) -> None:
    rulebook.load(RULES, actor="test")
    records = [payload(n, trace=f"t{n // 3}", team=("search", "legal", "other")[n % 3], reasoning=5) for n in range(30)]
    records += [payload("unknown", model="no-such-model"), payload("hit", cache_hit=True), "not a record"]
    path = tmp_path / "usage.jsonl"
    write_lines(path, records[:-1])
    path.write_text(path.read_text() + "{broken\n")
    ingest_file(Import(path, "litellm"))
    refresh()
    agent_tasks.refresh()


def failing() -> dict[str, list[str]]:
    return {check.id: check.examples for check in verify() if not check.ok}


def plant(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_undamaged_data_passes_and_every_check_looked_at_something() -> None:
    assert failing() == {}
    here = {"no_bucket_gaps", "agreements_close", "closed_hash"}  # nothing is pulled here, agreed or closed
    assert all(check.checked for check in verify() if check.id not in here)


@pytest.mark.parametrize(
    ("check", "sql", "example"),
    [
        (
            "classes_disjoint",
            "UPDATE usage_event SET saved_tokens = 7 WHERE event_id = (SELECT min(event_id::text)::uuid FROM usage_event "
            "WHERE usage_key_id = (SELECT min(id) FROM ingest_usagekey) AND input_uncached > 0);"
            "UPDATE usage_daily u SET saved_tokens = (SELECT sum(saved_tokens) FROM usage_event e JOIN allocation_tierrule t "
            "ON t.id = e.tier_rule WHERE e.usage_key_id = u.usage_key_id AND t.tier = u.tier)",
            "2026-09-08 ",
        ),
        (
            "classes_disjoint",
            "UPDATE usage_event SET begins = NULL WHERE query_id = (SELECT min(query_id) FROM usage_event); "
            "UPDATE usage_daily u SET queries = (SELECT count(*) FILTER (WHERE begins) FROM usage_event e "
            "JOIN allocation_tierrule t ON t.id = e.tier_rule "
            "WHERE e.usage_key_id = u.usage_key_id AND t.tier = u.tier AND e.rate_slot_id = u.rate_slot_id); "
            "UPDATE cost_daily SET queries = (SELECT sum(queries) FROM usage_daily) - (SELECT sum(queries) FROM cost_daily "
            "WHERE id > (SELECT min(id) FROM cost_daily)) WHERE id = (SELECT min(id) FROM cost_daily)",
            "-",
        ),
        ("money_domain", "ALTER TABLE charge ALTER COLUMN list_cost TYPE numeric", "charge.list_cost is numeric"),
        (
            "no_nan",
            "ALTER TABLE finops_fxrate ALTER COLUMN rate TYPE numeric; "
            "INSERT INTO finops_fxrate (day, base, quote, rate, source) "
            "VALUES ('2026-09-01', 'EUR', 'USD', 'NaN', 'test')",
            "finops_fxrate rate",
        ),
        (
            "conservation",
            "UPDATE allocated_cost SET effective_cost = effective_cost + 0.000000000001 "
            "WHERE (charge_id, part) = (SELECT charge_id, part FROM allocated_cost WHERE effective_cost IS NOT NULL "
            "ORDER BY 1, 2 LIMIT 1)",
            "2026-09-08 ",
        ),
        (
            "conservation",
            "DELETE FROM cost_daily WHERE id = (SELECT min(id) FROM cost_daily WHERE effective_cost > 0)",
            "cost_daily",
        ),
        (
            "conservation",
            "UPDATE class_daily SET quantity = quantity + 1 WHERE id = (SELECT min(id) FROM class_daily WHERE quantity > 0)",
            "class_daily",
        ),
        (
            "conservation",
            "UPDATE cost_daily SET tokens = tokens + 1 WHERE id = (SELECT min(id) FROM cost_daily WHERE tokens > 0)",
            "cost_daily",
        ),
        (
            "conservation",
            "UPDATE cost_daily SET requests = requests + 1 WHERE id = (SELECT min(id) FROM cost_daily)",
            "cost_daily requests and queries",
        ),
        (
            "unpriced_not_zero",
            "UPDATE charge SET sku_price_id = '' WHERE id = (SELECT min(id) FROM charge WHERE list_cost > 0)",
            "2026-09-08 ",
        ),
        (
            "dedup_and_cursor",
            "CREATE TABLE IF NOT EXISTS usage_event_2026_10 PARTITION OF usage_event "
            "FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');"
            "CREATE TEMP TABLE twin AS SELECT * FROM usage_event WHERE query_id IS NOT NULL LIMIT 1;"
            "UPDATE twin SET charge_date = '2026-10-01', query_id = NULL; INSERT INTO usage_event SELECT * FROM twin; "
            "INSERT INTO ingest_dirtyslice (charge_date, usage_key_id, at) VALUES ('2026-10-01', 0, now())",
            "2026, 10, 1",
        ),
        (
            "no_orphans",
            "UPDATE usage_event SET run_id = 999 WHERE event_id = (SELECT min(event_id::text)::uuid FROM usage_event)",
            "2026-09-08 ",
        ),
        (
            "no_orphans",
            "UPDATE allocated_cost SET cost_centre_id = NULL, team_id = 999 WHERE (charge_id, part) = "
            "(SELECT charge_id, part FROM allocated_cost WHERE cost_centre_id IS NULL ORDER BY 1, 2 LIMIT 1)",
            "allocated_cost ",
        ),
        (
            "no_orphans",
            "UPDATE allocated_cost SET charge_date = charge_date + 1 "
            "WHERE charge_id = (SELECT min(charge_id) FROM allocated_cost)",
            "allocated_cost ",
        ),
        (
            "no_orphans",
            "UPDATE class_daily SET team_id = 999 WHERE id = (SELECT min(id) FROM class_daily)",
            "class_daily ",
        ),
        (
            "no_orphans",
            "UPDATE cost_daily SET team_id = 999 WHERE id = (SELECT min(id) FROM cost_daily)",
            "cost_daily ",
        ),
        (
            "no_orphans",
            "UPDATE query_cost_daily SET cost_centre_id = 999 WHERE id = (SELECT min(id) FROM query_cost_daily)",
            "query_cost_daily ",
        ),
        (
            "no_orphans",
            "UPDATE charge SET owner_team_id = 999 WHERE id = (SELECT min(id) FROM charge)",
            "charge ",
        ),
        (
            "layers_not_summed",
            "UPDATE ingest_usagekey SET layer = 'trace' WHERE id = (SELECT min(id) FROM ingest_usagekey)",
            "gateway + trace",
        ),
        (
            "cube_equals_facts",
            "UPDATE usage_daily SET failed = failed + 1 WHERE usage_key_id = (SELECT min(usage_key_id) FROM usage_daily)",
            "failed",
        ),
        (
            "ratings_reproduce",
            "UPDATE rating SET list_cost = list_cost + 1 WHERE usage_key_id = (SELECT min(id) FROM ingest_usagekey) "
            "AND price_class = 'input_uncached'",
            "input_uncached",
        ),
        ("runs_add_up", "UPDATE ingest_ingestrun SET duplicate = duplicate + 1", "run 1: read 33"),
        ("runs_add_up", "DELETE FROM ingest_quarantine", "run 1: quarantined 1, kept 0"),
        (
            "no_bucket_gaps",
            "INSERT INTO ingest_connection (name, kind, way, account, base_url, options, enabled, every, begins_on, created_at, "
            "failures, last_error) VALUES ('o', 'openai', 'pull', 'a', '', '{}', true, '1 hour', '2026-09-01', now(), 0, ''); "
            "INSERT INTO ingest_coverage (source, account, part, stream, covered, observed_at) VALUES ('openai', 'a', '', 's', "
            "'{[2026-09-01 00:00Z,2026-09-02 00:00Z),[2026-09-03 00:00Z,2026-09-04 00:00Z)}', now())",
            "openai a s: nothing from 2026-09-02 00:00 to 2026-09-03 00:00",
        ),
        (
            "closed_hash",
            "INSERT INTO allocation_billingperiod (month, state, since, frozen_versions) "
            "VALUES ('2026-08-01', 'soft_closed', now(), '{}')",
            "2026-08 version 1 is soft_closed and has no manifest",
        ),
        (
            "audit_chain",
            "ALTER TABLE finops_auditevent DISABLE TRIGGER USER; UPDATE finops_auditevent SET actor = 'nobody' WHERE id = 1; "
            "ALTER TABLE finops_auditevent ENABLE TRIGGER USER",
            "event 1",
        ),
    ],
)  # fmt: skip
def test_a_planted_violation_is_found_by_exactly_its_check(check: str, sql: str, example: str) -> None:
    restore = _numeric_columns()
    plant(sql)
    try:
        found = failing()
    finally:
        _restore(restore)
    if check == "no_nan":  # a NaN can only stand where the domain is gone, which is found too
        assert found.pop("money_domain") == ["finops_fxrate.rate is numeric"]
    assert list(found) == [check]
    assert example in found[check][0]


def stating(model: str, tokens: int, requests: int = 0) -> dict[str, Any]:
    return {"native_id": model, "model_served": model, "input_uncached": tokens, "requests": requests}


# One token more is charged of this class, less is a lower layer's, and everything that is derived from it agrees.
ONE_MORE = (
    "UPDATE layer_share s SET quantity = quantity + CASE part WHEN 'charged' THEN 1 ELSE -1 END FROM ingest_usagekey k "
    "WHERE k.id = s.usage_key_id AND k.source = 'usage' AND k.model_served = '{0}' AND price_class = '{1}' "
    "AND part IN ('charged', 'by_day'); "
    "UPDATE charge SET consumed_quantity = consumed_quantity + 1 WHERE cause = 'not_seen_below' AND price_class = '{1}' "
    "AND sku_id LIKE 'openai/{0}/%'; "
    "UPDATE allocated_cost a SET quantity = quantity + 1 FROM charge c WHERE c.id = a.charge_id "
    "AND c.cause = 'not_seen_below' AND c.price_class = '{1}' AND sku_id LIKE 'openai/{0}/%'; "
    "UPDATE cost_daily SET tokens = tokens + 1 WHERE id = "
    "(SELECT min(id) FROM cost_daily WHERE model = '{0}' AND cost_centre_id IS NULL AND tokens > 0)"
)


@pytest.mark.parametrize(
    ("sql", "example"),
    [
        (ONE_MORE.format("gpt-5", "input_uncached"), "input_uncached 1"),
        (
            "UPDATE layer_share SET quantity = quantity + CASE part WHEN 'charged' THEN 1 ELSE -1 END WHERE part IN "
            "('charged', 'by_day') AND price_class = 'requests' AND usage_key_id = (SELECT min(usage_key_id) FROM "
            "layer_share WHERE part = 'by_day'); "
            "UPDATE cost_daily SET requests = requests + 1 WHERE id = (SELECT min(id) FROM cost_daily)",
            "requests 1",
        ),
    ],
)
def test_a_token_or_request_more_than_provider_usage_states_is_found_though_all_that_is_derived_agrees(
    sql: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", lambda kind: KINDS.get(kind) or get_source(kind))
    state("usage", [stating("gpt-5", 4_000, 40), stating("gpt-5-mini", 1_000, 5)], [whole_day()])
    refresh()
    assert failing() == {}
    plant(sql)
    by_class()
    found = failing()
    assert list(found) == ["ruled_tokens"]
    assert example in found["ruled_tokens"][0]


# One dollar more is charged of it, and everything that is derived from it agrees.
DEARER = (
    "UPDATE charge SET effective_cost = effective_cost + 1 WHERE id = (SELECT min(id) FROM charge WHERE {0}); "
    "UPDATE allocated_cost SET effective_cost = effective_cost + 1 WHERE charge_id = (SELECT min(id) FROM charge WHERE {0}); "
    "UPDATE cost_daily SET effective_cost = effective_cost + 1 WHERE id = (SELECT min(d.id) FROM cost_daily d JOIN charge c "
    "ON c.charge_date = d.charge_date AND c.owner_id = d.cost_centre_id WHERE c.id = (SELECT min(id) FROM charge WHERE {0}))"
)


@pytest.mark.parametrize(
    ("sql", "example"),
    [
        (
            DEARER.format("subject = 'commitment ptu' AND commitment_status = 'Unused'"),
            "used and unused 25.000000000000 24",
        ),
        (DEARER.format("subject = 'fleet lab' AND price_class = 'gpu_hour'"), "fleet lab 2026-09-08 used and idle 145"),
        (DEARER.format("subject = 'fleet lab' AND price_class = 'kilowatt_hour'"), "fleet lab 2026-09-08 energy 6"),
        (
            "UPDATE charge SET billed_cost = 25 WHERE charge_category = 'Purchase'; UPDATE allocated_cost SET billed_cost = 25 "
            "WHERE billed_cost = 24; UPDATE cost_daily SET billed_cost = 25 WHERE billed_cost = 24",
            "purchase 25.000000000000 24",
        ),
    ],
)
def test_an_agreement_that_is_charged_above_its_terms_is_found_though_all_that_is_derived_agrees(
    sql: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 9))
    monkeypatch.setattr("allocation.completeness.get_source", lambda kind: KINDS.get(kind) or get_source(kind))
    agree(
        "commitments",
        "[{code: ptu, kind: reserved_gpu, provider: x, from: 2026-09-08, to: 2026-09-09, price: '24', units: '1', "
        "owner: {cost_centre: A}}]",
    )
    agree(
        "capacity",
        "[{code: lab, gpu: H100, count: 3, valid_from: 2026-09-08, valid_to: 2026-09-09, rent: '2', meters: {host: n1}, "
        "energy: {price_per_kwh: '1'}, idle_owner: {cost_centre: B}}]",
    )
    gpu = {"provider": "selfhosted", "model_served": "H100", "host": "n1", "operation": "gpu_idle", "requests": 0}
    state("counters", [gpu | {"unit_quantity": [{"unit": UNITS["watt_hour"], "quantity": Decimal(5_000)}]}])
    refresh()
    assert failing() == {}
    plant(sql)
    by_class()
    found = failing()
    assert list(found) == ["agreements_close"]
    assert example in found["agreements_close"][0]


def test_a_task_that_costs_something_else_than_its_calls_is_found_once_its_day_is_derived() -> None:
    """Ten traces of three calls; a picodollar a call and class is rounding, a nanodollar is not."""
    plant("UPDATE agent_task SET cost = cost + 0.000000000002")
    assert failing() == {}
    plant(
        "UPDATE agent_task SET cost = cost + 0.000000001 "
        "WHERE query_id = (SELECT min(query_id) FROM agent_task WHERE unpriced = 0)"
    )
    found = failing()
    assert list(found) == ["agent_tasks_cost"]
    assert found["agent_tasks_cost"][0].startswith("task 2026-09-08 ")
    plant("UPDATE agent_day SET stale = true")
    assert failing() == {}, "it waits to be derived, which mends it"
    agent_tasks.refresh()
    assert failing() == {}


def test_the_audit_trail_refuses_to_be_changed() -> None:
    from django.db import ProgrammingError

    audit.record(action="test", actor="me", subject="x")
    for sql in (
        "UPDATE finops_auditevent SET actor = ''",
        "DELETE FROM finops_auditevent",
        "TRUNCATE finops_auditevent",
    ):
        with pytest.raises(ProgrammingError, match="append-only"):
            plant(sql)


def _numeric_columns() -> list[tuple[str, str, str]]:
    from allocation.verification import _NUMERIC, _rows

    return [tuple(row) for row in _rows(_NUMERIC)]  # type: ignore[misc]


def _restore(columns: list[tuple[str, str, str]]) -> None:
    """Give changed columns their domain back: DDL outlives the emptying of tables."""
    now: dict[Any, str] = {(table, column): kind for table, column, kind in _numeric_columns()}
    for table, column, kind in columns:
        if now[table, column] != kind:
            plant(
                f"ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {column} = 1 WHERE {column} = 'NaN'; "
                f"ALTER TABLE {table} ENABLE TRIGGER USER; ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}"
            )
