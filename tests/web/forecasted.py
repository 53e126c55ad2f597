"""A ledger with half a year of daily cost that varies a little, a budget, a calendar, forecasts and months closed on them."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from django.utils import timezone

from allocation.models import BillingPeriod, CostCentre
from forecasting import backtests, calendar, forecasts
from forecasting.models import Budget, BudgetLine, BudgetVersion, Forecast
from tests.web.ledger import Usage, centre, load

FIRST, BEFORE = date(2026, 3, 1), date(2026, 9, 20)
BUDGETS = {None: Decimal(9_000), "CC-100": Decimal(1)}  # of September: the whole, and one that is passed for certain
SERIES = (
    ("CC-100", "openai", "gpt-5", "simple", 100), ("CC-100", "openai", "gpt-5-mini", "moderate", 20),
    ("CC-200", "anthropic", "claude-haiku-4-5", "complex", 60), (None, "openai", "gpt-5", "simple", 15),
)  # fmt: skip
EVENT = {"code": "sale", "name": "Autumn sale", "dates": ["2026-09-28/2026-09-30"], "factor": "1.5"}


def spent(first: date = FIRST, before: date = BEFORE) -> None:
    """Every day, more on working days, with noise that is the same every time; and one series of two days."""
    dice, rows = Random(7), []
    for number in range((before - first).days):
        day = first + timedelta(days=number)
        for owner, provider, model, tier, amount in SERIES:
            week = Decimal(2 if day.weekday() < 5 else 1)
            cost = (amount * week * Decimal(dice.randint(85, 115)) / 100).quantize(Decimal("0.000001"))
            rows.append(Usage(f"{cost}", owner, provider=provider, model=model, tier=tier, day=day))
    rows += [Usage("3", "CC-300", model="brand-new", day=before - timedelta(days=ago)) for ago in (1, 2)]
    centre("CC-300")
    load(*rows)


def budgeted(month: date = date(2026, 9, 1), after: date = date(2026, 10, 1)) -> None:
    budget = Budget.objects.create(fiscal_year=2026, name="Budget")
    version = BudgetVersion.objects.create(
        budget=budget, number=1, kind="original", loaded_by="ann", approved_at=timezone.now()
    )
    centres = {row.code: row for row in CostCentre.objects.all()}
    for code, amount in BUDGETS.items():
        BudgetLine.objects.create(
            version=version, cost_centre=centres[code] if code else None, start=month, end=after, amount=amount, currency="USD"
        )  # fmt: skip


def made() -> Forecast:
    """All of it; the forecast in force is returned. August and July are closed, each on a forecast of its time."""
    spent()
    budgeted()
    calendar.load([EVENT], actor="ann")
    for month, after in ((date(2026, 6, 1), date(2026, 7, 1)), (date(2026, 7, 1), date(2026, 8, 1))):
        at = datetime.fromisoformat(f"{after}T12:00:00+00:00") + timedelta(days=5)
        then = forecasts.make(by="system", before=after, horizon=62)
        Forecast.objects.filter(pk=then.pk).update(made_at=at - timedelta(hours=3))
        BillingPeriod.objects.create(month=month, state="closed", soft_closed_at=at)
    BillingPeriod.objects.create(month=date(2026, 8, 1), state="soft_closed", soft_closed_at="2026-09-06T12:00:00Z")
    forecasts.keep_at_closes()
    backtests.make(by="system", before=BEFORE, horizon=14, origins=4)
    return forecasts.make(by="system", before=BEFORE, horizon=42)
