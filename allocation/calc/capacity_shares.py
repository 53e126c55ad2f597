"""What a fleet costs on a day, and how usage and idleness share it (the file's form: allocation.calc.capacity).

Total = used + idle, exactly, of money, GPU-hours, energy and CO2e alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from allocation.calc.amortisation import HOUR, ZERO, Instalment, Share, midnight, share_of
from allocation.calc.capacity import Fleet, Purchase, Workload
from allocation.calc.capacity_schedule import exactly, hours, of_month
from finops.money import share
from finops.tokens import TOKEN_CLASSES

GPU_UNITS = ("gpu_hour", "gpu_active_hour", "watt_hour")
IDLE_OPERATION = "gpu_idle"  # of a metered GPU that no pod holds
_HOUR, _KILO = 3_600, 1_000


class Usage(NamedTuple):
    """One charge of usage of the day: its number, the dimensions of its key, what it is of, and how much."""

    number: int
    dimensions: Mapping[str, Any]
    price_class: str
    quantity: Decimal


class Claim(NamedTuple):
    """GPU-hours that usage has had, and the charges that bear them by weight. No bearers: nobody used them."""

    hours: Decimal
    bearers: tuple[tuple[int, Decimal], ...]


class Costs(NamedTuple):
    """What a fleet costs on a day, in its currency; ``gpu_hours`` that it has."""

    gpu_hours: Decimal
    rent: Decimal
    amortisation: Decimal
    staff: Decimal
    overhead: Decimal

    @property
    def capacity(self) -> Decimal:
        """All that it costs to have the fleet; energy comes on top."""
        return self.rent + self.amortisation + self.staff + self.overhead


class Shared(NamedTuple):
    """One amount: what each charge of usage bears of it (by number), and what is idle."""

    used: dict[int, Decimal]
    idle: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.used.values(), self.idle)


class FleetDay(NamedTuple):
    """One day of a fleet. ``touched``: the numbers of all charges that are the fleet's, whether they bear anything."""

    costs: Costs
    claimed: Decimal  # GPU-hours
    capacity: Shared  # money
    gpu_hours: Shared
    kilowatt_hours: Shared
    energy: Shared  # money
    co2: Shared  # kg
    touched: frozenset[int]


def in_service(fleet: Fleet, day: date) -> bool:
    """Whether the fleet costs on that day."""
    return fleet.begin <= day < fleet.end


def costs(fleet: Fleet, day: date) -> Costs:
    """What having the fleet costs on one day of its service, used or not."""
    gpu_hours = Fraction(fleet.gpus.on(day)) * hours(day, fleet.zone)
    return Costs(
        exactly(gpu_hours),
        exactly(gpu_hours * Fraction(fleet.rent.on(day))),
        sum((_amortised(fleet, purchase, day).cost for purchase in fleet.purchases), ZERO),
        of_month(fleet.staff.on(day), day, fleet.zone),
        of_month(fleet.overhead.on(day), day, fleet.zone),
    )


def written_off(fleet: Fleet, day: date) -> Decimal:
    """What its purchases are still worth on the day on which it is not in service any more; 0 on all others."""
    return sum((_amortised(fleet, purchase, day).rest for purchase in fleet.purchases), ZERO)


def _amortised(fleet: Fleet, purchase: Purchase, day: date) -> Share:
    term = Instalment(purchase.worth, midnight(purchase.begin, fleet.zone), midnight(purchase.end, fleet.zone))
    ended = None if fleet.end == date.max else midnight(fleet.end, fleet.zone)
    return share_of(term, day, HOUR, fleet.zone, ended)


def day_of(fleet: Fleet, day: date, usage: Sequence[Usage], counted: Iterable[int] = ()) -> FleetDay:
    """What the fleet costs on a day and who bears it.

    ``usage``: the day's charges that no other agreement bears; ``counted``: numbers of those whose tokens another fleet
    has counted. Invariant: in every amount of the day used + idle = total; idle is never negative.
    """
    metered = [row for row in usage if row.price_class in GPU_UNITS and _meant(fleet, row)]
    served = [_served(work, usage) for work in fleet.serves]
    found = costs(fleet, day)
    claims = _claims(fleet, day, metered, served, frozenset(counted), found.gpu_hours)
    borne = [claim for claim in claims if claim.bearers]
    claimed = sum((claim.hours for claim in borne), ZERO)
    load = _load(claimed, found.gpu_hours)

    def shared(total: Decimal, part: Fraction) -> Shared:
        used = exactly(Fraction(total) * part)
        return Shared(_parts(used, borne), total - used)

    kwh, of_energy = _energy(fleet, metered, min(claimed, found.gpu_hours), load)
    price, co2 = (fleet.energy.price, fleet.energy.co2) if fleet.energy else (ZERO, ZERO)
    touched = {row.number for row in (*metered, *(row for rows in served for row in rows))}
    return FleetDay(
        found, claimed, shared(found.capacity, load), shared(found.gpu_hours, load), shared(kwh, of_energy),
        shared(exactly(Fraction(kwh) * Fraction(price)), of_energy),
        shared(exactly(Fraction(kwh) * Fraction(co2)), of_energy), frozenset(touched),
    )  # fmt: skip


