"""The cost bridge in words: what each effect is called, and the one sentence that says why spend moved."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from allocation.calc.bridge import Bridge
from allocation.calc.bridge_effects import BUDGET
from allocation.calc.bridge_measures import Measure
from finops.tokens import INPUT_CLASSES
from web import formats

Part = tuple[str, str]  # text and tone: strong, up, down or none
# Effect -> its name, what it is, and how a sentence says that it made things dearer, and cheaper.
_WORDS: dict[str, tuple[str, str, str, str]] = {
    BUDGET: ("Budget", "What the period before cost beyond what is budgeted now", "the budget lies below the period before",
             "the budget lies above the period before"),
    "volume": ("Queries", "More or fewer queries, of use cases that both periods have", "more queries", "fewer queries"),
    "tier_mix": ("Tier mix", "Another share of simple, moderate, complex and research queries", "a dearer mix of tiers",
                 "a cheaper mix of tiers"),
    "use_case_mix": ("Use-case mix", "Within a tier, another share of cost centres, teams, environments and features",
                     "a dearer mix of use cases", "a cheaper mix of use cases"),
    "model_mix": ("Model mix", "Within a use case and tier, another share of models", "dearer models", "cheaper models"),
    "calls": ("Calls per query", "More or fewer calls to answer one query", "more calls per query", "fewer calls per query"),
    "input_tokens": ("Input tokens per call", "Longer or shorter prompts, read from a cache or not",
                     "longer prompts", "shorter prompts"),
    "output_tokens": ("Output tokens per call", "Longer or shorter visible answers", "longer answers", "shorter answers"),
    "reasoning_tokens": ("Reasoning tokens per call", "More or fewer tokens thought and not shown", "more reasoning tokens",
                         "fewer reasoning tokens"),
    "other_usage": ("Other usage per call", "Searches, images, audio, video and other units per call",
                    "more other usage per call", "less other usage per call"),
    "cache": ("Cache share", "Another share of the input read from or written to a cache", "a dearer use of the cache",
              "a better use of the cache"),
    "service_tier": ("Service tier", "Another share of batch, flex, standard and priority", "dearer service tiers",
                     "cheaper service tiers"),
    "price": ("List price", "Other prices for the same model, class and service tier", "higher prices", "lower prices"),
    "contract": ("Contract discount", "What contracts make of the list price", "smaller contract discounts",
                 "larger contract discounts"),
    "commitments": ("Commitments", "What commitments make of the contracted price", "commitments that save less",
                    "commitments that save more"),
    "idle": ("Idle", "Paid for and not used: idle capacity, unused commitments", "more idle capacity", "less idle capacity"),
    "fx": ("Exchange rates", "Other rates for what is billed in another currency", "exchange rates", "exchange rates"),
    "keys": ("New and stopped use cases", "All cost of use cases that only one of the two has", "new use cases",
             "use cases that stopped"),
    "corrections": ("Corrections", "Posted now for months that are closed", "corrections of closed months",
                    "corrections of closed months"),
    "shared": ("Shared cost", "Splits, standard rates and adjustments between cost centres", "more shared cost",
               "less shared cost"),
    "other": ("Other charges", "Charges of no call: seats, licences, bills beyond the computed", "more other charges",
              "fewer other charges"),
}  # fmt: skip
_TOKENS = {
    "input_tokens": ("the input tokens", INPUT_CLASSES), "output_tokens": ("the output tokens", ("output_visible",)),
    "reasoning_tokens": ("the reasoning tokens", ("output_reasoning",)),
}  # fmt: skip
_FOCUS = Decimal("0.6")  # of an effect in one tier, for the sentence to name the tier
_MOST, _WORTH = 2, Decimal("0.15")  # reasons named, and the part of the largest that the next must have


def label(effect: str) -> str:
    """What an effect is called."""
    return _WORDS[effect][0]


def meaning(effect: str) -> str:
    """What an effect is."""
    return _WORDS[effect][1]


def because(effect: str, *, dearer: bool) -> str:
    """How a sentence names an effect that made things dearer, or cheaper."""
    return _WORDS[effect][2 if dearer else 3]


def sentence(bridge: Bridge, currency: str) -> list[Part]:
    """One sentence: how far spend moved, the causes that moved it most, and the one that took most of it back."""
    whole = bridge.total
    end, delta = formats.money_short(whole.end, currency), whole.delta
    moved = {name: amount for name, amount in whole.effects.items() if amount}
    if not moved:
        return (
            [("Spend is unchanged at ", ""), (end, "strong"), (".", "")] if whole.end else [("Nothing was spent.", "")]
        )
    parts: list[Part] = _opening(whole.start, whole.end, currency, budget=bridge.budget is not None)
    up = delta >= 0
    along = sorted((name for name in moved if (moved[name] > 0) == up), key=lambda name: -abs(moved[name]))
    against = sorted((name for name in moved if (moved[name] > 0) != up), key=lambda name: -abs(moved[name]))
    if delta == 0:
        along, against = along[:1], against[:1]
    named = [name for name in along[:_MOST] if abs(moved[name]) >= abs(moved[along[0]]) * _WORTH]
    for place, name in enumerate(named):
        parts.append((", mostly because of " if place == 0 else " and ", ""))
        parts += [(f"{_reason(bridge, name)} (", ""), _amount(moved[name], currency), (")", "")]
    if against and abs(moved[against[0]]) >= abs(moved[along[0]]) * _WORTH / 3:
        verb = "took back" if up else "added"
        text = formats.money_short(abs(moved[against[0]]), currency)
        parts += [(f"; {_reason(bridge, against[0])} {verb} ", ""), (text, "down" if up else "up")]
    return [*parts, (_estimated(bridge), ""), (".", "")]


def _estimated(bridge: Bridge) -> str:
    """That tiers are estimated, and of how much of the money: whatever is said of tiers rests on that."""
    known = {share for share in bridge.estimated if share is not None}
    if not any(known):
        return ""
    most = formats.percent(decimal_of(max(known)), 0)
    told = most.replace(">", "over ").replace("<", "under ")
    up_to = "up to " if len(known) > 1 and told == most else ""
    return f"; the tier of {up_to}{told} of it is estimated"


def decimal_of(share: Fraction) -> Decimal:
    """A share at six decimals, half-even."""
    return Decimal(round(share * 10**6)).scaleb(-6)


def plain(parts: Sequence[Part]) -> str:
    """The sentence without its tones."""
    return "".join(text for text, _ in parts)


def _opening(start: Decimal, end: Decimal, currency: str, *, budget: bool) -> list[Part]:
    amount = (formats.money_short(end, currency), "strong")
    if budget:
        gap = formats.money_short(abs(end - start), currency)
        where = "on" if end == start else f"{gap} {'over' if end > start else 'under'}"
        return [("Spend of ", ""), (amount[0], "strong"), (f" is {where} budget", "")]
    if start <= 0:
        return [("Spend began at ", ""), (amount[0], "strong")]
    if end == start:
        return [("Spend stayed at ", ""), (amount[0], "strong")]
    ratio = formats.change(end, start).lstrip(f"+{formats.MINUS}")
    verb = "rose" if end > start else "fell"
    told = f"{verb} to {ratio} what it was, " if ratio.startswith(formats.TIMES) else f"{verb} {ratio} to "
    return [(f"Spend {told}", ""), (amount[0], "strong")]


def _amount(amount: Decimal, currency: str) -> Part:
    return formats.signed_money(amount, currency), "up" if amount > 0 else "down"


def _reason(bridge: Bridge, effect: str) -> str:
    """Why, in words: with the tier it lies in, and how many times the measure it was, where both are clear."""
    amount = bridge.total.effects[effect]
    words = _WORDS[effect][2 if amount > 0 else 3]
    tier = _tier(bridge, effect, amount)
    pairs = list(bridge.measures.values()) if tier is None else [bridge.measures.get(tier, (Measure(), Measure()))]
    ratio = _ratio(effect, pairs)
    who = f"{tier} queries" if tier else "queries"
    if ratio is not None and ratio != 1 and (ratio > 1) == (amount > 0):
        if effect == "volume":
            return f"{_more(ratio)} {tier + ' ' if tier else ''}queries"
        if effect == "calls":
            return f"{who} that took {_times(ratio)} calls"
        return f"{who} that used {_times(ratio)} {_TOKENS[effect][0].removeprefix('the ')} a call"
    return f"{words} of {tier} queries" if tier and effect in (*_TOKENS, "calls", "price") else words


def _tier(bridge: Bridge, effect: str, amount: Decimal) -> str | None:
    """The tier in which most of an effect lies, where there are several."""
    parts = {place[0]: part.effects.get(effect, Decimal(0)) for place, part in bridge.by("tier").items()}
    if len([tier for tier in parts if tier]) < 2 or effect not in (*_TOKENS, "calls", "price"):
        return None
    tier = max(parts, key=lambda name: parts[name] * (1 if amount > 0 else -1))
    return tier if tier and parts[tier] / amount >= _FOCUS else None


def _ratio(effect: str, pairs: Sequence[tuple[Measure, Measure]]) -> Fraction | None:
    of: Mapping[str, Callable[[int], Fraction | None]] = {
        "volume": lambda n: Fraction(sum(pair[n].queries for pair in pairs)),
        "calls": lambda n: _over(sum(pair[n].requests for pair in pairs), sum(pair[n].queries for pair in pairs)),
        **{
            name: lambda n, classes=classes: _over(  # type: ignore[misc]
                sum(pair[n].tokens.get(each, Decimal(0)) for pair in pairs for each in classes),
                sum(pair[n].requests for pair in pairs),
            )
            for name, (_, classes) in _TOKENS.items()
        },
    }  # fmt: skip
    if effect not in of:
        return None
    before, after = of[effect](0), of[effect](1)
    return after / before if before and after and before > 0 and after > 0 else None


def _over(value: Decimal | int, count: int) -> Fraction | None:
    return Fraction(value) / count if count else None


def _times(ratio: Fraction) -> str:
    """How many times the measure it was, or how much more."""
    return (
        f"{float(ratio):.2g}{formats.TIMES} the" if ratio >= Fraction(3, 2) or ratio < Fraction(1, 2) else _more(ratio)
    )


def _more(ratio: Fraction) -> str:
    if ratio >= 2:
        return f"{float(ratio):.2g}{formats.TIMES} the"
    share = Decimal(float(abs(ratio - 1)))
    return f"{formats.percent(share, 0 if share >= Decimal('0.1') else 1)} {'more' if ratio > 1 else 'fewer'}"
