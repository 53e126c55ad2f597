"""Columns of FOCUS 1.2 and 1.4: of which kind, whether they may be null, what they may say.

From the FOCUS data model, (c) FinOps Foundation, CC BY 4.0. Columns of our own (``x_``) follow those of FOCUS.
"""

from typing import NamedTuple

import pyarrow as pa

VERSIONS = ("1.2", "1.4")
COST_AND_USAGE, CONTRACT_COMMITMENT = "Cost and Usage", "Contract Commitment"
BILLING_PERIOD, INVOICE_DETAIL = "Billing Period", "Invoice Detail"
DATASETS = {"1.2": (COST_AND_USAGE,), "1.4": (COST_AND_USAGE, CONTRACT_COMMITMENT, BILLING_PERIOD, INVOICE_DETAIL)}
COST, QUANTITY, PRICE = pa.decimal128(30, 12), pa.decimal128(38, 12), pa.decimal128(38, 18)


class Column(NamedTuple):
    """``kind``: text, time, decimal, price (not negative), tags (flat JSON), json, currency, unit, or flag (x_)."""

    name: str
    kind: str
    null: bool
    mandatory: bool

    @property
    def arrow(self) -> pa.DataType:
        """Its type in a Parquet file."""
        if self.kind == "time":
            return pa.timestamp("us", tz="UTC")
        if self.kind == "price" or self.name in ("PricingQuantity", "x_FxRate"):
            return PRICE
        if self.kind != "decimal":
            return pa.string()
        return QUANTITY if "Quantity" in self.name or "Percentage" in self.name else COST


