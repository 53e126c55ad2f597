"""What of a day's usage a commitment covers, and what the covered usage costs under it.

A charge of usage that is covered in part becomes two: the covered one (status Used) and the rest, as it was. Tokens stay
whole. Invariants: quantity, ListCost, ContractedCost and the proxy cost of the two sum to those of the one, exactly.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa

from allocation.calc.contracts import rounded
from finops.money import money

ZERO, ONE = Fraction(0), Fraction(1)
_SPLIT = ("list_cost", "contracted_cost", "proxy_cost")


class Demand(NamedTuple):
    """Usage that a commitment may cover: how much of what weight, in the hours in which it came.

    ``hours``: hour (since 1970) -> its part of the usage, in any measure; empty: nobody knows its hour.
    """

    quantity: Decimal
    weight: Decimal
    hours: Mapping[int, Decimal]


class Cover(NamedTuple):
    """What is covered: of each demand the share, and the part of its ``hours`` that is left; in all, in weighted units."""

    shares: list[Fraction]
    left: list[dict[int, Fraction]]
    covered: Fraction
    by_day: Fraction  # of ``covered``, what has no hour


def cover(demands: Sequence[Demand], capacity: Callable[[int], Decimal], of_day: Decimal) -> Cover:
    """Cover each hour up to its capacity, the same share of everybody's; then, of what has no hour, what the day has left.

    ``capacity``: of an hour; ``of_day``: of the day. The order of the demands changes nothing.
    """
    hourly: dict[int, Fraction] = defaultdict(Fraction)
    spread: list[dict[int, Fraction]] = []
    unknown = ZERO
    for demand in demands:
        all_ = sum(demand.hours.values())
        spread.append(
            {hour: Fraction(part) / Fraction(all_) for hour, part in demand.hours.items()} if all_ > 0 else {}
        )
        weighted = Fraction(demand.quantity) * Fraction(demand.weight)
        for hour, part in spread[-1].items():
            hourly[hour] += Fraction(rounded(weighted * part))  # keeps the denominators of the sum small
        unknown += ZERO if spread[-1] else weighted
    ratios = {hour: _ratio(Fraction(capacity(hour)), wanted) for hour, wanted in hourly.items()}
    covered = sum((max(wanted, ZERO) * ratios[hour] for hour, wanted in hourly.items()), ZERO)
    rest = max(Fraction(of_day) - covered, ZERO)
    ratio = _ratio(rest, unknown)
    by_day = max(unknown, ZERO) * ratio
    shares, left = [], []
    for parts in spread:
        shares.append(sum((part * ratios[hour] for hour, part in parts.items()), ZERO) if parts else ratio)
        left.append({hour: part * (1 - ratios[hour]) for hour, part in parts.items()})
    return Cover(shares, left, covered + by_day, by_day)


def _ratio(capacity: Fraction, wanted: Fraction) -> Fraction:
    if capacity <= 0:
        return ZERO
    return ONE if wanted <= capacity else capacity / wanted


def whole_share(quantity: Decimal, share: Fraction) -> Fraction:
    """The share of a quantity as near as whole units come to it, where the quantity is whole."""
    if share in (ZERO, ONE) or quantity == 0 or quantity != quantity.to_integral_value():
        return share
    return Fraction(round(share * int(quantity)), int(quantity))


def spread_cost(cost: Decimal, weights: Sequence[Fraction]) -> list[Decimal]:
    """A cost over weights, in their order; the parts sum to it exactly. All weights 0: nothing is spread.

    Unlike ``finops.money.share`` a weight may be negative: usage that is taken back takes its cost back.
    """
    whole, before, at, parts = sum(weights, ZERO), Decimal(0), ZERO, []
    for weight in weights:
        at += weight
        until = rounded(Fraction(cost) * at / whole) if whole else Decimal(0)
        parts.append(until - before)
        before = until
    return parts


def split(
    usage: pa.Table, shares: Mapping[int, Fraction], costs: Mapping[int, Decimal], names: Mapping[str, str],
    contracted: Mapping[int, Decimal] | None = None,
) -> pa.Table:  # fmt: skip
    """Charges of usage with the covered ``shares`` of some rows as charges of their own, after all others.

    In: ``shares`` row -> share in (0, 1]; ``costs`` row -> EffectiveCost of the covered part; ``names``: the columns that
    it has of the commitment (subject, commitment_id, commitment_status); ``contracted``: its ContractedCost where that is
    not the share of the row's. BilledCost of what is covered is 0: the commitment was billed.
    """
    if not shares:
        return usage
    rows = sorted(shares)
    columns: dict[str, list[Any]] = {name: usage[name].to_pylist() for name in ("quantity", *_SPLIT, "effective_cost")}
    effective = columns["effective_cost"]
    covered: dict[str, list[Any]] = {name: [] for name in ("quantity", *_SPLIT)}
    kept = [True] * len(usage)
    for row in rows:
        whole = shares[row] == 1
        quantity = columns["quantity"][row]
        parts = {"quantity": _quantity(quantity, shares[row])}
        for name in _SPLIT:
            value = columns[name][row]
            parts[name] = value if value is None or whole else rounded(Fraction(value) * shares[row])
        if contracted is not None:
            parts["contracted_cost"] = contracted[row]
        for name, part in parts.items():
            covered[name].append(part)
            if columns[name][row] is not None:
                columns[name][row] -= part
        effective[row] = columns["contracted_cost"][row]
        kept[row] = not whole
    rest = _with(usage, columns).filter(pa.array(kept, pa.bool_()))
    effects = {"effective_cost": [costs[row] for row in rows], "billed_cost": [Decimal(0)] * len(rows)}
    mine = _with(usage.take(pa.array(rows, pa.int64())), covered | effects)
    for name, text in names.items():
        mine = mine.set_column(mine.column_names.index(name), name, pa.array([text] * len(rows), pa.string()))
    return pa.concat_tables([rest, mine.cast(rest.schema)])


def _quantity(quantity: Decimal, share: Fraction) -> Decimal:
    if share == 1:
        return quantity
    if quantity == quantity.to_integral_value():
        return Decimal(round(Fraction(quantity) * share))
    return rounded(Fraction(quantity) * share)


def _with(table: pa.Table, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    for name, values in columns.items():
        place = table.column_names.index(name)
        kind = table.schema.field(name).type
        table = table.set_column(place, name, money(values) if name != "quantity" else pa.array(values, kind))
    return table
