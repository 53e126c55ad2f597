"""How much to commit to: a stored forecast's sample paths, what already runs, and an offer, weighed (calc.commitment_advisor)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from allocation.calc.commitments import CAPACITY, ENTERPRISE, Commitment
from allocation.calc.contracts_fields import AgreementError, exact
from allocation.costing import commitments_selectors
from allocation.scope import EVERYTHING
from forecasting import advice_words, forecasts
from forecasting.calc.baseline import ForecastError
from forecasting.calc.commitment_advisor import (
    LIST,
    OVERAGE,
    Advice,
    AdviceError,
    Capacity,
    Commit,
    capacity,
    filled_by,
    spend,
)
from forecasting.calc.daily import drawn, lay
from forecasting.calc.series import Floats
from forecasting.forecast_selectors import NoForecast, NoneYet, series, unstated
from forecasting.models import Forecast

SPEND, THROUGHPUT, GPU = "spend", "throughput", "gpu"
KINDS = {SPEND: "Spend commit", THROUGHPUT: "Provisioned throughput", GPU: "GPU reservation"}
PER = {"hour": Decimal(24), "day": Decimal(1), "month": Decimal(12) / Decimal(365)}  # prices of a unit and day
TELLS = ("ServiceProviderName", "x_Model", "x_CostCentre")
FIELDS = (
    "kind", *TELLS, "days", "price", "on_demand", "per", "least", "step", "most", "discount", "overage", "amounts", "currency",
)  # fmt: skip
# What is weighed where no amount is named, of the median demand in per cent; the amount that costs least beside them.
AMOUNTS = (20, 40, 60, 70, 80, 90, 95, 100)
PERCENTS = (5, 25, 50, 75, 95)
_SEED, _MOST_AMOUNTS, _MOST_SIZE = 0, 20, 10**9
_STEP = Decimal(1).scaleb(-12)
_KEPT: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Floats] = {}
_MOST_KEPT = 32


class Question(NamedTuple):
    """What is on offer, for which usage. ``chosen``: dimension -> value; money of the forecast's currency.

    Of capacity: ``price`` and ``on_demand`` of a unit and day, ``least``, ``step``, ``most``. Of a spend commit: ``discount``,
    ``overage`` (what usage beyond it costs, of OVERAGE) and ``amounts`` over the whole ``days`` (none: AMOUNTS). None: not said.
    """

    kind: str
    chosen: Mapping[str, str]
    days: int | None = None
    price: Decimal | None = None
    on_demand: Decimal | None = None
    discount: Decimal | None = None
    amounts: tuple[Decimal, ...] = ()
    least: int = 1
    step: int = 1
    most: int | None = None
    currency: str = ""
    overage: str = LIST


class Running(NamedTuple):
    """A commitment in force within the days asked for; ``taken``: what of demand it has already."""

    code: str
    kind: str
    ends: date
    taken: Decimal
    currency: str


class Found(NamedTuple):
    """The answer. ``exact``: the paths are those of the stored forecast; else history changed since and they are of today's.

    ``demand``: PERCENTS of what is left for the offer over all days, money; ``advice`` None: ``lacks`` says what must be given.
    ``why``: why nothing on offer is better than paying on demand; '': something is.
    """

    forecast: Forecast
    first: date
    days: int
    exact: bool
    running: list[Running]
    demand: dict[int, Decimal]
    advice: Advice | None
    lacks: str
    why: str = ""


def asked(given: Mapping[str, Any]) -> Question:
    """A question of its fields, texts or numbers. Raises AdviceError naming the field."""
    if unknown := sorted(set(map(str, given)) - set(FIELDS)):
        raise AdviceError(f"{unknown[0][:60]} is not known; there are {', '.join(FIELDS)}")
    kind, per, overage = (_one(given, *each) for each in (("kind", KINDS), ("per", PER), ("overage", OVERAGE)))
    chosen = {name: str(given[name]) for name in TELLS if given.get(name) not in (None, "")}
    amounts = given.get("amounts") or ()
    if isinstance(amounts, str):
        amounts = [part for part in amounts.replace(",", " ").split() if part]
    if not isinstance(amounts, Sequence) or len(amounts) > _MOST_AMOUNTS:
        raise AdviceError(f"amounts: a list of at most {_MOST_AMOUNTS} amounts, such as 20000 40000")
    price, on_demand = (_number(given, name) for name in ("price", "on_demand"))
    return Question(
        kind, chosen, _whole(given, "days"), _daily(price, per), _daily(on_demand, per), _number(given, "discount"),
        tuple(_amount(one, "amounts") for one in amounts), _whole(given, "least") or 1, _whole(given, "step") or 1,
        _whole(given, "most"), str(given.get("currency") or ""), overage,
    )  # fmt: skip


def advise(question: Question) -> Found:
    """The advice. Raises AdviceError, and NoForecast where there is none of such usage."""
    found = forecasts.in_force(question.currency)
    if found is None:
        raise NoneYet("There is no forecast yet: one is made every night, and by `manage.py forecast`.")
    level = tuple(name for name in found.dimensions if name in question.chosen)
    key = tuple(question.chosen[name] for name in level)
    _check_forecast(found, level, key)
    days = found.horizon if question.days is None else question.days
    if not 1 <= days <= found.horizon:
        raise AdviceError(
            f"days: the forecast in force reaches {found.horizon} days, not {days}; "
            f"`manage.py forecast --horizon {max(days, 1)}` reaches further, where history is long enough"
        )
    first, paths, exact_ = _paths(found, level, key)
    paths, period = paths[:, :days], [first + timedelta(days=number) for number in range(days)]
    usual = np.maximum(paths, 0)
    running = list(_running(question, period, found.currency))
    others = _of(question)
    taken = np.array([float(sum((_day(one, day) for one in others), Decimal(0))) for day in period])
    left = paths - np.minimum(taken[None, :], usual)  # a day that gives back has nothing that others could take
    totals = left.sum(axis=1)
    demand = {share: _money(float(np.percentile(totals, share))) for share in PERCENTS}
    lacks = _lacks(question)
    advice = None if lacks else _weighed(question, np.maximum(left, 0), np.maximum(totals, 0), found.currency)
    why = ""
    if advice and not advice.best.size:
        why = advice_words.why_nothing(question, advice, demand[95], spend=question.kind == SPEND)
    return Found(found, first, days, exact_, running, demand, advice, lacks, why)


def _check_forecast(found: Forecast, level: tuple[str, ...], key: tuple[str, ...]) -> None:
    """Raises NoForecast, saying what to do, where there are no sample paths to weigh on."""
    row = series(EVERYTHING, found, level).filter(key=list(key)).first()
    named = " / ".join(key) or "the whole"
    if row is None:
        raise NoForecast(
            f"No series of {named} is forecast: leave a dimension out, or choose one that GET /api/v1/forecasts?group_by= lists."
        )
    if not row.method:
        raise NoForecast(f"No series of {named} is forecast: {row.refusal}.")
    if why := unstated(row):
        raise NoForecast(f"The forecast of {named} cannot weigh an offer: {why}.")


def _lacks(question: Question) -> str:
    if question.kind == SPEND:
        return "" if question.discount is not None else "discount: what the commit takes off list prices, such as 0.1"
    lacking = [name for name in ("price", "on_demand") if getattr(question, name) is None]
    told = {
        "price": "price: of a unit of it, used or not", "on_demand": "on_demand: what the full use of a unit costs without it"
    }  # fmt: skip
    return "; ".join(told[name] for name in lacking)


def _weighed(question: Question, left: Floats, totals: Floats, currency: str) -> Advice:
    if question.kind == SPEND:
        assert question.discount is not None
        if not 0 <= question.discount < 1:
            raise AdviceError("discount: a share from 0 to below 1, such as 0.15 for 15 %")
        middle = Decimal(repr(float(np.median(totals))))
        usual = [filled_by(totals, question.discount, question.overage), *(middle * share / 100 for share in AMOUNTS)]
        amounts = question.amounts or tuple(dict.fromkeys(amount.quantize(Decimal(1)) for amount in usual))
        if question.amounts and min(question.amounts) <= 0:
            raise AdviceError("amounts: each above 0; to commit to nothing is weighed in any case")
        offers = [Commit(amount, question.discount) for amount in amounts if amount > 0]
        return spend(totals, offers, currency, question.overage)
    assert question.price is not None
    assert question.on_demand is not None
    if question.on_demand <= 0:
        raise AdviceError("on_demand: above 0: what the full use of a unit costs without the offer")
    offer = Capacity(question.price, question.on_demand, currency, question.least, question.step, question.most)
    return capacity(left / float(question.on_demand), offer)


def _paths(found: Forecast, level: tuple[str, ...], key: tuple[str, ...]) -> tuple[date, Floats, bool]:
    """First day, (draws, days) of cost, and whether they are the stored forecast's own: it is made again from its history."""
    try:
        again = forecasts.gathered(found.dimensions, found.horizon, found.currency, found.starts_on)
        return again.days.end, _drawn(again, level, key), again.digest == found.digest
    except (ForecastError, LookupError) as wrong:
        raise NoForecast(f"The paths cannot be drawn any more: {wrong}") from None


