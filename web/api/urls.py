"""URLs of the REST API, its OpenAPI document and the page that shows it."""

from django.contrib.auth.decorators import login_required
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from web.api import agreements
from web.api.approvals import ApprovalsView, DecisionView
from web.api.cost_centres import CostCentresView, TeamsView
from web.api.costs import CostsView
from web.api.events import EventsView
from web.api.health import DataHealthView
from web.api.invoices import InvoicesView, InvoiceView
from web.api.permissions import WithinTokenScope
from web.api.prices import PricesView
from web.api.reconciliations import ReconciliationLineView, ReconciliationsView, ReconciliationView
from web.api.runs import QuarantineView, RunsView
from web.api.sources import SourcesView, SourceView, SyncView

# The split view keeps its start-up script in a file of its own address: `script-src 'self'` lets it through.
_docs = SpectacularSwaggerSplitView.as_view(url_name="api-schema", permission_classes=[WithinTokenScope])

urlpatterns = [
    path("api/v1/costs", CostsView.as_view(), name="api-costs"),
    path("api/v1/cost-centres", CostCentresView.as_view(), name="api-cost-centres"),
    path("api/v1/teams", TeamsView.as_view(), name="api-teams"),
    path("api/v1/events", EventsView.as_view(), name="api-events"),
    path("api/v1/sources", SourcesView.as_view(), name="api-sources"),
    path("api/v1/sources/<slug:name>", SourceView.as_view(), name="api-source"),
    path("api/v1/sources/<slug:name>/sync", SyncView.as_view(), name="api-source-sync"),
    path("api/v1/contracts", agreements.of("contracts", "Contracts").as_view(), name="api-contracts"),
    path("api/v1/commitments", agreements.of("commitments", "Commitments").as_view(), name="api-commitments"),
    path("api/v1/capacity", agreements.of("capacity", "Own capacity").as_view(), name="api-capacity"),
    path("api/v1/other-charges", agreements.of("other_charges", "Other charges").as_view(), name="api-other-charges"),
    path("api/v1/prices", PricesView.as_view(), name="api-prices"),
    path("api/v1/approvals", ApprovalsView.as_view(), name="api-approvals"),
    path("api/v1/approvals/<int:number>/decision", DecisionView.as_view(), name="api-approval-decision"),
    path("api/v1/invoices", InvoicesView.as_view(), name="api-invoices"),
    path("api/v1/invoices/<int:number>", InvoiceView.as_view(), name="api-invoice"),
    path("api/v1/reconciliations", ReconciliationsView.as_view(), name="api-reconciliations"),
    path("api/v1/reconciliations/<int:run>", ReconciliationView.as_view(), name="api-reconciliation"),
    path(
        "api/v1/reconciliations/<int:run>/lines/<int:line>",
        ReconciliationLineView.as_view(),
        name="api-reconciliation-line",
    ),
    path("api/v1/data-health", DataHealthView.as_view(), name="api-data-health"),
    path("api/v1/runs", RunsView.as_view(), name="api-runs"),
    path("api/v1/quarantine", QuarantineView.as_view(), name="api-quarantine"),
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[WithinTokenScope]), name="api-schema"),
    path("api/docs/", login_required(_docs), name="api-docs"),
]
