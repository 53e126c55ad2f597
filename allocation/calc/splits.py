"""Pools of shared cost, as people write them: what is shared out of which cost centre, and by what measure.

A list of pools, emptied one after the other in this order (step-down): what a pool gives, later ones may take on::

    - code: platform
      source: {cost_centre: CC-PLATFORM}     # a code or a list; all that these bear, also what earlier pools gave them
      method: proportional
      driver: tokens                         # allocation.attribution.drivers; of one tier alone: tier: complex
      over: all                              # default; or a list of cost centres
      from: 2026-01-01                       # its first day; default: always
      to: 2027-01-01                         # exclusive; default: open
    - {code: idle-gpus, source: {idle: true, provider: selfhosted}, method: tier_weight,
       weights: {simple: "1", complex: "10"}}
    - {code: rest, source: {unallocated: true}, method: fixed, shares: {CC-100: "0.7", CC-200: "0.2"}}

*source* names one kind of cost, cost centres, or both, and may narrow it by ``provider``, ``model``, ``environment``,
``feature`` and ``tier`` (texts or lists, ``*`` and ``?`` as in file names). Kinds: ``idle`` (own capacity nobody used),
``unused`` (of commitments: unused, expired, short), ``unexplained`` (billed, and not explained), ``unallocated``.
*method*: ``even``; ``fixed`` by ``shares`` of at most 1 together (what is missing to 1 stays); ``proportional`` to a
``driver``; ``tier_weight``: by queries of each tier times the tier's weight. ``over: all`` is every cost centre that neither
this pool nor an earlier one empties. A pool that gives to one that was emptied before is refused: it would never be empty.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields, Match, entries, exact
from allocation.calc.nested_fields import inner
from finops.focus import TIERS

KIND = "splits"
METHODS = ("even", "fixed", "proportional", "tier_weight")
KINDS = ("idle", "unused", "unexplained", "unallocated")
NARROWED_BY = ("provider", "model", "environment", "feature")
_FIELDS = ("code", "source", "method", "driver", "tier", "weights", "shares", "over", "from", "to", "note")


class Source(NamedTuple):
    """What a pool takes: of these cost centres ((): of any) this kind ('': all they bear), where the dimensions match."""

    cost_centres: tuple[str, ...]
    kind: str
    match: Match
    tiers: tuple[str, ...]

    @property
    def empties(self) -> tuple[str, ...]:
        """The cost centres that must not receive anything afterwards."""
        return self.cost_centres if not self.kind else ()


class Pool(NamedTuple):
    """One pool. ``weights``: tier -> weight, or cost centre -> share; ``over`` None: all."""

    code: str
    step: int
    source: Source
    method: str
    driver: str
    tier: str
    weights: tuple[tuple[str, Decimal], ...]
    over: tuple[str, ...] | None
    begin: date | None
    end: date | None
    note: str

    def holds_on(self, day: date) -> bool:
        """Whether it is in force."""
        return (self.begin is None or self.begin <= day) and (self.end is None or day < self.end)

    def meets(self, other: "Pool") -> bool:
        """Whether both are in force on some day."""
        return (self.begin or date.min) < (other.end or date.max) and (other.begin or date.min) < (self.end or date.max)


class Splits(NamedTuple):
    """All pools, in the order in which they are emptied."""

    pools: tuple[Pool, ...]


def parse(document: Any) -> Splits:
    """Pools from their YAML form. Raises AgreementError naming the pool and the field."""
    pools = tuple(_pool(fields, step) for step, fields in enumerate(entries(document, "splits"), start=1))
    for at, pool in enumerate(pools):
        _refuse_circles(pool, pools[: at + 1])
    return Splits(pools)


def receivers(pool: Pool, before: tuple[Pool, ...], centres: tuple[str, ...]) -> tuple[str, ...]:
    """Who a pool may give to, by code: those it names, else all cost centres that it and those before do not empty."""
    if pool.over is not None:
        return tuple(sorted(pool.over))
    emptied = {code for other in (*before, pool) if other.meets(pool) for code in other.source.empties}
    return tuple(sorted(set(centres) - emptied))


def _pool(fields: Fields, step: int) -> Pool:
    for name in fields.entry:
        if name not in _FIELDS:
            raise AgreementError(f"{fields.code}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS))}")
    method = fields.one_of("method", ("", *METHODS))
    if not method:
        raise fields.wrong("method", f"is missing: one of {', '.join(METHODS)}")
    wanted = {"driver": "proportional", "tier": "proportional", "weights": "tier_weight", "shares": "fixed"}
    for name, belongs in wanted.items():
        if fields.given(name) and method != belongs:
            raise fields.wrong(name, f"belongs to method {belongs}, not {method}")
        if not fields.given(name) and method == belongs and name != "tier":
            raise fields.wrong(name, f"is missing: method {method} needs it")
    begin, end = fields.day("from"), fields.day("to")
    if begin is not None and end is not None and end <= begin:
        raise fields.wrong("to", "must be after from")
    weights = _numbers(fields, "weights", TIERS) if method == "tier_weight" else ()
    weights = _shares(fields) if method == "fixed" else weights
    over = tuple(name for name, _ in weights) if method == "fixed" else _over(fields)
    if method == "fixed" and fields.given("over"):
        raise fields.wrong("over", "is said by shares")
    tier = fields.one_of("tier", ("", *TIERS))
    pool = Pool(
        fields.code, step, _source(fields), method, fields.text("driver"), tier, weights, over, begin, end,
        fields.text("note"),
    )  # fmt: skip
    if own := sorted(set(pool.source.empties) & set(over or ())):
        raise AgreementError(f"{pool.code}: gives to {own[0]}, which it empties")
    return pool


def _source(fields: Fields) -> Source:
    found = inner(fields, "source")
    if found is None:
        raise fields.wrong("source", "is missing: {cost_centre: CODE}, {idle: true}, ...")
    for name in found.entry:
        if name not in ("code", "cost_centre", "tier", *KINDS, *NARROWED_BY):
            raise fields.wrong(
                "source", f"has no {name!r}; known are cost_centre, tier, {', '.join(KINDS + NARROWED_BY)}"
            )
    kinds = [name for name in KINDS if found.given(name)]
    if wrong := [name for name in kinds if found.entry[name] is not True]:
        raise fields.wrong("source", f"says {wrong[0]}: {found.entry[wrong[0]]!r}; write true, or leave it out")
    if len(kinds) > 1:
        raise fields.wrong("source", f"is {kinds[0]} or {kinds[1]}: make two pools")
    centres = _codes(fields, found.entry.get("cost_centre"), "source")
    if not centres and not kinds:
        raise fields.wrong("source", f"names a cost_centre or one of {', '.join(KINDS)}: true")
    if centres and kinds == ["unallocated"]:
        raise fields.wrong("source", "is unallocated: no cost centre bears that")
    tiers = _codes(fields, found.entry.get("tier"), "source")
    if unknown := sorted(set(tiers) - set(TIERS)):
        raise fields.wrong("source", f"names the tier {unknown[0]!r}; known are {', '.join(TIERS)}")
    return Source(centres, kinds[0] if kinds else "", found.match(), tiers)


def _codes(fields: Fields, value: Any, name: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise fields.wrong(name, f"must name codes as texts, not {value!r}")
    if len({text.strip() for text in texts}) < len(texts):
        raise fields.wrong(name, f"names one of {', '.join(texts)} twice")
    return tuple(text.strip() for text in texts)


def _over(fields: Fields) -> tuple[str, ...] | None:
    value = fields.entry.get("over")
    if value is None or value == "all":
        return None
    if not isinstance(value, list) or not value:
        raise fields.wrong("over", f"is all or a list of cost centres, not {value!r}")
    return _codes(fields, value, "over")


def _numbers(fields: Fields, name: str, known: tuple[str, ...] | None) -> tuple[tuple[str, Decimal], ...]:
    value = fields.entry.get(name)
    if not isinstance(value, Mapping) or not value or not all(isinstance(key, str) and key.strip() for key in value):
        raise fields.wrong(name, f"must map names to numbers, not {value!r}")
    if known is not None and (unknown := sorted(set(value) - set(known))):
        raise fields.wrong(name, f"names {unknown[0]!r}; known are {', '.join(known)}")
    found = tuple((key.strip(), exact(number, f"{fields.code}: {name}.{key}")) for key, number in value.items())
    if not any(number for _, number in found):
        raise fields.wrong(name, "are all zero")
    return found


def _shares(fields: Fields) -> tuple[tuple[str, Decimal], ...]:
    found = _numbers(fields, "shares", None)
    whole = sum((part for _, part in found), Decimal(0))
    if whole > 1:
        raise fields.wrong("shares", f"add up to {whole}, more than 1")
    return found


def _refuse_circles(pool: Pool, pools: tuple[Pool, ...]) -> None:
    """Refuse a pool that gives to one that an earlier pool has emptied; the message names the way round."""
    for earlier in pools[:-1]:
        back = sorted(set(pool.over or ()) & set(earlier.source.empties)) if earlier.meets(pool) else []
        if not back:
            continue
        givers = pool.source.cost_centres or (pool.source.kind,)
        circle = [back[0], *_way(back[0], givers, pools[:-1]), back[0]]
        raise AgreementError(
            f"{pool.code}: gives to {back[0]}, which {earlier.code} (step {earlier.step}) has emptied before: "
            f"{' -> '.join(circle)}; put {pool.code} before {earlier.code}, or leave {back[0]} out of it"
        )


def _way(start: str, goals: tuple[str, ...], pools: tuple[Pool, ...]) -> list[str]:
    """The cost centres that money passes from ``start`` to one of the goals, that one last; the goal alone without a way."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        for pool in pools:
            if way[-1] not in pool.source.empties:
                continue
            for code in pool.over or ():
                if code in goals:
                    return [*way[1:], code]
                if code not in seen:
                    seen.add(code)
                    ways.append([*way, code])
    return [goals[0]]
