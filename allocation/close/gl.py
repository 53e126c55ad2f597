"""The posting matrix: that in force, that of a month, and who pays what."""

from datetime import date
from typing import Any

from django.db.models import Max, OuterRef, Subquery

from allocation.calc.accruals import Place
from allocation.calc.gl import KIND, GlMap, parse
from allocation.close import frozen
from allocation.close.periods import frozen_months
from allocation.costing import terms
from allocation.models import Accrual, AccrualRun, TermsVersion, TrueUp
from finops.periods import Period

_PLACE = ("issuer", "billing_account", "currency", "billed_month", "legal_entity")


def in_force() -> GlMap:
    """The live document, else the default."""
    found: GlMap = terms.in_force(KIND, parse)
    return found


def of(period: Period) -> GlMap:
    """The document that a month was frozen with, else the live one."""
    found: GlMap = frozen.document(period, KIND, parse)
    return found


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put a posting matrix in force; it changes no charge. Raises GlError."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


class Payers:
    """Which legal entity pays what is billed for a month, as the books of ``period`` have it.

    What an earlier month (of a frozen period also itself) accrued or posted stays with the entity that it began with; of a
    frozen month that is billed its own matrix holds, so that another matrix moves nothing that was booked. The rest is as the
    matrix of the period says.
    """

    def __init__(self, period: Period) -> None:
        self._mapping, self._frozen = of(period), frozen_months()
        self._of_months: dict[date, GlMap] = {period.start: self._mapping}
        self._began = _began(period.end if period.start in self._frozen else period.start)

    def place(self, issuer: str, account: str, currency: str, month: date) -> Place:
        """The place of what an issuer bills to an account for a month (its first day); issuer '': nobody bills it."""
        entity = self._began.get((issuer, account, currency, month)) if issuer else None
        if entity is None:
            entity = self._of_month(month).payer(issuer, account, month)
        return Place(issuer, account, currency, entity)

    def _of_month(self, month: date) -> GlMap:
        if month not in self._of_months:
            self._of_months[month] = of(Period.month_of(month)) if month in self._frozen else self._mapping
        return self._of_months[month]


def _began(until: date) -> dict[tuple[str, str, str, date], str]:
    """(issuer, account, currency, billed month) -> the entity of its first row in the runs in force of months before a day."""
    newest = AccrualRun.objects.filter(month=OuterRef("run__month")).order_by().values("month")
    in_force = Subquery(newest.annotate(at=Max("version")).values("at"))
    rows = sorted(
        row
        for model in (Accrual, TrueUp)
        for row in model.objects.filter(run__month__lt=until, run__version=in_force)
        .order_by()
        .values_list("run__month", *_PLACE)
    )
    found: dict[tuple[str, str, str, date], str] = {}
    for _, issuer, account, currency, month, entity in rows:
        found.setdefault((issuer, account, currency, month), entity)
    return found
