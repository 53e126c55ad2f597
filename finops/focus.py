"""FOCUS column names in frames, API and exports; the same words in snake_case in models. One mapping, here.

Source: FinOps Open Cost and Usage Specification 1.2-1.4. Columns of our own carry the ``x_`` prefix that the
specification reserves for that.
"""

COST_COLUMNS = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost")

# model field -> column of frames, API and exports
COLUMNS = {
    "charge_date": "ChargeDate",
    "billing_period": "BillingPeriodStart",
    "charge_category": "ChargeCategory",
    "charge_class": "ChargeClass",
    "sku_id": "SkuId",
    "sku_price_id": "SkuPriceId",
    "consumed_quantity": "ConsumedQuantity",
    "consumed_unit": "ConsumedUnit",
    "list_unit_price": "ListUnitPrice",
    "list_cost": "ListCost",
    "contracted_cost": "ContractedCost",
    "effective_cost": "EffectiveCost",
    "billed_cost": "BilledCost",
    "billing_currency": "BillingCurrency",
    "provider": "ServiceProviderName",
    "billing_account": "BillingAccountId",
    "project": "SubAccountId",
    "region": "RegionId",
    "tags": "Tags",
    "model": "x_Model",
    "tier": "x_QueryTier",
    "cost_centre": "x_CostCentre",
    "team": "x_Team",
    "environment": "x_Environment",
    "feature": "x_Feature",
    "provenance": "x_Provenance",
    "requests": "Requests",
    "queries": "Queries",
    "tokens": "x_Tokens",
}
FIELDS = {column: field for field, column in COLUMNS.items()}

TIERS = ("simple", "moderate", "complex", "research")
