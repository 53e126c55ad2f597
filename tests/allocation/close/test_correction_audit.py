"""Each posting against a frozen month is one event of the audit trail: who, which day, why, how much."""

from pathlib import Path

import pytest
from django.core.management import call_command

from allocation.derived import refresh
from allocation.models import Charge, Correction
from finops import audit
from finops.models import AuditEvent
from tests.allocation.close.test_corrections import call, close, price, prices_of_ten_and_twenty
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")
__all__ = ["prices_of_ten_and_twenty"]


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="correction.post").order_by("pk"))


def test_late_usage_is_told_once_with_its_sums(tmp_path: Path) -> None:
    call(tmp_path, 1, 2)
    assert events() == []
    close()
    call(tmp_path, 3, 4, 5)
    [event] = events()
    posting = Correction.objects.get()
    assert (event.actor, event.subject) == ("system", f"2026-09-08 in {posting.posted_on:%Y-%m}")
    assert {name: event.details[name] for name in ("correction", "cause", "posted_on", "rows")} == {
        "correction": posting.pk, "cause": "late_usage", "posted_on": str(posting.posted_on),
        "rows": Charge.objects.filter(correction=posting).count(),
    }  # fmt: skip
    assert event.details["effective_cost"] == {"USD": "0.090000000000"}, (
        "three calls of 0.03: net of what is taken back"
    )
    assert event.details["why"] == "usage of the day came, or was changed, after its month was frozen"
    assert list(audit.broken_links()) == []


def test_what_changes_nothing_is_no_event_and_another_price_is_one(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    call(tmp_path, 1)
    assert events() == []
    price(tmp_path, "20", "40")
    with audit.acting("ann"):
        refresh()
    assert [(each.details["cause"], each.actor) for each in events()] == [("rerate", "ann")]
    assert events()[0].details["effective_cost"] == {"USD": "0.030000000000"}, "a call of 0.03 costs twice as much"


def test_who_runs_a_command_is_who_it_was(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    person("fin", "finance")
    book = tmp_path / "dearer.yaml"
    book.write_text("- {provider: openai, model: gpt-5, prices: {input: '20', output: '40'}}")
    call_command("prices", "load", str(book), "--as", "fin")
    assert [each.actor for each in events()] == ["fin"]
