"""What stands behind the versions that a frozen month names: kept in its manifest, compared with what is stored later.

A version is a number and a hash that was noted when it was loaded. Here its rows as they are stored are looked at, so that
one that was changed in the database is found, whoever did it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection

from allocation.models import AllocationRule, Charge, Invoice, InvoiceLine, TermsVersion, TierPolicy, TierRule
from finops import fx
from finops.models import FxRate
from finops.periods import Period

_PRICES = """
SELECT encode(sha256(coalesce(string_agg(row, E'\\n' ORDER BY row COLLATE "C"), '')::bytea), 'hex')
FROM (SELECT (to_jsonb(p) - 'id' - 'version_id')::text AS row FROM ingest_price p
JOIN ingest_pricebookversion v ON v.id = p.version_id WHERE v.book = %s AND v.content_hash = %s) AS rows
"""
_MATCHING = "SELECT matching FROM ingest_pricebookversion WHERE book = %s AND content_hash = %s"
GONE = "gone"


def of(period: Period, versions: Mapping[str, Any], books: dict[str, str] | None = None) -> dict[str, str]:
    """Thing -> hash of its rows, or its value, of all that ``versions`` (allocation.close.freeze) name of a month.

    ``books``: price books that were looked at already, for several months in a row; more are added.
    """
    books = {} if books is None else books
    return {
        **_rules(versions), **_policy(versions), **_terms(versions), **_prices(versions, books), **_rates(period),
        **_invoices(period),
    }  # fmt: skip


def differences(
    period: Period, versions: Mapping[str, Any], kept: Mapping[str, str], books: dict[str, str]
) -> Iterator[str]:
    """Each thing of a manifest that is stored otherwise now. What came since (rates, invoices) is no difference."""
    if not kept:
        return
    now = of(period, versions, books)
    for thing, was in kept.items():
        held = now.get(thing, GONE)
        if held != was:
            yield f"{thing} is {GONE}" if held == GONE else f"{thing} was changed"


def _rules(versions: Mapping[str, Any]) -> dict[str, str]:
    named = versions.get("rules")
    if not named:
        return {}
    rows = AllocationRule.objects.filter(version__number=named["number"]).order_by("rule").values(
        "rule", "priority", "valid_from", "valid_to", "conditions", "targets", "note", "version__content_hash"
    )  # fmt: skip
    return {f"rules v{named['number']}": _sha(list(rows))}


def _policy(versions: Mapping[str, Any]) -> dict[str, str]:
    named = versions.get("tier_policy")
    if not named:
        return {}
    held = TierPolicy.objects.filter(version=named["number"]).values("policy", "content_hash").first()
    ways = TierRule.objects.filter(policy__version=named["number"]).values_list(
        "rule", "condition", "tier", "estimated"
    )
    return {f"tier policy v{named['number']}": _sha([held, sorted(ways)])}


def _terms(versions: Mapping[str, Any]) -> dict[str, str]:
    """Agreements of every kind, GL map, rate cards and hierarchy among them: the document of each version."""
    wanted = {(kind, named["number"]) for kind, named in versions.get("terms", {}).items()}
    rows = TermsVersion.objects.filter(kind__in={kind for kind, _ in wanted})
    return {
        f"{kind} v{number}": _sha([document, digest])
        for kind, number, document, digest in rows.values_list("kind", "number", "document", "content_hash")
        if (kind, number) in wanted
    }


def _prices(versions: Mapping[str, Any], books: dict[str, str]) -> dict[str, str]:
    named = {f"prices {book} {digest[:12]}": (book, digest) for book, digest in versions.get("prices", {}).items()}
    with connection.cursor() as cursor:
        for name, (book, digest) in named.items():
            if name in books:
                continue
            cursor.execute(_PRICES, [book, digest])
            rows = cursor.fetchone()[0]
            cursor.execute(_MATCHING, [book, digest])
            books[name] = _sha([rows, [row[0] for row in cursor.fetchall()]])
    return {name: books[name] for name in named}


def _rates(period: Period) -> dict[str, str]:
    """The published rates that charges of the month may have been converted at, each by itself: more may come later."""
    charges = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).exclude(
        original_currency=""
    )
    pairs = charges.order_by().values_list("original_currency", "billing_currency").distinct()
    among = {currency for pair in pairs for currency in pair} | {fx.PIVOT}
    if len(among) == 1:
        return {}
    first = period.start - timedelta(days=fx.REACH)
    rows = FxRate.objects.filter(day__gte=first, day__lt=period.end, base__in=among, quote__in=among).order_by("pk")
    return {f"rate {row.day} {row.base}/{row.quote} of {row.source}": f"{row.rate:f}" for row in rows}


def _invoices(period: Period) -> dict[str, str]:
    """The revisions of invoices that the month was reconciled with, each by itself: more may come later."""
    rows = Invoice.objects.filter(billing_period=period.start).order_by("pk")
    names = [
        str(field.column) for field in InvoiceLine._meta.concrete_fields if field.column not in ("id", "invoice_id")
    ]
    return {
        f"invoice {row}": _sha([
            row.currency, row.total, row.tax, row.exchange_rate, row.billing_account, row.content_hash, row.approval_id,
            list(row.lines.order_by("position").values_list(*names)),
        ])
        for row in rows
    }  # fmt: skip


def _sha(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
