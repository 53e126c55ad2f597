"""URLs of the REST API, its OpenAPI document and the page that shows it."""

from django.contrib.auth.decorators import login_required
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from allocation.models import Basis
from web import styles
from web.api import agreements, splits
from web.api.accruals import AccrualsView
from web.api.adjustments import AdjustmentsView
from web.api.advice import AdviceView
from web.api.agents import DecideRunawayView, OutcomeCostsView, RunawaysView, WorkflowsView
from web.api.alerts import AcknowledgeView, AlertsView, SilencesView, SilenceView
from web.api.anomalies import AnomaliesView, AnomalyFeedbackView, AnomalyView
from web.api.approvals import ApprovalsView, DecisionView
from web.api.assumptions import AssumptionsView
from web.api.attribution import AllocationsView, CoverageView, DriversView, MappingsView, TreeView
from web.api.audit import AuditView
from web.api.books import (
    JournalCsvView,
    JournalExportView,
    JournalNumberView,
    JournalPostView,
    JournalView,
    ProofView,
)
from web.api.bridge import BridgeView, IndicesView
from web.api.budgets import BudgetsView
from web.api.calculators import CalculatorsView, CalculatorView, ClaimsView
from web.api.calendar import CalendarView
from web.api.cost_centres import CostCentresView, TeamsView
from web.api.costs import CostsView
from web.api.customers import CustomerMarginsView
from web.api.events import EventsView
from web.api.exports import ExportsView, ExportView
from web.api.forecasts import ForecastsView
from web.api.forecasts_accuracy import AccuracyView, ClosesView
from web.api.fx_rates import FxRatesView
from web.api.health import DataHealthView
from web.api.invoices import InvoicesView, InvoiceView, WithdrawalView
from web.api.kpis import KpisView
from web.api.manifests import ManifestView
from web.api.outcomes import BenchmarkRunsView, OutcomesView
from web.api.outcomes_benefits import AcceptBenefitView, AttestView, BenefitsView
from web.api.outcomes_roi import ComparisonsView, EffortsView, RoiView
from web.api.owed import OwedView
from web.api.periods import PeriodsView, PeriodView, ReopenView, StepView, TaskView, WaiverView
from web.api.permissions import WithinTokenScope
from web.api.policies import ClosePolicyView, DeliveryPlanView, PostingMatrixView, StatementPolicyView
from web.api.policies_tiers import TierPoliciesView, TierPolicyView
from web.api.predictions import PredictView, TrackingView
from web.api.prices import PricesView
from web.api.queries import QueriesView, QueryView
from web.api.reconciliations import ReconciliationLineView, ReconciliationsView, ReconciliationView
from web.api.rules import RulesPreviewView, RulesView, RuleVersionsView
from web.api.runs import QuarantineView, RunsView
from web.api.scenarios import (
    CompareScenariosView,
    ScenarioBookView,
    ScenarioBytesView,
    ScenarioResultView,
    ScenarioRunsView,
    ScenariosView,
    ScenarioVersionsView,
    ScenarioView,
)
from web.api.sources import SourcesView, SourceView, SyncView
from web.api.statements import AcceptView, DisputeView, ResolveView, StatementsView, StatementView
from web.api.tier_ledger import TierLedgerView, TierPolicyDiffView
from web.api.tiers import TierDistributionView, TierMonthsView, TiersView
from web.api.usage import UsageView
from web.api.watch import BudgetStateView, WatchView
from web.api.watch_caps import QueryCapsView, QueryCapView
from web.api.webhooks import WebhookDeliveriesView, WebhooksView, WebhookView

# The split view keeps its start-up script in a file of its own address: `script-src 'self'` lets it through.
_docs = SpectacularSwaggerSplitView.as_view(url_name="api-schema", permission_classes=[WithinTokenScope])

