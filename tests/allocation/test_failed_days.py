"""A day that cannot be charged waits, named; all others go on, and so does whatever mends it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client

from allocation import derived, tasks
from allocation.failed_days import MARK, DaysFailed, failed_days
from allocation.models import Charge
from finops.models import SiteMark
from ingest.models import DirtySlice
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.usefixtures("ledger")
DAYS = [date(2026, 9, 7), date(2026, 9, 8), date(2026, 9, 9)]


@pytest.fixture
def second_fails(ledger: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [payload(n, at=f"{day}T13:00:00.000000Z") for n, day in enumerate(DAYS)]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    whole = derived.allocating.allocate_day

    def failing(day: date, *given: Any, **named: Any) -> None:
        if day == DAYS[1]:
            raise OverflowError("date value out of range")
        whole(day, *given, **named)

    monkeypatch.setattr("allocation.allocating.allocate_day", failing)


def charged() -> list[date]:
    return sorted(Charge.objects.values_list("charge_date", flat=True).distinct())


def test_the_others_are_charged_and_the_error_names_the_day(second_fails: None) -> None:
    with pytest.raises(DaysFailed, match=r"2026-09-08 could not be charged: OverflowError: date value out of range"):
        derived.refresh()
    assert charged() == [DAYS[0], DAYS[2]]
    assert list(DirtySlice.objects.values_list("charge_date", flat=True).distinct()) == [DAYS[1]]
    assert failed_days() == [(DAYS[1], "OverflowError: date value out of range")]


def test_it_is_shown_on_data_health_until_the_day_is_charged(
    second_fails: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.refresh()  # of the worker: it is told, and the worker lives on
    user = person("fin", "finance")
    client = Client()
    client.force_login(user)
    page = client.get("/data-health/").content.decode()
    assert "Days that cannot be charged" in page
    assert "OverflowError: date value out of range" in page
    told = client.get("/api/v1/data-health", **bearer(user)).json()["recomputing"]
    assert (told["days"], told["failed"]) == (
        1,
        [{"day": "2026-09-08", "reason": "OverflowError: date value out of range"}],
    )
    monkeypatch.undo()
    assert derived.refresh() == 1
    assert (charged(), failed_days(), SiteMark.objects.filter(name=MARK).exists()) == (DAYS, [], False)
    assert "Days that cannot be charged" not in client.get("/data-health/").content.decode()


def test_a_command_does_its_work_and_then_says_it_in_one_line(second_fails: None, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "c.yaml").write_text("- {code: frame, provider: openai, discount: '10'}")
    with pytest.raises(CommandError, match=r"^2026-09-08 could not be charged: OverflowError") as told:
        call_command("terms", "load", "contracts", str(tmp_path / "c.yaml"), "--json")
    assert told.value.returncode == 1
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["version"] == 1  # it is in force


def test_a_database_that_is_gone_stops_all(second_fails: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_given: Any, **_named: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("allocation.allocating.allocate_day", gone)
    with pytest.raises(OperationalError):
        derived.refresh()
    assert failed_days() == []
