"""What commitments were good for: utilisation, coverage, break-even, expiries, seats beside what their usage would cost."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from allocation.calc.commitments import ENTERPRISE, SEATS, SUBSCRIPTION, Commitment, seats_of
from allocation.calc.commitments_credits import shortfall
from allocation.calc.contracts import Contract, rounded

ZERO = Decimal(0)
WARNINGS = (30, 90, 180)  # days ahead
GOES_ON = 2100  # the year in which what has no end ends


class Use(NamedTuple):
    """What was charged of one commitment in a period, in its currency.

    ``covered`` is the contracted cost that usage under it would have had, ``uncovered`` that of usage it might have covered.
    """

    code: str
    kind: str
    currency: str
    billed: Decimal
    used: Decimal
    unused: Decimal
    expired: Decimal
    shortfall: Decimal
    covered: Decimal
    uncovered: Decimal

    @property
    def utilisation(self) -> Decimal | None:
        """used / (used + unused), in [0, 1]; None where nothing was due."""
        return _ratio(self.used, self.used + self.unused)

    @property
    def covers(self) -> bool:
        """Whether it pays for usage: a commit to spend only counts it."""
        return self.kind != ENTERPRISE

    @property
    def coverage(self) -> Decimal | None:
        """Of the usage it is for, at contracted cost, the covered part; None without such usage, and where it covers none."""
        return _ratio(self.covered, self.covered + self.uncovered) if self.covers else None

    @property
    def breakage(self) -> Decimal:
        """Paid for nothing: unused, expired and missing of a commit."""
        return self.unused + self.expired + self.shortfall

    @property
    def saved(self) -> Decimal:
        """What its usage would have cost without it, less what it cost; negative: it was dearer."""
        return self.covered - self.used - self.breakage

    @property
    def break_even(self) -> Decimal | None:
        """The utilisation above which it is cheaper than the contracted price, for the usage it had; None without any.

        At utilisation u the usage would have cost ``covered``, at full use covered / u: cost / (covered / u) = used / covered.
        """
        return _ratio(self.used, self.covered)


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return rounded(Fraction(part) / Fraction(whole)) if whole else None


class Expiry(NamedTuple):
    """An agreement that ends: on which day, in how many, and which warning that is (30, 90, 180; None: not yet)."""

    code: str
    kind: str
    ends: date
    days: int
    warning: int | None


def expiries(commitments: Iterable[Commitment], contracts: Iterable[Contract], today: date) -> list[Expiry]:
    """What ends after ``today``, the next one first; ``ends`` is the first day without it."""
    ends = [(one.code, one.kind, one.last) for one in commitments if one.last.year < GOES_ON]
    ends += [(one.code, "contract", one.valid_to) for one in contracts if one.valid_to is not None]
    found = []
    for code, kind, last in ends:
        days = (last - today).days
        if days > 0:
            found.append(Expiry(code, kind, last, days, next((near for near in WARNINGS if days <= near), None)))
    return sorted(found, key=lambda one: (one.ends, one.kind, one.code))


class Commit(NamedTuple):
    """An enterprise commit as of a day: what is missing of it, and what would be at its end at the pace so far."""

    code: str
    currency: str
    committed: Decimal
    spent: Decimal
    missing: Decimal
    projected: Decimal
    ends: date
    provisional: bool


def commits(commitments: Iterable[Commitment], spent: dict[str, Decimal], today: date) -> list[Commit]:
    """The enterprise commits that have begun by ``today``; ``spent``: code -> so far. Until its end all is provisional."""
    found = []
    for one in commitments:
        if one.kind != ENTERPRISE or one.first > today:
            continue
        so_far = spent.get(one.code, ZERO)
        elapsed = min((today - one.first).days + 1, (one.last - one.first).days)
        pace = rounded(Fraction(so_far) * (one.last - one.first).days / elapsed)
        missing = shortfall(one.amount, so_far)
        found.append(
            Commit(one.code, one.currency, one.amount, so_far, missing, shortfall(one.amount, pace), one.last,
                   today < one.last)
        )  # fmt: skip
    return found


class SeatUse(NamedTuple):
    """A person's seat in a period: what it cost, and what their usage would have cost at list price (None: not known).

    ``who`` '': nobody has it. ``cheaper``: seat, API or '' (not known); the break-even is usage worth the seat's cost.
    """

    code: str
    who: str
    cost_centre: str
    team: str
    days: int
    currency: str
    cost: Decimal
    worth: Decimal | None
    cheaper: str


def seat_uses(
    commitments: Iterable[Commitment], days: Sequence[date], worth: dict[tuple[str, str], Decimal]
) -> list[SeatUse]:
    """Each seat over some days. ``worth``: (person, currency) -> their notional usage at list price.

    A day's cost is that of a seat; invariant: costs of all seats, the unused ones included, sum to what the days cost.
    """
    found = []
    for one in commitments:
        if one.kind not in (SEATS, SUBSCRIPTION):
            continue
        held: dict[tuple[str, str, str], list[Decimal]] = {}
        for day in days:
            left = {owner: (count, cost) for owner, count, cost in seats_of(one, day)}
            for owner, (count, cost) in left.items():
                names = [
                    seat.who for seat in one.seats if seat.holds_on(day) and (seat.cost_centre, seat.team) == owner
                ]
                if owner is None:
                    held.setdefault(("", *one.owner), []).append(cost)
                    continue
                each = [rounded(Fraction(cost) / count)] * (count - 1)
                for who, part in zip(names, [*each, cost - sum(each, ZERO)], strict=True):
                    held.setdefault((who, *owner), []).append(part)
        for (who, centre, team), costs in sorted(held.items()):
            cost, known = sum(costs, ZERO), worth.get((who, one.currency)) if who else None
            cheaper = "" if known is None else "API" if known < cost else "seat"
            found.append(SeatUse(one.code, who, centre, team, len(costs), one.currency, cost, known, cheaper))
    return found
