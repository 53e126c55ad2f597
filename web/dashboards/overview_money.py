"""What the Overview's cards say beside the spend: forecast at close, budget, what is billed, what nothing explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from allocation.close import owed
from allocation.close.owed import Owed
from allocation.close.periods import frozen_at
from allocation.models import CostCentre, Reconciliation
from allocation.scope import Scope
from finops.periods import Period
from forecasting import at_close, selectors
from forecasting.at_close import AtClose
from web.dashboards.state import ViewState

_CENTRE = "x_CostCentre"


@dataclass(frozen=True)
class Explained:
    """The last reconciliation of the month in one currency. ``unexplained``: net; ``share``: of the differences, explained."""

    number: int
    made_at: datetime
    unexplained: Decimal
    share: Decimal


@dataclass(frozen=True)
class Money:
    """``close`` and ``budget`` None: there is none, and ``no_close`` and ``no_budget`` say why. ``bills`` None: not for this
    reader. The budget of a frozen month is the one it was closed with, as on its statements; bills go on coming.
    """

    close: AtClose | None = None
    no_close: str = ""
    budget: Decimal | None = None
    no_budget: str = ""
    bills: Owed | None = None
    waiting: int = 0  # issuers that have not invoiced all
    explained: Explained | None = None


def read(scope: Scope, state: ViewState, period: Period, currency: str) -> Money:
    """Of the month; forecast and budget by the filters of the view as far as they are kept so."""
    filters = {column: values for column, values in state.filters.items() if values}
    codes = None if scope.everything else _codes(scope)
    close, no_close = _close(scope, filters, codes, period, currency)
    budget, no_budget = _budget(filters, codes, period, currency)
    rows = [row for row in owed.of(period, with_credits=False) if row.currency == currency] if scope.everything else []
    providers = filters.get("ServiceProviderName", ())
    rows = [row for row in rows if not providers or row.issuer in providers]
    return Money(
        close, no_close, budget, no_budget, next(iter(owed.totals(rows)), None), sum(row.to_come != 0 for row in rows),
        _explained(period, currency) if scope.everything else None,
    )  # fmt: skip


def _codes(scope: Scope) -> list[str]:
    return list(scope.of(CostCentre.objects.all(), "id").order_by("code").values_list("code", flat=True))


def _close(
    scope: Scope, filters: Mapping[str, Sequence[str]], codes: list[str] | None, period: Period, currency: str
) -> tuple[AtClose | None, str]:
    if codes is not None and _CENTRE not in filters:
        if len(codes) != 1:
            return None, "choose one cost centre: forecasts of several do not add up"
        filters = {**filters, _CENTRE: codes}
    at = at_close.place(filters)
    if at is None:
        return None, "not kept for this choice of filters"
    return at_close.of(scope, period.start, at, currency), ""


def _budget(
    filters: Mapping[str, Sequence[str]], codes: list[str] | None, period: Period, currency: str
) -> tuple[Decimal | None, str]:
    if filters.keys() - {_CENTRE}:
        return None, "budgets are of cost centres"
    found = selectors.budgets(period, currency=currency, at=frozen_at(period.start))
    wanted = filters.get(_CENTRE) or codes
    if wanted is None:
        return found.get(selectors.WHOLE), ""
    mine = [found[code] for code in wanted if code in found and (codes is None or code in codes)]
    return (sum(mine, Decimal(0)), "") if mine else (None, "")


def _explained(period: Period, currency: str) -> Explained | None:
    run = Reconciliation.objects.filter(month=period.start).order_by("-number").first()
    total = next((each for each in run.totals if each["currency"] == currency), None) if run is not None else None
    if run is None or total is None:
        return None
    return Explained(run.number, run.made_at, Decimal(total["unexplained"]), Decimal(total["explained"]))
