"""The manifest of a frozen month is recomputed from the database: what changes is found and named (invariant 8, AR20)."""

from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation import closing, rulebook
from allocation.calc import manifests
from allocation.close import manifest
from allocation.derived import allocate_days, refresh
from allocation.models import BillingPeriod, PeriodManifest
from allocation.verification import verify
from ingest.facts import mark_dirty
from ingest.models import ALL_KEYS
from tests.allocation.close.months import (
    APPROVER,
    PREPARER,
    RULES,
    SEPTEMBER,
    agreed,
    calls,
    month_of_calls,
    soft_close,
)
from tests.conftest import empty_ledger
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def frozen_september(ledger: None, tmp_path: Path) -> None:
    month_of_calls(tmp_path)
    soft_close()


def closed_hash() -> list[str]:
    return next(check.examples for check in verify() if check.id == "closed_hash")


def as_superuser(sql: str) -> None:
    """Past every trigger."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)


def test_a_manifest_holds_counts_sums_versions_and_who_did_it() -> None:
    kept = PeriodManifest.objects.get()
    document = kept.document
    assert kept.sha256 == manifests.digest(document)
    assert (document["prepared_by"], document["approved_by"], document["version"]) == (PREPARER, APPROVER, 1)
    # 3 calls of 1,000 tokens at 1.25 and 1,000 at 10 a million: 0.01125 each, in two charges each
    charge = document["tables"]["charge"]
    assert (charge["rows"], charge["sums"]["USD"]["effective_cost"]) == (6, "0.033750000000")
    assert document["tables"]["allocated_cost"]["sums"] == charge["sums"] == document["tables"]["cost_daily"]["sums"]
    assert document["tables"]["allocated_cost"]["rows"] == 12
    versions = BillingPeriod.objects.get().frozen_versions
    assert document["versions"] == versions
    assert {"prices", "rules", "tier_policy", "terms", "fx", "hierarchy", "assumptions"} <= set(versions)
    assert versions["rules"]["number"] == 1
    assert "builtin" in versions["prices"]
    assert closed_hash() == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "UPDATE charge SET effective_cost = effective_cost + 0.01 WHERE id = (SELECT min(id) FROM charge)",
            "2026-09 version 1: charge: effective_cost 0.033750000000 USD, now 0.043750000000",
        ),
        (
            "UPDATE allocated_cost SET cost_centre_id = (SELECT max(id) FROM allocation_costcentre) "
            "WHERE charge_id = (SELECT min(charge_id) FROM allocated_cost) AND part = 0",
            "2026-09 version 1: allocated_cost: content changed",
        ),
        ("DELETE FROM cost_daily WHERE id = (SELECT min(id) FROM cost_daily)", "2026-09 version 1: cost_daily: 6 rows, now 5"),
        ("UPDATE query_cost_daily SET queries = queries + 1", "2026-09 version 1: query_cost_daily: content changed"),
        (
            "UPDATE allocation_billingperiod SET frozen_versions = '{}'",
            "2026-09 version 1: the versions it was frozen with were changed",
        ),
        (
            "UPDATE allocation_periodmanifest SET document = jsonb_set(document, '{approved_by}', '\"eve\"')",
            "2026-09 version 1: the manifest itself was changed",
        ),
        ("DELETE FROM allocation_periodmanifest", "2026-09 version 1 is soft_closed and has no manifest"),
    ],
)  # fmt: skip
def test_ar20_what_the_superuser_changes_is_found_and_the_month_named(sql: str, told: str) -> None:
    as_superuser(sql)
    assert closed_hash()[0] == told


def test_the_hash_does_not_hang_on_ids_or_the_order_of_rows() -> None:
    before = PeriodManifest.objects.get().document["tables"]
    as_superuser(
        "ALTER TABLE charge DISABLE TRIGGER ALL; UPDATE charge SET id = 1000 - id; "
        "UPDATE allocated_cost SET charge_id = 1000 - charge_id; UPDATE cost_daily SET id = 1000 - id; "
        "ALTER TABLE charge ENABLE TRIGGER ALL"
    )
    assert {name: manifest.counted(SEPTEMBER, name, before[name]["columns"]) for name in before} == before
    assert closed_hash() == []


def test_a_column_that_is_added_later_does_not_break_a_manifest() -> None:
    before = PeriodManifest.objects.get().document["tables"]["charge"]
    fewer = [column for column in before["columns"] if column != "scope"]
    was = manifest.counted(SEPTEMBER, "charge", fewer)
    as_superuser("UPDATE charge SET scope = 'another'")
    assert manifest.counted(SEPTEMBER, "charge", fewer) == was


def test_manifests_of_versions_that_were_reopened_are_kept_and_still_checked() -> None:
    approving.decide(closing.propose_reopen(SEPTEMBER, "wrong", by=PREPARER), by=APPROVER, accept=True)
    refresh()
    assert closed_hash() == []  # open: its rows may change
    soft_close()
    as_superuser("UPDATE allocation_periodmanifest SET sha256 = 'x' WHERE version = 1")
    assert closed_hash() == ["2026-09 version 1: the manifest itself was changed"]


OTHER_RULES: list[Any] = [{"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-9"}}]
WRITES = (
    "UPDATE charge SET effective_cost = effective_cost + 1 WHERE charge_date = '2026-09-15'",
    "UPDATE charge SET charge_date = '2026-10-01' WHERE charge_date = '2026-09-15'",
    "DELETE FROM charge WHERE charge_date = '2026-09-15'",
    'INSERT INTO charge SELECT (c).* FROM (SELECT jsonb_populate_record(c, \'{"id": 99999, "tier": "complex"}\') AS c '
    "FROM charge c WHERE charge_date = '2026-09-15' LIMIT 1) AS x",
    "UPDATE allocated_cost SET effective_cost = 0 WHERE charge_date = '2026-09-15'",
    "DELETE FROM allocated_cost WHERE charge_date = '2026-09-15'",
    "UPDATE cost_daily SET requests = 0 WHERE charge_date = '2026-09-15'",
    "DELETE FROM cost_daily WHERE charge_date = '2026-09-15'",
    "DELETE FROM query_cost_daily WHERE charge_date = '2026-09-15'",
    "UPDATE query_cost_daily SET cost = 0 WHERE charge_date = '2026-09-15'",
)


def _write(sql: str) -> None:
    with pytest.raises(DatabaseError, match="2026-09 is closed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


OPERATIONS = st.one_of(
    st.tuples(st.just("late"), st.sampled_from(["2026-09-01", "2026-09-15", "2026-09-20", "2026-10-02"])),
    st.tuples(st.just("rules"), st.booleans()),
    st.tuples(st.just("rerun"), st.sampled_from(["2026-09-01", "2026-09-15"])),
    st.tuples(st.just("close"), st.none()),
    st.tuples(st.just("prepare"), st.none()),
    st.tuples(st.just("write"), st.sampled_from(WRITES)),
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=5))
def test_ar1_whatever_happens_after_a_close_the_month_keeps_its_hash_and_every_write_raises(
    operations: list[tuple[str, Any]], tmp_path: Path
) -> None:
    empty_ledger()
    month_of_calls(tmp_path)
    soft_close()
    before = PeriodManifest.objects.get().sha256
    tables = PeriodManifest.objects.get().document["tables"]
    for operation, what in operations:
        if operation == "late":
            calls(tmp_path, what)
        elif operation == "rules":
            rulebook.load(OTHER_RULES if what else RULES, actor="test")
            allocate_days(SEPTEMBER.days())
            refresh()
        elif operation == "rerun":
            mark_dirty([(SEPTEMBER.start.fromisoformat(what), ALL_KEYS)])
            refresh()
        elif operation == "close":
            agreed()
            if BillingPeriod.objects.get(month=SEPTEMBER.start).state == "soft_closed":
                closing.close_step(SEPTEMBER, "closed", by=APPROVER)
        elif operation == "prepare":
            with pytest.raises(ValueError, match=r"2026-09 is (soft-)?closed"):
                closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
        else:
            _write(what)
        assert {name: manifest.counted(SEPTEMBER, name, tables[name]["columns"]) for name in tables} == tables
    assert PeriodManifest.objects.get(period__month=SEPTEMBER.start).sha256 == before
    assert closed_hash() == []
