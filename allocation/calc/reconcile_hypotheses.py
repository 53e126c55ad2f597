"""The scene of a difference (the rows of two levels, what they are worth) and the hypotheses that might explain it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from allocation.calc.reconcile_rows import ZERO, Evidence, Key, Offer, Row, mask_of, money

_HALF_CENT, _NOISE = Decimal("0.005"), Decimal("0.000000001")
_WHOLE = Decimal("0.25")  # a reckoned quantity is known to the token where rounding hides less than this
_TREATMENTS = [(mode, tier) for mode in ("sync", "batch") for tier in ("", "flex", "priority")]
_SINGLES = 40


class Piece(NamedTuple):
    """A part of a difference with its cause, at the place of ``row``."""

    row: Row
    cause: str
    amount: Decimal


class Effect(NamedTuple):
    """What a hypothesis explains of a key: quantity and cost of the upper level less the lower's."""

    quantity: Decimal
    cost: Decimal


class Hypothesis(NamedTuple):
    """Of two that ``excludes`` names alike only one can hold. ``evident``: records say so, whatever the difference."""

    effects: Mapping[Key, Effect]
    pieces: Sequence[Piece]
    excludes: str = ""
    evident: bool = False


class Scene:
    """The usage rows of two levels that can only be compared together."""

    def __init__(self, lower: Sequence[Row], upper: Sequence[Row], level: str, evidence: Evidence) -> None:
        self.lower, self.upper, self.level, self.evidence = lower, upper, level, evidence
        self.mask = mask_of(upper)
        self._below: dict[Key, list[Row]] = defaultdict(list)
        self._above: dict[Key, list[Row]] = defaultdict(list)
        for rows, by_key in ((lower, self._below), (upper, self._above)):
            for row in rows:
                by_key[self.mask.key(row)].append(row)
        in_cents = all(row.cost is not None and row.cost % Decimal("0.01") == 0 for row in upper)
        self._step = _HALF_CENT if in_cents else _NOISE
        self._prices: dict[Key, Decimal | None] = {}

    def room(self, key: Key) -> Decimal:
        """What the rounding of printed amounts may hide."""
        lines = sum(row.lines * (2 if row.exchange else 1) for row in self._above.get(key, ()))
        return lines * self._step + (len(self._below.get(key, ())) + lines) * _NOISE

    def price(self, key: Key) -> Decimal | None:
        """Price of a unit by the book; of usage that we priced ourselves by what the book assumes of others, that price."""
        if key not in self._prices:
            some = (*self.upper, *self.lower)[0]
            offer = Offer(
                some.provider, key.model, key.price_class, key.mode or "sync", key.tier or "", key.band or 0,
                key.day or self.evidence.end - timedelta(days=1),
            )  # fmt: skip
            known = bool(key.model and key.price_class)
            self._prices[key] = (self.evidence.price(offer) or self._assumed(key)) if known else None
        return self._prices[key]

    def _assumed(self, key: Key) -> Decimal | None:
        rows = [row for row in self._above.get(key, ()) if row.level == "provider_usage" and row.cost and row.quantity]
        quantity = sum((row.quantity or ZERO for row in rows), ZERO)
        return sum((row.cost or ZERO for row in rows), ZERO) / quantity if quantity else None

    def price_below(self, key: Key) -> Decimal | None:
        """Price of a unit as the lower level has it; by the book where it has none of the kind."""
        rows = [row for row in self._below.get(key, ()) if row.quantity and row.cost is not None]
        quantity = sum((row.quantity or ZERO for row in rows), ZERO)
        cost = sum((row.cost or ZERO for row in rows), ZERO)
        by_book = self.price(key)
        if not quantity or (by_book is not None and abs(quantity * by_book - cost) <= len(rows) * _NOISE):
            return by_book
        return cost / quantity

    def counts(self, key: Key) -> bool:
        """Whether the upper level's quantity is stated, or can be reckoned from its cost."""
        return self.is_counted(key) or all(self.quantity(row) is not None for row in self._above[key])

    def is_counted(self, key: Key) -> bool:
        """Whether the upper level states quantities of the kind; what it does not mention is none."""
        if not key.price_class or not key.model:
            return False
        return all(row.quantity is not None for row in self._above.get(key, ()))

    def quantity(self, row: Row) -> Decimal | None:
        """Stated, or of the upper level reckoned from its cost where that gives whole units."""
        if row.quantity is not None or row.level == self._level_below:
            return row.quantity
        key = self.mask.key(row)
        price = self.price(key)
        if not price or key.mode is None or key.tier is None:
            return None
        reckoned, room = row.worth / price, (self._step * row.lines + _NOISE) / price
        if room >= _WHOLE:
            return reckoned
        whole = reckoned.to_integral_value()
        return whole if abs(whole - reckoned) <= room else None

    @property
    def upper_is_billed(self) -> bool:
        """Whether the upper level is of money: it may bill usage with another period than it lies in."""
        return self.level in ("cost_report", "invoice")

    @cached_property
    def _level_below(self) -> str:
        return self.lower[0].level if self.lower else ""

    def is_nothing(self, key: Key, quantity: Decimal) -> bool:
        """Whether a quantity is none: nothing stated, or no more than rounding hides of a reckoned one."""
        if quantity == 0:
            return True
        price = self.price(key)
        return not self.is_counted(key) and price is not None and abs(quantity * price) <= self.room(key)

    def below(self, key: Key) -> Decimal:
        """Quantity of the lower level."""
        return sum((row.quantity or ZERO for row in self._below.get(key, ())), ZERO)

    def is_empty_below(self, key: Key) -> bool:
        """Whether the lower level has nothing of that model and day at all."""
        near = (row for found, rows in self._below.items() if found[:2] == key[:2] for row in rows)
        return not any(row.quantity or row.cost for row in near)

    def is_unpriced(self, key: Key) -> bool:
        """Whether usage of the kind has no price of ours."""
        rows = self._below.get(key)
        if rows:
            return all(row.cost is None for row in rows)
        same = [row for found, rows in self._below.items() if found[:2] == key[:2] for row in rows]
        if same and all(row.cost is None for row in same):
            return True
        return bool(key.model and key.price_class) and self.price(key) is None

    def row_of(self, key: Key) -> Row:
        """A row of the key's place."""
        found = self._above.get(key) or self._below.get(key)
        if found:
            return found[0]
        some = (*self.upper, *self.lower)[0]
        return some._replace(day=key.day, model=key.model, price_class=key.price_class)


