"""Anomalies in words and as rows: page, files and API show the same."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from forecasting.anomalies_gate import Gate
from forecasting.anomalies_selectors import Summary
from forecasting.calc.anomaly import BACK, DROP, FALL, NEW, RISE, SPIKE
from forecasting.calc.anomaly_alerts import EXPECTED, REAL, WRONG
from forecasting.calc.anomaly_causes import KEYS
from forecasting.models import Anomaly, AnomalyDay, AnomalyFeedback
from web import bridge_words, formats
from web.dimensions import called

Part = tuple[str, str]  # text and tone
KINDS = {
    SPIKE: "Spike", DROP: "Drop", RISE: "Higher level", FALL: "Lower level", NEW: "New", BACK: "Back after silence",
}  # fmt: skip
VERDICTS = {
    REAL: ("Real", "worth having been told"), EXPECTED: ("Expected", "known beforehand"), WRONG: ("Wrong", "nothing was there"),
}  # fmt: skip
HEADER = (
    "id", "BillingCurrency", "level", "x_CostCentre", "ServiceProviderName", "x_Model", "x_QueryTier", "kind", "first_day",
    "last_day", "expected", "actual", "impact", "score", "history", "unknown", "usual", "cause", "feature", "told", "state",
    "why", "verdict", "said_by", "sentence",
)  # fmt: skip
DAYS_HEADER = ("id", "day", "actual", "expected", "low", "high", "inside")
FEEDBACK_HEADER = ("id", "verdict", "note", "said_by", "said_at")
_KEYS = HEADER[3:7]


def node(row: Anomaly) -> str:
    """What it is an anomaly of."""
    pairs = zip(row.level, row.key, strict=True)
    named = [called(name, value or (None if name == "x_CostCentre" else "")) for name, value in pairs]
    return " / ".join(named) or "All spend"


def days(row: Anomaly) -> str:
    """When it was."""
    first, last = row.first_day, row.last_day
    if first == last:
        return f"{first.day} {first:%b %Y}"
    start = f"{first.day}" if (first.year, first.month) == (last.year, last.month) else f"{first.day} {first:%b}"
    return f"{start}\u2013{last.day} {last:%b %Y}"


def sentence(row: Anomaly) -> list[Part]:
    """What happened, how far off it was, and why."""
    actual, dearer = (formats.money(row.actual, row.currency), "strong"), row.impact > 0
    if row.kind == NEW:
        said: list[Part] = [("Began to cost: ", ""), actual, (f" on {days(row)}, where nothing was before", "")]
    else:
        amount = f"{formats.money(abs(row.impact), row.currency)} {'more' if dearer else 'less'}"
        said = [
            ("Cost ", ""), actual, (f" on {days(row)}, ", ""), (amount, "up" if dearer else "down"),
            (f" than the {formats.money(row.expected, row.currency)} that were forecast", ""),
        ]  # fmt: skip
    if row.cause:
        amount = formats.signed_money_exact(Decimal(row.effects[row.cause]), row.currency)
        because = _because(row.cause, dearer=Decimal(row.effects[row.cause]) > 0)
        said += [(f", mostly because of {because} (", ""), (amount, "up" if dearer else "down"), (")", "")]
    if row.feature:
        said.append((f"; most of it in use case {row.feature}", ""))
    return [*said, (".", ""), *((f" {text[:1].upper()}{text[1:]}.", "") for text in row.changes)]


def _because(cause: str, *, dearer: bool) -> str:
    """As the bridge says it; but what is new or stopped here may also be a model or tier of a use case that goes on."""
    if cause == KEYS:
        return "usage that is new" if dearer else "usage that stopped"
    return bridge_words.because(cause, dearer=dearer)


def api_row(row: Anomaly) -> dict[str, Any]:
    """All that is known of one, but its days. Its row is one of anomalies_selectors.listed."""
    return {
        "id": row.pk, "BillingCurrency": row.currency, "level": row.level, "key": dict(zip(row.level, row.key, strict=True)),
        "kind": row.kind, "first_day": row.first_day, "last_day": row.last_day, "expected": amount(row.expected),
        "actual": amount(row.actual), "impact": amount(row.impact), "score": amount(row.score), "history": row.history,
        "unknown": row.unknown, "usual": amount(row.usual), "effects": row.effects, "cause": row.cause, "feature": row.feature,
        "changes": row.changes, "told": told(row), "state": row.state, "why": row.why, "forecast": row.forecast_id,
        "sentence": bridge_words.plain(sentence(row)), "found_at": row.found_at, "changed_at": row.changed_at,
        "feedback": [_said(each) for each in words(row)],
    }  # fmt: skip


def told(row: Anomaly) -> bool:
    """Whether this reader is told: anomalies_selectors.listed says so of its rows."""
    return bool(row.is_told)  # type: ignore[attr-defined]


def words(row: Anomaly) -> Sequence[AnomalyFeedback]:
    """What people said of it, the last word first."""
    found: Sequence[AnomalyFeedback] = row.words  # type: ignore[attr-defined]
    return found


def day_row(day: AnomalyDay) -> dict[str, Any]:
    """A day as the API has it."""
    return {
        "day": day.day, "actual": amount(day.actual), "expected": amount(day.expected), "low": amount(day.low),
        "high": amount(day.high), "inside": day.inside,
    }  # fmt: skip


def file_row(row: Anomaly) -> list[Any]:
    """A row of CSV and XLSX, by HEADER."""
    key, last = dict(zip(row.level, row.key, strict=True)), next(iter(words(row)), None)
    return [
        row.pk, row.currency, "+".join(row.level), *(key.get(name, "") for name in _KEYS), row.kind, row.first_day, row.last_day,
        row.expected, row.actual, row.impact, row.score, row.history, row.unknown, row.usual, row.cause, row.feature,
        "yes" if told(row) else "no", row.state, row.why, last.verdict if last else "", last.said_by if last else "",
        bridge_words.plain(sentence(row)),
    ]  # fmt: skip


def gate_row(gate: Gate) -> dict[str, Any]:
    """From when on one is told, and the precision it rests on."""
    of = gate.precision
    return {
        "least_impact": amount(gate.least), "triage_cost": amount(gate.triage),
        "precision": {"share": of.share, "low": of.low, "high": of.high, "judged": of.judged, "used": of.used},
    }  # fmt: skip


def summary_row(found: Summary) -> dict[str, Any]:
    """Counts, and the money at stake in those that are open and told."""
    return {
        "open": found.open, "dearer": amount(found.dearer), "cheaper": amount(found.cheaper), "below": found.below,
        "closed": found.closed,
    }  # fmt: skip


def amount(value: Decimal | None) -> str | None:
    """Exact, as text."""
    return None if value is None else f"{value:.12f}"


def _said(each: AnomalyFeedback) -> dict[str, Any]:
    return {"verdict": each.verdict, "note": each.note, "said_by": each.said_by, "said_at": each.said_at}
