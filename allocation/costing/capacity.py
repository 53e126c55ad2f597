"""Self-hosted capacity: usage that a fleet serves bears its share of what the fleet costs, idleness the rest.

Charges of usage become the fleet's (subject "fleet CODE", status Used): EffectiveCost is their share, whatever their list
price; usage without a price has a cost then, and needs no estimate. Readings of GPUs that bear nothing themselves cost
nothing. What usage shares of energy are charges of its keys of their own, in kilowatt hours, and so is CO2e, in kilograms and
without money; what is idle are entries (status Idle) with the fleet's owner.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.amortisation import ZERO
from allocation.calc.capacity import Capacity, Fleet, parse
from allocation.calc.capacity_shares import FleetDay, Shared, Usage, day_of, written_off
from allocation.costing import terms
from allocation.costing.work import Entry, Owner, Work

KIND = "capacity"
LAYER, USED, IDLE = "fleet", "Used", "Idle"
SUBJECT = "fleet "  # begins how charges name a fleet
GPU_HOUR, ENERGY, CO2 = "gpu_hour", "kilowatt_hour", "co2e_kilogram"
CLASSES = (ENERGY, CO2)  # that no usage is rated by
_AMOUNTS = ("quantity", "effective_cost")
__all__ = ["CLASSES", "KIND", "apply", "parse", "subject"]


def subject(fleet: Fleet) -> str:
    """How charges name a fleet."""
    return f"{SUBJECT}{fleet.code}"


def apply(work: Work) -> Work:
    """The day with its fleets charged in full."""
    capacity: Capacity = terms.in_force(KIND, parse)
    rows: dict[int, list[dict[str, Any]]] = {}
    entries: list[Entry] = []
    counted: set[int] = set()
    usage: list[Usage] | None = None
    for fleet in capacity.fleets:
        if fleet.begin <= work.day < fleet.end:
            usage = _usage(work) if usage is None else usage
            found = day_of(fleet, work.day, usage, counted)
            counted |= found.touched if fleet.basis == "tokens" else frozenset()
            _bear(work.usage, rows, fleet, found)
            entries += _idle(fleet, found)
        if rest := written_off(fleet, work.day):
            entries.append(_entry(fleet, "write_off", rest, charge_category="Adjustment"))
    if not rows:
        return work.having(work.usage, entries) if entries else work
    return work.having(_replaced(work.usage, rows), entries)


def _usage(work: Work) -> list[Usage]:
    """The day's charges of usage that no agreement bears yet."""
    columns = [work.usage[name].to_pylist() for name in ("key_id", "price_class", "quantity", "commitment_status")]
    return [
        Usage(number, work.dimensions[key], price_class, quantity)
        for number, (key, price_class, quantity, status) in enumerate(zip(*columns, strict=True))
        if not status
    ]


def _bear(usage: pa.Table, rows: dict[int, list[dict[str, Any]]], fleet: Fleet, found: FleetDay) -> None:
    """Note in ``rows`` what becomes of the charges that are this fleet's: number -> charges."""
    numbers = sorted(found.touched)
    for number, original in zip(numbers, usage.take(pa.array(numbers, pa.int64())).to_pylist(), strict=True):
        cost = found.capacity.used.get(number, ZERO)
        if number not in rows:
            rows[number] = list(_first(original, fleet, cost))
        elif cost:
            rows[number].append(_more(original, fleet, original["price_class"], ZERO, cost))
        of_energy = (found.kilowatt_hours.used.get(number, ZERO), found.energy.used.get(number, ZERO))
        if any(of_energy):
            rows[number].append(_more(original, fleet, ENERGY, *of_energy))
        if co2 := found.co2.used.get(number, ZERO):
            rows[number].append(_more(original, fleet, CO2, co2, ZERO))


def _first(original: dict[str, Any], fleet: Fleet, cost: Decimal) -> Iterator[dict[str, Any]]:
    """The charge as the fleet's; of a list price in another currency, that with no cost and one of the fleet's."""
    # its price is on no bill of the calls: a bill of the fleet states it (allocation.billed_agreements)
    of_fleet = {"subject": subject(fleet), "commitment_status": USED, "proxy_cost": None, "billed_cost": ZERO}
    if original["list_cost"] is None or original["currency"] == fleet.currency:
        yield original | of_fleet | {"effective_cost": cost, "currency": fleet.currency}
        return
    yield original | of_fleet | {"effective_cost": ZERO}
    if cost:
        yield _more(original, fleet, original["price_class"], ZERO, cost)


def _more(original: dict[str, Any], fleet: Fleet, price_class: str, quantity: Decimal, cost: Decimal) -> dict[str, Any]:
    """A charge beside that of the usage, for the same owner."""
    sku = original["sku_id"].removesuffix(original["price_class"]) + price_class
    none = dict.fromkeys(("list_cost", "contracted_cost", "proxy_cost", "list_rate", "price_row"))
    return original | none | {
        "price_class": price_class, "sku_id": sku, "quantity": quantity, "effective_cost": cost, "billed_cost": ZERO,
        "currency": fleet.currency, "subject": subject(fleet), "commitment_status": USED,
        "scope": original["scope"] if price_class == original["price_class"] else price_class,
    }  # fmt: skip


def _replaced(usage: pa.Table, rows: dict[int, list[dict[str, Any]]]) -> pa.Table:
    """The charges, those of ``rows`` in place of what they were."""
    touched = pc.is_in(pa.array(range(len(usage)), pa.int64()), pa.array(sorted(rows), pa.int64()))
    made = pa.Table.from_pylist(_joined(row for number in sorted(rows) for row in rows[number]), schema=usage.schema)
    return pa.concat_tables([usage.filter(pc.invert(touched)), made]).combine_chunks()


def _joined(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Charges with those of energy and CO2e that differ in their amounts alone as one: several classes of a key draw them."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, row in enumerate(rows):
        of_energy = row["price_class"] in CLASSES
        place = tuple(value for name, value in row.items() if name not in _AMOUNTS) if of_energy else (number,)
        if place in found:
            found[place] |= {name: found[place][name] + row[name] for name in _AMOUNTS}
        else:
            found[place] = row
    return list(found.values())


def _idle(fleet: Fleet, found: FleetDay) -> Iterator[Entry]:
    of: tuple[tuple[str, Shared | None, Shared], ...] = (
        (GPU_HOUR, found.capacity, found.gpu_hours), (ENERGY, found.energy, found.kilowatt_hours), (CO2, None, found.co2),
    )  # fmt: skip
    for price_class, money, quantity in of:
        cost = money.idle if money else ZERO
        if cost or quantity.idle:
            yield _entry(fleet, price_class, cost, quantity=quantity.idle, unit=price_class, status=IDLE)


def _entry(fleet: Fleet, price_class: str, cost: Decimal, charge_category: str = "Usage", **given: Any) -> Entry:
    dimensions = {"provider": "selfhosted", "model_served": fleet.gpu}
    return Entry(
        subject(fleet), LAYER, dimensions, charge_category, price_class, cost, fleet.currency, owner=Owner(*fleet.idle_owner),
        **given,
    )  # fmt: skip
