"""What stands of a budget: spent, left, what it comes to at close and how likely it is exceeded; what a gateway may ask.

What is owed is exact (Decimal, 12 decimals). What is to come is read from sample paths, whole futures of the hours or days
from ``known_until`` to the end of the period, and is estimated: floats until it is told, then rounded at 12 decimals. Usage
without a price counts at its proxy price in every check, and is never part of the actual cost.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal, NamedTuple

import numpy as np

from finops.money import SCALE
from forecasting.calc.alerting import Signal
from forecasting.calc.burnrate import Reading
from forecasting.calc.watch_policy import BUDGET, DIGEST, EXPECTED, Breach, Policy

Array = np.ndarray[Any, np.dtype[np.float64]]
NONE, OK, WATCH, LIKELY, OVER = "no_budget", "ok", "watch", "breach_likely", "over"
STATES = (NONE, OK, WATCH, LIKELY, OVER)
ALLOW, WARN, STOP = "allow", "warn", "stop"
VERDICTS = {NONE: ALLOW, OK: ALLOW, WATCH: WARN, LIKELY: WARN, OVER: STOP}  # what a gateway makes of a state
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_STEP = Decimal(1).scaleb(-SCALE)
_NOTHING = Decimal(0)
_CERTAIN = Decimal("0.99")
_LOW, _MIDDLE, _HIGH = 10, 50, 90  # per cent: the interval of 80 % and its median
_RANKS: Literal["weibull"] = "weibull"  # of the 99 percentiles of a stored forecast the tenth is its 10 %


class WatchError(ValueError):
    """A budget cannot be watched; the message says why."""


class Spent(NamedTuple):
    """A budget (None: nothing was budgeted) and what is known of its period, in one currency.

    ``actual``: cost up to ``known_until``; ``unpriced``: usage of that time at its proxy price; ``running``: cost and proxy
    price of the part of a cell (day or hour) that is not whole yet, which the first cell of the paths holds too.
    """

    budget: Decimal | None
    actual: Decimal
    unpriced: Decimal = _NOTHING
    running: Decimal = _NOTHING

    @property
    def counted(self) -> Decimal:
        """What counts against the budget so far."""
        return _WIDE.add(_WIDE.add(self.actual, self.unpriced), self.running)


class Close(NamedTuple):
    """What the period comes to, of ``paths`` futures: median and 80 % interval, and the share of futures above the budget.

    ``breaches``: cells (from ``known_until``, 0 the first) until the budget is exceeded in the earliest tenth, half and
    nine tenths of all futures; None: not in the period. Probability None: there is no budget.
    """

    low: Decimal
    middle: Decimal
    high: Decimal
    probability: Decimal | None
    breaches: tuple[int | None, int | None, int | None]
    paths: int


class Standing(NamedTuple):
    """A budget as it stands. ``used``: counted / budget (None: no budget, or one of nothing); ``left``: may be negative.

    ``crossed``: finance thresholds reached; ``close`` None: ``reason`` says why nothing is forecast. ``firing``: rules that
    fire now.
    """

    state: str
    budget: Decimal | None
    actual: Decimal
    unpriced: Decimal
    counted: Decimal
    left: Decimal | None
    used: Decimal | None
    crossed: tuple[Decimal, ...]
    close: Close | None
    reason: str
    firing: tuple[str, ...]


def at_close(spent: Spent, paths: Array) -> Close:
    """What a period comes to.

    In: ``paths`` (futures, cells), what each cell from ``known_until`` to the end of the period costs; no cell: the period is
    over. The first cell costs at least what runs already. Raises WatchError on what is no number.
    """
    futures = np.asarray(paths, dtype=np.float64)
    if futures.ndim != 2 or not len(futures):
        raise WatchError(f"futures are of shape (futures, cells), not {futures.shape}")
    if not np.isfinite(futures).all():
        raise WatchError("a future holds what is no number")
    before = float(_WIDE.add(spent.actual, spent.unpriced))
    if futures.shape[1]:
        futures = futures.copy()
        futures[:, 0] = np.maximum(futures[:, 0], float(spent.running))
    else:
        before = float(spent.counted)
    totals = before + futures.sum(axis=1)
    low, middle, high = (estimated(value) for value in np.percentile(totals, (_LOW, _MIDDLE, _HIGH), method=_RANKS))
    if spent.budget is None:
        return Close(low, middle, high, None, (None, None, None), len(futures))
    if spent.counted > spent.budget:  # exactly: no rounding of a sum decides what has happened
        return Close(low, middle, high, Decimal(1), (0, 0, 0), len(futures))
    above = before + futures.cumsum(axis=1) > float(spent.budget)
    first = np.where(above.any(axis=1), above.argmax(axis=1), futures.shape[1]) if futures.shape[1] else np.zeros(0)
    over = int((totals > float(spent.budget)).sum()) if futures.shape[1] else 0
    return Close(
        low,
        middle,
        high,
        _WIDE.divide(Decimal(over), Decimal(len(futures))),
        _breaches(first, futures.shape[1]),
        len(futures),
    )


def _breaches(first: Array, cells: int) -> tuple[int | None, int | None, int | None]:
    if not cells:
        return (None, None, None)
    ranked = np.sort(first)
    at = [int(ranked[min(-(-len(ranked) * part // 100) - 1, len(ranked) - 1)]) for part in (_LOW, _MIDDLE, _HIGH)]
    early, half, late = (one if one < cells else None for one in at)
    return early, half, late


def standing(
    spent: Spent, policy: Policy, close: Close | None, reason: str = "", fired: Sequence[Reading] = ()
) -> Standing:
    """A budget as it stands: over what is exceeded, breach_likely by the policy's probability, watch where a rule fires or a
    threshold below the whole is reached. Raises WatchError where there is neither a close nor a reason."""
    if close is None and not reason:
        raise WatchError("a budget without a forecast says why it has none")
    counted = spent.counted
    crossed = reached(spent, policy.finance)
    state = _state(spent, policy.breach, close, bool(crossed or fired))
    left = None if spent.budget is None else _WIDE.subtract(spent.budget, counted)
    used = None
    if spent.budget:
        used = _WIDE.quantize(_WIDE.divide(counted, spent.budget), _STEP)
    return Standing(
        state, spent.budget, spent.actual, spent.unpriced, counted, left, used, crossed, close, "" if close else reason,
        tuple(one.rule.code for one in fired),
    )  # fmt: skip


def _state(spent: Spent, breach: Breach, close: Close | None, noticed: bool) -> str:
    if spent.budget is None:
        return NONE
    if spent.counted > spent.budget:
        return OVER
    if close is not None and close.probability is not None and close.probability >= breach.at_least:
        return LIKELY
    return WATCH if noticed else OK


def reached(spent: Spent, thresholds: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """The parts of the budget that are spent, exactly; of a budget of nothing all, once anything is spent."""
    if spent.budget is None or spent.counted <= 0:
        return ()
    return tuple(part for part in thresholds if spent.counted >= _WIDE.multiply(part, spent.budget))


def signals(subject: str, period: str, found: Standing, policy: Policy, fired: Sequence[Reading]) -> list[Signal]:
    """What a budget's state gives rise to; each subject of a signal is one alert.

    ``subject``: the budget, such as ``budget:12:CC-100``; burn rules share it for an alert. The highest threshold
    reached and a likely breach have one of their own in each period.
    """
    told = [
        Signal(subject, one.rule.code, one.rule.severity, max(estimated(one.over), _NOTHING), _said(one)) for one in fired
    ]  # fmt: skip
    if found.budget is None:
        return told
    if found.crossed:  # whoever hears of all of it need not hear of half
        part = max(found.crossed)
        over = max(_WIDE.subtract(found.counted, found.budget), _NOTHING)
        severity = policy.breach.severity if part >= 1 else DIGEST
        why = f"{_percent(part)} of {_amount(found.budget)} is spent: {_amount(found.counted)} in {period}"
        told.append(Signal(f"{subject}:{period}:{part.normalize():f}", "threshold", severity, over, why, once=True))
    if found.state == LIKELY and found.close is not None and found.close.probability is not None:
        over = max(_WIDE.subtract(found.close.middle, found.budget), _NOTHING)
        why = (
            f"{_likely(found.close.probability)} likely to exceed {_amount(found.budget)} in {period}: "
            f"{_amount(found.close.middle)} at close ({_amount(found.close.low)} to {_amount(found.close.high)})"
        )
        told.append(Signal(f"{subject}:{period}:breach", "breach", policy.breach.severity, over, why))
    return told


def estimated(value: float) -> Decimal:
    """A forecast amount as it is told: 12 decimals of a float, which is what it was."""
    return _WIDE.quantize(Decimal(repr(float(value))), _STEP)


def _said(one: Reading) -> str:
    windows = " and ".join(
        f"{'without limit' if rate == float('inf') else f'{rate:.1f} x'} in {hours} h"
        for rate, hours in zip(one.rates, one.rule.hours, strict=True)
    )
    against = {BUDGET: "the budget's rate", EXPECTED: "what was expected"}.get(one.rule.against, "the season's rate")
    return f"spent {windows} against {against}: {one.spent:,.2f} instead of {one.meant:,.2f}"


def _percent(part: Decimal) -> str:
    return f"{_WIDE.quantize(part * 100, Decimal('0.1')).normalize():f} %"


def _likely(chance: Decimal) -> str:
    """A probability: its ends are what a hundred quantiles can tell, never certain."""
    return ">99 %" if chance > _CERTAIN else "<1 %" if chance < 1 - _CERTAIN else _percent(chance)


def _amount(value: Decimal) -> str:
    return f"{value:,.2f}"
