"""Reconciles the layers of one day: from its ratings and billed lines to what is charged of them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from allocation import bucket_tiers
from allocation.calc import layers
from allocation.calc.charges import scope_of
from allocation.calc.layers import REQUESTS, WITNESSES, ZERO, Hourly, Usage, Who
from allocation.completeness import USAGE, Day
from allocation.models import LayerShare
from finops.money import MONEY, RATE, multiply
from ingest.calc.book import PriceBook
from ingest.matching import Match, matched_table, matches_around

Part = LayerShare.Part
RATING_KEY = ("key_id", "tier", "tier_estimated", "slot_id", "price_class")
USAGE_LAYERS = ("provider_usage", *WITNESSES)
_SELF_HOSTED = {
    "hosted_vllm",
    "vllm",
    "ollama",
    "ollama_chat",
    "sglang",
    "tgi",
    "llamacpp",
    "openai_like",
    "selfhosted",
}
_QUANTITY = pa.decimal128(38, 12)
_STEP = Decimal(1).scaleb(-12)


class Names:
    """Under which names usage keys are compared: the group of their account, provider and model."""

    def __init__(self, dimensions: dict[int, dict[str, Any]], book: PriceBook) -> None:
        self.dimensions, self.book = dimensions, book
        self._named = {key: self._name(found) for key, found in dimensions.items()}
        accounts = defaultdict(set)
        for key, (provider, _) in self._named.items():
            accounts[provider].add(dimensions[key]["billing_account"])
        groups = {provider: layers.account_groups(known) for provider, known in accounts.items()}
        self._group = {
            key: groups[provider][dimensions[key]["billing_account"]] for key, (provider, _) in self._named.items()
        }

    def _name(self, found: dict[str, Any]) -> tuple[str, str]:
        served, requested = found["model_served"], found["model_requested"]
        number, provider = self.book.resolve_one(
            found["provider"] or None, served or None, requested or None, found["host"] or None
        )
        if number >= 0:
            return provider, f"#{self.book.model_owners[number][0].id}"
        provider = provider or found["provider"]
        model = (served or requested).lower()
        if provider in _SELF_HOSTED:
            prefix, slash, rest = model.partition("/")
            return "selfhosted", rest if slash and prefix in _SELF_HOSTED else model
        return provider, model

    def place(self, key: int) -> tuple[str, str]:
        """(group of its billing account, provider)."""
        return self._group[key], self._named[key][0]

    def model(self, key: int) -> str:
        """The model as the price book knows it; '' where the key does not say which."""
        model = self._named[key][1]
        return "" if model in layers.UNKNOWN_MODELS else model

    def who(self, key: int) -> Who:
        """By what rows are paired first."""
        found = self.dimensions[key]
        return Who(found["billing_account"], found["api_key"], found["project"])

    def layers_of(self) -> dict[tuple[str, str], set[str]]:
        """Place -> the layers that speak of it."""
        found = defaultdict(set)
        for key, dimensions in self.dimensions.items():
            found[self.place(key)].add(dimensions["layer"])
        return found

    def overlaps(self) -> dict[tuple[str, str], str]:
        """Place -> who speaks of it, where that are several layers or several sources of provider usage."""
        found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        for key, dimensions in self.dimensions.items():
            layer = dimensions["layer"]
            found[self.place(key)].add((layer, dimensions["source"] if layer == "provider_usage" else ""))
        return {
            place: " + ".join(layer for layer, _ in sorted(who)) for place, who in sorted(found.items()) if len(who) > 1
        }


class Shares(NamedTuple):
    """What becomes of the ratings of a day. ``rows``: columns of LayerShare; ``parts``: ratings as they are charged."""

    rows: list[tuple[Any, ...]]
    parts: pa.Table
    late: list[Match]


def share(day: date, ratings: pa.Table, cube: pa.Table, names: Names, whole: Day, *, by_id: bool) -> Shares:
    """Match the layers of usage. ``ratings`` and ``cube`` are of the whole day.

    ``by_id``: whether a gateway and a trace speak of this day and the days beside it, so that calls may be matched by id.
    """
    dimensions = names.dimensions
    several = {place for place, found in names.layers_of().items() if len(found.intersection(USAGE_LAYERS)) > 1}
    keyed = _keyed(ratings, cube)
    rows = [_usage(key, row, dimensions, names) for row, key in keyed]
    place_of = {key: names.place(key) for key in dimensions}
    layer_of = {key: found["layer"] for key, found in dimensions.items()}
    matches = matches_around(day) if by_id else []
    met = _witnesses_that_meet(several, place_of, layer_of)
    if matches:
        met = sorted({*met, *(key for key, layer in layer_of.items() if layer == "trace")})
    seen = layers.union(rows, _hours(day, met, keyed, matches)) if met else {}
    taken = {at: part.by_id + part.by_hour for at, part in seen.items()}
    charged = [row.quantity - taken.get(at, ZERO) for at, row in enumerate(rows)]

    stating = defaultdict(list)
    for key, layer in layer_of.items():
        if layer == "provider_usage":
            stating[*place_of[key], dimensions[key]["source"]].append(dimensions[key])

    def ruled(group: str, provider: str, scope: str, operation: str, source: str) -> bool:
        return all(whole.states(key, USAGE, scope, operation) for key in stating[group, provider, source])

    outcomes = layers.provider_outcomes(rows, charged, ruled)
    shares = []
    for at, (outcome, row) in enumerate(zip(outcomes, rows, strict=True)):
        rest = charged[at] - outcome.explained
        witnessed = seen.get(at, layers.Witnessed())
        cause = outcome.cause if not outcome.exceeds else ""
        if taken.get(at):
            cause = "surplus"
        parts = [
            (Part.CHARGED, cause, rest), (Part.BY_ID, "", witnessed.by_id), (Part.BY_HOUR, "", witnessed.by_hour),
            (Part.BY_DAY, "", outcome.explained), (Part.BELOW_EXCEEDS, "below_exceeds", outcome.exceeds),
        ]  # fmt: skip
        if outcome.exceeds or (row.quantity and (cause or rest != row.quantity)):
            shares += [(at, *part) for part in parts if part[2]]
    return _written(shares, keyed, ratings, cube, names.book, matches)


def _usage(key: tuple[Any, ...], quantity: Decimal, dimensions: dict[int, dict[str, Any]], names: Names) -> Usage:
    found, number, price_class = dimensions[key[0]], key[0], key[4]
    group, provider = names.place(number)
    scope = scope_of(found, "request" if price_class == REQUESTS else price_class)
    return Usage(
        found["layer"], group, provider, names.model(number), price_class, scope, found["operation"], names.who(number),
        quantity, found["source"],
    )  # fmt: skip


def _keyed(ratings: pa.Table, cube: pa.Table) -> list[tuple[Decimal, tuple[Any, ...]]]:
    """(quantity, RATING_KEY) of every rating, then of the requests of every cube row."""
    keys = zip(*(ratings[name].to_pylist() for name in RATING_KEY), strict=True)
    rows = list(zip(ratings["quantity"].to_pylist(), keys, strict=True))
    counts = zip(*(cube[name].to_pylist() for name in (*RATING_KEY[:4], "requests")), strict=True)
    return rows + [(Decimal(row[4]), (*row[:4], "requests")) for row in counts]


def _witnesses_that_meet(
    several: set[tuple[str, str]], place_of: dict[int, tuple[str, str]], layer_of: dict[int, str]
) -> list[int]:
    """Usage keys of places of which more than one of the lower layers speaks."""
    found = defaultdict(set)
    for key, layer in layer_of.items():
        if layer in WITNESSES and place_of[key] in several:
            found[place_of[key]].add(layer)
    return sorted(key for key, layer in layer_of.items() if layer in WITNESSES and len(found[place_of[key]]) > 1)


def _hours(
    day: date, keys: Sequence[int], keyed: list[tuple[Decimal, tuple[Any, ...]]], matches: list[Match]
) -> list[Hourly]:
    at, found = {key: number for number, (_, key) in enumerate(keyed)}, []
    for row in bucket_tiers.hours(day, keys, matched_table(day, matches)):
        for name in ("requests", "request") if row.name == REQUESTS else (row.name,):
            number = at.get((*row[:4], name))
            if number is not None:
                found.append(Hourly(number, row.hour, row.quantity, row.matched))
    return found


def _written(
    shares: list[tuple[Any, ...]], keyed: list[tuple[Decimal, tuple[Any, ...]]], ratings: pa.Table, cube: pa.Table,
    book: PriceBook, matches: list[Match],
) -> Shares:  # fmt: skip
    rated = [row for row in shares if row[0] < len(ratings)]
    at = pa.array([row[0] for row in rated], pa.int64())
    taken = ratings.take(at)
    quantity = pa.array([row[3] for row in rated], _QUANTITY)
    full = taken["quantity"].to_pylist()
    prices = np.array([-1 if row is None else row for row in taken["price_row"].to_pylist()], dtype=np.int64)
    part_cost = multiply(quantity, taken["list_rate"].combine_chunks().cast(RATE), book.per[prices])
    rows = zip(rated, full, part_cost.to_pylist(), taken["list_cost"].to_pylist(), strict=True)
    costs = [None if whole is None else whole if share[3] == total else part for share, total, part, whole in rows]
    proxies = zip(rated, full, taken["proxy_cost"].to_pylist(), strict=True)
    proxy = [_scaled(cost, share[3], total) for share, total, cost in proxies]
    written = [(*keyed[row[0]][1], *row[1:], cost) for row, cost in zip(rated, costs, strict=True)]
    written += [(*keyed[row[0]][1], *row[1:], None) for row in shares[len(rated) :]]
    written += _queries(shares[len(rated) :], keyed, cube["queries"].to_pylist(), len(ratings))
    columns = dict(zip(taken.column_names, taken.columns, strict=True))
    columns |= {
        "quantity": quantity, "list_cost": pa.array(costs, MONEY), "proxy_cost": pa.array(proxy, MONEY),
        "cause": pa.array([row[2] for row in rated], pa.string()),
    }  # fmt: skip
    is_charged = pa.array([row[1] in (Part.CHARGED, Part.BELOW_EXCEEDS) for row in rated], pa.bool_())
    plain = np.ones(len(ratings), dtype=bool)
    plain[[row[0] for row in rated]] = False
    rest = ratings.filter(pa.array(plain))
    rest = rest.append_column("cause", pa.repeat(pa.scalar(""), len(rest)))
    return Shares(written, pa.concat_tables([rest, pa.table(columns).filter(is_charged)]), matches)


def _queries(
    shares: list[tuple[Any, ...]], keyed: list[tuple[Decimal, tuple[Any, ...]]], queries: list[int], first: int
) -> list[tuple[Any, ...]]:
    """Of the queries of a row the same share as of its requests, whole, rounded down; none is ever taken back."""
    elsewhere: dict[int, tuple[str, Decimal]] = {}
    for at, part, _, quantity in shares:
        if part not in (Part.CHARGED, Part.BELOW_EXCEEDS):
            name, taken = elsewhere.get(at, (part, ZERO))
            elsewhere[at] = (name, taken + quantity)
    found = []
    for at, (part, taken) in elsewhere.items():
        requests, key = keyed[at]
        if count := int(queries[at - first] * taken // requests):
            found.append((*key[:4], "queries", part, "", Decimal(count), None))
    return found


def _scaled(cost: Decimal | None, quantity: Decimal, total: Decimal) -> Decimal | None:
    return None if cost is None else (cost * quantity / total).quantize(_STEP, ROUND_HALF_EVEN)