def hypotheses(scene: Scene) -> list[Hypothesis]:
    """What might be, the likelier first."""
    found = [*_copies(scene), *_counted_twice(scene), *_cut_off(scene), *_treatments(scene)]
    return [hypothesis for hypothesis in found if hypothesis.effects]


def _of(scene: Scene, cause: str, rows: Sequence[Row], excludes: str = "") -> Hypothesis:
    """These rows of the lower level should not be there."""
    effects: dict[Key, Effect] = {}
    for row in rows:
        key = scene.mask.key(row)
        before = effects.get(key, Effect(ZERO, ZERO))
        effects[key] = Effect(before.quantity - (row.quantity or ZERO), before.cost - (row.cost or ZERO))
    return Hypothesis(effects, [Piece(row, cause, -row.cost) for row in rows if row.cost], excludes)


def _here(scene: Scene, rows: Sequence[Row]) -> list[Row]:
    places = {(row.model, row.day) for row in scene.lower}
    return [row for row in rows if (row.model, row.day) in places]


def _copies(scene: Scene) -> Iterator[Hypothesis]:
    """Calls that the lower level holds more than once."""
    if not scene.lower or scene.lower[0].level != "computed":
        return
    some, every = scene.lower[0], list[Row]()
    days = sorted({row.day for row in scene.lower if row.day is not None})
    for day in days:
        if rows := _here(scene, scene.evidence.copies(some.provider, some.account, day)):
            yield _of(scene, "duplicate", rows, f"copies {day}")
            every += rows
    yield _of(scene, "duplicate", every, "copies")._replace(evident=True)


