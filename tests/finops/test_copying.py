"""COPY behind the caller: what follows sees its rows, what fails is told, nothing is half committed."""

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from django.db import connection, transaction

from finops.copying import behind, copy_rows, copy_table, read_table

NUMBERS = pa.schema([("n", pa.int64())])


@pytest.fixture
def numbers(ledger: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE number (n bigint PRIMARY KEY)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE number")


def some(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64())})


def copied_and_raised(numbers: pa.Table) -> None:
    with transaction.atomic(), behind():
        copy_table("number", ["n"], numbers)
        raise ValueError("of the caller")


def kept() -> list[int]:
    return [int(n) for n in read_table("SELECT n FROM number ORDER BY n", NUMBERS)["n"].to_pylist()]


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM number")
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("numbers")
def test_every_next_statement_sees_what_is_copied_behind() -> None:
    with transaction.atomic(), behind():
        copy_table("number", ["n"], some(*range(100_000)))
        copy_table("number", ["n"], some(100_000))
        assert count() == 100_001, "a query"
        copy_table("number", ["n"], some(100_001))
        copy_rows("number", ["n"], [(100_002,)])
        copy_table("number", ["n"], some(100_003))
        assert kept() == list(range(100_004)), "a COPY"
        copy_table("number", ["n"], some(-1))
    assert kept()[0] == -1


@pytest.mark.usefixtures("numbers")
def test_a_savepoint_after_a_copy_behind_takes_back_only_what_is_its_own() -> None:
    with transaction.atomic(), behind():
        copy_table("number", ["n"], some(1))
        with pytest.raises(ValueError, match="of the caller"):
            copied_and_raised(some(2))
        copy_table("number", ["n"], some(3))
    assert kept() == [1, 3]


@pytest.mark.usefixtures("numbers")
def test_a_copy_that_fails_behind_is_told_by_the_next_statement_and_nothing_stays() -> None:
    with transaction.atomic(), behind():
        for number in (1, 1, 2):
            copy_table("number", ["n"], some(number))
        with pytest.raises(psycopg.errors.UniqueViolation):
            count()
        transaction.set_rollback(True)
    assert kept() == []


@pytest.mark.usefixtures("numbers")
def test_a_copy_that_fails_behind_at_the_end_lets_nothing_be_committed() -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), transaction.atomic(), behind():
        copy_table("number", ["n"], some(1, 1))
    assert kept() == []


@pytest.mark.usefixtures("numbers")
def test_what_the_caller_raises_is_told_first() -> None:
    with pytest.raises(ValueError, match="of the caller"):
        copied_and_raised(some(1, 1))
    assert kept() == []
    copy_table("number", ["n"], some(5))
    assert kept() == [5], "and the connection is as before"
