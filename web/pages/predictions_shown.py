"""Predictions as their page shows them: figures in words, bars in a box 1000 wide."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from allocation.calc.predict import Candidate, Request
from allocation.calc.predict_calibration import UNKNOWN
from allocation.calc.predict_history import ANY
from allocation.calc.predict_tracking import LEAST, MOST, NOMINAL, Tracking
from allocation.value.predictions import Answer, Standing
from finops.focus import TIERS
from web import formats
from web import prediction_words as words

BOX = 1000
BESIDE = {
    "above": "the mean lies above as a few cost far more",
    "below": "the mean lies below as a few cost far less",
}
_FROM = 0.5  # where the axis of coverage begins
FILE = (
    "x_Model", "tier", "why", "queries", *TIERS, "calls", "output_tokens", "output_low", "output_high", "cost", "cost_low",
    "cost_high", "interval_why",
)  # fmt: skip


def rows(answer: Answer) -> list[dict[str, Any]]:
    """One row per candidate: as the use case is served now, then models by how often they are used."""
    found = (answer.any_model, *answer.candidates)
    axis = _axis(found)
    return [_row(each, axis) for each in found]


def _row(found: Candidate, axis: tuple[float, float] | None) -> dict[str, Any]:
    shares = found.probabilities or {}
    return {
        "model": None if found.model == ANY else found.model, "found": found,
        "known": found.tier != UNKNOWN, "likely": percent(shares.get(found.tier)),
        "shares": _stacked(shares), "said": ", ".join(f"{tier} {percent(shares[tier])}" for tier in shares),
        "output": tokens(found.output_tokens), "calls": "" if found.calls is None else f"{found.calls:.1f}",
        "output_span": None if found.output_interval is None else [tokens(end) for end in found.output_interval],
        "range": _range(found, axis), "lies": words.lies(found.cost, found.cost_interval),
    }  # fmt: skip


def _stacked(shares: dict[str, float]) -> list[tuple[str, int, int]]:
    """(tier, left, width) of a bar."""
    at, found = 0.0, []
    for tier, share in shares.items():
        found.append((tier, round(at * BOX), round((at + share) * BOX) - round(at * BOX)))
        at += share
    return found


def _axis(found: Sequence[Candidate]) -> tuple[float, float] | None:
    ends = [float(end) for each in found for end in (each.cost_interval or ()) if end > 0]
    if not ends:
        return None
    low, high = math.log10(min(ends)), math.log10(max(ends))
    return low - 0.02, max(high, low + 0.1) + 0.02


def _range(found: Candidate, axis: tuple[float, float] | None) -> dict[str, int] | None:
    """Place of an interval and of what is expected on the log axis that all rows share."""
    if axis is None or found.cost_interval is None or found.cost is None or found.cost_interval[0] <= 0:
        return None
    low, high, mean = (_place(float(value), axis) for value in (*found.cost_interval, found.cost))
    return {"left": low, "width": max(high - low, 4), "mean": max(min(mean, BOX) - 3, 0)}


def _place(value: float, axis: tuple[float, float]) -> int:
    return round((math.log10(value) - axis[0]) / (axis[1] - axis[0]) * BOX)


def sentence(answer: Answer | None, currency: str) -> str:
    """What is expected, in one sentence; '' where nothing is."""
    if answer is None or answer.any_model.tier == UNKNOWN:
        return ""
    found = answer.any_model
    said = f"Most likely {found.tier} ({percent((found.probabilities or {}).get(found.tier))})"
    if found.cost is None:
        return f"{said}; {found.interval_why}."
    said += f", and {formats.unit_cost(found.cost, currency)} on average"
    if found.cost_interval is None:
        return f"{said}; {found.interval_why}, so no interval is given."
    low, high = (formats.unit_cost(end, currency) for end in found.cost_interval)
    aside = BESIDE.get(words.lies(found.cost, found.cost_interval) or "", "")
    return f"{said}: four of five such queries cost {low} to {high}{aside and f', and {aside}'}."


def tracking(standing: Standing) -> list[dict[str, Any]]:
    """Rows by kind of evidence; a kind nothing is compared of has none."""
    kinds = []
    for evidence, title in words.EVIDENCE.items():
        found = [_tracked(row) for kind, row in standing.rows() if kind == evidence]
        compared = found[0]["row"].judged + found[0]["row"].unknown
        kinds.append({"evidence": evidence, "title": title, "rows": found if compared else []})
    return kinds


def _tracked(row: Tracking) -> dict[str, Any]:
    known = row.low is not None and row.high is not None and row.coverage is not None
    return {
        "row": row, "verdict": words.VERDICTS[row.verdict], "coverage": percent(row.coverage),
        "span": (percent(row.low), percent(row.high)), "hit": percent(row.hit_rate), "majority": percent(row.majority),
        "better": row.hit_rate is not None and row.majority is not None and row.hit_rate > row.majority,
        "bar": {
            "low": _at(row.low), "width": max(_at(row.high) - _at(row.low), 4), "point": max(_at(row.coverage) - 3, 0),
        } if known else None,
    }  # fmt: skip


def _at(share: float | None) -> int:
    return round(max((share or 0.0) - _FROM, 0.0) / (1 - _FROM) * BOX)


BAND = {"left": _at(LEAST), "width": _at(MOST) - _at(LEAST), "nominal": _at(NOMINAL)}


def file_rows(answer: Answer) -> list[list[Any]]:
    """FILE, one row per candidate."""
    found = []
    for each in (answer.any_model, *answer.candidates):
        shares = [None if each.probabilities is None else words.share(each.probabilities[tier]) for tier in TIERS]
        output, cost = each.output_interval or (None, None), each.cost_interval or (None, None)
        found.append(
            [
                "" if each.model == ANY else each.model, each.tier, each.why, each.sample, *shares,
                None if each.calls is None else f"{each.calls:.2f}", words.tokens(each.output_tokens),
                *map(words.tokens, output), each.cost, *cost, each.interval_why,
            ]
        )  # fmt: skip
    return found


def body(question: Request | None) -> str:
    """The same question as the API takes it."""
    if question is None:
        return ""
    asked: dict[str, Any] = {
        "feature": question.feature,
        "prompt_tokens": question.prompt_tokens,
        "models": list(question.models),
    }
    asked |= {"effort": question.effort} if question.effort else {}
    asked |= {"attachments": True} if question.attachments else {}
    asked |= {} if question.tools is None else {"tools": question.tools}
    asked |= {} if question.cost_centre == ANY else {"cost_centre": question.cost_centre}
    return json.dumps(asked | {"trace": "TRACE-ID"}, ensure_ascii=False)


def percent(share: float | None) -> str:
    """A share as everywhere else."""
    return formats.percent(None if share is None else Decimal(repr(float(share))))


def tokens(value: float | None) -> str:
    """Tokens to the whole one."""
    return formats.NONE if value is None else formats.whole(round(value))