def _drawn(again: forecasts.Gathered, level: tuple[str, ...], key: tuple[str, ...]) -> Floats:
    """Another price of the same usage asks for the same paths: some are kept in memory."""
    place = (again.digest, level, key)
    if place not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[place] = drawn(lay(again.known(), again.horizon), level, key, _SEED)
    return _KEPT[place]


def _of(question: Question) -> list[Commitment]:
    """The commitments whose money is demand that the offer cannot have: another commit's spend, other capacity's usage."""
    kinds = (ENTERPRISE,) if question.kind == SPEND else CAPACITY
    return [one for one in commitments_selectors.in_force().of_kind(*kinds) if _concerns(one, question.chosen)]


def _running(question: Question, days: Sequence[date], currency: str) -> Iterable[Running]:
    mine = {one.code for one in _of(question)}
    for one in commitments_selectors.in_force().of_kind(*CAPACITY, ENTERPRISE):
        if _concerns(one, question.chosen) and one.first <= days[-1] and one.last > days[0]:
            taken = sum((_day(one, day) for day in days), Decimal(0)) if one.code in mine else Decimal(0)
            if one.currency != currency and taken:
                raise AdviceError(
                    f"commitment {one.code} is in {one.currency}, the forecast in {currency}: ask in {one.currency}"
                )
            yield Running(one.code, one.kind, one.last, _money(taken), one.currency)


