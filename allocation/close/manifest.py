"""The manifest of a frozen month, and its recomputation: a cent that changes is found (invariant 8)."""

import hashlib
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import ForeignKey, Model

from allocation.calc import manifests
from allocation.calc.closing import FROZEN
from allocation.close import contents, waivers
from allocation.models import (
    AllocatedCost,
    BillingPeriod,
    Charge,
    CostDaily,
    PeriodManifest,
    QueryCostDaily,
    SplitCost,
)
from finops import audit
from finops.periods import Period

_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_KEY = "(SELECT encode(key_hash, 'hex') FROM ingest_usagekey WHERE id = {0}.usage_key_id)"
_CENTRE = "(SELECT code FROM allocation_costcentre WHERE id = {0})"
_TEAM = (
    "(SELECT o.code || '/' || m.code FROM allocation_team m JOIN allocation_costcentre o ON o.id = m.cost_centre_id "
    "WHERE m.id = {0})"
)
_RULE = (
    "(SELECT v.number || '/' || r.rule FROM allocation_allocationrule r JOIN allocation_ruleversion v ON v.id = r.version_id "
    "WHERE r.id = {0})"
)
_CORRECTION = (
    "(SELECT k.charge_date || '/' || k.posted_on || '/' || k.cause FROM allocation_correction k WHERE k.id = {0})"
)
# A charge in natural keys, for rows that point to it. A constant: manifests that were written hang on it.
_CHARGE = (
    f"(SELECT jsonb_build_array(c.charge_date, {_KEY.format('c')}, c.tier, c.tier_estimated, c.sku_id, c.sku_price_id, "
    "c.price_class, c.charge_category, c.charge_class, c.billing_currency, c.provenance, c.scope, c.cause, c.subject, "
    f"c.commitment_id, c.commitment_status, {_CENTRE.format('c.owner_id')}, {_TEAM.format('c.owner_team_id')}, "
    "c.original_currency, c.corrects_date, c.reversal)::text FROM charge c WHERE c.id = {0})"
)
# What stands for a column that points elsewhere, so that no id of this database enters a hash.
_NATURAL = {
    "allocation_costcentre": _CENTRE, "allocation_team": _TEAM, "allocation_allocationrule": _RULE,
    "allocation_correction": _CORRECTION, "charge": _CHARGE,
}  # fmt: skip


class Table(NamedTuple):
    """One table that freezes with its month."""

    model: type[Model]
    currency: str  # SQL over the row t
    sums: tuple[str, ...]


TABLES = {
    table.model._meta.db_table: table
    for table in (
        Table(Charge, "t.billing_currency", _COSTS),
        Table(AllocatedCost, "(SELECT billing_currency FROM charge WHERE id = t.charge_id)", _COSTS),
        Table(CostDaily, "t.billing_currency", _COSTS),
        Table(QueryCostDaily, "''", ("cost",)),
        Table(SplitCost, "t.billing_currency", _COSTS),
    )
}


@transaction.atomic
def write(period: Period) -> PeriodManifest:
    """The manifest of a month that has just been frozen, from its rows as they stand. Once per version of the month."""
    held = BillingPeriod.objects.get(month=period.start)
    document = {
        "format": manifests.FORMAT, "month": str(period), "version": held.version, "versions": held.frozen_versions,
        "prepared_by": held.prepared_by, "approved_by": held.soft_closed_by, "self_approved": held.self_approved,
        "waivers": _waived(period, held.version), "contents": contents.of(period, held.frozen_versions),
        "audit": audit.head()._asdict(),
        "tables": {name: counted(period, name, _columns(table)) for name, table in TABLES.items()},
    }  # fmt: skip
    return PeriodManifest.objects.create(
        period=held, version=held.version, document=document, sha256=manifests.digest(document)
    )


def _waived(period: Period, version: int) -> list[dict[str, str]]:
    return [{**waiver._asdict(), "value": f"{waiver.value:f}"} for waiver in waivers.given(period, version)]


