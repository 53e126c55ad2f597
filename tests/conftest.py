"""Fixtures that all tests share. Every database test runs on a real PostgreSQL (see tests.database)."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from hypothesis import settings

# In CI the same examples every time: a new one found at random belongs to a developer, not to somebody else's change.
# No deadline anywhere: how long an example takes says how busy the machine is.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

# A quarter of a second for each person that a test makes, else; what is stored is verified by any process all the same.
PBKDF2PasswordHasher.iterations = 1_000

# What a database keeps between tests that commit: loading 41,000 prices takes seconds and no test changes them.
KEPT = (
    "django_migrations", "django_content_type", "auth_permission", "ingest_price", "ingest_pricebookversion",
    "allocation_tierpolicy", "allocation_tierrule",
)  # fmt: skip

# Begun last, each would run on alone.
LONGEST = ("test_demo.py", "test_openapi.py", "test_close_and_ingest.py", "test_every_page.py", "test_runner.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, then those with the most tests: no core waits for one at the end.

    Raises UsageError where two tests have one id: of those, a run on several cores runs one and says nothing.
    """
    if twice := [nodeid for nodeid, times in Counter(item.nodeid for item in items).items() if times > 1]:
        raise pytest.UsageError(f"several tests have one id: {', '.join(twice)}")
    sizes = Counter(item.path for item in items)
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path.name, len(first)), -sizes[item.path]))


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """The test database with the built-in price book and the default tier policy, once for all tests.

    In place of pytest-django's, which makes no database for tests that use only ``ledger``.
    """
    from django.test.utils import setup_databases, teardown_databases

    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases=["default"], serialized_aliases=[])
        from allocation.policies import load_default
        from ingest.prices import load_builtin

        load_builtin(actor="test")
        load_default(actor="test")
        empty_ledger()  # the audit trail of the set-up
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture
def ledger(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database to which the test commits (imports write on a thread of their own); emptied afterwards."""
    with django_db_blocker.unblock():
        yield
        empty_ledger()


def empty_ledger() -> None:
    """Empty all tables but KEPT, and take out of the kept prices what a test loaded over them."""
    from ingest.models import PriceBookVersion
    from ingest.prices import load_builtin

    _truncate()
    if PriceBookVersion.objects.exclude(book="builtin").exists():
        PriceBookVersion.objects.exclude(book="builtin").delete()
        load_builtin(actor="test")
        _truncate()  # the audit trail of it


def _truncate() -> None:
    """Empty the tables that hold rows or have given a number away: of 120 a test fills a few, and all take 0.2 s."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.oid::regclass::text, relname, EXISTS (SELECT FROM pg_depend d JOIN pg_class s ON s.oid = d.objid "
            "WHERE d.refobjid = t.oid AND d.deptype IN ('a', 'i') AND CASE s.relkind WHEN 'S' "
            "THEN pg_sequence_last_value(s.oid) END IS NOT NULL) FROM pg_class t JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relkind IN ('r', 'p') AND NOT relispartition AND (nspname = 'public' OR nspname = 'pgmq' "
            "AND relname ~ '^[aq]_')"  # what a killed worker held is nobody's task any more
        )
        numbered = {table: used for table, name, used in cursor.fetchall() if name not in KEPT}
        cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in numbered))
        tables = {row[0] for row in cursor.fetchall()} | {table for table, used in numbered.items() if used}
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 32 <> 0"
        )
        guarded = (
            [row[0] for row in cursor.fetchall()] if tables else []
        )  # tables that refuse TRUNCATE: the audit trail, closed months
        for table in guarded:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        if tables:
            cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        for table in guarded:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    connection.close()