def _day(one: Commitment, day: date) -> Decimal:
    """What of a day's cost is spoken for."""
    if not one.first <= day < one.last:
        return Decimal(0)
    return one.amount / (one.last - one.first).days if one.kind == ENTERPRISE else one.cost(day).cost


def _concerns(one: Commitment, chosen: Mapping[str, str]) -> bool:
    """Whether it may be about usage of this provider and model."""
    said = {"provider": chosen.get("ServiceProviderName"), "model": chosen.get("x_Model")}
    return all(
        any(fnmatchcase(value, pattern) for pattern in patterns)
        for name, patterns in one.match.wanted
        if (value := said.get(name))
    )


def _one(given: Mapping[str, Any], name: str, known: Mapping[str, Any]) -> str:
    """Which of some words a field is, by default as Question has it."""
    value = given.get(name) or {"kind": SPEND, "per": "day", "overage": LIST}[name]
    if not isinstance(value, str) or value not in known:
        raise AdviceError(f"{name}: one of {', '.join(known)}, not {str(value)[:40]!r}")
    return value


def _daily(price: Decimal | None, per: str) -> Decimal | None:
    return None if price is None else (price * PER[per]).quantize(_STEP)


def _number(given: Mapping[str, Any], name: str) -> Decimal | None:
    value = given.get(name)
    return None if value in (None, "") else _amount(value, name)


def _amount(value: Any, name: str) -> Decimal:
    try:
        return exact(value.strip() if isinstance(value, str) else value, name)
    except AgreementError as wrong:
        raise AdviceError(str(wrong)) from None


def _whole(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value in (None, ""):
        return None
    text = str(value).strip()
    if (
        isinstance(value, (bool, float))
        or not (text.isascii() and text.isdigit())
        or not 0 < int(text[:12]) <= _MOST_SIZE
    ):
        raise AdviceError(f"{name}: a whole number of at least 1, not {text[:40]!r}")
    return int(text)


def _money(value: float | Decimal) -> Decimal:
    return (value if isinstance(value, Decimal) else Decimal(repr(value))).quantize(_STEP)
