"""Chained monthly indices: why spend went where it went, as four lines whose product is the fifth, exactly.

spend = tasks x calls per task x tokens per call x price per token. A month's link of each is its ratio to the month before;
an index is the product of the links since its base. Tasks are queries; the price is what a token cost on average, so it
moves with the mix of models and classes too: the bridge tells them apart.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

FACTORS = ("tasks", "calls_per_task", "tokens_per_call", "price_per_token")
SPEND = "spend"


class Month(NamedTuple):
    """What one month holds."""

    name: str
    spend: Decimal
    tasks: int
    calls: int
    tokens: int


class Index(NamedTuple):
    """One month's indices; None where a link cannot be made. ``base``: the month in which they are 1.

    ``links``: to the month before; ``chained``: to the base. Both have FACTORS and SPEND; ``why``: what a link lacks.
    """

    month: Month
    base: str | None
    links: dict[str, Fraction] | None
    chained: dict[str, Fraction] | None
    why: str = ""


def chained_indices(months: Sequence[Month]) -> list[Index]:
    """Indices of months in their order. In every month the product of FACTORS is SPEND, as link and chained, exactly.

    A month without spend, tasks, calls or tokens has no index, and the chain begins anew with the next that has them all:
    a ratio over nothing would be a guess.
    """
    found: list[Index] = []
    for month in months:
        last = found[-1] if found else None
        missing = [name for name in ("spend", "tasks", "calls", "tokens") if getattr(month, name) <= 0]
        if missing:
            found.append(Index(month, None, None, None, f"no {', no '.join(missing)}"))
        elif last is None or last.chained is None:
            found.append(Index(month, month.name, None, {name: Fraction(1) for name in (*FACTORS, SPEND)}))
        else:
            links = _links(last.month, month)
            chained = {name: last.chained[name] * link for name, link in links.items()}
            found.append(Index(month, last.base, links, chained))
    return found


def _links(before: Month, after: Month) -> dict[str, Fraction]:
    old, new = _values(before), _values(after)
    return {name: new[name] / old[name] for name in old}


def _values(month: Month) -> dict[str, Fraction]:
    spend, tasks, calls, tokens = (Fraction(each) for each in month[1:])
    factors = (tasks, calls / tasks, tokens / calls, spend / tokens)
    return {**dict(zip(FACTORS, factors, strict=True)), SPEND: spend}
