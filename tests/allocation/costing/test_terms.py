"""The agreements in force."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation.costing import terms

pytestmark = pytest.mark.usefixtures("ledger")


def as_written(document: object) -> object:
    return document


def test_a_day_is_charged_by_one_state_of_them_that_is_read_once() -> None:
    assert terms.in_force("notes", as_written) == []
    terms.load("notes", ["one"], as_written, actor="test", charged=False)
    with terms.held():
        assert terms.in_force("notes", as_written) == ["one"]
        terms.load("notes", ["two"], as_written, actor="test", charged=False)
        with CaptureQueriesContext(connection) as asked:
            assert [terms.in_force("notes", as_written), terms.in_force("others", as_written)] == [["one"], []]
        assert len(asked) == 0
    assert terms.in_force("notes", as_written) == ["two"]
