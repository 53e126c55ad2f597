"""What has to be posted so that what was posted of a frozen day becomes what it costs now. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

# What tells one line of a day from another: the charge's own columns, and who bears it (always the last two).
IDENTITY = (
    "usage_key_id", "tier", "tier_estimated", "charge_category", "sku_id", "sku_price_id", "price_class", "consumed_unit",
    "list_unit_price", "pricing_unit", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id",
    "commitment_status", "original_currency", "fx_rate", "fx_day", "fx_source", "cost_centre_id", "team_id",
)  # fmt: skip
AMOUNTS = ("quantity", "list_cost", "contracted_cost", "effective_cost", "billed_cost", "proxy_cost")
_PRICE = ("sku_price_id", "list_unit_price", "pricing_unit", "original_currency", "fx_rate", "fx_day", "fx_source",
    "cost_centre_id", "team_id")  # fmt: skip
_SLOT = tuple(at for at, name in enumerate(IDENTITY) if name not in _PRICE)
_PROVENANCE = IDENTITY.index("provenance")
_CENTRE = IDENTITY.index("cost_centre_id")
ZERO = Decimal(0)


class Line(NamedTuple):
    """One line of a day: IDENTITY, AMOUNTS (NULL stays None) and the charge that it began with."""

    identity: tuple[Any, ...]
    amounts: tuple[Decimal | None, ...]
    origin: int | None


class Change(NamedTuple):
    """One row to post: a reversal of what stands, or what holds instead. ``cause``: Correction.Cause."""

    cause: str
    identity: tuple[Any, ...]
    amounts: tuple[Decimal | None, ...]
    origin: int | None
    reversal: bool


def changes(posted: Iterable[Line], now: Iterable[Line]) -> list[Change]:
    """Reversals and restatements in the order of the lines' text; [] where nothing differs.

    For each line that differs all of it is taken back, as it was posted, and all of it posted anew: what stands of the
    day is then ``now``, in every amount. Twice the same posts nothing the second time.
    """
    before = {line.identity: line for line in posted if any(line.amounts)}
    after = {line.identity: line for line in now if any(line.amounts)}
    differing = sorted(
        (place for place in before.keys() | after.keys() if _amounts(before, place) != _amounts(after, place)), key=str
    )
    origins = {_slot(line.identity): line.origin for line in before.values()}
    causes = _causes(before, after)
    found = []
    for place in differing:
        cause = causes[_slot(place)]
        if place in before:
            old = before[place]
            back = tuple(None if amount is None else -amount for amount in old.amounts)
            found.append(Change(cause, place, back, old.origin, reversal=True))
        if place in after:
            origin = before[place].origin if place in before else origins.get(_slot(place))
            found.append(Change(cause, place, after[place].amounts, origin, reversal=False))
    return found


def material(nets: dict[tuple[Any, ...], Decimal], limit: Decimal) -> set[tuple[Any, ...]]:
    """The places whose net correction is worth a line of their own: from the limit on."""
    return {place for place, net in nets.items() if abs(net) >= limit}


def _slot(identity: Sequence[Any]) -> tuple[Any, ...]:
    """The line without its price and its bearer."""
    return tuple(identity[at] for at in _SLOT)


def _amounts(lines: dict[Any, Line], place: Any) -> tuple[Decimal | None, ...] | None:
    return lines[place].amounts if place in lines else None


def _causes(before: dict[Any, Line], after: dict[Any, Line]) -> dict[Any, str]:
    """Slot -> why it differs: what was used, what it costs by the price list, by agreements, or whose it is."""
    sums: dict[Any, list[list[Decimal]]] = defaultdict(lambda: [[ZERO] * len(AMOUNTS), [ZERO] * len(AMOUNTS)])
    for side, lines in enumerate((before, after)):
        for line in lines.values():
            total = sums[_slot(line.identity)][side]
            for at, amount in enumerate(line.amounts):
                total[at] += amount or ZERO
    return {slot: _cause(slot, *sides) for slot, sides in sums.items()}


def _cause(slot: tuple[Any, ...], old: list[Decimal], new: list[Decimal]) -> str:
    if slot[_SLOT.index(_PROVENANCE)] == "billed":
        return "bill"
    if old[0] != new[0]:
        return "late_usage"
    if old[1] != new[1]:
        return "rerate"
    return "agreement" if old[2:] != new[2:] else "rules"