urlpatterns = [
    path("api/v1/costs", CostsView.as_view(), name="api-costs"),
    path("api/v1/usage", UsageView.as_view(), name="api-usage"),
    path("api/v1/queries", QueriesView.as_view(), name="api-queries"),
    path("api/v1/queries/<str:number>", QueryView.as_view(), name="api-query"),
    path("api/v1/forecasts", ForecastsView.as_view(), name="api-forecasts"),
    path("api/v1/forecasts/accuracy", AccuracyView.as_view(), name="api-forecasts-accuracy"),
    path("api/v1/forecasts/closes", ClosesView.as_view(), name="api-forecasts-closes"),
    path("api/v1/commitments/advice", AdviceView.as_view(), name="api-commitments-advice"),
    path("api/v1/calendar", CalendarView.as_view(), name="api-calendar"),
    path("api/v1/anomalies", AnomaliesView.as_view(), name="api-anomalies"),
    path("api/v1/anomalies/<int:number>", AnomalyView.as_view(), name="api-anomaly"),
    path("api/v1/anomalies/<int:number>/feedback", AnomalyFeedbackView.as_view(), name="api-anomaly-feedback"),
    path("api/v1/kpis", KpisView.as_view(), name="api-kpis"),
    path("api/v1/bridge", BridgeView.as_view(), name="api-bridge"),
    path("api/v1/indices", IndicesView.as_view(), name="api-indices"),
    path("api/v1/tiers", TiersView.as_view(), name="api-tiers"),
    path("api/v1/tiers/ledger", TierLedgerView.as_view(), name="api-tiers-ledger"),
    path("api/v1/tiers/months", TierMonthsView.as_view(), name="api-tiers-months"),
    path("api/v1/tiers/distribution", TierDistributionView.as_view(), name="api-tiers-distribution"),
    path("api/v1/agents/workflows", WorkflowsView.as_view(), name="api-agents-workflows"),
    path("api/v1/agents/outcomes", OutcomeCostsView.as_view(), name="api-agents-outcomes"),
    path("api/v1/agents/runaways", RunawaysView.as_view(), name="api-agents-runaways"),
    path("api/v1/agents/runaways/<int:number>/decision", DecideRunawayView.as_view(), name="api-agents-decide"),
    path("api/v1/outcomes", OutcomesView.as_view(), name="api-outcomes"),
    path("api/v1/benchmark-runs", BenchmarkRunsView.as_view(), name="api-benchmark-runs"),
    path("api/v1/benefits", BenefitsView.as_view(), name="api-benefits"),
    path("api/v1/benefits/<int:number>/attest", AttestView.as_view(), name="api-benefit-attest"),
    path("api/v1/benefits/<int:number>/decide", AcceptBenefitView.as_view(), name="api-benefit-decide"),
    path("api/v1/roi", RoiView.as_view(), name="api-roi"),
    path("api/v1/roi/comparisons", ComparisonsView.as_view(), name="api-roi-comparisons"),
    path("api/v1/roi/efforts", EffortsView.as_view(), name="api-roi-efforts"),
    path("api/v1/tiers/predict", PredictView.as_view(), name="api-tiers-predict"),
    path("api/v1/tiers/predictions", TrackingView.as_view(), name="api-tiers-predictions"),
    path("api/v1/cost-centres", CostCentresView.as_view(), name="api-cost-centres"),
    path("api/v1/budgets", BudgetsView.as_view(), name="api-budgets"),
    path("api/v1/budgets/<int:number>/state", BudgetStateView.as_view(), name="api-budget-state"),
    path("api/v1/watch", WatchView.as_view(), name="api-watch"),
    path("api/v1/alerts", AlertsView.as_view(), name="api-alerts"),
    path("api/v1/alerts/<int:number>/acknowledge", AcknowledgeView.as_view(), name="api-alert-acknowledge"),
    path("api/v1/silences", SilencesView.as_view(), name="api-silences"),
    path("api/v1/silences/<int:number>", SilenceView.as_view(), name="api-silence"),
    path("api/v1/query-caps", QueryCapsView.as_view(), name="api-query-caps"),
    path("api/v1/query-caps/<int:number>", QueryCapView.as_view(), name="api-query-cap"),
    path("api/v1/scenarios", ScenariosView.as_view(), name="api-scenarios"),
    path("api/v1/scenarios/compare", CompareScenariosView.as_view(), name="api-scenarios-compare"),
    path("api/v1/scenarios/<slug:name>", ScenarioView.as_view(), name="api-scenario"),
    path("api/v1/scenarios/<slug:name>/versions", ScenarioVersionsView.as_view(), name="api-scenario-versions"),
    path("api/v1/scenarios/<slug:name>/runs", ScenarioRunsView.as_view(), name="api-scenario-runs"),
    path("api/v1/scenarios/<slug:name>/result", ScenarioResultView.as_view(), name="api-scenario-result"),
    path("api/v1/scenarios/<slug:name>/result.json", ScenarioBytesView.as_view(), name="api-scenario-json"),
    path("api/v1/scenarios/<slug:name>/result.xlsx", ScenarioBookView.as_view(), name="api-scenario-xlsx"),
    path("api/v1/assumptions", AssumptionsView.as_view(), name="api-assumptions"),
    path("api/v1/calculators", CalculatorsView.as_view(), name="api-calculators"),
    path("api/v1/calculators/customer_margins", CustomerMarginsView.as_view(), name="api-customer-margins"),
    path("api/v1/calculators/<slug:name>", CalculatorView.as_view(), name="api-calculator"),
    path("api/v1/claims", ClaimsView.as_view(), name="api-claims"),
    path("api/v1/cost-centres/tree", TreeView.as_view(), name="api-cost-centre-tree"),
    path("api/v1/rules", RulesView.as_view(), name="api-rules"),
    path("api/v1/rules/preview", RulesPreviewView.as_view(), name="api-rules-preview"),
    path("api/v1/rules/versions", RuleVersionsView.as_view(), name="api-rules-versions"),
    path("api/v1/mappings", MappingsView.as_view(), name="api-mappings"),
    path("api/v1/drivers", DriversView.as_view(), name="api-drivers"),
    path("api/v1/allocations", AllocationsView.as_view(), name="api-allocations"),
    path("api/v1/allocations/coverage", CoverageView.as_view(), name="api-allocations-coverage"),
    path("api/v1/teams", TeamsView.as_view(), name="api-teams"),
    path("api/v1/events", EventsView.as_view(), name="api-events"),
    path("api/v1/sources", SourcesView.as_view(), name="api-sources"),
    path("api/v1/sources/<slug:name>", SourceView.as_view(), name="api-source"),
    path("api/v1/sources/<slug:name>/sync", SyncView.as_view(), name="api-source-sync"),
    path("api/v1/contracts", agreements.of("contracts", "Contracts").as_view(), name="api-contracts"),
    path("api/v1/commitments", agreements.of("commitments", "Commitments").as_view(), name="api-commitments"),
    path("api/v1/capacity", agreements.of("capacity", "Own capacity").as_view(), name="api-capacity"),
    path("api/v1/other-charges", agreements.of("other_charges", "Other charges").as_view(), name="api-other-charges"),
    path("api/v1/splits", splits.of("splits", Basis.SHARED, "Splits").as_view(), name="api-splits"),
    path("api/v1/rate-cards", splits.of("rate_cards", Basis.VARIANCE, "Rate cards").as_view(), name="api-rate-cards"),
    path("api/v1/adjustments", AdjustmentsView.as_view(), name="api-adjustments"),
    path("api/v1/prices", PricesView.as_view(), name="api-prices"),
    path("api/v1/fx-rates", FxRatesView.as_view(), name="api-fx-rates"),
    path("api/v1/tier-policies", TierPoliciesView.as_view(), name="api-tier-policies"),
    path("api/v1/tier-policies/<int:version>", TierPolicyView.as_view(), name="api-tier-policy"),
    path("api/v1/tier-policies/<int:version>/diff", TierPolicyDiffView.as_view(), name="api-tier-policy-diff"),
    path("api/v1/posting-matrix", PostingMatrixView.as_view(), name="api-posting-matrix"),
    path("api/v1/statement-policy", StatementPolicyView.as_view(), name="api-statement-policy"),
    path("api/v1/delivery-plan", DeliveryPlanView.as_view(), name="api-delivery-plan"),
    path("api/v1/close-policy", ClosePolicyView.as_view(), name="api-close-policy"),
    path("api/v1/approvals", ApprovalsView.as_view(), name="api-approvals"),
    path("api/v1/approvals/<int:number>/decision", DecisionView.as_view(), name="api-approval-decision"),
    path("api/v1/invoices", InvoicesView.as_view(), name="api-invoices"),
    path("api/v1/invoices/<int:number>", InvoiceView.as_view(), name="api-invoice"),
    path("api/v1/invoices/<int:number>/withdrawal", WithdrawalView.as_view(), name="api-invoice-withdrawal"),
    path("api/v1/owed", OwedView.as_view(), name="api-owed"),
    path("api/v1/reconciliations", ReconciliationsView.as_view(), name="api-reconciliations"),
    path("api/v1/reconciliations/<int:run>", ReconciliationView.as_view(), name="api-reconciliation"),
    path(
        "api/v1/reconciliations/<int:run>/lines/<int:line>",
        ReconciliationLineView.as_view(),
        name="api-reconciliation-line",
    ),
    path("api/v1/statements", StatementsView.as_view(), name="api-statements"),
    path("api/v1/statements/<int:statement>", StatementView.as_view(), name="api-statement"),
    path("api/v1/statements/<int:statement>/accept", AcceptView.as_view(), name="api-statement-accept"),
    path("api/v1/statements/<int:statement>/dispute", DisputeView.as_view(), name="api-statement-dispute"),
    path("api/v1/statements/<int:statement>/resolve", ResolveView.as_view(), name="api-statement-resolve"),
    path("api/v1/periods", PeriodsView.as_view(), name="api-periods"),
    path("api/v1/periods/<str:month>", PeriodView.as_view(), name="api-period"),
    path("api/v1/periods/<str:month>/steps", StepView.as_view(), name="api-period-steps"),
    path("api/v1/periods/<str:month>/waivers", WaiverView.as_view(), name="api-period-waivers"),
    path("api/v1/periods/<str:month>/reopen", ReopenView.as_view(), name="api-period-reopen"),
    path("api/v1/periods/<str:month>/tasks", TaskView.as_view(), name="api-period-tasks"),
    path("api/v1/periods/<str:month>/manifest", ManifestView.as_view(), name="api-period-manifest"),
    path("api/v1/accruals", AccrualsView.as_view(), name="api-accruals"),
    path("api/v1/journal", JournalView.as_view(), name="api-journal"),
    path("api/v1/journal.csv", JournalCsvView.as_view(), name="api-journal-csv"),
    path("api/v1/journal/post", JournalPostView.as_view(), name="api-journal-post"),
    path("api/v1/journal/export", JournalExportView.as_view(), name="api-journal-export"),
    path("api/v1/journal/number", JournalNumberView.as_view(), name="api-journal-number"),
    path("api/v1/proof", ProofView.as_view(), name="api-proof"),
    path("api/v1/exports", ExportsView.as_view(), name="api-exports"),
    path("api/v1/exports/<int:number>", ExportView.as_view(), name="api-export"),
    path("api/v1/webhooks", WebhooksView.as_view(), name="api-webhooks"),
    path("api/v1/webhooks/<int:number>", WebhookView.as_view(), name="api-webhook"),
    path("api/v1/webhooks/<int:number>/deliveries", WebhookDeliveriesView.as_view(), name="api-webhook-deliveries"),
    path("api/v1/audit", AuditView.as_view(), name="api-audit"),
    path("api/v1/data-health", DataHealthView.as_view(), name="api-data-health"),
    path("api/v1/runs", RunsView.as_view(), name="api-runs"),
    path("api/v1/quarantine", QuarantineView.as_view(), name="api-quarantine"),
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[WithinTokenScope]), name="api-schema"),
    path("api/docs/", login_required(styles.dashboard(_docs)), name="api-docs"),
]
