"""What cost was worth: return on what was spent, beside the share of spend of which nobody knows what it returned.

ROI = (accepted cash benefit - loaded cost) / loaded cost. loaded = effective + failed + idle + shared + other + correction,
which is all that allocation charges: failed attempts are a part of the usage that is charged, so that ``effective`` is usage
less what is known to have failed, and nothing is counted twice. Benefits in time and in quality are never added to money.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from allocation.calc.roi_rows import DIMENSIONS, ZERO, Coverage, Gain, Outcomes, Place, Spend, Traced, place_of

MINIMUM = 30  # resolved outcomes below which no ratio is shown
_RATIO, _MONEY = Decimal("0.000001"), Decimal(1).scaleb(-12)


@dataclass
class Line:
    """Figures of one group. Money in one currency; amounts are sums, ratios come with their pairs and samples."""

    effective: Decimal = ZERO
    failed: Decimal = ZERO
    idle: Decimal = ZERO
    shared: Decimal = ZERO
    other: Decimal = ZERO
    correction: Decimal = ZERO
    queries: int = 0
    blind: Decimal = ZERO  # loaded cost of which no outcome or accepted benefit names the feature or the query
    named: Decimal = ZERO  # of the blind, what they name by cost centre or team alone
    covered: Decimal = ZERO  # loaded cost that outcomes speak of, by query, feature, team or cost centre
    cash: Decimal = ZERO
    cash_open: Decimal = ZERO  # claimed or attested, not accepted
    other_units: dict[tuple[str, str], Decimal] = field(default_factory=dict)  # (kind, unit): accepted
    tasks: int = 0
    resolved: int = 0
    attempts: int = 0
    unproven: int = 0  # tasks of which nobody shows evidence; in no other figure
    value: Decimal = ZERO
    valued: int = 0
    fallback: Decimal = ZERO
    scores: dict[str, tuple[Decimal, int]] = field(default_factory=dict)  # rubric: sum, how many
    parted: bool = False  # outcomes and the spend that they speak of lie partly in other lines: no ratio of the two
    failed_beyond: bool = False  # failed attempts are said to cost more than the usage: nothing was split off
    matures_on: date | None = None

    @property
    def direct(self) -> Decimal:
        """Cost of the usage alone, with what failed."""
        return self.effective + self.failed

    @property
    def loaded(self) -> Decimal:
        """All that is charged for it."""
        return self.direct + self.idle + self.shared + self.other + self.correction

    @property
    def roi(self) -> Decimal | None:
        """On loaded cost; None where no cash benefit is accepted, or nothing was spent."""
        return self._return(self.loaded)

    @property
    def roi_direct(self) -> Decimal | None:
        """On the usage alone."""
        return self._return(self.direct)

    @property
    def blind_share(self) -> Decimal | None:
        """Of loaded cost; None where that is no amount to take a share of: nothing, or credits beyond the cost."""
        return self._share(self.blind)

    @property
    def named_share(self) -> Decimal | None:
        """Of loaded cost, what is named by cost centre or team alone; a part of ``blind_share``."""
        return self._share(self.named)

    @property
    def enough(self) -> bool:
        """Whether so many tasks are resolved that ratios mean something."""
        return self.resolved >= MINIMUM

    @property
    def comparable(self) -> bool:
        """Whether outcomes and the spend that they speak of can be set against each other."""
        return self.enough and not self.parted and self.covered > 0

    @property
    def cost_per_resolved(self) -> Decimal | None:
        """Loaded cost that outcomes speak of, retries and failures included, per resolved task; None: it lies in other lines."""
        return unit(self.covered, self.resolved) if self.comparable else None

    @property
    def cost_per_resolved_with_people(self) -> Decimal | None:
        """The same with what people cost who took over."""
        return unit(self.covered + self.fallback, self.resolved) if self.comparable else None

    @property
    def cost_per_task(self) -> Decimal | None:
        """Of the pair (cost, quality)."""
        return unit(self.covered, self.tasks) if self.comparable else None

    @property
    def quality(self) -> Decimal | None:
        """Mean score; None with fewer than MINIMUM of them, or of two rubrics, whose scores are not averaged."""
        if len(self.scores) != 1:
            return None
        total, scored = next(iter(self.scores.values()))
        return ratio(total, Decimal(scored)) if scored >= MINIMUM else None

    @property
    def scored(self) -> int:
        """How many tasks have a score."""
        return sum(count for _, count in self.scores.values())

    @property
    def cost_per_quality(self) -> Decimal | None:
        """Cost per task / quality: never shown without its pair."""
        if self.cost_per_task is None or not self.quality:
            return None
        return unit(self.cost_per_task, self.quality)

    @property
    def value_per_money(self) -> Decimal | None:
        """Value of resolved tasks / loaded cost that outcomes speak of; None where nobody says what tasks are worth."""
        return ratio(self.value, self.covered) if self.comparable and self.valued else None

    def _share(self, part: Decimal) -> Decimal | None:
        """A share lies from 0 to 1; where a credit makes a part negative, or larger than the whole, there is none."""
        return ratio(part, self.loaded) if 0 <= part <= self.loaded else None

    def _return(self, cost: Decimal) -> Decimal | None:
        return ratio(self.cash - cost, cost) if self.cash and cost > 0 else None


class Report(NamedTuple):
    """Lines by key (in the order of ``by``), all together, and benefits in other currencies, which no line holds."""

    by: tuple[str, ...]
    lines: list[tuple[tuple[Any, ...], Line]]
    total: Line
    elsewhere: dict[str, Decimal]


def report(
    spend: Sequence[Spend],
    outcomes: Sequence[Outcomes],
    gains: Sequence[Gain],
    by: Sequence[str],
    currency: str,
    shown: Callable[[Spend | Outcomes | Gain], bool] = lambda _: True,
    traced: Sequence[Traced] = (),
) -> Report:
    """Figures by any of DIMENSIONS, lines by falling loaded cost. All money is in ``currency``.

    ``shown``: which rows the reader asked for and may see; what spend is known to be for is judged by all rows.
    """
    told = Coverage(outcomes, traced, spend)
    seen = Coverage([*outcomes, *(gain for gain in gains if gain.accepted)], traced, spend)
    book = _Book(by, told, seen)
    for row in filter(shown, spend):
        book.spend(row)
    for each in filter(shown, outcomes):
        book.outcomes(each)
    here = {place_of(each) for each in outcomes if shown(each)}
    parted = _parted(spend, told, by, shown, here)
    for key, line in book.lines.items():
        line.parted = _as_said(key) in parted
    book.total.parted = bool(_parted(spend, told, (), shown, here))
    elsewhere = defaultdict[str, Decimal](Decimal)
    for gain in filter(shown, gains):
        if gain.kind != "cash" or gain.unit == currency:
            book.gain(gain)
        elif gain.accepted:
            elsewhere[gain.unit] += gain.amount
    for line in (*book.lines.values(), book.total):
        _split_failed(line)
    ordered = sorted(book.lines.items(), key=lambda item: (-item[1].loaded, tuple(map(str, item[0]))))
    return Report(tuple(by), ordered, book.total, dict(elsewhere))


class _Book:
    """Lines being summed, and their total."""

    def __init__(self, by: Sequence[str], told: Coverage, seen: Coverage) -> None:
        self.by, self.told, self.seen = by, told, seen
        self.lines: dict[tuple[Any, ...], Line] = defaultdict(Line)
        self.total = Line()

    def _of(self, row: Spend | Outcomes | Gain) -> tuple[Line, Line]:
        return self.lines[tuple(getattr(row, name) for name in self.by)], self.total

    def spend(self, row: Spend) -> None:
        blind = row.cost - _times(row.cost, self.seen.share(row))
        covered = row.cost if self.told.owned(row) else _times(row.cost, self.told.share(row))
        failed = _times(row.cost, self.told.lost(row))
        for line in self._of(row):
            setattr(line, row.part, getattr(line, row.part) + row.cost)
            line.queries += row.queries
            line.covered += covered
            line.blind += blind
            line.named += blind if self.seen.owned(row) else ZERO
            line.failed += failed

    def outcomes(self, each: Outcomes) -> None:
        for line in self._of(each):
            _add_outcomes(line, each)

    def gain(self, gain: Gain) -> None:
        for line in self._of(gain):
            _add_gain(line, gain)


def _parted(
    spend: Sequence[Spend],
    told: Coverage,
    by: Sequence[str],
    shown: Callable[[Spend], bool],
    here: Collection[Place],
) -> set[tuple[Any, ...]]:
    """Lines that hold outcomes without all the spend that they speak of, or such spend without all its outcomes.

    That is so where outcomes leave unsaid what lines (or a filter) tell apart: of a cost centre alone, in lines by use case.
    ``here``: places whose outcomes are shown.
    """
    at, found = [DIMENSIONS.index(name) for name in by], set[tuple[Any, ...] | None]()
    for row in spend:
        if not row.cost:
            continue
        own = _as_said(getattr(row, name) for name in by) if shown(row) else None
        of = {_as_said(place[n] for n in at) if place in here else None for place in told.speaking(row)}
        found |= of - {own}
        if of and own not in of:
            found.add(own)
    return {key for key in found if key is not None}


def _as_said(key: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value or "" for value in key)


def ratio(over: Decimal | int, under: Decimal | int) -> Decimal | None:
    """A quotient rounded half-even once at six decimals; None over nothing."""
    return _rounded(over, under, _RATIO) if under else None


def unit(cost: Decimal, of: Decimal | int) -> Decimal | None:
    """Cost of one of something at twelve decimals; None of nothing."""
    return _rounded(cost, of, _MONEY) if of else None


def _times(cost: Decimal, share: Fraction) -> Decimal:
    """A part of an amount, rounded half-even once at twelve decimals."""
    return cost if share == 1 else ZERO if not share else _rounded(Fraction(cost) * share, 1, _MONEY)


def _rounded(over: Decimal | Fraction | int, under: Decimal | int, step: Decimal) -> Decimal:
    exact = Fraction(over) / Fraction(under) / Fraction(step)
    return Decimal(round(exact)) * step  # round() of a Fraction is half-even


def _add_outcomes(line: Line, each: Outcomes) -> None:
    if not each.known:
        line.unproven += each.tasks
        return
    line.tasks += each.tasks
    line.resolved += each.resolved
    line.attempts += each.attempts
    line.value += each.value
    line.valued += each.valued
    line.fallback += each.fallback
    line.failed += ZERO if each.traced else each.failed
    if each.scored:
        total, scored = line.scores.get(each.rubric, (ZERO, 0))
        line.scores[each.rubric] = (total + each.quality, scored + each.scored)


def _add_gain(line: Line, gain: Gain) -> None:
    if gain.kind != "cash":
        if gain.accepted:
            key = (gain.kind, gain.unit)
            line.other_units[key] = line.other_units.get(key, ZERO) + gain.amount
    elif gain.accepted:
        line.cash += gain.amount
    else:
        line.cash_open += gain.amount
    line.matures_on = max(line.matures_on or gain.matures_on, gain.matures_on)


def _split_failed(line: Line) -> None:
    """Of the usage, what failed attempts cost; more than the usage cannot have failed, and is said instead."""
    if line.failed > line.effective:
        line.failed, line.failed_beyond = ZERO, True
    else:
        line.effective -= line.failed
