"""What the billed lines of a day are charged for, beyond what is computed of its usage."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from allocation import billed_agreements
from allocation.calc import billed
from allocation.calc.billed import Computed, Remainder, Stated
from allocation.calc.layers import Who
from allocation.completeness import LINES, USAGE, Day
from allocation.costing import capacity, fx
from allocation.costing.work import COSTS, ZERO, Entry, Work, added
from allocation.layering import Names
from allocation.posting import MAX_SKU
from finops.copying import copy_rows
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.facts.derive import BILLED_COLUMNS

_LINE_CHARGE = (
    "charge_date", "billing_period", "usage_key_id", "tier", "tier_estimated", "charge_category", "charge_class", "sku_id",
    "sku_price_id", "price_class", "consumed_unit", "billing_currency", "provenance", "scope", "cause", "subject",
    "commitment_id", "commitment_status", "original_currency", "fx_rate", "fx_day", "fx_source", "consumed_quantity", *COSTS,
    "original_cost",
)  # fmt: skip
Line = dict[str, Any]


class LineCharges(NamedTuple):
    """Charges of billed lines (rows of _LINE_CHARGE), which computed charges (a mask) they rule, and what more is charged.

    ``entries``: what rounding leaves, and what of an agreement a bill does not state (taken back).
    """

    rows: list[tuple[Any, ...]]
    ruled: pa.Array
    entries: list[Entry]


def line_charges(day: date, lines: Sequence[tuple[Any, ...]], work: Work, names: Names, whole: Day) -> LineCharges:
    """What the billed lines of a day are charged for. ``lines``: facts.lines_of_day; ``work``: its computed charges.

    Lines that are about usage of the day are reconciled with the computed charges and idle fleets (allocation.calc.billed),
    lines that name a commitment with the entries of its agreement (allocation.calc.billed_agreements); credits, taxes and
    corrections are charged as they are.
    """
    found, entries = fx.convert_lines(day, [dict(zip(BILLED_COLUMNS, line, strict=True)) for line in lines])
    dimensions, places = names.dimensions, billed_agreements.Places(day, names)
    usage = [line for line in found if is_usage(line)]
    speaking = _grouped(
        ((*places.of_key(line["usage_key_id"]), line["billing_currency"]), dimensions[line["usage_key_id"]])
        for line in usage
    )
    of_usage = _grouped(
        (places.of_key(key), found) for key, found in dimensions.items() if found["layer"] == "provider_usage"
    )

    def is_whole(place: Any, scope: str) -> bool:
        return all(whole.states(key, LINES, scope) for key in speaking[place])

    def counts(line: Line) -> bool:
        """Whether the line rules quantities: not where provider usage does."""
        keys = of_usage[places.of_key(line["usage_key_id"])]
        return not (keys and all(whole.states(key, USAGE, line["scope"]) for key in keys))

    charges = [
        row | {"billed_cost": row["effective_cost"] if row["billed_cost"] is None else row["billed_cost"]}
        for row in work.usage.to_pylist()
    ]
    idle = [entry for entry in work.entries if entry.layer == capacity.LAYER and entry.charge_category == "Usage"]
    rulings = _rulings(usage, charges, idle, names, places, is_whole)
    charged = [*_of_usage(usage, rulings, counts), *_as_they_are(found)]
    charged, taken_back = billed_agreements.ruled(charged, work.entries, lambda line: whole.states(
        dimensions[line["usage_key_id"]], LINES, line["scope"]))  # fmt: skip
    rows: dict[Any, list[Any]] = {}
    for line, amounts, cause in charged:
        _add(rows, day, line, dimensions, amounts, cause)
    mask = pa.array([at in rulings["effective_cost"].ruled for at in range(len(charges))], pa.bool_())
    return LineCharges([tuple(row) for _, row in sorted(rows.items())], mask, [*entries, *taken_back])


def _grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for place, value in pairs:
        found[place].append(value)
    return found


def _of_usage(
    usage: Sequence[Line], rulings: dict[str, billed.Ruling], counts: Callable[[Line], bool]
) -> Iterator[billed_agreements.Charged]:
    for at, (line, left) in enumerate(zip(usage, rulings["effective_cost"].remainders, strict=True)):
        if left.charged:
            explained = {name: found.remainders[at].explained for name, found in rulings.items()}
            yield line, _remainder(line, left, explained, quantity=counts(line)), left.cause


def _as_they_are(lines: Iterable[Line]) -> Iterator[billed_agreements.Charged]:
    for line in lines:
        if not is_usage(line):
            yield line, {name: line[name] for name in COSTS} | {"quantity": line["consumed_quantity"] or ZERO}, ""


def is_usage(line: Line) -> bool:
    """Whether a line is about usage of its day, so that computed charges may be of the same."""
    return line["charge_category"] == "Usage" and not line["charge_class"] and line["commitment_status"] != "Unused"


def _rulings(
    lines: Sequence[Line], charges: Sequence[dict[str, Any]], idle: Sequence[Entry], names: Names,
    places: billed_agreements.Places, is_whole: billed.Whole,
) -> dict[str, billed.Ruling]:  # fmt: skip
    """Cost column -> its ruling: what a line states in a column is explained by what is computed in that column."""
    found: dict[str, billed.Ruling] = {}
    known: list[tuple[Any, billed.Ruling]] = []  # without agreements the columns are the same
    for name in ("effective_cost", "billed_cost", "contracted_cost", "list_cost"):
        computed = [_computed(row, name, names, places) for row in charges]
        computed += [_of_idle(entry, name, places) for entry in idle]
        question = [_stated(line, name, names, places) for line in lines], computed
        found[name] = next((answer for asked, answer in known if asked == question), None) or billed.rule(
            *question, is_whole
        )
        known.append((question, found[name]))
    return found


def _stated(line: Line, name: str, names: Names, places: billed_agreements.Places) -> Stated:
    key, price_class = line["usage_key_id"], line["price_class"]
    unit = "tokens" if price_class in TOKEN_CLASSES else price_class
    known = price_class in (*TOKEN_CLASSES, *UNITS) and line["consumed_unit"] == unit
    return Stated(
        (*places.of_key(key), line["billing_currency"]), line["scope"], names.model(key), price_class, names.who(key),
        line["consumed_quantity"] if known else None, line["effective_cost"] if line[name] is None else line[name],
    )  # fmt: skip


def _computed(row: dict[str, Any], name: str, names: Names, places: billed_agreements.Places) -> Computed:
    key, price_class = row["key_id"], row["price_class"]
    place, scope, quantity = places.of_charge(key, row["subject"]), row["scope"], row["quantity"]
    if price_class in TOKEN_CLASSES and row["subject"].startswith(capacity.SUBJECT):  # what it costs is GPU-hours
        scope, price_class, quantity = capacity.GPU_HOUR, capacity.GPU_HOUR, ZERO
    return Computed(
        (*place, row["currency"]), scope, names.model(key), price_class, names.who(key), quantity, row[name]
    )


def _of_idle(entry: Entry, name: str, places: billed_agreements.Places) -> Computed:
    """What of a fleet is idle, as a charge of its GPU-hours or energy without a model."""
    place = (*places.of_fleet(entry.subject), entry.currency)
    return Computed(place, entry.price_class, "", entry.price_class, Who(), entry.quantity, getattr(entry, name))


def _remainder(line: Line, left: Remainder, explained: dict[str, Decimal], *, quantity: bool) -> dict[str, Any]:
    amounts = {name: None if line[name] is None else line[name] - explained[name] for name in COSTS}
    if amounts["billed_cost"] is None:
        amounts["billed_cost"] = line["effective_cost"] - explained["billed_cost"]
    whole = line["consumed_quantity"] or ZERO
    if left.cause == "":
        amounts["quantity"] = whole
    else:
        amounts["quantity"] = whole - left.quantity if quantity and left.quantity is not None else ZERO
    return amounts


def _add(
    rows: dict[Any, list[Any]], day: date, line: Line, dimensions: dict[int, dict[str, Any]], amounts: dict[str, Any],
    cause: str,
) -> None:  # fmt: skip
    if not any(amounts.values()):
        return
    key, price_class = line["usage_key_id"], line["price_class"]
    found, commitment = dimensions[key], line["commitment_id"]
    model = found["model_served"] or found["model_requested"]
    text = f"{model}/{price_class}" if model and price_class else line["sku_id"] or line["description"] or line["scope"]
    fixed = (
        key, line["charge_category"], line["charge_class"], f"{found['provider']}/{text}"[:MAX_SKU], price_class,
        line["billing_currency"], line["scope"], cause, billed_agreements.subject(commitment), commitment,
        line["commitment_status"] if commitment else "", line["original_currency"],
    )  # fmt: skip
    row = rows.setdefault(
        fixed,
        [
            day, line["billing_period"], key, "", False, *fixed[1:4], "", price_class, line["consumed_unit"],
            line["billing_currency"], "billed", *fixed[6:], line["fx_rate"], line["fx_day"], line["fx_source"], ZERO,
            *(None for _ in COSTS), None,
        ],
    )  # fmt: skip
    row[_LINE_CHARGE.index("consumed_quantity")] += amounts["quantity"]
    for number, name in enumerate(COSTS, _LINE_CHARGE.index("list_cost")):
        row[number] = added(row[number], amounts[name])
    row[-1] = added(row[-1], fx.original(amounts["effective_cost"], line))


def write_line_charges(rows: Sequence[tuple[Any, ...]]) -> None:
    """Write charges of billed lines, beside the computed ones of their day."""
    copy_rows("charge", _LINE_CHARGE, rows)