def _counted_twice(scene: Scene) -> Iterator[Hypothesis]:
    """Cached tokens that are counted as ordinary input as well, of all calls of a treatment and day; or of them all."""
    every = []
    for row in scene.lower:
        if row.price_class == "cache_read" and row.quantity:
            key = scene.mask.key(row._replace(price_class="input_uncached"))
            price = ZERO if scene.is_unpriced(key) else scene.price_below(key)
            if price is not None and scene.below(key) >= row.quantity:
                every.append(row._replace(price_class="input_uncached", cost=money(row.quantity * price)))
    if every:
        yield _of(scene, "wrong_token_class", every, "cache")
    by_day: dict[date | None, list[Row]] = defaultdict(list)
    for row in every:
        by_day[row.day].append(row)
    parts = [*by_day.values(), *([row] for row in every)]
    if len(parts) > 1:
        for rows in {tuple(part) for part in parts[:_SINGLES]}:
            yield _of(scene, "wrong_token_class", rows)


def _cut_off(scene: Scene) -> Iterator[Hypothesis]:
    """Hours at the edges of the period that another period bills.

    The period before has been billed when this one is: that it bills our first hours is only believed of usage that this
    bill goes on with. Usage that it never names is no edge of anything.
    """
    if not scene.lower or not scene.upper_is_billed:
        return
    some, last = scene.lower[0], scene.evidence.end - timedelta(days=1)
    late = [row for row in scene.evidence.late if row.provider == some.provider and row.account == some.account]
    if late := _here(scene, late):
        priced = []
        for row in late:
            key = scene.mask.key(row)
            price = ZERO if scene.is_unpriced(key) else scene.price_below(key)
            cost = row.worth if row.quantity is None or price is None else money(row.quantity * price)
            priced.append(row._replace(cost=cost))
        yield _of(scene, "cut_off", priced, "end")._replace(evident=True)
    for day, name in ((last, "end"), (scene.evidence.start, "start")):
        if not any(row.day == day for row in scene.lower):
            continue
        hours = scene.evidence.hours(some.level, some.provider, some.account, day)
        rows = [(hour, row) for hour, row in hours if _here(scene, [row])]
        edges = sorted({hour for hour, _ in rows}, reverse=name == "end")
        if name == "start":
            edges = edges[:-1] if scene.upper else []
        for edge in edges:
            outside = [row for hour, row in rows if (hour >= edge if name == "end" else hour <= edge)]
            yield _of(scene, "cut_off", outside, name)


def _treatments(scene: Scene) -> Iterator[Hypothesis]:
    """Usage priced under another treatment than the bill's, where the bill does not say under which."""
    mask = scene.mask
    by_treatment: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in scene.lower:
        if row.quantity and row.cost is not None and row.day is not None:
            by_treatment[row.mode or "sync", row.tier or "", row.band or 0].append(row)
    for (mode, tier, band), rows in sorted(by_treatment.items()):
        others = [(m, t, band) for m, t in _TREATMENTS if (m == mode or not mask.mode) and (t == tier or not mask.tier)]
        if not mask.band:
            bands = {0, *scene.evidence.bands(rows[0].provider, rows[0].model)}
            others += [(mode, tier, other) for other in sorted(bands)]
        for other in others:
            if other != (mode, tier, band) and (found := _under(scene, rows, other, band)):
                yield found


def _under(scene: Scene, rows: Sequence[Row], other: tuple[str, str, int], band: int) -> Hypothesis | None:
    effects: dict[Key, Effect] = {}
    pieces = []
    for row in rows:
        key = Key(row.day, row.model, row.price_class, *other)
        price = scene.price(key)
        if price is None or row.quantity is None or row.cost is None:
            return None
        at = scene.mask.key(row)
        amount = money(row.quantity * price) - row.cost
        effects[at] = Effect(ZERO, effects.get(at, Effect(ZERO, ZERO)).cost + amount)
        pieces.append(Piece(row, "service_tier" if other[2] == band else "context_band", amount))
    if not any(effect.cost for effect in effects.values()):
        return None
    return Hypothesis(effects, pieces, f"treatment {other[2] != band} {band}")
