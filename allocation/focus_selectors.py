"""Reads for the FOCUS export: the shares of a month's charges, in batches."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Collate

from allocation.calc.focus_ledger import LEDGER
from allocation.focus_around import Attributes, in_file
from allocation.models import AllocatedCost, Charge, Correction
from allocation.scope import Scope
from finops.money import share
from finops.periods import Period
from ingest.calc.usage import DIMENSIONS
from ingest.models import UsageKey

BATCH = 5_000
ZERO = Decimal(0)
_KEY = ("id", "key_hash", "layer", "source", *DIMENSIONS)
_CHARGE = (
    "id", "charge_date", "billing_period", "usage_key_id", "tier", "tier_estimated", "charge_category", "charge_class",
    "sku_id", "sku_price_id", "price_class", "consumed_quantity", "consumed_unit", "list_unit_price", "pricing_unit",
    "contracted_cost", "billed_cost", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id",
    "commitment_status", "owner__code", "owner_team__code", "original_currency", "original_cost", "fx_rate", "fx_day",
    "fx_source", "origin_id", "correction_id", "corrects_date", "corrects_centre__code", "corrects_team__code", "reversal",
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
    "owner_team__code", "original_currency", "corrects_date", "corrects_centre__code", "corrects_team__code", "reversal",
)  # fmt: skip
_TEXT_ORDER = (
    "cost_centre__code", "team__code", "charge__sku_id", "charge__tier", "charge__price_class", "charge__sku_price_id",
    "charge__charge_category", "charge__charge_class", "charge__billing_currency", "charge__provenance", "charge__scope",
    "charge__cause", "charge__subject", "charge__commitment_id", "charge__commitment_status",
    "charge__owner__code", "charge__owner_team__code",
    "charge__original_currency", "charge__corrects_centre__code", "charge__corrects_team__code",
)  # fmt: skip


def ledger(scope: Scope, period: Period, *, billed: bool = True) -> Iterator[pa.Table]:
    """Shares of the charges in a month's files (focus_ledger.LEDGER), in batches and an order that no database id decides.

    Corrections of earlier months are billed in the period and keep their own day; not ``billed``: the charges of its days, as
    statements have them. Server-side cursor: call in a snapshot.
    """
    hashes = Subquery(UsageKey.objects.filter(id=OuterRef("charge__usage_key_id")).values("key_hash")[:1])
    rows = _shares(scope, period, billed=billed).annotate(key_hash=hashes)
    ordered = rows.order_by(
        "charge__charge_date", *(Collate(name, "C") for name in _TEXT_ORDER), "charge__tier_estimated", "key_hash",
        "charge__corrects_date", "charge__reversal", "charge__origin_id", "charge__correction_id", "part",
    )  # fmt: skip
    found = ordered.values_list(*(f"charge__{name}" for name in _CHARGE), *_SHARE).iterator(chunk_size=BATCH)
    names, attributes = (*_CHARGE, *(f"share_{name}" for name in _SHARE)), Attributes()
    while batch := list(islice(found, BATCH)):
        yield _table([dict(zip(names, row, strict=True)) for row in batch], attributes)


def has_rows(scope: Scope, period: Period) -> bool:
    """Whether there is anything in the month's files."""
    return _shares(scope, period, billed=True).exists()


def _shares(scope: Scope, period: Period, *, billed: bool) -> QuerySet[AllocatedCost]:
    if billed:
        return scope.of(AllocatedCost.objects.filter(in_file(period, "charge__")))
    return scope.of(AllocatedCost.objects.of_days(period))


def _keys(ids: Iterable[int | None]) -> dict[int | None, dict[str, Any]]:
    rows = UsageKey.objects.filter(id__in={key for key in ids if key is not None}).values(*_KEY)
    found: dict[int | None, dict[str, Any]] = {row["id"]: row for row in rows}
    return found | {None: dict.fromkeys(_KEY, "") | {"key_hash": b"", "tags": {}}}


def _table(rows: Sequence[dict[str, Any]], attributes: Attributes) -> pa.Table:
    origins = _origins({row["origin_id"] for row in rows})
    _number_postings([*rows, *origins.values()])
    keys = _keys(row["usage_key_id"] for row in (*rows, *origins.values()))
    seen = attributes.of(keys, ((row["usage_key_id"], row["charge_date"]) for row in rows))
    splits = _splits({row["id"] for row in rows}, {row["id"]: row["original_cost"] for row in rows})
    return pa.Table.from_pylist(
        [
            _ledger_row(row, keys, splits, origins)
            | _attributed(seen.get((row["usage_key_id"], row["charge_date"]), keys[None]))
            for row in rows
        ],
        schema=LEDGER,
    )


def _attributed(seen: Mapping[str, Any]) -> dict[str, str]:
    """What a mapping may set, as cost_daily has it."""
    return {"environment": seen["environment"], "feature": seen["feature"], "tags": _json(seen["tags"])}


def _origins(wanted: set[int | None]) -> dict[int | None, dict[str, Any]]:
    """The charges that charges of a batch correct or split, and those that these do."""
    found: dict[int | None, dict[str, Any]] = {}
    while left := {number for number in wanted if number is not None and number not in found}:
        more = {row["id"]: row for row in Charge.objects.filter(id__in=left).values(*_CHARGE)}
        found |= more
        wanted = {row["origin_id"] for row in more.values()}
    return found


def _number_postings(rows: Iterable[dict[str, Any]]) -> None:
    """Give rows of corrections their ``posting``: which of those against its day, in its month and of its cause it is."""
    rows = [row for row in rows if row["correction_id"] is not None]
    days = {row["corrects_date"] for row in rows}
    seen: Counter[tuple[Any, ...]] = Counter()
    posting: dict[int, str] = {}
    if days:
        posted = Correction.objects.filter(charge_date__in=days).order_by("pk")
        for pk, *place in posted.values_list("pk", "charge_date", "posted_on", "cause"):
            seen[tuple(place)] += 1
            posting[pk] = f"{place[2]} {seen[tuple(place)]}"
    for row in rows:
        row["posting"] = posting[row["correction_id"]]


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
        **{name: key[name] for name in ("host", "billing_account", "project", "region", "mode")},
        **{name: row[f"share_{name}"] for name in ("quantity", "list_cost", "contracted_cost", "effective_cost",
                                                   "billed_cost", "proxy_cost")},
        "charge_id": _identity(row, keys, origins), "origin": _identity(origins.get(row["origin_id"]), keys, origins),
        "day": row["corrects_date"] or row["charge_date"],
        "provider": key["provider"] if row["usage_key_id"] else seller,
        "model": key["model_served"] or key["model_requested"] or ("" if row["usage_key_id"] else "/".join(between)),
        "service_tier": key["service_tier_served"], "category": row["charge_category"],
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
    posting = [row["posting"]] if "posting" in row else []  # two of one day may say the same of the same charge
    text = "\x1f".join([*texts, _identity(origins.get(row["origin_id"]), keys, origins), *posting])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _json(tags: Any) -> str:
    return json.dumps(tags) if tags else ""
