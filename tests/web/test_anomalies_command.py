"""The command anomalies, and what page and API say before it ran and where it found nothing."""

import json
import re

import pytest
from django.core.management import call_command
from django.test import Client

from finops.models import SiteMark, User
from forecasting import anomalies, forecasts, tasks
from forecasting.models import Anomaly
from tests.forecasting.test_anomalies import BEFORE, SPIKED, spent
from tests.web.ledger import person
from web.management.base import RefusedHere

pytestmark = pytest.mark.usefixtures("ledger")
PAGE = "/budgets/anomalies/"


def shown() -> str:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_before_anything_was_judged_the_page_says_how_to() -> None:
    person("ann", "analyst")
    assert "manage.py anomalies run" in shown()
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    assert client.get(f"{PAGE}anomalies.csv").content.count(b"\n") == 1


def test_days_without_any_anomaly_are_said_to_be_so() -> None:
    spent()
    person("ann", "analyst")
    anomalies.run(before=BEFORE)
    assert "No day from 1 Jul 2026 to 19 Sep 2026 cost far more or less than was forecast for it" in shown()


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_the_command_judges_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    spent(SPIKED)
    call_command("anomalies", "run", "--json")
    assert last_line(capsys) | {"since": ""} == {
        "currency": "USD", "since": "", "until": str(BEFORE), "nodes": 7, "found": 4, "new": 4, "closed": 0
    }  # fmt: skip
    call_command("anomalies", "list", "--json")
    found = last_line(capsys)
    assert (found["open"], found["below"], found["closed"], found["anomalies"]) == (
        1,
        3,
        0,
        [Anomaly.objects.get(told=True).pk],
    )
    call_command("anomalies", "list", "--all")
    said = capsys.readouterr().out
    assert "All spend" in said
    assert "CC-100 / openai / gpt-5 / Simple" in said
    assert "Cost $550.00 on 15 Sep 2026, " in said


def test_the_command_refuses_an_empty_ledger() -> None:
    with pytest.raises(RefusedHere, match="there is nothing to judge"):
        call_command("anomalies", "run")


def test_the_nightly_task_judges_once_after_the_forecast() -> None:
    spent(SPIKED)
    tasks.anomalies()
    assert not Anomaly.objects.exists(), "no forecast tonight yet"
    SiteMark.objects.create(name=tasks.FORECAST, value={"day": str(BEFORE)})
    forecast = forecasts.make(by="system", horizon=7)
    tasks.anomalies()
    rows = list(Anomaly.objects.all())
    assert {row.forecast for row in rows} == {forecast}
    SiteMark.objects.filter(name="anomalies.USD").delete()
    tasks.anomalies()
    assert not SiteMark.objects.filter(name="anomalies.USD").exists(), "once a night"
