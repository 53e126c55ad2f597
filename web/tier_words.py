"""The tier table in words: what factors and states are called, and the sentence that says what became of a query's cost."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from allocation.calc.distribution import ONE_MODE, TWO_MODES, Distribution, Mode
from allocation.calc.tier_levels import Level
from allocation.calc.tier_table import MINIMUM, Row
from allocation.value.tiers import Report
from web import formats
from web.dimensions import tier_name

Part = tuple[str, str]  # text and tone: strong, up, down or none
# Factor -> its name, what it is, and what a sentence says that there is more or less of.
FACTORS: dict[str, tuple[str, str, str]] = {
    "reasoning": ("Reasoning", "All work of a query by its work without reasoning tokens", "the reasoning"),
    "calls_per_query": ("Calls", "Calls per query: agents, debate, retries", "the calls per query"),
    "tokens_per_call": ("Tokens", "Work of a call without reasoning, at the prices of the base period", "the tokens per call"),
    "price": ("Price", "What the same work costs: list price, discount, hardware", "the price"),
}  # fmt: skip
STATES = {
    "new": "new", "stopped": "stopped", "too_few": "too few", "none": "no query", "not_comparable": "not comparable",
}  # fmt: skip
SIGNALS = {
    "positive": ("positive", "down"), "negative": ("negative", "up"), "marginal": ("marginal", "flat"),
    "no_evidence": ("no evidence", "muted"),
}  # fmt: skip
_SAME = Fraction(1, 100)  # a change of less than this is none
_TOLD = Fraction(1, 10)


def sentence(found: Report, currency: str) -> list[Part]:
    """What a query costs against the base, whether by mix or within tiers, and the tiers that moved most with their reason."""
    table = found.table
    now = table.chosen.cost_per_query
    guessed = table.chosen.estimated_cost_per_query
    if now is None and guessed is not None:
        return [
            ("The tier of every query with a cost is estimated; a query costs ", ""),
            (each(guessed, currency), "strong"),
            (".", ""),
        ]
    if now is None:
        return [("No query of a known tier has a cost.", "")]
    parts: list[Part] = [("A query costs ", ""), (each(overall(table.chosen), currency), "strong"), (" on average", "")]
    if table.chosen.estimated_queries:
        told, queries = _known(table.chosen)
        parts += [(f"; {told}. Compared are the {formats.whole(queries)} of known tier alone: one costs ", "")]
        parts += [(each(now, currency), "strong")]
    mix = table.mix
    if mix is not None:
        parts += [(", ", ""), (formats.times(mix.net), _tone(mix.net)), (" as much as before", "")]
    if mix is not None and mix.mix is not None and abs(mix.mix - 1) >= _SAME:
        same = mix.within is None or abs(mix.within - 1) < _SAME
        within = "cost the same" if same else f"got {_side(mix.within, 'dearer', 'cheaper')}"
        told = (
            f": {formats.times(mix.mix)} as the mix moved to {_side(mix.mix, 'dearer', 'cheaper')} tiers, "
            f"{formats.times(mix.within)} as queries of the same tier {within}"
        )
        parts.append((told, ""))
    moved = sorted(
        (row for row in table.rows if row.net is not None and abs(row.net - 1) > _TOLD), key=lambda row: row.net or 0
    )
    for number, row in enumerate([*moved[-1:], *moved[:1]][: len(moved)]):
        parts.append((". " if number == 0 else "; ", ""))
        parts += _of_tier(row, first=number == 0)
    return [*parts, (".", "")]


def _of_tier(row: Row, *, first: bool) -> list[Part]:
    """How many times as much a tier costs, and the factor that went furthest the same way."""
    net, factors = row.net or Fraction(1), row.factors or {}
    same_way = [name for name, factor in factors.items() if (factor > 1) == (net > 1)]
    main = max(same_way, key=lambda name: _size(factors[name]))
    name = tier_name(row.tier)
    text = f"{name} queries alone cost " if first else f"{name.lower()} queries "
    return [
        (text, ""),
        (formats.times(net), _tone(net)),
        (f" as much ({FACTORS[main][2]}: {formats.times(factors[main])})", ""),
    ]


def overall(level: Level) -> Fraction | None:
    """Cost of a query of whatever tier, known or estimated."""
    queries = level.queries + level.estimated_queries
    return Fraction(level.spend + level.estimated_spend) / queries if queries else None


def _known(level: Level) -> tuple[str, int]:
    """How many tiers are estimated, in words, and how many queries have a known one."""
    queries = level.queries + level.estimated_queries
    return f"the tier of {share(Fraction(level.estimated_queries, queries))} of queries is estimated", level.queries


def _side(ratio: Fraction | None, more: str, less: str) -> str:
    return more if ratio is None or ratio > 1 else less


def _size(ratio: Fraction) -> Fraction:
    """How far from 1, whichever way."""
    return ratio if ratio >= 1 else 1 / ratio if ratio else Fraction(0)


def _tone(ratio: Fraction) -> str:
    return "flat" if abs(ratio - 1) < _SAME else "up" if ratio > 1 else "down"


def tone(ratio: Fraction | None) -> str:
    """Dearer is up, cheaper down, about the same flat."""
    return "flat" if ratio is None else _tone(ratio)


def each(cost: Fraction | Decimal | None, currency: str) -> str:
    """Cost of a query; a dash where there is none."""
    if isinstance(cost, Fraction):
        cost = Decimal(cost.numerator) / Decimal(cost.denominator)
    return formats.unit_cost(cost, currency)


def share(part: Fraction | None) -> str:
    """A share as everywhere else."""
    return formats.percent(None if part is None else Decimal(part.numerator) / Decimal(part.denominator))


def modes(found: Distribution, currency: str, estimated: int) -> list[Part]:
    """How many kinds of queries there are by their cost; ``estimated``: queries of buckets among them."""
    said = _modes(found, currency)
    if estimated:
        part = share(Fraction(min(estimated, found.queries), found.queries)) if found.queries else "All"
        said.append(
            (f" {part} of them are of buckets and stand at an average: kinds are told apart as far as these do.", "")
        )
    return said


def _modes(found: Distribution, currency: str) -> list[Part]:
    if found.verdict == ONE_MODE:
        return [("The cost of queries has ", ""), ("one mode", "strong"), (": no two kinds stand apart.", "")]
    if found.verdict != TWO_MODES:
        return [(f"{formats.whole(found.queries)} queries are too few to say whether there are several kinds.", "")]
    cheap, dear = found.modes
    return [
        ("The cost of queries has ", ""), ("two modes", "strong"), (": ", ""), *_mode(cheap, currency), ("; ", ""),
        *_mode(dear, currency), (".", ""),
    ]  # fmt: skip


def _mode(mode: Mode, currency: str) -> list[Part]:
    return [
        (share(mode.query_share), "strong"), (f" of queries around {each(mode.median.value, currency)} make ", ""),
        (share(mode.spend_share), "strong"), (" of their cost", ""),
    ]  # fmt: skip


def plain(parts: Sequence[Part]) -> str:
    """The sentence as text."""
    return "".join(text for text, _ in parts)


def why_not(row: Row) -> str:
    """Why a tier has no factor."""
    return "" if row.factors is not None else row.why


def untold(found: Level) -> str:
    """A warning where sources say nothing of reasoning for a part of the output."""
    part = found.untold
    return "" if not part else f"{share(part)} of its output comes from sources that say nothing of reasoning"


__all__ = [
    "FACTORS",
    "MINIMUM",
    "SIGNALS",
    "STATES",
    "each",
    "modes",
    "plain",
    "sentence",
    "share",
    "tone",
    "untold",
    "why_not",
]