# ``!``: mandatory; ``?``: may be null; -1.2: until 1.2; 1.4: since 1.3 or 1.4.
_COST_AND_USAGE = """
AllocatedMethodDetails json? 1.4, AllocatedMethodId text? 1.4, AllocatedResourceId text? 1.4,
AllocatedResourceName text? 1.4, AllocatedTags tags? 1.4, AvailabilityZone text?, BilledCost decimal!,
BillingAccountId text!, BillingAccountName text!?, BillingAccountType text, BillingCurrency currency!,
BillingPeriodEnd time!, BillingPeriodStart time!, CapacityReservationId text?, CapacityReservationStatus text?,
ChargeCategory text!, ChargeClass text!?, ChargeDescription text!?, ChargeFrequency text, ChargePeriodEnd time!,
ChargePeriodStart time!, CommitmentDiscountCategory text?, CommitmentDiscountId text?, CommitmentDiscountName text?,
CommitmentDiscountQuantity decimal?, CommitmentDiscountStatus text?, CommitmentDiscountType text?,
CommitmentDiscountUnit unit?, CommitmentProgramEligibilityDetails json? 1.4, ConsumedQuantity decimal?,
ConsumedUnit unit?, ContractApplied json? 1.4, ContractedCost decimal!, ContractedUnitPrice price?,
EffectiveCost decimal!, HostProviderName text!? 1.4, InvoiceDetailId text? 1.4, InvoiceId text?,
InvoiceIssuerName text!, ListCost decimal!, ListUnitPrice price?, PricingCategory text?, PricingCurrency text,
PricingCurrencyContractedUnitPrice price?, PricingCurrencyEffectiveCost decimal, PricingCurrencyListUnitPrice price?,
PricingQuantity decimal!?, PricingUnit unit!?, ProviderName text! -1.2, PublisherName text! -1.2, RegionId text?,
RegionName text?, ResourceId text?, ResourceName text?, ResourceType text?, ServiceCategory text!, ServiceName text!,
ServiceProviderName text! 1.4, ServiceSubcategory text, SkuId text?, SkuMeter text?, SkuPriceDetails tags?,
SkuPriceId text?, SubAccountId text?, SubAccountName text?, SubAccountType text?, Tags tags?
"""
_CONTRACT_COMMITMENT = """
BillingCurrency currency!?, ContractCommitmentApplicability json!, ContractCommitmentBenefitCategory text!,
ContractCommitmentCategory text!, ContractCommitmentCost decimal!?, ContractCommitmentCreated time!,
ContractCommitmentDescription text!?, ContractCommitmentDiscountPercentage decimal!?,
ContractCommitmentDurationType text!, ContractCommitmentFulfillmentInterval text!, ContractCommitmentId text!,
ContractCommitmentLastUpdated time!, ContractCommitmentLifecycleStatus text!, ContractCommitmentModel text!,
ContractCommitmentOfferCategory text!, ContractCommitmentPaymentInterval text!,
ContractCommitmentPaymentModel text!, ContractCommitmentPaymentUpfrontPercentage decimal,
ContractCommitmentPeriodEnd time!, ContractCommitmentPeriodStart time!, ContractCommitmentQuantity decimal!?,
ContractCommitmentType text!, ContractCommitmentUnit unit!?, ContractId text!, ContractPeriodEnd time!,
ContractPeriodStart time!, InvoiceIssuerName text!, ServiceProviderName text!
"""
_BILLING_PERIOD = """
BillingPeriodCreated time!, BillingPeriodEnd time!, BillingPeriodLastUpdated time!, BillingPeriodStart time!,
BillingPeriodStatus text!, InvoiceIssuerName text!
"""
_INVOICE_DETAIL = """
BilledCost decimal!, BillingAccountId text!, BillingCurrency currency!, BillingPeriodEnd time!,
BillingPeriodStart time!, ChargeCategory text!, InvoiceDetailCreated time!, InvoiceDetailDescription text!?,
InvoiceDetailGrain tags!?, InvoiceDetailId text!, InvoiceDetailLastUpdated time!, InvoiceId text!,
InvoiceIssueDate time!?, InvoiceIssueStatus text!, InvoiceIssuerName text!, PaymentDueDate time!?,
PaymentTerms text!, ReferenceInvoiceId text!
"""
# Whose cost, what kind of call, and what FOCUS has no column for; CONTRACTS name the first eight.
_OWN = """
x_CostCentre text?, x_Team text?, x_QueryTier text?, x_Model text?, x_Feature text?, x_Environment text?,
x_Provenance text, x_SplitOriginId text?, x_SplitOriginCost decimal?, x_ChargeId text, x_OriginChargeId text?,
x_AllocationRule text?, x_ChargeCategory text, x_CommitmentStatus text?, x_FxRate decimal?, x_FxRateDate text?,
x_FxSource text?, x_Mode text?,
x_PeriodState text, x_PriceClass text?, x_Quantity decimal?, x_QuantityUnit text?, x_Reason text?, x_Scope text?,
x_ServiceTier text?, x_Subject text?, x_TierEstimated flag?, x_UnknownCosts text?, x_Unpriced flag?,
x_UnpricedEstimate decimal?, x_UnpricedQuantity decimal?
"""
ALLOCATED = tuple(f"Allocated{name}" for name in ("MethodDetails", "MethodId", "ResourceId", "ResourceName", "Tags"))


def _parsed(text: str, version: str) -> tuple[Column, ...]:
    found = []
    for entry in text.replace("\n", " ").split(","):
        name, kind, *since = entry.split()
        if since in ([], [version], [f"-{version}"]):
            found.append(Column(name, kind.rstrip("!?"), "?" in kind, "!" in kind))
    return tuple(found)


FOCUS: dict[tuple[str, str], tuple[Column, ...]] = {
    ("1.2", COST_AND_USAGE): _parsed(_COST_AND_USAGE, "1.2"),
    ("1.4", COST_AND_USAGE): _parsed(_COST_AND_USAGE, "1.4"),
    ("1.4", CONTRACT_COMMITMENT): _parsed(_CONTRACT_COMMITMENT, "1.4"),
    ("1.4", BILLING_PERIOD): _parsed(_BILLING_PERIOD, "1.4"),
    ("1.4", INVOICE_DETAIL): _parsed(_INVOICE_DETAIL, "1.4"),
}
OWN: tuple[Column, ...] = _parsed(_OWN, "")
_NEVER = ("CommitmentProgramEligibilityDetails",)  # nothing we know says so


