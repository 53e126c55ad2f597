"""Reads for the FOCUS export: the shares of a billing period's charges, in batches, and what they refer to."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
from django.db.models import Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Collate

from allocation.calc.commitments import CREDIT, ENTERPRISE, SEATS, Commitment
from allocation.calc.focus_datasets import Invoiced
from allocation.calc.focus_ledger import LEDGER, Terms
from allocation.costing import commitments, terms
from allocation.models import AllocatedCost, Charge, Invoice, TermsVersion
from allocation.scope import Scope
from finops.money import share
from finops.periods import Period
from ingest.models import BilledLine, IngestRun, UsageKey

BATCH = 5_000
ZERO = Decimal(0)
_KEY = (
    "key_hash", "provider", "host", "billing_account", "project", "region", "model_requested", "model_served", "mode",
    "service_tier_served", "environment", "feature", "tags",
)  # fmt: skip
_CHARGE = (
    "id", "charge_date", "billing_period", "usage_key_id", "tier", "tier_estimated", "charge_category", "charge_class",
    "sku_id", "sku_price_id", "price_class", "consumed_quantity", "consumed_unit", "list_unit_price", "pricing_unit",
    "contracted_cost", "billed_cost", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id",
    "commitment_status", "owner__code", "owner_team__code", "original_currency", "original_cost", "fx_rate", "fx_day",
    "fx_source", "origin_id",
)  # fmt: skip
_SHARE = (
    "part", "quantity", "list_cost", "contracted_cost", "effective_cost", "billed_cost", "proxy_cost",
    "cost_centre__code", "team__code", "rule__rule",
)  # fmt: skip
# What tells a charge from others, whatever database it is in: charge_is_unique, with the key's hash for its id.
_IDENTITY = (
    "charge_date", "key_hash", "tier", "tier_estimated", "sku_id", "sku_price_id", "price_class", "charge_category",
    "charge_class", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id", "commitment_status",
    "owner__code",
    "owner_team__code", "original_currency",
)  # fmt: skip
_TEXT_ORDER = (
    "cost_centre__code", "team__code", "charge__sku_id", "charge__tier", "charge__price_class", "charge__sku_price_id",
    "charge__charge_category", "charge__charge_class", "charge__billing_currency", "charge__provenance", "charge__scope",
    "charge__cause", "charge__subject", "charge__commitment_id", "charge__commitment_status",
    "charge__owner__code", "charge__owner_team__code",
    "charge__original_currency",
)  # fmt: skip


def ledger(scope: Scope, period: Period, *, billed: bool = True) -> Iterator[pa.Table]:
    """Shares of the charges billed in a period (focus_ledger.LEDGER), in batches and an order that no database id decides.

    Corrections of earlier months are billed in the period and keep their own day; not ``billed``: those of its days, as
    statements have them. Server-side cursor: call in a snapshot.
    """
    hashes = Subquery(UsageKey.objects.filter(id=OuterRef("charge__usage_key_id")).values("key_hash")[:1])
    rows = _shares(scope, period, billed=billed).annotate(key_hash=hashes)
    ordered = rows.order_by(
        "charge__charge_date", *(Collate(name, "C") for name in _TEXT_ORDER), "charge__tier_estimated", "key_hash",
        "charge__origin_id", "part",
    )  # fmt: skip
    found = ordered.values_list(*(f"charge__{name}" for name in _CHARGE), *_SHARE).iterator(chunk_size=BATCH)
    while batch := list(islice(found, BATCH)):
        yield _table([dict(zip((*_CHARGE, *(f"share_{name}" for name in _SHARE)), row, strict=True)) for row in batch])


def has_rows(scope: Scope, period: Period) -> bool:
    """Whether anything is billed in the period."""
    return _shares(scope, period, billed=True).exists()


def commitments_in_force(period: Period) -> dict[str, Terms]:
    """Subject of charges -> the commitment, of those whose term touches the period."""
    live = TermsVersion.objects.filter(kind=commitments.KIND, live=True).first()
    book = terms.in_force(commitments.KIND, commitments.parse)
    if live is None:
        return {}
    return {
        one.subject: _terms(one, live.loaded_at.replace(microsecond=0))
        for one in book.commitments
        if one.first < period.end and one.last >= period.start
    }


def invoiced(period: Period) -> list[Invoiced]:
    """The invoices whose lines are known, by billing account, currency and category of charge."""
    lines = (
        BilledLine.objects.filter(billing_period=period.start).exclude(invoice_id="").exclude(kind_of_cost="notional")
    )
    names = ("usage_key_id", "invoice_id", "billing_currency", "charge_category")
    rows = list(
        lines.values(*names).annotate(cost=Sum("billed_cost"), first=Min("run_id"), last=Max("run_id")).order_by()
    )
    keys = _keys(row["usage_key_id"] for row in rows)
    runs = dict(IngestRun.objects.filter(id__in={row[name] for row in rows for name in ("first", "last")}).values_list(
        "id", "observed_at"))  # fmt: skip
    dates = dict(
        Invoice.objects.filter(billing_period=period.start).order_by("revision").values_list("number", "issued_on")
    )
    found: dict[Any, Invoiced] = {}
    for row in rows:
        key = keys[row["usage_key_id"]]
        place = (key["provider"], key["billing_account"], row["billing_currency"], row["charge_category"])
        first, last = (runs[row[name]].replace(microsecond=0) for name in ("first", "last"))
        day = dates.get(row["invoice_id"])
        issued = datetime.combine(day, time(), UTC) if day else None
        old = found.get((row["invoice_id"], place))
        cost = (row["cost"] or ZERO) + (old.billed_cost if old else ZERO)
        times = [first, last, *((old.first, old.last) if old else ())]
        found[row["invoice_id"], place] = Invoiced(row["invoice_id"], place, cost, min(times), max(times), issued)
    return list(found.values())


def _shares(scope: Scope, period: Period, *, billed: bool) -> QuerySet[AllocatedCost]:
    if billed:
        return scope.of(AllocatedCost.objects.filter(charge__billing_period=period.start))
    return scope.of(AllocatedCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))


def _keys(ids: Iterable[int | None]) -> dict[int | None, dict[str, Any]]:
    rows = UsageKey.objects.filter(id__in={key for key in ids if key is not None}).values("id", *_KEY)
    found: dict[int | None, dict[str, Any]] = {row["id"]: row for row in rows}
    return found | {None: dict.fromkeys(_KEY, "") | {"key_hash": b"", "tags": {}}}


def _table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    origins = _origins({row["origin_id"] for row in rows})
    keys = _keys(row["usage_key_id"] for row in (*rows, *origins.values()))
    splits = _splits({row["id"] for row in rows}, {row["id"]: row["original_cost"] for row in rows})
    return pa.Table.from_pylist([_ledger_row(row, keys, splits, origins) for row in rows], schema=LEDGER)


def _origins(wanted: set[int | None]) -> dict[int | None, dict[str, Any]]:
    """The charges that charges of a batch correct or split, and those that these do."""
    found: dict[int | None, dict[str, Any]] = {}
    while left := {number for number in wanted if number is not None and number not in found}:
        more = {row["id"]: row for row in Charge.objects.filter(id__in=left).values(*_CHARGE)}
        found |= more
        wanted = {row["origin_id"] for row in more.values()}
    return found


def _splits(
    charges: set[int], costs: dict[int, Decimal | None]
) -> dict[tuple[int, int], tuple[Decimal, Decimal | None]]:
    """(charge, part) -> its ratio and its share of the cost before conversion, of charges that several bear."""
    several = Q(charge__in=AllocatedCost.objects.filter(charge__in=charges, part__gt=0).values("charge"))
    rows = AllocatedCost.objects.filter(several).order_by("charge_id", "part")
    parts: dict[int, list[tuple[int, Decimal, Decimal]]] = {}
    for charge, part, cost, quantity in rows.values_list("charge_id", "part", "effective_cost", "quantity"):
        parts.setdefault(charge, []).append((part, abs(cost or ZERO), abs(quantity)))
    found: dict[tuple[int, int], tuple[Decimal, Decimal | None]] = {}
    for charge, members in parts.items():
        weights = next((column for column in ([m[2] for m in members], [m[1] for m in members]) if any(column)), None)
        weights = weights or [Decimal(1)] * len(members)
        ratios = share(Decimal(1), weights).to_pylist()
        cost = costs[charge]
        split = [None] * len(members) if cost is None else share(cost, weights).to_pylist()
        for (part, _, _), ratio, amount in zip(members, ratios, split, strict=True):
            found[charge, part] = ratio, amount
    return found


def _ledger_row(
    row: dict[str, Any], keys: dict[Any, dict[str, Any]], splits: dict[tuple[int, int], Any], origins: dict[Any, Any]
) -> dict[str, Any]:
    key = keys[row["usage_key_id"]]
    ratio, original = splits.get((row["id"], row["share_part"]), (None, row["original_cost"]))
    seller, *between, _ = row["sku_id"].split("/") if row["sku_id"].count("/") > 1 else ("", "")
    return {
        **{name: row[name] for name in (
            "billing_period", "tier", "tier_estimated", "charge_class", "sku_id", "sku_price_id", "price_class",
            "list_unit_price", "pricing_unit", "provenance", "scope", "cause", "subject", "commitment_id",
            "original_currency", "fx_rate", "fx_day", "fx_source",
        )},
        **{name: key[name] for name in ("host", "billing_account", "project", "region", "mode", "environment",
                                        "feature")},
        **{name: row[f"share_{name}"] for name in ("quantity", "list_cost", "contracted_cost", "effective_cost",
                                                   "billed_cost", "proxy_cost")},
        "charge_id": _identity(row, keys, origins), "origin": _identity(origins.get(row["origin_id"]), keys, origins),
        "day": row["charge_date"],
        "provider": key["provider"] if row["usage_key_id"] else seller,
        "model": key["model_served"] or key["model_requested"] or ("" if row["usage_key_id"] else "/".join(between)),
        "service_tier": key["service_tier_served"], "tags": _json(key["tags"]), "category": row["charge_category"],
        "unit": row["consumed_unit"], "currency": row["billing_currency"], "status": row["commitment_status"],
        "cost_centre": row["share_cost_centre__code"] or "", "team": row["share_team__code"] or "",
        "rule": row["share_rule__rule"] or "", "ratio": ratio, "original_cost": original,
        "origin_quantity": row["consumed_quantity"], "origin_contracted": row["contracted_cost"],
        "origin_billed": row["billed_cost"],
    }  # fmt: skip


def _identity(row: dict[str, Any] | None, keys: dict[Any, dict[str, Any]], origins: dict[Any, dict[str, Any]]) -> str:
    """The id of a charge that is the same in every database; '' for none."""
    if row is None:
        return ""
    values = {**row, "key_hash": bytes(keys[row["usage_key_id"]]["key_hash"]).hex()}
    texts = ["" if values[name] is None else str(values[name]) for name in _IDENTITY]
    text = "\x1f".join([*texts, _identity(origins.get(row["origin_id"]), keys, origins)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _json(tags: Any) -> str:
    return json.dumps(tags) if tags else ""


def _terms(one: Commitment, loaded_at: datetime) -> Terms:
    fixed = one.match.exact()
    goes_on = one.end.year >= 2100
    upfront = len(one.instalments) == 1 and not one.as_consumed and not goes_on
    spend = one.kind in (CREDIT, ENTERPRISE)
    quantity, unit = (Decimal(one.bought), "Seats") if one.kind == SEATS else (None, "")
    if one.capacity is not None:
        quantity, unit = one.capacity.per_hour, "GPUs" if one.kind == "reserved_gpu" else "Tokens/Hour"
    wanted = [name for name, _ in one.match.wanted]
    return Terms(
        one.code, one.commitment_id, one.kind, "Spend" if spend else "Usage", fixed.get("provider", ""), one.currency,
        one.start, one.end, one.ended, goes_on, one.step == "hour", upfront, one.as_consumed,
        one.amount if spend else None if goes_on else one.price, quantity, unit, not wanted and one.covers is None,
        wanted == ["provider"] and "provider" in fixed, loaded_at,
    )  # fmt: skip
