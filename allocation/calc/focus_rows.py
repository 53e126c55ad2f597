"""Cost and Usage: rows of the ledger as FOCUS 1.2 and 1.4 say them. One row per share of a charge; two of a purchase that
is amortised without a commitment, because a Purchase has no EffectiveCost: what is billed, and the Usage of it.

A cost that nobody knows is 0 in FOCUS, which has no other word for it, and named in x_UnknownCosts; usage without a price
is x_Unpriced, with its quantity and estimate, has no unit price, no SkuPriceId and no PricingCategory, and says so in
ChargeDescription. A BilledCost is unknown until a bill states it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from allocation.calc.focus_columns import ALLOCATED, schema, written
from allocation.calc.focus_ledger import MOVED, Around, Place, Terms
from allocation.calc.focus_prices import ZERO
from allocation.calc.focus_pricing import PURCHASABLE, category_of, currency_columns, price_columns
from allocation.calc.focus_text import (
    DEFAULT_ACCOUNT,
    as_json,
    issuer_of,
    meter_of,
    midnight,
    next_month,
    number,
    unit_of,
)

Row = dict[str, Any]
FLEET = "fleet "  # begins the subject of a self-hosted fleet's charges
_COSTS = {
    "ListCost": "list_cost", "ContractedCost": "contracted_cost", "EffectiveCost": "effective_cost",
    "BilledCost": "billed_cost",
}  # fmt: skip


def cost_and_usage(ledger: pa.Table, around: Around, version: str) -> pa.Table:
    """Rows of Cost and Usage for those of ``ledger`` (focus_ledger.LEDGER), in their order, with columns of ``version``.

    The four costs and the quantities sum to the ledger's exactly; costs unknown there are 0 and named in x_UnknownCosts.
    """
    rows = [_row(part, around) for row in ledger.to_pylist() for part in _purchased(_placed(row, around))]
    if version == "1.2":
        for row in rows:
            row |= {f"x_{name}": row.get(name) for name in ALLOCATED}
            row["ProviderName"], row["PublisherName"] = row["ServiceProviderName"], row["ServiceProviderName"]
    return pa.Table.from_pylist(rows, schema=schema(written(version)))


def invoice_detail_id(invoice: str, place: Place, ahead: str = "") -> str:
    """The line of an invoice that sums one category of charges of one billing account; ``ahead``: billed in that month."""
    return "/".join(filter(None, (invoice, place[1] or DEFAULT_ACCOUNT, place[2], place[3], ahead)))


def _placed(row: Row, around: Around) -> Row:
    """An account that is not stated is "the only one", as where layers of truth are compared."""
    account = row["billing_account"]
    placed = account or around.accounts.get(row["provider"], "")
    return row | {"billing_account": placed, "stated_account": account}


def _purchased(row: Row) -> Iterator[Row]:
    stated = {"stated": row["category"], "split_id": row["origin"] if row["cause"] in MOVED else row["charge_id"]}
    if row["category"] != "Purchase" or not row["effective_cost"]:
        yield row | stated
        return
    if row["billed_cost"] or row["origin_billed"]:
        yield row | stated | dict.fromkeys(("list_cost", "contracted_cost", "effective_cost", "quantity"), ZERO)
        stated |= {"billed_cost": ZERO, "origin_billed": ZERO, "split_id": f"{row['charge_id']}-amortised"}
    yield row | stated | {"category": "Usage"}


def _row(row: Row, around: Around) -> Row:
    costs = {name: row[field] if row[field] is not None else ZERO for name, field in _COSTS.items()}
    category, price = category_of(row, costs)
    found: Row = {
        **costs, **_who(row), **_when(row, around), **_commitment(row, around, category, costs),
        "BillingCurrency": row["currency"], "ChargeCategory": category, "ChargeClass": row["charge_class"] or None,
        "ChargeFrequency": "Usage-Based" if category == "Usage" else "One-Time", "Tags": _tags(row),
        **price_columns(row, category, price),
    }  # fmt: skip
    found |= _consumed(row, category, found["CommitmentDiscountStatus"])
    found |= currency_columns(row, found)
    found |= _resource(row, found)
    found |= _own(row)
    found |= _invoice(row, found, around)
    return found | _split(row)


def _who(row: Row) -> Row:
    issuer, project = issuer_of(row["provider"]), row["project"] or None
    account = row["billing_account"] or DEFAULT_ACCOUNT
    return {
        "ServiceProviderName": issuer, "InvoiceIssuerName": issuer,
        "HostProviderName": issuer_of(row["host"]) if row["host"] else issuer,
        "BillingAccountId": account, "BillingAccountName": account, "BillingAccountType": "Account",
        "SubAccountId": project, "SubAccountName": project, "SubAccountType": "Project" if project else None,
        "RegionId": row["region"] or None, "RegionName": row["region"] or None,
        "ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI",
        "ServiceName": f"{issuer} AI" if row["provider"] else "AI cost of no provider",
    }  # fmt: skip


def _when(row: Row, around: Around) -> Row:
    period = max(row["billing_period"], around.month)  # what was billed ahead is booked in the month of its day
    return {
        "BillingPeriodStart": midnight(period), "BillingPeriodEnd": next_month(period),
        "ChargePeriodStart": midnight(row["day"]), "ChargePeriodEnd": midnight(row["day"] + timedelta(days=1)),
        "x_PeriodState": around.state,
    }  # fmt: skip


def _commitment(row: Row, around: Around, category: str, costs: Mapping[str, Decimal]) -> Row:
    """Commitments are measured in money, whatever they are of: purchase, used and unused parts then share one unit."""
    reserved = row["subject"] if row["subject"].startswith(FLEET) else None
    status = "Used" if row["status"] in ("", "Used") else "Unused"
    found: Row = {
        "CommitmentDiscountStatus": None,
        "CapacityReservationId": reserved,
        "CapacityReservationStatus": status if reserved and category == "Usage" else None,
    }
    name = row["commitment_id"] or None
    if name is None:
        return found
    terms = around.commitments.get(row["subject"])
    amount = costs["BilledCost"] if category == "Purchase" else costs["EffectiveCost"]
    counted = category in PURCHASABLE
    used = category == "Usage" and status == "Used"
    return found | {
        "CommitmentDiscountId": name, "CommitmentDiscountName": terms.code if terms else name,
        "CommitmentDiscountCategory": terms.category if terms else "Usage",
        "CommitmentDiscountType": kind_of(terms),
        "CommitmentDiscountStatus": status if category == "Usage" else None,
        "CommitmentDiscountQuantity": amount if counted else None,
        "CommitmentDiscountUnit": row["currency"] if counted else None,
        "ContractApplied": _applied(terms, costs["EffectiveCost"]) if used and terms and around.details else None,
    }  # fmt: skip


def kind_of(terms: Terms | None) -> str:
    """The type of a commitment, in words."""
    return terms.kind.replace("_", " ").title() if terms else "Commitment"


def _applied(terms: Terms, cost: Decimal) -> str:
    ids = f'"ContractId":{json.dumps(terms.commitment_id)},"ContractCommitmentId":{json.dumps(terms.code)}'
    return f'{{"Elements":[{{{ids},"ContractCommitmentAppliedCost":{number(cost)}}}]}}'


def _consumed(row: Row, category: str, status: str | None) -> Row:
    """FOCUS counts consumption of usage only; what else the ledger counts stands in x_Quantity."""
    if category == "Usage" and status != "Unused":
        return {"ConsumedQuantity": row["quantity"], "ConsumedUnit": unit_of(row["unit"])}
    return {"x_Quantity": row["quantity"], "x_QuantityUnit": unit_of(row["unit"])} if row["quantity"] else {}


def _resource(row: Row, found: Row) -> Row:
    if found["CommitmentDiscountStatus"] == "Unused" or (
        row["commitment_id"] and found["ChargeCategory"] == "Purchase"
    ):
        return {"ResourceId": row["commitment_id"], "ResourceType": "Commitment"}
    return {"ResourceId": row["model"], "ResourceType": "Model"} if row["model"] else {}


def _own(row: Row) -> Row:
    unpriced = row["effective_cost"] is None
    unknown = [name for name, field in _COSTS.items() if row[field] is None]
    what = " ".join(filter(None, (row["model"] or row["subject"], meter_of(row["price_class"]))))
    reason = _mover(row) if row["cause"] in MOVED else row["cause"].replace("_", " ")
    return {
        "ChargeDescription": f"{'Unpriced, cost not known: ' if unpriced else ''}{what or row['sku_id']}"
        f"{f' ({reason})' if reason else ''}",
        "x_CostCentre": row["cost_centre"] or None, "x_Team": row["team"] or None, "x_QueryTier": row["tier"] or None,
        "x_Model": row["model"] or None, "x_Feature": row["feature"] or None, "x_Environment": row["environment"] or None,
        "x_Provenance": row["provenance"], "x_ChargeId": row["charge_id"], "x_OriginChargeId": row["origin"] or None,
        "x_AllocationRule": row["rule"] or None, "x_ChargeCategory": row["stated"],
        "x_CommitmentStatus": row["status"] or None, "x_Mode": row["mode"] or None,
        "x_PriceClass": row["price_class"] or None, "x_Reason": row["cause"] or None, "x_Scope": row["scope"] or None,
        "x_ServiceTier": row["service_tier"] or None, "x_Subject": row["subject"] or None,
        "x_TierEstimated": "true" if row["tier_estimated"] else None, "x_UnknownCosts": ",".join(unknown) or None,
        "x_Unpriced": "true" if unpriced else None, "x_UnpricedEstimate": row["proxy_cost"] if unpriced else None,
        "x_UnpricedQuantity": row["quantity"] if unpriced else None,
    }  # fmt: skip


def _invoice(row: Row, found: Row, around: Around) -> Row:
    """The invoice of the row's place where there is one, else the number that an accrual of it has (PROV-...).

    What is moved between cost centres is on the provider's invoice with what it was taken from, where there is but one.
    """
    provider, account, category = row["provider"], row["billing_account"], found["ChargeCategory"]
    currency, billed = row["original_currency"] or row["currency"], row["billing_period"]
    place: Place = (provider, account, currency, category)
    if row["cause"] in MOVED and provider in around.only:
        return {"InvoiceId": around.only[provider]}
    invoices = around.ahead if billed < around.month else around.invoices
    known = (place, (provider, account, "", category), (provider, "", "", category))
    at = next((each for each in known if each in invoices), place)
    if not (invoice := invoices.get(at, "")):
        return {"InvoiceId": around.number(provider, row["host"], row["stated_account"], currency, billed)}
    if at != place or row["original_currency"] or not around.details:
        return {"InvoiceId": invoice}
    ahead = f"{billed:%Y-%m}" if billed < around.month else ""
    return {"InvoiceId": invoice, "InvoiceDetailId": invoice_detail_id(invoice, place, ahead)}


def _tags(row: Row) -> str | None:
    return as_json(json.loads(row["tags"])) if row["tags"] else None


def _split(row: Row) -> Row:
    """How a charge that several bear, or what a pool takes, is split: ratios sum to 1, BilledCost to x_SplitOriginCost."""
    if row["ratio"] is None:
        return {}
    centre, team = row["cost_centre"], row["team"]
    tags = json.loads(row["tags"]) if row["tags"] else {}
    tags |= {f"ledger:{name}": row[name] for name in ("cost_centre", "team") if row[name]}  # beside those of the origin
    return {
        "AllocatedMethodId": _mover(row),
        "AllocatedMethodDetails": f'{{"Elements":[{{"AllocatedRatio":{number(row["ratio"])}}}]}}',
        "AllocatedResourceId": "/".join(filter(None, (centre, team))) or "(unallocated)",
        "AllocatedResourceName": team or centre or "(unallocated)",
        "AllocatedTags": as_json(tags),
        "x_SplitOriginId": row["split_id"], "x_SplitOriginCost": row["origin_billed"] or ZERO,
    }  # fmt: skip


def _mover(row: Row) -> str:
    """What gave the row to who bears it."""
    return f"{MOVED.get(row['cause'], 'rule')} {row['rule']}" if row["rule"] else "declared owner"