def written(version: str, dataset: str = COST_AND_USAGE) -> tuple[Column, ...]:
    """The columns of our files, in their order."""
    columns = FOCUS[version, dataset]
    if dataset != COST_AND_USAGE:
        return columns
    kept = tuple(column for column in columns if column.name not in _NEVER)
    if version == "1.4":
        return (*kept, *OWN)
    split = [column for column in FOCUS["1.4", dataset] if column.name in ALLOCATED]
    return (*kept, *OWN, *(column._replace(name=f"x_{column.name}") for column in split))


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Their types in a table and in a Parquet file."""
    return pa.schema([pa.field(column.name, column.arrow) for column in columns])


SUBCATEGORIES = {
    "AI and Machine Learning": "AI Platforms|Bots|Generative AI|Machine Learning|Natural Language Processing",
    "Analytics": "Analytics Platforms|Business Intelligence|Data Processing|Search|Streaming Analytics",
    "Business Applications": "Productivity and Collaboration",
    "Compute": "Containers|End User Computing|Quantum Compute|Serverless Compute|Virtual Machines",
    "Databases": "Caching|Data Warehouses|Ledger Databases|NoSQL Databases|Relational Databases|Time Series Databases",
    "Developer Tools": "Continuous Integration and Deployment|Developer Platforms|Development Environments|"
    "Quality Assurance|Source Code Management",
    "Identity": "Identity and Access Management",
    "Integration": "API Management|Messaging|Workflow Orchestration",
    "Internet of Things": "IoT Analytics|IoT Platforms",
    "Management and Governance": "Architecture|Compliance|Cost Management|Data Governance|Disaster Recovery|"
    "Endpoint Management|Observability|Support",
    "Media": "Content Creation|Gaming|Media Streaming|Mixed Reality",
    "Migration": "Data Migration|Resource Migration", "Mobile": "", "Multicloud": "Multicloud Integration",
    "Networking": "Application Networking|Content Delivery|Network Connectivity|Network Infrastructure|"
    "Network Routing|Network Security",
    "Other": "", "Security": "Secret Management|Security Posture Management|Threat Detection and Response",
    "Storage": "Backup Storage|Block Storage|File Storage|Object Storage|Storage Platforms",
    "Web": "Application Platforms",
}  # fmt: skip
PARENTS = {
    name: category
    for category, names in SUBCATEGORIES.items()
    for name in (*filter(None, names.split("|")), f"Other ({category})")
}
_USED = ("Used", "Unused")
ALLOWED: dict[str, tuple[str, ...]] = {
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"), "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"), "CapacityReservationStatus": _USED,
    "CommitmentDiscountStatus": _USED, "CommitmentDiscountCategory": ("Spend", "Usage"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"), "ServiceCategory": tuple(SUBCATEGORIES),
    "ServiceSubcategory": tuple(sorted(PARENTS)), "BillingPeriodStatus": ("Open", "Closed"),
    "InvoiceIssueStatus": ("Open", "Issued", "Voided"), "ContractCommitmentCategory": ("Spend", "Usage"),
    "ContractCommitmentBenefitCategory": ("Discount", "Entitlement", "Availability", "Other"),
    "ContractCommitmentFulfillmentInterval": (
        "Hourly", "Daily", "Weekly", "Monthly", "Quarterly", "Semi-Annual", "Annual", "Full Period", "Transactional",
        "Custom",
    ),
    "ContractCommitmentLifecycleStatus": (
        "Proposed", "Pending", "Active", "Exhausted", "Expired", "Canceled", "Superseded",
    ),
    "ContractCommitmentModel": ("Continuous", "Discontinuous"),
    "ContractCommitmentOfferCategory": ("Negotiated", "Public"),
    "ContractCommitmentPaymentInterval": ("One-Time", "Monthly", "Quarterly", "Semi-Annual", "Annual", "Custom"),
    "ContractCommitmentPaymentModel": ("No Upfront", "Partial Upfront", "All Upfront"),
}  # fmt: skip
