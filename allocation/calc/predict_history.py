"""What own history says of a kind of query: shares of tiers, means and quantiles by key, from broad keys to narrow ones.

A narrow key is drawn towards the broader one that holds it, as far as it has little weight of its own: own x w / (w + 30) +
broader x 30 / (w + 30). The broadest key is use case, effort and model: what has no history of its own has no figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from finops.focus import TIERS
from finops.frames import require_columns

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

COLUMNS = (
    "day", "cost_centre", "feature", "effort", "prompt_tokens", "attachments", "tools", "model", "tier", "output_tokens",
    "calls", "cost",
)  # fmt: skip
ANY = "*"  # in place of a cost centre, a model or of whether tools are called: whichever
TEXTS = ("cost_centre", "feature", "effort", "model")
BROAD = TEXTS
LEVELS = (BROAD, (*BROAD, "attachments", "tools"), (*BROAD, "attachments", "tools", "band"))
MIXED = ((), ("cost_centre",), ("model",), ("cost_centre", "model"))  # what a kind need not name, besides tools
MINIMUM = 30  # queries of a broad key below which it is unknown
HALF_LIFE = 14.0  # days after which a query counts half
SHRINKAGE = 30.0
MOST_KEYS = 20_000  # of a level, the largest: what is learnt is bounded, however many kinds there are
LOW, HIGH = 0.1, 0.9
# columns of the statistics: a share for each tier, then these; bounds are log10, of output tokens + 1
MEANS = ("prompt_tokens", "output_tokens", "calls", "cost")
BOUNDS = ("cost_low", "cost_high", "output_low", "output_high")
STATISTICS = (*TIERS, *MEANS, *BOUNDS)
AT = {name: place for place, name in enumerate(STATISTICS)}


class HistoryError(ValueError):
    """The history cannot be learnt from; the message names the column."""


@dataclass(frozen=True)
class Level:
    """Statistics of the keys of one level, rows by key; ``counts`` and the bands of prompts seen of each.

    ``left_out``: the most queries that a key had which did not fit; 0 where all of them did.
    """

    columns: tuple[str, ...]
    rows: dict[tuple[Any, ...], int]
    statistics: Floats
    counts: Ints
    bands: Ints  # (keys, 2): lowest and highest
    left_out: int = 0


@dataclass(frozen=True)
class History:
    """LEVELS from broad to narrow; of each also the keys with ANY in place of what a kind need not name."""

    levels: tuple[Level, ...]


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as numpy columns with ``band`` = floor(log2(prompt tokens)) and log10 of what is bounded. Raises HistoryError.

    In: COLUMNS, one row per query whose tier is known: ``day`` in days since any date, ``cost_centre`` who bears it, ``feature``
    the use case, ``effort`` and ``model`` as text ('' not stated), ``prompt_tokens`` of its first call, ``attachments`` and
    ``tools`` whether it had any, ``output_tokens`` with reasoning and ``calls`` of all of it, ``cost`` a number; NULL or 0: no
    price, counts for no cost.
    """
    require_columns(frame, COLUMNS, name="history")
    found = pd.DataFrame(index=range(len(frame)))
    for name in (*TEXTS, "tier"):
        found[name] = frame[name].fillna("").astype(str).to_numpy(dtype=object)
    for name in ("day", "prompt_tokens", "output_tokens", "calls"):
        found[name] = frame[name].astype(float).to_numpy()
        if not (found[name] >= (-np.inf if name == "day" else 0)).all():
            raise HistoryError(f"{name} of history must be a number in every row, and none negative")
    for name in ("attachments", "tools"):
        found[name] = frame[name].astype(bool).to_numpy()
    odd = sorted(set(found["tier"]) - set(TIERS))
    if odd:
        raise HistoryError(f"tier of history is {odd[0]!r}; tiers are {', '.join(TIERS)}")
    cost = pd.to_numeric(frame["cost"].astype(object), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    found["cost"] = np.where(cost > 0, cost, np.nan)
    found["band"] = np.floor(np.log2(np.maximum(found["prompt_tokens"].to_numpy(), 1))).astype(np.int64)
    found["log_cost"] = np.log10(found["cost"].to_numpy())
    found["log_output"] = np.log10(found["output_tokens"].to_numpy() + 1)
    return found


def band_of(prompt_tokens: int) -> int:
    """The band of one prompt."""
    return max(prompt_tokens, 1).bit_length() - 1


def learnt(rows: pd.DataFrame, today: float, mixed: Sequence[tuple[str, ...]] = MIXED) -> History:
    """History as of the end of day ``today`` from prepared rows up to then; ``mixed``: over what also together.

    Tools are always mixed too: whether a query will call them is not always known before.
    """
    weights = 0.5 ** ((today - rows["day"].to_numpy()) / HALF_LIFE)
    coded = {name: pd.factorize(rows[name]) for name in LEVELS[-1]}
    found: list[list[Level]] = [[] for _ in LEVELS]
    for over in mixed:
        broad = _level(rows, coded, LEVELS[0], over, weights, None)
        found[0].append(broad[0])
        for tools in ((), ("tools",)):
            above = broad
            for place, columns in enumerate(LEVELS[1:], start=1):
                above = _level(rows, coded, columns, (*over, *tools), weights, above)
                found[place].append(above[0])
    return History(tuple(_joined(parts) for parts in found))


def _joined(parts: Sequence[Level]) -> Level:
    """Levels of the same columns as one, of its largest keys."""
    keys = [key for part in parts for key in part.rows]
    statistics, counts, bands = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("statistics", "counts", "bands")
    )
    order = np.argsort(-counts, kind="stable")
    kept, left_out = np.sort(order[:MOST_KEYS]), counts[order[MOST_KEYS:]]
    rows = {keys[old]: new for new, old in enumerate(kept.tolist())}
    return Level(parts[0].columns, rows, statistics[kept], counts[kept], bands[kept], int(left_out.max(initial=0)))


