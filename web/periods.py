"""Months as page, API and commands show them: state, gates, checklist, manifest, who did what."""

from decimal import Decimal
from typing import Any

from allocation import selectors
from allocation.calc.closing import following
from allocation.calc.gates import AMOUNT, COUNT, Gate, holding, read
from allocation.close import checklist, gates, manifest, states, waivers
from allocation.models import BillingPeriod, PeriodManifest
from allocation.scope import EVERYTHING
from finops.models import Approval
from finops.periods import Period
from web import formats

REOPEN = "period.reopen"
_WHO = ("prepared_by", "prepared_at", "soft_closed_by", "soft_closed_at", "closed_by", "closed_at")


def listing() -> list[dict[str, Any]]:
    """Every month with cost or a state, the newest first."""
    rows = {f"{row.month:%Y-%m}": row for row in BillingPeriod.objects.all()}
    hashes = {(row.period_id, row.version): row.sha256 for row in PeriodManifest.objects.all()}
    months = sorted({*rows, *selectors.months(EVERYTHING)}, reverse=True)
    return [_row(rows.get(month) or BillingPeriod(month=Period.month(month).start), hashes) for month in months]


def _row(held: BillingPeriod, hashes: dict[tuple[int, int], str]) -> dict[str, Any]:
    return {
        "month": f"{held.month:%Y-%m}", "state": held.state, "version": held.version, "self_approved": held.self_approved,
        **{name: getattr(held, name) for name in _WHO}, "manifest": hashes.get((held.pk, held.version)),
    }  # fmt: skip


def detail(period: Period) -> dict[str, Any]:
    """One month with all that its close needs."""
    held = states.of(period)
    to = following(held.state)
    found = gates.of(period, to, held.version) if to else read(held.passed_gates)
    kept = PeriodManifest.objects.filter(period__month=period.start).order_by("-version")
    asked = Approval.objects.filter(kind=REOPEN, state=Approval.State.PROPOSED, details__month=str(period))
    return {
        **_row(held, {(row.period_id, row.version): row.sha256 for row in kept}), "next": to,
        "held_by": [gate.code for gate in holding(found, to)] if to else [],
        "gates": [described_gate(gate) for gate in found],
        "checklist": [_task(item) for item in checklist.of(period, held, found)],
        "waiting": [each.pk for each in (*waivers.waiting(period, held.version), *asked)],
        "versions": held.frozen_versions,
        "manifest_detail": _manifest(manifest.of(period, held.version)),
        "former": [_manifest(row) for row in kept if row.version != held.version],
    }  # fmt: skip


def described_gate(gate: Gate) -> dict[str, Any]:
    """A gate as JSON: amounts as text."""
    waived = gate.waived
    return {
        "gate": gate.code, "title": gate.title, "unit": gate.unit, "from": gate.begins, "value": f"{gate.value:f}",
        "limit": f"{gate.limit:f}", "ok": gate.ok, "told": gate.told, "link": gate.link, "waivable": gate.waivable,
        "waived": waived
        and {
            "reason": waived.reason, "value": f"{waived.value:f}", "prepared_by": waived.prepared_by,
            "decided_by": waived.decided_by,
        },
    }  # fmt: skip


def _task(item: checklist.Item) -> dict[str, Any]:
    return {"task": item.code, **{name: value for name, value in item._asdict().items() if name != "code"}}


def _manifest(kept: PeriodManifest | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {"version": kept.version, "sha256": kept.sha256, "made_at": kept.made_at, "document": kept.document}


def figure(value: Decimal, unit: str) -> str:
    """The value or limit of a gate for people."""
    if unit == COUNT:
        return f"{value:,.0f}"
    if unit == AMOUNT:
        return f"{value:,.2f}"
    return f"{(value * 100).quantize(Decimal('0.01'))}\u202f%" if 0 < value < 1 else formats.percent(value)


def shown(gate: dict[str, Any]) -> str:
    """Value against limit of a described gate."""
    value, limit = (figure(Decimal(gate[name]), gate["unit"]) for name in ("value", "limit"))
    return value if gate["unit"] == COUNT else f"{value} (limit {limit})"
