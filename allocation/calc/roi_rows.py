"""What a report on return is made of: spend by slice, outcomes by slice, parts of benefits; and which speak of which.

Evidence speaks of the money at the finest level that it names: of a query, of a feature, else of a cost centre or team.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

ZERO = Decimal(0)
SEVERAL = "(several)"  # a benefit of a whole that the lines tell apart
DIMENSIONS = ("month", "cost_centre", "team", "feature")
Place = tuple[date, str | None, str, str]  # in the order of DIMENSIONS
_USAGE = ("effective", "correction")  # parts whose list cost is that of queries
_BASES = {"idle": "idle", "shared": "shared", "variance": "shared", "adjustment": "other", "correction": "correction"}


class Spend(NamedTuple):
    """Loaded cost of one month and slice. ``part``: a name of ``Line`` (usage is ``effective``). ``listed``: at list prices."""

    month: date
    cost_centre: str | None
    team: str | None
    feature: str
    part: str
    cost: Decimal
    queries: int = 0
    listed: Decimal = ZERO


class Traced(NamedTuple):
    """Cost at list prices of the queries of one month and slice that outcomes name, each once.

    ``failed``: of it, that of queries of which no outcome says that they succeeded.
    """

    month: date
    cost_centre: str | None
    team: str | None
    feature: str
    listed: Decimal
    failed: Decimal


class Outcomes(NamedTuple):
    """Tasks of one cohort and slice. Sums are over tasks, each counted once; ``attempts``, ``failed`` over all attempts.

    An empty team or feature (or no cost centre): not stated, so that any is meant. ``known``: its evidence is not none.
    ``traced``: they name queries whose cost is known, which they speak of (Traced) instead of the slice; ``failed`` is in there.
    """

    month: date
    cost_centre: str | None
    team: str | None
    feature: str
    rubric: str
    known: bool
    tasks: int
    resolved: int
    attempts: int
    value: Decimal
    valued: int
    fallback: Decimal
    failed: Decimal
    quality: Decimal
    scored: int
    traced: bool = False


class Gain(NamedTuple):
    """A part of a benefit in its own unit. ``team``, ``feature`` SEVERAL: of all of them together."""

    month: date
    cost_centre: str | None
    team: str | None
    feature: str
    kind: str
    unit: str
    accepted: bool
    amount: Decimal
    matures_on: date


class Coverage:
    """Of which spend somebody says what it was for: what is stated has to agree, what is not stated agrees with all.

    ``spend``: all of it, for what share of a slice's usage the traced queries are, at list prices.
    """

    def __init__(
        self, evidence: Iterable[Outcomes | Gain], traced: Iterable[Traced] = (), spend: Iterable[Spend] = ()
    ) -> None:
        places = {place_of(row) for row in evidence if not isinstance(row, Outcomes) or (row.known and not row.traced)}
        self.features = {place for place in places if place[3]}
        self.owners = {place for place in places if place[1] and not place[3]}
        listed = defaultdict[Any, Decimal](Decimal)
        for row in spend:
            if row.part in _USAGE:
                listed[_slice(row)] += row.listed
        self.queries = {_slice(each): _part(each.listed, listed[_slice(each)]) for each in traced}
        self.failed = {_slice(each): _part(each.failed, listed[_slice(each)]) for each in traced}

    def share(self, row: Spend) -> Fraction:
        """Of the money, how much evidence speaks of by its feature or its queries: all, nothing, or the queries' share."""
        if self._of(self.features, row, row.feature):
            return Fraction(1)
        return self.queries.get(_slice(row), Fraction(0))

    def owned(self, row: Spend) -> bool:
        """Whether evidence names its cost centre (or a team of it) without saying for what."""
        return bool(self._of(self.owners, row, ""))

    def speaking(self, row: Spend) -> list[Place]:
        """What evidence speaks of it by its slice: (month, cost centre, team, feature), '' not stated."""
        return self._of(self.features, row, row.feature) + self._of(self.owners, row, "")

    def lost(self, row: Spend) -> Fraction:
        """Of usage, how much went into queries that are known to have failed."""
        return self.failed.get(_slice(row), Fraction(0)) if row.part == "effective" else Fraction(0)

    @staticmethod
    def _of(places: set[Place], row: Spend, feature: str) -> list[Place]:
        possible = (
            (row.month, centre, team, feature) for centre in {row.cost_centre, None} for team in {row.team or "", ""}
        )
        return [place for place in possible if place in places]


def part_of(basis: str, tier: str) -> str:
    """Which part of loaded cost a row of cost_daily is: usage has a tier, agreements have none."""
    return _BASES.get(basis, "effective" if tier else "other")


def place_of(row: Outcomes | Gain) -> Place:
    """What it says of where its money lies."""
    return row.month, row.cost_centre, _stated(row.team), _stated(row.feature)


def _stated(name: str | None) -> str:
    return "" if name in (None, SEVERAL) else str(name)


def _slice(row: Spend | Traced) -> tuple[Any, ...]:
    return row.month, row.cost_centre, row.team or "", row.feature


def _part(of: Decimal, whole: Decimal) -> Fraction:
    """At most all: a query lies with its first call, a few of its calls may lie elsewhere."""
    return min(Fraction(of) / Fraction(whole), Fraction(1)) if whole > 0 else Fraction(0)
