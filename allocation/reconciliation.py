"""Reconciles a month and keeps the outcome: one run per set of inputs, its lines with their owners and notes."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from allocation import reconciliation_invoices
from allocation.calc import reconcile as calc
from allocation.calc.reconcile import DEFAULT, Summary, Tolerance
from allocation.calc.reconcile_rows import Line, Row
from allocation.models import Reconciliation, ReconciliationLine
from allocation.reconciliation_evidence import evidence
from allocation.reconciliation_levels import Levels, levels
from allocation.reconciliation_lines import stated_lines
from finops import audit, locks
from finops.periods import Period

_LOCK = 0x5245434F  # "RECO": one run at a time, else two would have one number; of derived invoices too
_PLACE = (
    "provider", "billing_account", "model", "price_class", "charge_date", "charge_category", "currency",
)  # fmt: skip
LONGEST = {"owner": 150, "note": 2_000}


def reconcile(month: str, actor: str, tolerance: Tolerance = DEFAULT) -> Reconciliation:
    """The run of a month (YYYY-MM) as things stand: a new one, or the last if nothing has changed since.

    Invoices are derived from the billed lines first. Owners and notes go over from the run before, by place. Raises
    PeriodError and reconciliation_evidence.MissingRate.
    """
    period = Period.month(month)
    with transaction.atomic():
        locks.hold(_LOCK)
        derive_invoices(period)
        found = levels(period)
        lines = lines_of(period, found, tolerance)
        inputs = _inputs(period, found, tolerance)
        digest = hashlib.sha256(json.dumps([inputs, [_written(line) for line in lines]]).encode()).hexdigest()
        before = Reconciliation.objects.filter(month=period.start).order_by("-number").first()
        if before is not None and before.hash == digest:
            return before
        run = Reconciliation.objects.create(
            month=period.start, number=before.number + 1 if before else 1, made_by=actor[:150], hash=digest,
            inputs=inputs, totals=[_total(summary) for summary in calc.summaries(lines)],
        )  # fmt: skip
        _store(run, lines, before)
        details = {"sha256": digest, "lines": len(lines), "totals": run.totals}
        audit.record(action="reconciliation.make", actor=actor, subject=str(run), details=details)
        return run


@transaction.atomic
def derive_invoices(period: Period) -> None:
    """Make the invoices of a month what billed lines with their numbers state."""
    locks.hold(_LOCK)
    reconciliation_invoices.derive(period, stated_lines(period, reconciliation_invoices.NUMBERED))


def lines_of(period: Period, found: Levels, tolerance: Tolerance = DEFAULT) -> list[Line]:
    """The lines of a month, of which nothing is kept. Raises reconciliation_evidence.MissingRate."""
    return calc.reconcile(found.rows, found.whole, evidence(period, found), tolerance)


def annotate(line: ReconciliationLine, given: dict[str, str], *, actor: str) -> ReconciliationLine:
    """Set owner or note of a line. Raises ValueError for other fields and texts that are too long."""
    for name, text in given.items():
        if name not in LONGEST:
            raise ValueError(f"{name} cannot be set; possible: {', '.join(LONGEST)}")
        if len(text) > LONGEST[name]:
            raise ValueError(f"{name} has at most {LONGEST[name]} characters")
    with transaction.atomic():
        held = ReconciliationLine.objects.select_for_update().get(pk=line.pk)
        changed = {name: text for name, text in given.items() if getattr(held, name) != text}
        if changed:
            ReconciliationLine.objects.filter(pk=held.pk).update(**changed)
            subject = f"{held.reconciliation} {' '.join(str(getattr(held, name) or '-') for name in _PLACE)}"
            audit.record(action="reconciliation.note", actor=actor, subject=subject, details=changed)
        held.refresh_from_db()
        return held


def _inputs(period: Period, found: Levels, tolerance: Tolerance) -> dict[str, Any]:
    """Versions of all that goes in; the levels themselves by their hash."""
    invoices = reconciliation_invoices.in_force(period)
    return {
        "price_book": found.naming.loaded.book.version,
        "invoices": [[invoice.issuer, invoice.number, invoice.revision] for invoice in invoices],
        "levels": _hash(found.rows), "late": _hash(found.late),
        "tolerance": [str(tolerance.absolute), str(tolerance.relative)],
    }  # fmt: skip


def _hash(rows: Iterable[Row]) -> str:
    return hashlib.sha256("\n".join(sorted(repr(row) for row in rows)).encode()).hexdigest()


def _written(line: Line) -> list[str]:
    return [str(value) for value in line]


def _total(summary: Summary) -> dict[str, Any]:
    return {
        "currency": summary.currency, "computed": _text(summary.computed), "stated": _text(summary.stated),
        "causes": {cause: _text(amount) for cause, amount in summary.causes.items()},
        "unexplained": _text(summary.unexplained), "explained": f"{summary.explained:.6f}", "states": summary.states,
        **{level: _text(amount) for level, amount in summary.levels.items()},
    }  # fmt: skip


def _text(amount: Decimal) -> str:
    return f"{amount:.12f}"


def _store(run: Reconciliation, lines: list[Line], before: Reconciliation | None) -> None:
    remarks = {}
    if before is not None:
        rows = before.lines.exclude(owner="", note="")
        remarks = {row[:-2]: row[-2:] for row in rows.values_list(*_PLACE, "owner", "note")}
    kept = []
    for line in lines:
        place = (line.provider, line.account, line.model, line.price_class, line.day, line.category, line.currency)
        owner, note = remarks.get(place, ("", ""))
        kept.append(
            ReconciliationLine(
                reconciliation=run, **dict(zip(_PLACE, place, strict=True)), state=line.state, computed=line.computed,
                provider_usage=line.provider_usage, cost_report=line.cost_report, invoice=line.invoice,
                causes={cause: _text(amount) for cause, amount in line.causes}, unexplained=line.unexplained, owner=owner,
                note=note,
            )
        )  # fmt: skip
    ReconciliationLine.objects.bulk_create(kept, batch_size=2_000)


def latest(month: str) -> Reconciliation | None:
    """The last run of a month."""
    period = Period.month(month)
    newest = Reconciliation.objects.filter(month=period.start).aggregate(number=Max("number"))["number"]
    return Reconciliation.objects.filter(month=period.start, number=newest).first()
