"""One sentence that says what changed: exact sums, plain words. Parts are (text, tone) so that a page can set them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from web import formats
from web.dashboards.frames import Line
from web.dimensions import NAMELESS

Tone = Literal["", "strong", "up", "down"]
Part = tuple[str, Tone]


@dataclass(frozen=True)
class Comparison:
    """What a month is compared with: its former month whole, or both up to the same day."""

    month: date
    before: date
    days: int | None
    before_days: int
    unfinished: str = ""  # what is to be said of the last of the days

    @property
    def words(self) -> str:
        """Such as ``on October``, or the like days of both while the month runs."""
        name = f"{self.before:%B}" if self.before.year == self.month.year else formats.month_name(self.before)
        if self.days is None:
            return f"on {name}"
        if self.days > self.before_days:
            return f"on all {self.before_days} days of {name} (this month so far: {self.days})"
        return f"on the first {_days(self.before_days)} of {name}"


def what_changed(movers: Sequence[Line], compared: Comparison, currency: str, *, most: int = 3) -> list[Part]:
    """Total change and the largest movers; what they leave over is said too, so that the parts add up to the total."""
    now = sum((line.cost for line in movers), Decimal(0))
    before = sum((line.before for line in movers), Decimal(0))
    if before == 0:
        return [("No spend ", ""), (compared.words.replace("on ", "in ", 1), ""), (" to compare with.", "")]
    delta = now - before
    if delta == 0:
        return [("Unchanged ", "strong"), (f"{compared.words}.", "")]
    ranked = sorted((line for line in movers if line.delta), key=lambda line: (-abs(line.delta), line.name or ""))
    named, rest = ranked[:most], ranked[most:]
    parts: list[Part] = [("Up " if delta > 0 else "Down ", ""), (formats.money_short(abs(delta), currency), "strong")]
    parts += [(f" ({formats.change(now, before)}) {compared.words}: ", "")]
    for line in named:
        parts += [_amount(line.delta, currency), (f" {line.name or NAMELESS}, ", "")]
    left = sum((line.delta for line in rest), Decimal(0))
    if rest:
        parts += [_amount(left, currency), (f" {_others(len(rest))}.", "")]
    else:
        parts[-1] = (parts[-1][0].rstrip(", ") + ".", "")
    return [*parts, (f" {compared.unfinished}.", "")] if compared.unfinished else parts


def of_tiers(tiers: Sequence[Line]) -> str:
    """How unlike queries are: the dearest tier's part of queries and of cost."""
    cost, queries = sum((line.cost for line in tiers), Decimal(0)), sum(line.queries for line in tiers)
    known = [line for line in tiers if line.queries and line.cost > 0]
    if len(known) < 2 or not queries or cost <= 0:
        return ""
    dearest = max(known, key=lambda line: line.cost / line.queries)
    share, part = Decimal(dearest.queries) / queries, dearest.share_of(cost)
    return f"{formats.percent(share)} of queries cause {formats.percent(part)} of cost."


def _amount(delta: Decimal, currency: str) -> Part:
    return formats.signed_money(delta, currency), "up" if delta > 0 else "down" if delta < 0 else ""


def _days(number: int) -> str:
    return "day" if number == 1 else f"{number} days"


def _others(number: int) -> str:
    return "one other" if number == 1 else f"all {number} others"
