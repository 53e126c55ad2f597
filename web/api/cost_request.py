"""What a request for costs asks: its parameters, checked. Every wrong one is a ValidationError that names it."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from allocation.selectors import FILTERS, CostQuery
from finops.focus import COST_COLUMNS
from finops.periods import YEARS, Period, PeriodError
from web.api.currency import currency_of

GRANULARITIES = ("total", "month", "day")
VIEWS = ("as-was", "as-is")  # as it was charged, or with what was posted against these days since
TIME_COLUMN = {"day": "ChargeDate", "month": "BillingPeriodStart"}
DIMENSIONS_MAX, DAYS_MAX, VALUES_MAX, LENGTH_MAX = 4, 400, 100, 200


@dataclass(frozen=True)
class CostRequest:
    """One question. ``query`` reads the period; ``before``, where asked for, the period it is compared with."""

    period: Period
    dimensions: tuple[str, ...]
    granularity: str
    column: str
    currency: str
    filters: dict[str, tuple[str, ...]]
    compare: bool
    restated: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that tell the rows of the answer apart, in order."""
        return (*((TIME_COLUMN[self.granularity],) if self.granularity in TIME_COLUMN else ()), *self.dimensions)

    def query(self, period: Period) -> CostQuery:
        """The read of one period: by day where the answer needs days, always by provenance."""
        day = ("ChargeDate",) if self.granularity != "total" else ()
        provenance = () if "x_Provenance" in self.dimensions else ("x_Provenance",)
        return CostQuery(period, (*day, *self.dimensions, *provenance), self.filters, self.currency, self.restated)

    def before(self) -> Period:
        """Whole months are compared with as many months before, other periods with as many days."""
        start, end = self.period.start, self.period.end
        if start.day == 1 and end.day == 1:
            return Period(_months_back(start, (end.year - start.year) * 12 + end.month - start.month), start)
        return self.period.previous()


def parse(given: QueryDict) -> CostRequest:
    """The parameters of a request. Raises ValidationError."""
    granularity = _one_of(given, "granularity", GRANULARITIES)
    return CostRequest(
        period=_period(given),
        dimensions=_dimensions(given.get("group_by", "")),
        granularity=granularity,
        column=_one_of(given, "column", COST_COLUMNS, "EffectiveCost"),
        currency=currency_of(given),
        filters={name: _values(given, f"filter[{name}]") for name in FILTERS if f"filter[{name}]" in given},
        compare=_one_of(given, "compare", ("", "previous")) == "previous",
        restated=_one_of(given, "view", VIEWS) == "as-is",
    )


def _one_of(given: QueryDict, name: str, possible: tuple[str, ...], default: str | None = None) -> str:
    value = given.get(name, possible[0] if default is None else default)
    if value not in possible:
        raise ValidationError({name: f"one of {', '.join(filter(None, possible))}"})
    return value


def _dimensions(text: str) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    for name in names:
        if name == "ChargeDate":
            raise ValidationError({"group_by": "days come with granularity=day"})
        if name not in FILTERS:
            raise ValidationError({"group_by": f"cannot group by {name[:60]!r}; possible: {', '.join(FILTERS)}"})
    if len(names) > DIMENSIONS_MAX or len(set(names)) < len(names):
        raise ValidationError({"group_by": f"at most {DIMENSIONS_MAX} dimensions, each once"})
    return names


def _values(given: QueryDict, name: str) -> tuple[str, ...]:
    values = tuple(given.get(name, "").split(","))
    if len(values) > VALUES_MAX or any(len(value) > LENGTH_MAX for value in values):
        raise ValidationError({name: f"at most {VALUES_MAX} values of {LENGTH_MAX} characters"})
    return values


def _period(given: QueryDict) -> Period:
    month, start, end = given.get("month"), given.get("start"), given.get("end")
    if month is not None and start is None and end is None:
        return _month(month)
    if month is not None or start is None or end is None:
        raise ValidationError({"month": "give either month=YYYY-MM or both start and end (the first day after)"})
    try:
        period = Period(_day("start", start), _day("end", end))
    except PeriodError as error:
        raise ValidationError({"end": str(error)}) from None
    if len(period) > DAYS_MAX:
        raise ValidationError({"end": f"at most {DAYS_MAX} days at once"})
    return period


def _month(text: str) -> Period:
    try:
        return Period.month(text)
    except PeriodError as error:
        raise ValidationError({"month": str(error)}) from None


def _day(name: str, text: str) -> date:
    wrong = ValidationError({name: f"a day is written YYYY-MM-DD, from {YEARS[0]}-01-01 to {YEARS[-1]}-12-31"})
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise wrong
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if day.year not in YEARS:
        raise wrong
    return day


def _months_back(day: date, months: int) -> date:
    for _ in range(months):
        day = (day - timedelta(days=1)).replace(day=1)
    return day
