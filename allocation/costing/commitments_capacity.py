"""Provisioned throughput and reserved GPUs: which usage they cover, what it costs, and what is not used."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from allocation.calc.amortisation import HOUR, Share
from allocation.calc.commitments import Commitment
from allocation.calc.commitments_cover import Cover, Demand, cover, split, spread_cost, whole_share
from allocation.calc.contracts import rounded
from allocation.costing.commitments_hours import Place, hours_between, hours_of
from allocation.costing.commitments_rows import UNUSED, USED, Row, entry, names_of, open_rows
from allocation.costing.work import ZERO, Entry, Work

_DROPPED = ("layer", "source")  # of a usage key: not those of an entry


class Covering:
    """The hours of one day, of which each commitment leaves less to the next."""

    def __init__(self) -> None:
        """No hour is known yet: those of a usage key are read when a commitment asks for them."""
        self._hours: dict[Place, dict[int, Any]] = {}
        self._read: set[int] = set()

    def by(self, one: Commitment, work: Work, notes: dict[tuple[str, str], Decimal]) -> Work:
        """The day with the usage that a commitment covers as Used, and the rest of its cost as Unused.

        Notes what is covered without its hour being known.
        """
        share = one.cost(work.day)
        if not share.steps and not share.rest:
            return work
        used, usage, entries = ZERO, work.usage, list[Entry]()
        assert one.capacity is not None
        rows = open_rows(work, one.match, one.capacity.weights) if share.steps else {}
        if rows:
            usage, entries, used = self._cover(one, work, rows, share, notes)
        if left := share.cost - used:
            entries.append(entry(one, "amortisation", UNUSED, left))
        if share.rest:
            entries.append(entry(one, "termination", UNUSED, share.rest))
        return work.having(usage, entries)

    def _cover(
        self, one: Commitment, work: Work, rows: dict[int, Row], share: Share, notes: dict[tuple[str, str], Decimal]
    ) -> tuple[Any, list[Entry], Decimal]:
        capacity = one.capacity
        assert capacity is not None
        hours = one.hours(work.day) if one.step == HOUR else hours_between(work.day, one.zone)
        of_day = capacity.per_hour * hours
        demands = self._demands(one, work, rows)
        start, stop = one.start.timestamp(), one.stops.timestamp()

        def of_hour(hour: int) -> Decimal:
            return capacity.per_hour if start <= hour * 3600 < stop else ZERO

        found = cover(demands, of_hour, of_day)
        self._keep_left(rows, found)
        if found.by_day:
            notes[one.code, "by day"] += rounded(found.by_day)
        shares = {
            row: part
            for row, demand, share_ in zip(rows, demands, found.shares, strict=True)
            if (part := whole_share(demand.quantity, share_))
        }
        weights = {
            row: Fraction(demand.quantity) * Fraction(demand.weight) * shares[row]
            for row, demand in zip(rows, demands, strict=True)
            if row in shares
        }
        cost = rounded(Fraction(share.cost) * min(found.covered / Fraction(of_day), Fraction(1)))
        costs = dict(zip(weights, spread_cost(cost, list(weights.values())), strict=True))
        entries = _in_other_currency(one, work, rows, costs)
        used = sum(costs.values(), ZERO)
        mine = {row: part if rows[row]["currency"] == one.currency else ZERO for row, part in costs.items()}
        return split(work.usage, shares, mine, names_of(one)), entries, used

    def _demands(self, one: Commitment, work: Work, rows: dict[int, Row]) -> list[Demand]:
        assert one.capacity is not None
        if one.step == HOUR:
            keys = {row["key_id"] for row in rows.values()}
            if new := sorted(keys - self._read):
                self._hours |= hours_of(work.day, new, work.dimensions, one.zone)
                self._read |= keys
        weights = one.capacity.weights
        return [
            Demand(
                row["quantity"], weights[row["price_class"]],
                self._hours.get(_place(row), {}) if one.step == HOUR else {},
            )
            for row in rows.values()
        ]  # fmt: skip

    def _keep_left(self, rows: dict[int, Row], found: Cover) -> None:
        for row, left in zip(rows.values(), found.left, strict=True):
            if left:
                self._hours[_place(row)] = left


def _place(row: Row) -> Place:
    return Place(row["key_id"], row["tier"], row["tier_estimated"], row["price_class"])


def _in_other_currency(one: Commitment, work: Work, rows: dict[int, Row], costs: dict[int, Decimal]) -> list[Entry]:
    """What usage listed in another currency costs under the commitment: beside it, under its own dimensions."""
    of_key: dict[int, Decimal] = {}
    for row, cost in costs.items():
        if rows[row]["currency"] != one.currency:
            of_key[rows[row]["key_id"]] = of_key.get(rows[row]["key_id"], ZERO) + cost
    found = []
    for key, cost in sorted(of_key.items()):
        dimensions = {name: value for name, value in work.dimensions[key].items() if name not in _DROPPED}
        found.append(entry(one, "amortisation", USED, cost, owner=("", ""), dimensions=dimensions))
    return [made for made in found if made.effective_cost]
