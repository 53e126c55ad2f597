"""Statements are issued of frozen months alone, whoever asks: what people agree to does not change under them."""

from datetime import UTC, datetime

import pytest

from allocation.close import statements
from allocation.close.statements import StatementError
from allocation.models import Statement
from finops.models import AuditEvent
from finops.periods import Period
from tests.web.ledger import Usage, freeze, load

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("state", ["", "open", "preliminary"])
def test_nothing_is_issued_of_a_month_that_may_still_change(state: str) -> None:
    load(Usage("10", "CC-100"))
    statements.draft(SEPTEMBER, at=FRIDAY)
    if state:
        freeze(state=state)
    told = f"2026-09 is {state or 'open'}: its statements are issued at its soft close, close_month 2026-09 --to soft_closed"
    with pytest.raises(StatementError, match=told):
        statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    assert [each.state for each in Statement.objects.all()] == ["draft"]
    assert not AuditEvent.objects.filter(action="statements.issue").exists()


@pytest.mark.parametrize("state", ["soft_closed", "closed"])
def test_of_a_frozen_month_they_are(state: str) -> None:
    load(Usage("10", "CC-100"))
    freeze(state=state)
    assert [each.state for each in statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)] == ["issued"]
