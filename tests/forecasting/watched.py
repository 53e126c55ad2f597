"""A ledger to be watched: calls of known cost at known hours, budgets in force, and a forecast of steady days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from allocation import rulebook
from allocation.derived import refresh
from allocation.models import CostCentre
from finops.models import Approval
from forecasting import budgets
from forecasting.calc.budget_entries import Row
from forecasting.models import Forecast, ForecastDay, ForecastMonth, ForecastSeries
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import centre
from web import approving

MONTH = date(2026, 9, 1)
NOW = datetime(2026, 9, 20, 12, 0, tzinfo=UTC)  # a Sunday
OUTPUT = Decimal("0.00001")  # dollars for a token of output of gpt-5; its prompt is free of charge here


def call(at: datetime, dollars: str, team: str = "search", **more: Any) -> dict[str, Any]:
    """One call of gpt-5 that costs just so much."""
    tokens = Decimal(dollars) / OUTPUT
    assert tokens == int(tokens)
    name = f"{team}-{at:%m%d%H%M}-{dollars}-{more.pop('number', 0)}"
    return payload(name, prompt=0, output=int(tokens), at=f"{at:%Y-%m-%dT%H:%M:%SZ}", team=team, **more)


def steady(days: Iterable[date], dollars: str, team: str = "search") -> list[dict[str, Any]]:
    """A call in the middle of every hour."""
    hours = (datetime(d.year, d.month, d.day, hour, 30, tzinfo=UTC) for d in days for hour in range(24))
    return [call(at, dollars, team) for at in hours]


def days(first: date, last: date) -> list[date]:
    """Both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def owned() -> None:
    """search is CC-100's, chat CC-200's; nobody owns the others."""
    centre("CC-100", name="Search")
    centre("CC-200", name="Chat")
    rulebook.load(
        [
            {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-100"}},
            {"id": "r2", "priority": 2, "when": {"tag.team": "chat"}, "to": {"cost_centre": "CC-200"}},
        ],
        actor="ann",
    )  # fmt: skip


def taken(folder: Path, calls: list[dict[str, Any]]) -> None:
    """Import calls and derive what they cost."""
    ingest_file(Import(write_lines(folder / f"{len(list(folder.iterdir()))}.jsonl", calls), "litellm"))
    refresh()


def budgeted(*amounts: tuple[str, str], name: str = "Budget", month: str = "2026-09", **more: str) -> int:
    """Budgets of a month in force: (cost centre, amount), '' the whole; ``more``: provider or model of all of them."""
    header = ["cost_centre", "month", "amount", *more]
    rows = [
        Row(n, {"cost_centre": code, "month": month, "amount": amount, **more})
        for n, (code, amount) in enumerate(amounts, start=1)
    ]
    made = budgets.propose(budgets.Asked(2026, name), header, rows, by="ann")
    approving.decide(Approval.objects.get(pk=made.approval_id), by="second", accept=True)
    return made.budget_id


def forecast(
    code: str | None, a_day: str, *, spread: str = "0", actual: str = "0", starts: date = date(2026, 9, 20)
) -> None:
    """A stored forecast of one series: every day the same to the end of the month, percentiles ``spread`` apart each."""
    made, _ = Forecast.objects.get_or_create(
        digest="watched", made_by="ann", history_from=date(2026, 7, 1), starts_on=starts, horizon=60, currency="USD",
        dimensions=["x_CostCentre", "ServiceProviderName", "x_Model", "x_QueryTier"], prices={}, coverage={}, checked=0,
    )  # fmt: skip
    row = ForecastSeries.objects.create(
        forecast=made, level=["x_CostCentre"] if code else [], key=[code] if code else [], method="median", history=60, checked=9,
        coverage={}, cost_centre=CostCentre.objects.filter(code=code).first(),
    )  # fmt: skip
    left = days(starts, date(2026, 9, 30))
    each = Decimal(a_day)
    ForecastDay.objects.bulk_create(
        ForecastDay(series=row, day=day, point=each, low_95=each, low_80=each, high_80=each, high_95=each)
        for day in left
    )
    whole = Decimal(actual) + each * len(left)
    ForecastMonth.objects.create(
        series=row, month=MONTH, whole=True, actual=Decimal(actual), point=whole,
        percentiles=[whole + Decimal(spread) * (n - 50) for n in range(1, 100)],
    )  # fmt: skip
