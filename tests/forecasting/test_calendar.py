"""Calendar events: what a document may say, how forecasts know of it, and two people to put it in force."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from allocation.calc.contracts_fields import AgreementError
from finops.models import Approval, AuditEvent
from finops.periods import Period
from forecasting import calendar, forecasts
from forecasting.calc.calendar_document import events, parse
from forecasting.models import Forecast, ForecastDay
from tests.forecasting.test_forecasts import BEFORE, spent
from tests.web.ledger import person
from web import approving
from web.management.base import WrongUse

SALE = {"code": "sale", "dates": ["2026-09-28/2026-09-30"], "factor": "2"}


def points(found: Forecast, *level: str) -> dict[tuple[str, ...], dict[date, Decimal]]:
    days: dict[tuple[str, ...], dict[date, Decimal]] = {}
    for day in ForecastDay.objects.filter(series__forecast=found, series__level=list(level)).select_related("series"):
        days.setdefault(tuple(day.series.key), {})[day.day] = day.point
    return days


def made(**given: Any) -> Forecast:
    return forecasts.make(by="ann", before=BEFORE, **{"horizon": 21} | given)


def test_an_entry_is_every_date_of_it_as_an_event() -> None:
    document = [
        SALE,
        {
            "code": "fast",
            "name": "Fasting",
            "dates": [date(2026, 11, 26), "2025-11-27"],
            "where": {"x_CostCentre": "A"},
        },
    ]
    sale, fast = parse(document)
    assert (sale.name, sale.dates, sale.factor) == ("sale", (Period(date(2026, 9, 28), date(2026, 10, 1)),), Decimal(2))
    assert (fast.factor, fast.where) == (None, {"x_CostCentre": ("A",)})
    found = events([sale, fast])
    assert [(event.name, event.start, event.end - event.start) for event in found] == [
        ("Fasting", datetime(2025, 11, 27, tzinfo=UTC), timedelta(days=1)),
        ("sale", datetime(2026, 9, 28, tzinfo=UTC), timedelta(days=3)),
        ("Fasting", datetime(2026, 11, 26, tzinfo=UTC), timedelta(days=1)),
    ]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"dates": []}, "must be a list of days"), ({"dates": ["soon"]}, "'soon' is no day"),
        ({"dates": ["2026-09-30/2026-09-28"]}, "is no day YYYY-MM-DD, nor first/last"),
        ({"dates": ["2026-09-01/2026-09-05", "2026-09-05"]}, "2026-09-05 is in two of them"),
        ({"dates": ["1026-09-01"]}, "dates"), ({"factor": 0.5}, "is a float"), ({"factor": "-1"}, "at least 0"),
        ({"factor": "101"}, "at most 100 times"), ({"where": {"colour": ["red"]}}, "has no dimension 'colour'"),
        ({"where": {"x_Model": []}}, "a list of texts"), ({"when": "now"}, "unknown field 'when'"), ({"name": "x" * 121}, "120"),
    ],
)  # fmt: skip
def test_what_an_entry_may_not_say_is_told_with_its_code_and_field(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(AgreementError, match="sale") as refused:
        parse([SALE | entry])
    assert told in str(refused.value)


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(AgreementError, match="two: name 'sale' is that of sale already"):
        parse([SALE, {**SALE, "code": "two", "name": "sale"}])


@pytest.mark.usefixtures("ledger")
def test_a_stated_factor_multiplies_its_days_alone_and_a_new_calendar_makes_a_new_forecast() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)), ("CC-200", "o5", Decimal(40)))
    plain = made()
    calendar.load([SALE | {"where": {"x_CostCentre": ["CC-100"]}}], actor="ann")
    told = made()
    assert told != plain
    assert told == made()
    before, after = points(plain, "x_CostCentre"), points(told, "x_CostCentre")
    for (code,), days in before.items():
        for day, point in days.items():
            times = 2 if code == "CC-100" and date(2026, 9, 28) <= day <= date(2026, 9, 30) else 1
            assert after[code,][day] == pytest.approx(point * times, rel=Decimal("1e-9")), (code, day)
    assert told.marks == [
        {
            "first": "2026-09-28",
            "last": "2026-09-30",
            "event": "sale",
            "where": {"x_CostCentre": ["CC-100"]},
            "factor": 2.0,
        }
    ]
    assert plain.marks == []


@pytest.mark.usefixtures("ledger")
def test_an_event_without_a_factor_is_measured_at_its_past_date_and_without_one_is_left_out_aloud() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)))
    calendar.load([{"code": "weekend", "dates": ["2026-09-12/2026-09-13", "2026-09-26/2026-09-27"]},
                   {"code": "first", "dates": ["2026-09-24"]},
                   {"code": "feature", "dates": ["2026-09-25"], "where": {"x_Feature": ["chat"]}}], actor="ann")  # fmt: skip
    found = made()
    assert [mark["event"] for mark in found.marks] == ["weekend"]
    assert found.marks[0]["factor"] == pytest.approx(1, rel=0.02)  # usage repeats: the past weekend was a usual one
    notes = " ".join(found.notes)
    assert "first on 2026-09-24 has no factor and no past date to measure it: left out" in notes
    assert "feature is about some of x_Feature, by which nothing is forecast: left out" in notes


@pytest.mark.usefixtures("ledger")
def test_the_command_proposes_and_a_second_person_puts_in_force(tmp_path: Path) -> None:
    person("ann", "finance")
    file = tmp_path / "calendar.yaml"
    file.write_text("- {code: xmas, name: Christmas, dates: [2026-12-24/2026-12-26], factor: '0.4'}\n")

    def run(*arguments: str) -> tuple[str, dict[str, Any]]:
        out = io.StringIO()
        call_command("calendar", *arguments, "--json", stdout=out)
        *lines, last = out.getvalue().splitlines()
        return "\n".join(lines), json.loads(last)

    assert "No calendar events are in force" in run("show")[0]
    with pytest.raises(WrongUse, match="--as USER"):
        run("load", str(file))
    asked = Approval.objects.get(pk=run("load", str(file), "--as", "ann")[1]["approval"])
    assert calendar.in_force() == ()
    approving.decide(asked, by="bob", accept=True)
    text, said = run("show")
    assert "xmas: Christmas" in text
    assert said["entries"] == [
        {"code": "xmas", "name": "Christmas", "dates": ["2026-12-24/2026-12-26"], "factor": "0.4"}
    ]
    assert AuditEvent.objects.filter(action="calendar.load").exists()
    file.write_text("- {code: xmas, dates: [never]}\n")
    with pytest.raises(WrongUse, match=r"calendar\.yaml: xmas: dates 'never' is no day"):
        run("load", str(file), "--as", "ann")