def of(period: Period, version: int) -> PeriodManifest | None:
    """The manifest of a version of a month."""
    return PeriodManifest.objects.filter(period__month=period.start, version=version).first()


def counted(period: Period, name: str, columns: list[str]) -> dict[str, Any]:
    """Rows of a month in a table: how many, sums of cost by currency, SHA-256 over these columns of all rows in order."""
    table, within = TABLES[name], [period.start, period.end]
    where = f"FROM {name} t WHERE t.charge_date >= %s AND t.charge_date < %s"
    sums = ", ".join(f"coalesce(sum(t.{column}), 0)::numeric(40, 12)::text" for column in table.sums)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {table.currency}, count(*), {sums} {where} GROUP BY 1 ORDER BY 1", within)
        found = cursor.fetchall()
    return {
        "rows": sum(row[1] for row in found), "columns": columns, "sha256": _hash(table, columns, where, within),
        "sums": {row[0] or "": dict(zip(table.sums, row[2:], strict=True)) for row in found},
    }  # fmt: skip


def _hash(table: Table, columns: list[str], where: str, within: list[Any]) -> str:
    values = ", ".join(_value(table.model, column) for column in columns)
    total = hashlib.sha256()
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(f'SELECT jsonb_build_array({values})::text COLLATE "C" {where} ORDER BY 1', within)
        for (row,) in cursor:
            total.update(row.encode() + b"\n")
    return total.hexdigest()


def _columns(table: Table) -> list[str]:
    """All columns but the id, by name: kept in the manifest, so that a column added later does not break it."""
    fields = table.model._meta.concrete_fields
    return sorted(str(field.column) for field in fields if not field.primary_key)


def _value(model: type[Model], column: str) -> str:
    if column == "usage_key_id":
        return _KEY.format("t")
    field = next(field for field in model._meta.concrete_fields if field.column == column)
    if not isinstance(field, ForeignKey):
        return f"t.{column}"
    return _NATURAL[field.related_model._meta.db_table].format(f"t.{column}")


def checked() -> int:
    """How many manifests there are, and frozen months."""
    return PeriodManifest.objects.count() + BillingPeriod.objects.filter(state__in=FROZEN).count()


def violations() -> list[str]:
    """What is no longer as a manifest says: itself, its waivers, the audit trail before it; of frozen months their content."""
    found = []
    for kept in PeriodManifest.objects.select_related("period").order_by("period__month", "version"):
        named = f"{kept.period.month:%Y-%m} version {kept.version}"
        if manifests.digest(kept.document) != kept.sha256:
            found.append(f"{named}: the manifest itself was changed")
        found += [f"{named}: {what}" for what in _around(kept)]
    books: dict[str, str] = {}
    for held in BillingPeriod.objects.filter(state__in=FROZEN).order_by("month"):
        found += _of_month(held, books)
    return found


def _around(kept: PeriodManifest) -> list[str]:
    """What is no longer so of what lies beside the month's rows, also of a version that was opened again."""
    period, document = Period.month_of(kept.period.month), kept.document
    waived = [] if _waived(period, kept.version) == document["waivers"] else ["its waivers were changed"]
    if "audit" not in document:  # made before it was noted
        return waived
    return waived + [f"audit trail: {what}" for what in audit.cut(audit.Head(**document["audit"]), "the manifest")]


def _of_month(held: BillingPeriod, books: dict[str, str]) -> list[str]:
    period, name = Period.month_of(held.month), f"{held.month:%Y-%m} version {held.version}"
    kept = of(period, held.version)
    if kept is None:
        return [f"{name} is {held.state} and has no manifest"]
    wrong = []
    if kept.document["versions"] != held.frozen_versions:
        wrong.append(f"{name}: the versions it was frozen with were changed")
    known = contents.differences(period, kept.document["versions"], kept.document.get("contents", {}), books)
    wrong += [f"{name}: {what}" for what in known]
    for table, was in kept.document["tables"].items():
        now = counted(period, table, was["columns"])
        wrong += [f"{name}: {table}: {what}" for what in manifests.differences(was, now)]
    return wrong