def _meant(fleet: Fleet, row: Usage) -> bool:
    return fleet.meters is not None and fleet.meters.holds(row.dimensions, row.price_class)


def _served(work: Workload, usage: Sequence[Usage]) -> list[Usage]:
    return [
        row for row in usage if row.price_class in TOKEN_CLASSES and work.match.holds(row.dimensions, row.price_class)
    ]


def _claims(
    fleet: Fleet, day: date, metered: Sequence[Usage], served: Sequence[Sequence[Usage]], counted: frozenset[int],
    gpu_hours: Decimal,
) -> list[Claim]:  # fmt: skip
    works = list(zip(fleet.serves, served, strict=True))
    if fleet.basis == "tokens":
        return _by_tokens(fleet, works, counted, gpu_hours)
    found = [
        Claim(exactly(Fraction(work.reserved.on(day)) * hours(day, fleet.zone)), _weighed([(work, rows)]))
        for work, rows in works
        if work.reserved is not None and fleet.basis == "allocation"
    ]
    unit = "gpu_hour" if fleet.basis == "allocation" else "gpu_active_hour"
    for row in metered:
        idle = unit == "gpu_hour" and row.dimensions.get("operation") == IDLE_OPERATION
        if row.price_class != unit or idle or row.quantity <= 0:
            continue
        makes = [
            (work, rows)
            for work, rows in works
            if work.reserved is None and work.gpus.holds(row.dimensions, row.price_class)
        ]
        found.append(Claim(row.quantity, _weighed(makes) or ((row.number, Decimal(1)),)))
    return found


def _by_tokens(
    fleet: Fleet, works: Sequence[tuple[Workload, Sequence[Usage]]], counted: frozenset[int], gpu_hours: Decimal
) -> list[Claim]:
    mine: list[tuple[Workload, list[Usage]]] = []
    seen = set(counted)
    for work, rows in works:
        mine.append((work, [row for row in rows if row.number not in seen]))
        seen |= {row.number for row in rows}
    if any(work.throughput is None for work, _ in mine):
        bearers = _weighed(mine)
        return [Claim(exactly(Fraction(gpu_hours) * Fraction(fleet.utilisation or ZERO)), bearers)]
    claims = []
    for work, rows in mine:
        bearers = _weighed([(work, rows)])
        made = sum((Fraction(weight) for _, weight in bearers), Fraction(0))
        claims.append(Claim(exactly(made / (Fraction(work.throughput or 1) * _HOUR)), bearers))
    return claims


def _weighed(works: Sequence[tuple[Workload, Sequence[Usage]]]) -> tuple[tuple[int, Decimal], ...]:
    """The charges of tokens that bear something, by number, and what they count; each one once."""
    found: dict[int, Decimal] = {}
    for work, rows in works:
        for row in rows:
            weight = exactly(Fraction(row.quantity) * Fraction(work.weights[row.price_class]))
            if weight > 0:
                found.setdefault(row.number, weight)
    return tuple(sorted(found.items()))


def _load(claimed: Decimal, gpu_hours: Decimal) -> Fraction:
    """The part of the fleet's GPU-hours that usage has had; all of it where it has had more."""
    if gpu_hours <= 0:
        return Fraction(claimed > 0)
    return min(Fraction(1), Fraction(claimed) / Fraction(gpu_hours))


def _energy(fleet: Fleet, metered: Sequence[Usage], in_use: Decimal, load: Fraction) -> tuple[Decimal, Fraction]:
    """Kilowatt hours of the day, and which part of them usage bears."""
    energy = fleet.energy
    if energy is None:
        return ZERO, load
    if energy.tdp_watts is not None:
        watt_hours = Fraction(in_use) * Fraction(energy.tdp_watts) * Fraction(energy.utilisation)
        return exactly(watt_hours * Fraction(energy.pue) / _KILO), Fraction(1)
    measured = sum((Fraction(row.quantity) for row in metered if row.price_class == "watt_hour"), Fraction(0))
    return exactly(measured * Fraction(energy.pue) / _KILO), load


def _parts(used: Decimal, claims: Sequence[Claim]) -> dict[int, Decimal]:
    """What is used, over claims by their hours, and within each over its bearers by weight."""
    found: dict[int, Decimal] = {}
    if used == 0 or not claims:
        return found
    for claim, amount in zip(claims, share(used, [claim.hours for claim in claims]).to_pylist(), strict=True):
        parts = share(amount, [weight for _, weight in claim.bearers]).to_pylist()
        for (number, _), part in zip(claim.bearers, parts, strict=True):
            found[number] = found.get(number, ZERO) + part
    return found
