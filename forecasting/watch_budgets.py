"""Which budgets run on a day, by whose and what, and how much of each falls on it: bounded reads, no events.

A budget's period is the fiscal period of its year that holds the day. Budgets of several names add up, as on the page.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import quote

from finops.periods import Period
from forecasting import selectors
from forecasting.calc.fiscal import portion
from forecasting.models import BudgetLine, BudgetVersion

_NOTHING = Decimal(0)
_KEEP = " ._@()+*"  # what a name may have and still be read


class Subject(NamedTuple):
    """Whose money for what. ``code`` None: the whole; provider and model empty: all."""

    code: str | None
    provider: str
    model: str
    currency: str

    @property
    def name(self) -> str:
        """By which alerts know it."""
        parts = ("*" if self.code is None else self.code, self.provider, self.model)
        written = "/".join(quote(part, safe=_KEEP) for part in parts).rstrip("/")
        return f"budget:{written}:{self.currency}"

    @property
    def label(self) -> str:
        """As people know it."""
        return " / ".join(filter(None, (self.code or "The whole", self.provider, self.model)))

    @property
    def above(self) -> "list[Subject]":
        """What it is part of, the nearest first, budgeted or not."""
        wider = [self._replace(model=""), self._replace(provider="", model=""), Subject(None, "", "", self.currency)]
        return [one for one in dict.fromkeys(wider) if one != self]


class Running(NamedTuple):
    """A budget that runs. ``amount``: of the period; ``lines``: (days, amount) from ``since`` on; ``budgets``: ids of Budget."""

    subject: Subject
    period: Period
    amount: Decimal
    lines: tuple[tuple[Period, Decimal], ...]
    budgets: frozenset[int]


def period_of(versions: Iterable[BudgetVersion], day: date) -> Period:
    """The fiscal period that holds a day, of the first budget in force whose year does; else the calendar month."""
    for version in versions:
        calendar, year = version.budget.calendar, version.budget.fiscal_year
        if day in calendar.year(year):
            return next(each for each in calendar.periods(year) if day in each)
    return Period.month_of(day)


def running(day: date, *, since: date | None = None, codes: Collection[int] | None = None) -> list[Running]:
    """Every budget that has an amount in the period that holds a day, by name. ``codes``: ids of cost centres alone.

    Cost centres with all of their lines, lines of a provider or model apart as well, and the whole. Three queries.
    """
    versions = {version.pk: version for version in selectors.in_force()}
    period = period_of(versions.values(), day)
    begin = min(period.start, since or period.start)
    rows = BudgetLine.objects.filter(version__in=versions, start__lt=period.end, end__gt=begin)
    rows = rows if codes is None else rows.filter(cost_centre__in=codes)
    names = ("version", "cost_centre__code", "provider", "model", "currency", "start", "end", "amount")
    found: dict[Subject, list[tuple[Period, Decimal]]] = defaultdict(list)
    of: dict[Subject, set[int]] = defaultdict(set)
    lines = list(rows.order_by("pk").values_list(*names))
    stated = set(BudgetLine.objects.filter(version__in=versions, cost_centre=None).values_list("version", flat=True))
    for version, code, provider, model, currency, start, end, amount in lines:
        mine = [Subject(code, "", "", currency)]
        if provider or model:
            mine.append(Subject(code, provider, model, currency))
        if code is not None and version not in stated and codes is None:
            mine.append(Subject(None, "", "", currency))
        for subject in mine:
            found[subject].append((Period(start, end), amount))
            of[subject].add(versions[version].budget_id)
    made = [
        Running(
            subject, period, sum((portion(amount, days, period) for days, amount in each), _NOTHING), tuple(each),
            frozenset(of[subject]),
        )
        for subject, each in found.items()
        if any(days.start < period.end and days.end > period.start for days, _ in each)
    ]  # fmt: skip
    return sorted(made, key=lambda one: (one.subject.code is not None, one.subject.name))


def per_day(one: Running, first: date, count: int) -> list[Decimal]:
    """What was budgeted for each of ``count`` days; before its first line as much as a day of the running period."""
    flat = portion(one.amount, one.period, Period(one.period.start, one.period.start + timedelta(days=1)))
    days = [Period(day, day + timedelta(days=1)) for day in (first + timedelta(days=n) for n in range(count))]
    known = [[portion(amount, whole, day) for whole, amount in one.lines if day.start in whole] for day in days]
    return [sum(each, _NOTHING) if each else flat for each in known]
