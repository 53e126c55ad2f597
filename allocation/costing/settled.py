"""Figures that agreements need of more than a day: each day's part is noted as it is charged, and summed afterwards.

A step notes what a day adds (``note``); its ``settle`` sums the days (``noted``) and keeps what it finds (``keep``), which
the step reads when the days concerned are charged again.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from allocation.models import Settled

_OF_DAY = "day: "  # begins the name of what one day adds


class Figure(NamedTuple):
    """Of which agreement, about which day or time that begins with it, and what."""

    code: str
    day: date
    name: str


def note(kind: str, day: date, figures: Mapping[tuple[str, str], Decimal]) -> None:
    """Keep what a day adds, (code, name) -> value, in place of what it added before."""
    rows = Settled.objects.filter(kind=kind, day=day, name__startswith=_OF_DAY)
    found = {(code, name[len(_OF_DAY) :]): value for code, name, value in rows.values_list("code", "name", "value")}
    if found == figures:
        return
    rows.delete()
    Settled.objects.bulk_create(
        Settled(kind=kind, code=code, day=day, name=_OF_DAY + name, value=value)
        for (code, name), value in sorted(figures.items())
    )


def noted(kind: str, codes: Iterable[str], first: date | None = None, end: date | None = None) -> dict[Figure, Decimal]:
    """What days from ``first`` up to, not including, ``end`` add to these agreements."""
    rows = Settled.objects.filter(kind=kind, code__in=list(codes), name__startswith=_OF_DAY)
    rows = rows if first is None else rows.filter(day__gte=first)
    rows = rows if end is None else rows.filter(day__lt=end)
    found = rows.order_by("day", "code", "name").values_list("code", "day", "name", "value")
    return {Figure(code, day, name[len(_OF_DAY) :]): value for code, day, name, value in found}


def kept(kind: str, codes: Iterable[str], day: date | None = None) -> dict[Figure, Decimal]:
    """What was found for these agreements by the last ``keep``; of one day, or of all."""
    rows = Settled.objects.filter(kind=kind, code__in=list(codes)).exclude(name__startswith=_OF_DAY)
    rows = rows if day is None else rows.filter(day=day)
    found = rows.order_by("day", "code", "name").values_list("code", "day", "name", "value")
    return {Figure(code, day, name): value for code, day, name, value in found}


def keep(kind: str, figures: Mapping[Figure, Decimal]) -> set[Figure]:
    """Make these all the figures of a kind; returns those that are new, gone or another than before."""
    rows = Settled.objects.filter(kind=kind).exclude(name__startswith=_OF_DAY)
    before = {
        Figure(code, day, name): (pk, value)
        for pk, code, day, name, value in rows.values_list("pk", "code", "day", "name", "value")
    }
    changed = {figure for figure in {*before, *figures} if _value(before, figure) != figures.get(figure)}
    if changed:
        rows.filter(pk__in=[before[figure][0] for figure in changed if figure in before]).delete()
        Settled.objects.bulk_create(
            Settled(kind=kind, code=figure.code, day=figure.day, name=figure.name, value=figures[figure])
            for figure in sorted(changed)
            if figure in figures
        )
    return changed


def _value(before: Mapping[Figure, tuple[int, Decimal]], figure: Figure) -> Decimal | None:
    return before[figure][1] if figure in before else None


def forget(kind: str) -> None:
    """No agreement of the kind is in force: nothing is kept of it."""
    Settled.objects.filter(kind=kind).delete()
