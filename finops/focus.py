"""FOCUS column names in frames, API and exports; the same words in snake_case in models. One mapping, here.

Source: FinOps Open Cost and Usage Specification 1.2-1.4. Columns of our own carry the ``x_`` prefix that the
specification reserves for that.
"""

COST_COLUMNS = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost")

# model field -> column of frames, API and exports
COLUMNS = {
    "charge_date": "ChargeDate",
    "period_start": "ChargePeriodStart",
    "period_end": "ChargePeriodEnd",
    "billing_period": "BillingPeriodStart",
    "charge_category": "ChargeCategory",
    "charge_class": "ChargeClass",
    "description": "ChargeDescription",
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
    "invoice_id": "InvoiceId",
    "resource_id": "ResourceId",
    "commitment_id": "CommitmentDiscountId",
    "commitment_status": "CommitmentDiscountStatus",
    "model": "x_Model",
    "tier": "x_QueryTier",
    "cost_centre": "x_CostCentre",
    "team": "x_Team",
    "environment": "x_Environment",
    "feature": "x_Feature",
    "mode": "x_Mode",
    "service_tier": "x_ServiceTier",
    "price_class": "x_PriceClass",
    "provenance": "x_Provenance",
    "requests": "Requests",
    "queries": "Queries",
    "tokens": "x_Tokens",
}
FIELDS = {column: field for field, column in COLUMNS.items()}

# Columns of the dataset Cost and Usage in any version from 1.0 to 1.4.
SPEC_COLUMNS = frozenset(
    {"AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
     "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType",
     "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId",
     "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
     "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
     "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
     "CommitmentDiscountUnit", "CommitmentProgramEligibilityDetails", "ConsumedQuantity", "ConsumedUnit",
     "ContractApplied", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "HostProviderName",
     "InvoiceDetailId", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
     "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
     "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId",
     "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
     "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId",
     "SubAccountId", "SubAccountName", "SubAccountType", "Tags"}
)  # fmt: skip

TIERS = ("simple", "moderate", "complex", "research")

# Providers by the names under which they sell; others by their code. ingest.calc.focus_lines reads them back.
PROVIDER_NAMES = {
    "anthropic": "Anthropic", "aws": "AWS", "azure": "Microsoft", "cohere": "Cohere", "deepseek": "DeepSeek",
    "google": "Google Cloud", "groq": "Groq", "mistral": "Mistral", "openai": "OpenAI", "openrouter": "OpenRouter",
    "oracle": "Oracle",
}  # fmt: skip
