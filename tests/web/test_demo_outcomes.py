"""The demo's outcomes on a small ledger: real ones are what their files say, simulated ones are marked, all of it loads twice."""

import csv
import gzip
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from allocation.models import BenchmarkRun, Benefit, Outcome
from allocation.scope import EVERYTHING
from allocation.value import roi, roi_marginal
from finops.periods import Period
from tests.web.ledger import Usage, centre, load
from web.demo import outcomes
from web.demo.buckets import DATA
from web.demo.window import Window

pytestmark = pytest.mark.django_db
WINDOW = Window.ending(date(2026, 11, 15), datetime(2026, 11, 20, 12, tzinfo=UTC))


def test_the_demo_shows_what_it_says_it_shows() -> None:
    for code, team in (("CC-210", "support-automation"), ("CC-310", "developer-tools"), ("CC-330", "claims-intake")):
        centre(code, team)
    for month in (8, 9, 10):
        load(
            Usage("9000", "CC-210", "support-automation", date(2026, month, 3)),
            Usage("700", "CC-310", "developer-tools", date(2026, month, 3), feature="completion"),
            Usage("30000", "CC-410", day=date(2026, month, 3)),
        )
    for _ in range(2):
        outcomes.load(WINDOW)
    with gzip.open(DATA / "routerarena_two_models.csv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    real = Outcome.objects.filter(source="routerarena")
    assert real.count() == len(rows) == 778
    assert sum(row.cost or 0 for row in real) == sum(Decimal(row["inf_cost"]) for row in rows)
    assert set(real.values_list("setting", flat=True)) == {"benchmark"}
    assert set(Outcome.objects.filter(setting="production").values_list("source", flat=True)) == {"example-simulated"}
    assert BenchmarkRun.objects.filter(model="o3-mini").count() == 2
    assert not Benefit.objects.exclude(effect__startswith="example-").exists()
    found = roi.report(EVERYTHING, roi.RoiQuery(Period.month("2026-09"), Period.month("2026-09"))).total
    assert found.roi is not None
    assert found.blind_share is not None
    assert Decimal("0.5") < found.blind_share < 1
    assert found.cost_per_resolved is not None
    questions = roi_marginal.questions(EVERYTHING)
    verdicts = {
        (each.base, each.candidate): roi_marginal.answer(EVERYTHING, each, "USD").found.verdict
        for each in questions if each.dimension == "model"
    }  # fmt: skip
    assert verdicts["gemini-2.0-flash-001", "claude-3-haiku-20240307"] == "worse"
    efforts = roi_marginal.efforts(EVERYTHING, Period.month("2026-09"), "USD")
    assert {each.task_class for each in efforts.classes} == {"coding", "questions and answers"}
