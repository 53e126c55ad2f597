"""The application's role works with the ledger and cannot take it apart: tried as that role, on a server of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from finops.database import embedded
from tests.records import payload, write_lines

ROOT = Path(__file__).parents[2]
GUARDED = (
    "charge",
    "allocated_cost",
    "cost_daily",
    "query_cost_daily",
    "finops_auditevent",
    "allocation_billingperiod",
    "finops_approval",
    "finops_fxrate",
    "allocation_gatewaiver",
    "allocation_correction",
    "allocation_closetask",
    "allocation_termsversion",
    "allocation_ruleversion",
    "allocation_allocationrule",
    "invoice",
    "invoice_line",
)
# What the application only reads: triggers of the ledger's owner, or the owner of the database, write it.
READ = ("finops_audithead", "finops_ownersetting")


# Something of everything that the books hang on, as the application makes it; then September is frozen.
FREEZE = """
from datetime import date
from decimal import Decimal
from allocation import closing, rulebook
from allocation.calc.gates import Gate
from allocation.close import checklist, states, waivers
from allocation.costing import terms
from allocation.models import Correction, Invoice
from finops import approvals, fx
from finops.fx_files import Published
from allocation.close import manifest
from allocation.models import BillingPeriod
from finops.periods import Period
september = Period.month("2026-09")
rulebook.load([{"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}}], actor="ann")
terms.load("notes", [{"a": "1"}], list, actor="ann", charged=False)
fx.load([Published(date(2026, 9, 15), "EUR", "USD", Decimal("1.1"))], source="ecb", actor="ann")
gate = Gate("unpriced", "", "share", "soft_closed", Decimal("0.2"), Decimal("0.001"), False, "20 %", "", True, None)
asked = approvals.decide(waivers.propose(september, 1, gate, "why", by="ann"), by="bob", accept=True)
waivers.carry_out(asked)
held = states.of(september)
checklist.begin(september, held)
invoice = Invoice.objects.create(issuer="openai", number="1", billing_period=september.start, currency="USD", total=1,
    source="manual", content_hash="x", entered_by="ann")
invoice.lines.create(position=1, charge_category="Usage", amount=1, currency="USD")
Correction.objects.create(charge_date="2026-08-01", posted_on="2026-10-01", cause="rules")
BillingPeriod.objects.filter(pk=held.pk).update(state="closed", prepared_by="ann", soft_closed_by="bob", closed_by="bob")
manifest.write(september)
closing.propose_reopen(september, "why", by="ann")
print("{}")
"""


class Site:
    """A site with one month of usage, which is closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manage(self, *arguments: str, prints: bool = True, **settings: str) -> Any:
        """Run a command as people do; what it printed as JSON, if it ``prints`` any."""
        gone = {"DATABASE_URL", "DATABASE_URL_FILE", "FINOPS_OWNER_URL", "DJANGO_SETTINGS_MODULE"}
        environment = {name: value for name, value in os.environ.items() if name not in gone}
        environment |= {"FINOPS_DATA_DIR": str(self.folder)} | settings
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1]) if prints else None

    def connect(self, *, owner: bool = False) -> "psycopg.Connection[tuple[Any, ...]]":
        """As the application, or as the owner of the database."""
        server = embedded.recorded(self.folder)
        assert server is not None
        user, password = (server.user, server.password) if owner else ("finops_app", server.application_password)
        return psycopg.connect(
            host=server.host, port=server.port, user=user, password=password, dbname=server.database, autocommit=True
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    folder.chmod(0o711)
    embedded.ensure_running(folder, durable=False)
    found = Site(folder)
    found.manage("setup", "--json")
    lines = write_lines(folder / "calls.jsonl", [payload(number) for number in range(3)])
    imported = found.manage("ingest_file", str(lines), "--source", "litellm", "--json")
    assert imported["stored"] == 3
    found.manage("shell", "--no-imports", "-c", FREEZE)
    yield found
    embedded.stop(folder)


def test_the_application_imports_prices_and_verifies_under_its_own_role(site: Site) -> None:
    verified = site.manage("verify", "--json")
    assert verified["ok"], verified
    with site.connect() as application:
        assert application.execute("SELECT count(*) FROM charge").fetchone() != (0,)
        assert application.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone() == (
            False, False,
        )  # fmt: skip


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize(
    "attack",
    [
        "TRUNCATE {}", "DROP TABLE {}", "DROP TABLE {} CASCADE", "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} DISABLE TRIGGER USER", "ALTER TABLE {} RENAME TO gone", "ALTER TABLE {} ADD COLUMN more int",
        "ALTER TABLE {} OWNER TO finops_app", "CREATE RULE nothing AS ON UPDATE TO {} DO INSTEAD NOTHING",
    ],
)  # fmt: skip
def test_the_application_cannot_take_the_ledger_apart(site: Site, table: str, attack: str) -> None:
    with site.connect() as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(attack.format(table))


@pytest.mark.parametrize(
    "attack",
    [
        "SET session_replication_role = replica",
        "SET ROLE finops_ledger",
        "SET ROLE finops",
        "CREATE ROLE other",
        "DROP FUNCTION refuse_frozen_months() CASCADE",
        "ALTER DOMAIN money_amount DROP CONSTRAINT money_amount_check",
        "GRANT finops_ledger TO finops_app",
        "CREATE OR REPLACE FUNCTION refuse_frozen_months() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_the_application_cannot_become_the_ledger_s_owner_nor_change_its_guards(site: Site, attack: str) -> None:
    with (
        site.connect() as application,
        pytest.raises(psycopg.Error, match=r"permission denied|must be owner|does not exist"),
    ):
        application.execute(attack)


@pytest.mark.parametrize("table", GUARDED[:4])
@pytest.mark.parametrize("change", ["UPDATE {} SET charge_date = charge_date", "DELETE FROM {}"])
def test_ar4_rows_of_a_closed_month_are_refused_to_the_application(site: Site, table: str, change: str) -> None:
    with site.connect() as application, pytest.raises(psycopg.errors.RestrictViolation, match="2026-09 is closed"):
        application.execute(change.format(table))


def test_a_table_of_the_session_does_not_hide_the_periods_from_the_guard(site: Site) -> None:
    with site.connect() as application:
        application.execute("CREATE TEMP TABLE allocation_billingperiod (LIKE public.allocation_billingperiod)")
        with pytest.raises(psycopg.errors.RestrictViolation, match="2026-09 is closed"):
            application.execute("DELETE FROM cost_daily")


@pytest.mark.parametrize("change", ["UPDATE finops_auditevent SET actor = actor", "DELETE FROM finops_auditevent"])
def test_the_audit_trail_only_grows(site: Site, change: str) -> None:
    with site.connect() as application, pytest.raises(psycopg.Error, match="append-only"):
        application.execute(change)


CHANGES = {
    "finops_approval": "reason = 'x'", "finops_fxrate": "rate = 2", "allocation_gatewaiver": "reason = 'x'",
    "allocation_correction": "cause = 'bill'", "allocation_closetask": "done_by = 'eve'",
    "allocation_termsversion": "loaded_by = 'eve'", "allocation_ruleversion": "loaded_by = 'eve'",
    "allocation_allocationrule": "priority = 9", "invoice": "total = 9", "invoice_line": "amount = 9",
}  # fmt: skip


@pytest.mark.parametrize("table", CHANGES)
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1}", "DELETE FROM {0}"])
def test_what_the_books_hang_on_is_not_rewritten_by_the_application(site: Site, table: str, change: str) -> None:
    with site.connect() as application:
        assert application.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,)
        with pytest.raises(psycopg.errors.RestrictViolation):
            application.execute(change.format(table, CHANGES[table]))


FORGED = (
    "UPDATE finops_approval SET state = 'accepted', decided_by = 'bob', decided_at = now() WHERE kind = 'period.reopen'",
    "UPDATE allocation_billingperiod SET state = 'open', version = version + 1, frozen_versions = '{}', prepared_by = ''",
    "UPDATE charge SET effective_cost = effective_cost + 1",
)


def test_a_forged_approval_opens_no_month_for_the_application(site: Site) -> None:
    with site.connect() as application:
        with pytest.raises(psycopg.errors.RestrictViolation, match="without its event"):
            application.execute(FORGED[0])
        with pytest.raises(psycopg.errors.RestrictViolation, match="without its event"):
            application.execute(f"BEGIN; {'; '.join(FORGED)}; COMMIT")
        application.rollback()
        with pytest.raises(psycopg.errors.RestrictViolation, match="another person has to approve it"):
            application.execute(FORGED[0].replace("'bob'", "'ann'"))
        assert application.execute("SELECT DISTINCT state FROM allocation_billingperiod").fetchall() == [("closed",)]


@pytest.mark.parametrize("attack", ["SELECT setval('charge_id_seq', 1)", "ALTER SEQUENCE charge_id_seq RESTART",
                                    "DROP SEQUENCE charge_id_seq CASCADE"])  # fmt: skip
def test_the_application_takes_ids_of_charges_and_never_the_same_again(site: Site, attack: str) -> None:
    with site.connect() as application:
        ((first,), (second,)) = (application.execute("SELECT nextval('charge_id_seq')").fetchone() for _ in range(2))
        assert second == first + 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(attack)


@pytest.mark.parametrize("table", READ)
@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM {}",
        "INSERT INTO {} DEFAULT VALUES",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "ALTER TABLE {} ADD COLUMN more int",
    ],
)
def test_the_application_only_reads_the_audit_head_and_what_the_owner_said(site: Site, table: str, attack: str) -> None:
    with site.connect() as application:
        application.execute(f"SELECT count(*) FROM {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(attack.format(table))


@pytest.mark.parametrize(
    "change", ["UPDATE finops_audithead SET events = 1", "UPDATE finops_ownersetting SET value = true"]
)
def test_the_application_writes_neither_the_end_of_the_trail_nor_that_one_may_approve_alone(
    site: Site, change: str
) -> None:
    with site.connect() as application, pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(change)


def test_the_application_advances_the_head_by_no_table_of_its_own(site: Site) -> None:
    with site.connect() as application:
        before = application.execute("SELECT * FROM finops_audithead").fetchall()
        application.execute("CREATE TABLE mine (id bigint, hash bytea)")
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(
                    "CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION audit_advances_its_head()"
                )
        finally:
            application.execute("DROP TABLE mine")
        assert application.execute("SELECT * FROM finops_audithead").fetchall() == before


def test_what_the_application_does_is_in_the_trail_and_the_head_follows(site: Site) -> None:
    found = site.manage("audit_verify", "--json")
    assert found["ok"]
    assert found["head"]["events"] == found["checked"] > 0


def test_an_end_that_the_superuser_cuts_off_is_named(site: Site) -> None:
    with site.connect(owner=True) as owner, owner.transaction():
        owner.execute("SET LOCAL session_replication_role = replica")
        owner.execute("CREATE TEMP TABLE cut AS SELECT * FROM finops_auditevent ORDER BY id DESC LIMIT 5")
        owner.execute("DELETE FROM finops_auditevent WHERE id IN (SELECT id FROM cut)")
        owner.execute("CREATE TABLE kept_aside AS SELECT * FROM cut")
    try:
        with pytest.raises(AssertionError, match=r"5 of .* events are missing: the end is cut off after event"):
            site.manage("audit_verify", "--json")
    finally:
        with site.connect(owner=True) as owner, owner.transaction():
            owner.execute("SET LOCAL session_replication_role = replica")
            owner.execute("INSERT INTO finops_auditevent OVERRIDING SYSTEM VALUE SELECT * FROM kept_aside")
            owner.execute("DROP TABLE kept_aside")


def test_one_person_may_approve_alone_only_once_the_owner_was_told(site: Site) -> None:
    alone = """
from finops import approvals
asked = approvals.propose("note", "a thing", {}, "ann")
try:
    approvals.decide(asked, by="ann", accept=True)
except approvals.SelfApproval as refused:
    asked.reason = str(refused)
import json
print(json.dumps(asked.reason))
"""
    setting = {"FINOPS_SELF_APPROVAL": "1"}
    assert "`manage.py migrate` tells it" in site.manage("shell", "--no-imports", "-c", alone, **setting)
    try:
        site.manage("migrate", prints=False, **setting)
        assert site.manage("shell", "--no-imports", "-c", alone, **setting) == ""
    finally:
        site.manage("migrate", prints=False)
    assert "another person has to approve it" in site.manage("shell", "--no-imports", "-c", alone)
