"""Which episode found now is one that was found before: so that one that grew is the same, and nothing is told twice."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from forecasting.calc.anomaly import NEW
from forecasting.calc.series import DAY, Key

_APART = DAY.season * timedelta(days=1)  # hits less than a season apart are one episode


class Episode(Protocol):
    """What tells episodes apart."""

    @property
    def key(self) -> Key: ...

    @property
    def kind(self) -> str: ...

    @property
    def first(self) -> date: ...

    @property
    def last(self) -> date: ...


class Held(NamedTuple):
    """An episode that is kept, by its number."""

    number: int
    key: Key
    kind: str
    first: date
    last: date


def matched(found: Sequence[Episode], held: Sequence[Held]) -> list[int | None]:
    """For every episode found, the number of the kept one that it is; None: it is new. No number comes twice.

    The same is an episode of the same key that meets it or lies less than a season apart: the one it shares most days with,
    of these the first. A new key is one episode, whatever else happens to the key then.
    """
    free: dict[tuple[Key, bool], list[Held]] = {}
    for one in sorted(held, key=lambda each: (each.first, each.number)):
        free.setdefault((one.key, one.kind == NEW), []).append(one)
    answer: list[int | None] = [None] * len(found)
    order = sorted(range(len(found)), key=lambda place: (found[place].first, place))
    for near in (timedelta(0), _APART):  # those that meet first: a neighbour must not take their number
        for place in order:
            mine = free.get((found[place].key, found[place].kind == NEW), [])
            if answer[place] is None and (same := _nearest(found[place], mine, near)) is not None:
                mine.remove(same)
                answer[place] = same.number
    return answer


def _nearest(one: Episode, held: Sequence[Held], near: timedelta) -> Held | None:
    possible = [each for each in held if one.first - near <= each.last and each.first <= one.last + near]
    return max(possible, key=lambda each: min(one.last, each.last) - max(one.first, each.first), default=None)
