"""Budgets, caps, bands and alerts as rows: the same for API, CSV and Excel, so that they cannot differ."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from forecasting.models import Alert, QueryCap, Silence
from forecasting.watch_alerts import Answer
from forecasting.watch_caps import Held, Watched
from forecasting.watch_states import State

STATE_HEADER = (
    "x_CostCentre", "ServiceProviderName", "x_Model", "BillingCurrency", "period_start", "period_end", "Budget", "Actual",
    "x_UnpricedEstimate", "Counted", "Left", "used", "state", "verdict", "close_low_80", "close_median", "close_high_80",
    "probability", "breach_on", "burn_1h", "burn_6h", "burn_24h", "burn_72h", "firing", "reason",
)  # fmt: skip
CAP_HEADER = (
    "id", "x_CostCentre", "x_QueryTier", "x_Feature", "ServiceProviderName", "x_Model", "most", "severity", "queries",
    "without_price", "breaches_low", "breaches_high", "above_low", "above_high", "newest_day",
)  # fmt: skip
BAND_HEADER = ("kind", "name", "from", "to", "queries", "cost")
ALERT_HEADER = (
    "id", "kind", "subject", "label", "x_CostCentre", "severity", "money", "BillingCurrency", "why", "rules", "opened_at",
    "fired_at", "told_at", "level", "acknowledged_by", "acknowledged_at", "note", "ended_at",
)  # fmt: skip


def state(one: State) -> dict[str, Any]:
    """One budget as it stands; money in text."""
    subject, period, standing = one.running.subject, one.running.period, one.standing
    close = standing.close
    return {
        "subject": subject.name, "x_CostCentre": subject.code, "ServiceProviderName": subject.provider,
        "x_Model": subject.model, "BillingCurrency": subject.currency, "period_start": period.start,
        "period_end": period.end, "Budget": money(one.running.amount), "Actual": money(one.actual),
        "x_UnpricedEstimate": money(one.unpriced), "Counted": money(standing.counted), "Left": money(standing.left),
        "used": None if standing.used is None else float(standing.used),
        "state": standing.state, "verdict": one.verdict, "thresholds": [f"{part.normalize():f}" for part in standing.crossed],
        "close": None if close is None else {
            "low_80": money(close.low), "median": money(close.middle), "high_80": money(close.high),
            "probability": None if close.probability is None else round(float(close.probability), 6),
            "breach_on": one.breach_on, "futures": close.paths, "left_out": one.note,
        },
        "reason": standing.reason, "burn": {f"{hours}h": rate(found) for hours, found in one.rates.items()},
        "firing": list(standing.firing), "hours_left": rate(one.hours_left), "known_until": one.known_until,
    }  # fmt: skip


def state_line(one: State) -> list[Any]:
    """The same in the order of STATE_HEADER."""
    row = state(one)
    close = row["close"] or dict.fromkeys(("low_80", "median", "high_80", "probability", "breach_on"))
    burn = row["burn"]
    return [
        *(row[name] for name in STATE_HEADER[:14]), close["low_80"], close["median"], close["high_80"], close["probability"],
        close["breach_on"], *(burn[name] for name in ("1h", "6h", "24h", "72h")), " ".join(row["firing"]), row["reason"],
    ]  # fmt: skip


def cap(one: QueryCap) -> dict[str, Any]:
    """What a cap is about."""
    return {
        "id": one.pk, "subject": one.subject, "x_CostCentre": one.cost_centre.code if one.cost_centre else None,
        "x_QueryTier": one.tier, "x_Feature": one.feature, "ServiceProviderName": one.provider, "x_Model": one.model,
        "most": money(one.most), "severity": one.severity, "note": one.note, "created_by": one.created_by,
        "created_at": one.created_at, "ended_at": one.ended_at,
    }  # fmt: skip


def held(one: Held) -> dict[str, Any]:
    """A cap and what was found of it."""
    found = one.found
    return cap(one.cap) | {
        "queries": found.queries, "without_price": found.without, "exact": found.exact, "breaches_low": found.low,
        "breaches_high": found.high, "above_low": money(found.above_low), "above_high": money(found.above_high),
        "newest_day": one.newest,
    }  # fmt: skip


def cap_line(one: Held) -> list[Any]:
    """In the order of CAP_HEADER."""
    row = held(one)
    return [row[name] for name in CAP_HEADER]


def band_rows(found: Iterable[Watched]) -> list[dict[str, Any]]:
    """Tiers and use cases: queries and cost by band, and the days on which their mean left its band."""
    return [
        {
            "kind": one.group, "name": one.name, "reason": one.reason,
            "bands": None if one.bands is None else [
                {"from": money(band.low), "to": money(band.high), "queries": band.queries, "cost": money(band.cost)}
                for band in one.bands
            ],
            "moves": [
                {"day": move.day, "from_band": move.before, "to_band": move.now, "mean": money(move.mean),
                 "queries": move.queries, "cost": money(move.cost)} for move in one.moves
            ],
        }
        for one in found
    ]  # fmt: skip


def band_lines(found: Iterable[Watched]) -> list[list[Any]]:
    """In the order of BAND_HEADER."""
    return [
        [one.group, one.name, money(band.low), money(band.high), band.queries, money(band.cost)]
        for one in found
        for band in one.bands or ()
    ]


def alert(one: Alert, answers: Sequence[Answer] = ()) -> dict[str, Any]:
    """One alert as it is known, with all its answers, the newest first."""
    return {
        "id": one.pk, "kind": one.kind, "subject": one.subject, "label": one.label,
        "x_CostCentre": one.cost_centre.code if one.cost_centre else None, "severity": one.severity,
        "money": money(one.money), "BillingCurrency": one.currency, "why": one.why, "rules": list(one.rules),
        "opened_at": one.opened_at, "fired_at": one.fired_at, "told_at": one.told_at, "level": one.level,
        "acknowledged_by": one.acknowledged_by, "acknowledged_at": one.acknowledged_at, "note": one.acknowledged_note,
        "ended_at": one.ended_at, "acknowledgements": [{"by": each.by, "at": each.at, "note": each.note} for each in answers],
    }  # fmt: skip


def alert_line(one: Alert) -> list[Any]:
    """In the order of ALERT_HEADER; times in text, as Excel knows no zones."""
    row = alert(one) | {"rules": " ".join(one.rules)}
    return [value.isoformat() if hasattr(value := row[name], "isoformat") else value for name in ALERT_HEADER]


def silence(one: Silence) -> dict[str, Any]:
    """One silence."""
    return {
        "id": one.pk, "subject": one.subject, "severity": one.severity,
        "x_CostCentre": one.cost_centre.code if one.cost_centre else None, "begins": one.begins, "ends": one.ends,
        "reason": one.reason, "created_by": one.created_by, "ended_by": one.ended_by,
    }  # fmt: skip


def money(amount: Decimal | None) -> str | None:
    """Exact, with 12 decimals."""
    return None if amount is None else f"{amount:.12f}"


def rate(found: float | None) -> float | None:
    """A rate as it is told."""
    return None if found is None else round(found, 4)
