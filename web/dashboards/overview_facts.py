"""What the Overview shows, read once per view: one period, the one before it over like days, in one currency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd
from django.conf import settings

from allocation import selectors
from allocation.close import frozen
from allocation.scope import Scope
from allocation.selectors import CostQuery, Freshness
from allocation.statement_selectors import state_of
from finops.periods import Period
from web.dashboards import frames, overview_money
from web.dashboards.frames import Line, Totals
from web.dashboards.overview_money import Money
from web.dashboards.sentences import Comparison
from web.dashboards.state import MOVERS, ViewState
from web.running_month import like_days, running_day, unfinished


@dataclass(frozen=True)
class Facts:
    """One view of one month. ``before`` frames cover the days of the former month that this one is compared with."""

    state: ViewState
    months: Sequence[str]
    period: Period
    day: int | None  # of the running month; None: the month is over
    books: str  # how far they are closed
    compared: Comparison
    currency: str
    everything: bool
    by_day: pd.DataFrame
    by_day_before: pd.DataFrame  # the whole former month
    by_centre: pd.DataFrame
    centres: Sequence[Line]
    tiers: Sequence[Line]
    movers: Sequence[Line]
    distribution: pd.DataFrame
    choices: Mapping[str, Sequence[str]]
    names: Mapping[str, str]
    owners: Mapping[str, str]  # cost centre -> who answers for it
    freshness: Freshness
    money: Money

    @property
    def effective(self) -> Decimal:
        """EffectiveCost of the view, whatever column it shows: what budgets and forecasts are of."""
        return frames.totals(self.by_day, "EffectiveCost").cost

    @property
    def month(self) -> str:
        """The period as the URL writes it."""
        return str(self.period)

    @property
    def totals(self) -> Totals:
        """Everything in the view."""
        return frames.totals(self.by_day, self.state.column)


def read(scope: Scope, state: ViewState, now: datetime, *, with_money: bool = True) -> Facts | None:
    """Ask the selectors for a view; None where this scope has no month with any cost. ``with_money``: for the cards."""
    months = selectors.months(scope)
    if not months:
        return None
    period = Period.month(state.month or months[0])
    currencies = selectors.currencies(scope, period)
    currency = state.currency or (currencies[0] if currencies else settings.REPORT_CURRENCY)
    column, freshness = state.column, selectors.freshness()

    def ask(of: Period, *group_by: str) -> pd.DataFrame:
        filters = {name: values for name, values in state.filters.items() if values}
        return selectors.costs(scope, CostQuery(of, group_by, filters, currency))

    by_day = ask(period, "ChargeDate", "x_QueryTier")
    by_day_before = ask(period.previous(), "ChargeDate", "x_QueryTier")
    day = running_day(period, now.date(), freshness, frames.last_day(by_day))
    like = like_days(period.previous(), day)
    by_centre, mover = ask(period, "x_CostCentre", "ChargeDate"), MOVERS[state.movers]
    centres_before, movers_before = ask(like, "x_CostCentre"), ask(like, mover)
    if not state.compare:
        by_day_before, centres_before, movers_before = (
            frame.iloc[:0] for frame in (by_day_before, centres_before, movers_before)
        )
    choices = {**selectors.choices(scope, period), "BillingCurrency": currencies}
    centres = frames.lines(by_centre, centres_before, "x_CostCentre", column)
    seen = {line.name for line in centres} | set(choices["x_CostCentre"])
    return Facts(
        state=state, months=months, period=period, day=day, books=state_of(period),
        compared=Comparison(period.start, like.start, day, len(like), unfinished(period, day, now.date())),
        currency=currency, everything=scope.everything, by_day=by_day, by_day_before=by_day_before, by_centre=by_centre,
        centres=centres,
        tiers=frames.in_tier_order(frames.lines(by_day, frames.until(by_day_before, like.end), "x_QueryTier", column)),
        movers=frames.lines(ask(period, mover), movers_before, mover, column),
        distribution=selectors.distribution(scope, CostQuery(period, (), state.filters, currency)),
        choices=choices,
        names={code: name for code, name in frozen.names(period).items() if code in seen},
        owners=selectors.cost_centre_owners(line.name for line in centres if line.name),
        freshness=freshness,
        money=overview_money.read(scope, state, period, currency) if with_money else Money(),
    )  # fmt: skip