def _keyed(
    coded: dict[str, tuple[Ints, Any]], columns: tuple[str, ...], over: tuple[str, ...]
) -> tuple[Ints, list[tuple[Any, ...]]]:
    """The number of each row's key, and the keys."""
    own = [name for name in columns if name not in over]
    codes = np.zeros(len(coded[columns[0]][0]), dtype=np.int64)
    for name in own:
        codes, _ = pd.factorize(codes * max(len(coded[name][1]), 1) + coded[name][0])
    size = int(codes.max(initial=-1)) + 1
    first = np.zeros(size, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    texts = [
        [ANY] * size if name in over else np.asarray(coded[name][1])[coded[name][0][first]].tolist() for name in columns
    ]
    return codes, list(zip(*texts, strict=True))


def _level(
    rows: pd.DataFrame, coded: dict[str, tuple[Ints, Any]], columns: tuple[str, ...], over: tuple[str, ...],
    weights: Floats, above: tuple[Level, Ints] | None,
) -> tuple[Level, Ints]:  # fmt: skip
    codes, keys = _keyed(coded, columns, over)
    size = len(keys)
    priced = weights * np.isfinite(rows["cost"].to_numpy())
    own = np.full((size, len(STATISTICS)), np.nan)
    weight = np.bincount(codes, weights, size)
    is_tier = rows["tier"].to_numpy()
    for tier in TIERS:
        share = np.bincount(codes, weights * (is_tier == tier), size)
        own[:, AT[tier]] = (share + 0.5) / (weight + 0.5 * len(TIERS)) if above is None else share / weight
    for name in MEANS:
        use = priced if name == "cost" else weights
        total, whole = (
            np.bincount(codes, use * np.nan_to_num(rows[name].to_numpy()), size),
            np.bincount(codes, use, size),
        )
        own[:, AT[name]] = np.divide(total, whole, out=np.full(size, np.nan), where=whole > 0)
    own[:, [AT["cost_low"], AT["cost_high"]]] = quantiles(codes, size, rows["log_cost"].to_numpy(), priced, (LOW, HIGH))
    own[:, [AT["output_low"], AT["output_high"]]] = quantiles(
        codes, size, rows["log_output"].to_numpy(), weights, (LOW, HIGH)
    )
    if above is not None:
        parent = np.zeros(size, dtype=np.int64)
        parent[codes] = above[1]
        broader = above[0].statistics[parent]
        part = (weight / (weight + SHRINKAGE))[:, None]
        own = np.where(np.isnan(own), broader, part * own + (1 - part) * broader)
    bands = np.full((size, 2), -1, dtype=np.int64)
    seen = rows["band"].to_numpy()
    bands[:, 0] = np.iinfo(np.int64).max
    np.minimum.at(bands[:, 0], codes, seen)
    np.maximum.at(bands[:, 1], codes, seen)
    counts = np.bincount(codes, minlength=size)
    return Level(columns, {key: at for at, key in enumerate(keys)}, own, counts, bands), codes


def quantiles(codes: Ints, size: int, values: Floats, weights: Floats, parts: Sequence[float]) -> Floats:
    """Weighted quantiles by code, (size, parts): the first value at which the weight so far is that part; NaN without weight."""
    kept = np.flatnonzero(weights > 0)
    order = kept[np.lexsort((values[kept], codes[kept]))]
    found = np.full((size, len(parts)), np.nan)
    if not len(order):
        return found
    code, so_far = codes[order], np.cumsum(weights[order])
    ends = np.flatnonzero(np.append(code[1:] != code[:-1], True))
    starts = np.concatenate([[0], ends[:-1] + 1])
    before = np.where(starts > 0, so_far[starts - 1], 0.0)
    for place, part in enumerate(parts):
        wanted = before + part * (so_far[ends] - before)
        at = np.clip(np.searchsorted(so_far, wanted * (1 - 1e-12)), starts, ends)
        found[code[ends], place] = values[order[at]]
    return found


@dataclass(frozen=True)
class Known:
    """Statistics of one kind of query; ``why``: what is unknown of it, '' if nothing is. ``sample``: queries of its broad key."""

    statistics: Floats
    sample: int
    why: str


NOTHING = np.full(len(STATISTICS), np.nan)


def looked_up(history: History, key: dict[str, Any]) -> Known:
    """What is known of a kind of query (``key``: all columns of the narrowest level), from its narrowest key that has history."""
    broad = history.levels[0]
    at = broad.rows.get(tuple(key[name] for name in BROAD))
    if at is None:
        return Known(NOTHING, 0, _missing(broad))
    sample, (low, high) = int(broad.counts[at]), broad.bands[at]
    if sample < MINIMUM:
        return Known(NOTHING, sample, f"only {sample} queries of this kind, {MINIMUM} needed")
    if not low <= key["band"] <= high:
        return Known(NOTHING, sample, f"prompts seen have {2**low} to {2 ** (high + 1) - 1} tokens")
    found = broad.statistics[at]
    for level in history.levels[1:]:
        at = level.rows.get(tuple(key[name] for name in level.columns))
        found = found if at is None else level.statistics[at]
    return Known(found, sample, "")


def _missing(broad: Level) -> str:
    if broad.left_out:
        return f"at most {broad.left_out} queries of this use case, effort and model"
    return "no query of this use case, effort and model"
