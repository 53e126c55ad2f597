"""Commitments that a bill states too: the bill rules, and what an agreement computes explains the bill's lines.

Entries of an agreement keep their owners; a line is charged for what it states beyond them. Where a bill states a day whole
and speaks of a commitment's use, but not of what the agreement computes of it, that is taken back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.layers import prorated

PURCHASE, USED, UNUSED, ADJUSTMENT = "Purchase", "Used", "Unused", "Adjustment"
ZERO = Decimal(0)


class Part(NamedTuple):
    """A line that names a commitment, or an entry of its agreement: of which kind, and its costs by column.

    ``whole`` (of a line): whether its bill states the day whole. A cost may be None: not stated.
    """

    commitment_id: str
    kind: str
    currency: str
    costs: Mapping[str, Decimal | None]
    whole: bool = True


class Ruling(NamedTuple):
    """Of each line what entries explain, by column; and the numbers of the entries that are taken back."""

    explained: list[dict[str, Decimal]]
    taken_back: list[int]


def rule(lines: Sequence[Part], entries: Sequence[Part]) -> Ruling:
    """Reconcile a day. Invariant per commitment of which a whole bill has lines of use and of purchase, and per column:

    sum(entries) - sum(taken back) + sum(lines - explained) = sum(lines).
    """
    found: list[dict[str, Decimal]] = [{} for _ in lines]
    taken_back: list[int] = []
    of: dict[tuple[str, str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, parts in enumerate((lines, entries)):
        for at, part in enumerate(parts):
            of[part.commitment_id, part.kind, part.currency][side].append(at)
    for (commitment, kind, _), (stated, computed) in of.items():
        if not commitment or not computed:
            continue
        if stated:
            _explain(lines, entries, stated, computed, found)
        elif _speaks(lines, commitment, kind):
            taken_back += computed
    return Ruling(found, sorted(taken_back))


def _speaks(lines: Sequence[Part], commitment: str, kind: str) -> bool:
    """Whether a whole bill would state an entry of this kind: of use it speaks by use, of a purchase by anything."""
    kinds = {line.kind for line in lines if line.commitment_id == commitment and line.whole}
    return bool(kinds) if kind == PURCHASE else kind != ADJUSTMENT and bool(kinds & {USED, UNUSED})


def _explain(
    lines: Sequence[Part],
    entries: Sequence[Part],
    stated: list[int],
    computed: list[int],
    found: list[dict[str, Decimal]],
) -> None:
    whole = all(lines[at].whole for at in stated)
    for name in lines[stated[0]].costs:
        known = [(at, cost) for at in stated if (cost := lines[at].costs[name]) is not None]
        amount = sum((entries[at].costs[name] or ZERO for at in computed), ZERO)
        if not whole:  # a part of the day's lines: charged is only what they state beyond
            amount = min(amount, sum((cost for _, cost in known), ZERO))
        if known and amount:
            for (at, _), part in zip(known, prorated(amount, [cost for _, cost in known]), strict=True):
                found[at][name] = part
