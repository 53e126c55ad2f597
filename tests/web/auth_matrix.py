"""Who may do what at which address, written by hand from the table of roles (README, Roles) and not from the code.

A new address: its path goes into tests/web/test_api_auth.py:URLS, its name here into the line of who may do what there, or
into a new line. Methods that a line does not name do nothing for anybody.
"""

from dataclasses import dataclass, field

VIEWER, OWNER, ANALYST, FINANCE, ADMIN, AUDITOR = ROLES = ("viewer", "owner", "analyst", "finance", "admin", "auditor")
EVERYBODY = frozenset(ROLES)  # who logged in; what they see there is cut to their cost centres
ALL_SEEING = frozenset({ANALYST, FINANCE, ADMIN, AUDITOR})
OF_THE_BOOKS = frozenset({ANALYST, FINANCE, AUDITOR})
OF_THE_TRAIL = frozenset({FINANCE, ADMIN, AUDITOR})
PROPOSERS = frozenset({ANALYST, FINANCE})
BUDGETERS = frozenset({OWNER, FINANCE})
DECIDERS = frozenset({OWNER, ANALYST, FINANCE})
FINANCES, ADMINS = frozenset({FINANCE}), frozenset({ADMIN})


@dataclass(frozen=True)
class Line:
    """Addresses by name, and the roles that each method is for."""

    names: str
    get: frozenset[str] = frozenset()
    post: frozenset[str] = frozenset()
    patch: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()

    def may(self, method: str) -> frozenset[str]:
        """The roles; none for a method that is not there."""
        found: frozenset[str] = getattr(self, method, frozenset())
        return found


@dataclass(frozen=True)
class Matrix:
    """All lines, by name of the address."""

    lines: tuple[Line, ...]
    by_name: dict[str, Line] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {name: line for line in self.lines for name in line.names.split()})


MATRIX = Matrix((
    # Costs, usage, queries, budgets, forecasts, anomalies: everybody, of their own cost centres.
    Line(
        """home overview overview-cost-centres-csv dash kpis kpis-csv kpis-xlsx explore explore-csv explore-xlsx
        explore-bridge-csv queries queries-csv queries-xlsx query query-calls-csv
        tiers tiers-csv tiers-months-csv tiers-distribution-csv tiers-xlsx tiers-predict tiers-predict-csv
        tiers-predict-xlsx tiers-predict-tracking-csv tiers-agents tiers-agents-csv tiers-agents-xlsx tiers-agents-runaways-csv
        roi roi-csv roi-xlsx budgets budgets-csv budgets-watch budgets-watch-csv budgets-watch-xlsx budgets-alerts
        budgets-alerts-csv budgets-alerts-xlsx anomalies anomalies-csv anomalies-xlsx forecast forecast-csv forecast-xlsx
        forecast-days-csv forecast-series-csv forecast-accuracy forecast-accuracy-csv forecast-accuracy-xlsx forecast-closes-csv
        calculators calculators-customers calculators-customers-csv calculators-claims calculators-claims-csv
        calculators-assumptions calculators-assumptions-csv statements statements-csv export-statement""",
        get=EVERYBODY,
    ),
    Line(
        """api-costs api-forecasts api-forecasts-accuracy api-forecasts-closes api-kpis api-bridge api-indices api-tiers
        api-tiers-ledger api-tiers-months api-tiers-distribution api-agents-workflows api-agents-outcomes api-agents-runaways
        api-anomalies api-anomaly api-budget-state api-cost-centres api-tiers-predictions api-roi api-roi-efforts api-watch
        api-alerts api-queries api-query api-usage
        api-calculators api-claims api-allocations api-teams api-statements api-schema api-docs api-export""",
        get=EVERYBODY,
    ),
    Line("statement statement-pdf api-statement", get=frozenset({OWNER, ANALYST, FINANCE, AUDITOR})),
    # One's own: account, files that one asked for, questions that change nothing.
    Line("account", get=EVERYBODY),
    Line("account-password account-token account-token-revoke account-sessions-end", post=EVERYBODY),
    Line("api-exports", get=EVERYBODY, post=EVERYBODY),
    Line("api-tiers-predict api-calculator api-customer-margins", post=EVERYBODY),
    # Own statements, own budget, outcomes.
    Line("statement-answer", post=BUDGETERS),
    Line("api-statement-accept api-statement-dispute", post=BUDGETERS),
    Line("api-statement-resolve", post=FINANCES),
    Line("budgets-propose", post=BUDGETERS),
    Line("api-budgets", get=EVERYBODY, post=BUDGETERS),
    Line("roi-attest api-benefit-attest", post=BUDGETERS),
    Line("api-benefit-decide", post=FINANCES),
    Line("api-outcomes api-benchmark-runs api-benefits api-roi-comparisons", get=EVERYBODY, post=PROPOSERS),
    Line("api-assumptions api-calendar", get=EVERYBODY, post=PROPOSERS),
    # What somebody decides on runaways, anomalies and alerts: analyst and finance all, owners their own.
    Line("tiers-agents-decide api-agents-decide anomalies-say api-anomaly-feedback", post=DECIDERS),
    Line("budgets-alerts-acknowledge budgets-alerts-silence budgets-alerts-silence-end api-alert-acknowledge", post=DECIDERS),
    Line("api-silences", get=EVERYBODY, post=DECIDERS),
    Line("api-silence", delete=DECIDERS),
    # Tier policies, rules, prices, contracts, commitments, exchange rates, rate cards, invoices, reconciliation, scenarios.
    Line(
        """prices prices-csv price-history price-vendors commitments commitments-csv capacity allocation allocation-csv
        allocation-splits allocation-splits-csv tiers-policy tiers-policy-csv tiers-policy-xlsx reconciliation
        reconciliation-lines reconciliation-csv reconciliation-owed-csv invoice
        approvals deliveries forecast-scenarios forecast-scenario
        forecast-scenario-csv forecast-scenario-xlsx forecast-scenario-json forecast-scenarios-compare
        forecast-scenarios-compare-csv forecast-scenarios-compare-xlsx forecast-commitments forecast-commitments-csv
        forecast-commitments-xlsx""",
        get=ALL_SEEING,
    ),
    Line(
        """api-rules-versions api-allocations-coverage api-tier-policy api-tier-policy-diff api-invoice api-reconciliation
        api-reconciliations api-owed api-approvals api-scenario api-scenario-result api-scenario-json api-scenario-xlsx
        api-scenarios-compare""",
        get=ALL_SEEING,
    ),
    Line(
        """api-cost-centre-tree api-rules api-mappings api-drivers api-contracts api-commitments api-capacity
        api-other-charges api-splits api-rate-cards api-prices api-fx-rates api-tier-policies api-invoices api-scenarios
        api-scenario-versions api-scenario-runs""",
        get=ALL_SEEING, post=PROPOSERS,
    ),
    Line("invoices", get=ALL_SEEING, post=PROPOSERS),
    Line("api-commitments-advice", post=ALL_SEEING),  # a calculation: it changes nothing
    Line("api-rules-preview api-invoice-withdrawal", post=PROPOSERS),
    Line("allocation-effect", post=PROPOSERS),
    Line("allocation-propose", post=ALL_SEEING),  # refuses with words whoever is neither analyst nor finance
    Line("forecast-scenarios-new forecast-scenario-save forecast-scenario-run", post=PROPOSERS),
    Line("api-adjustments", get=OF_THE_BOOKS, post=FINANCES),
    Line("api-reconciliation-line", get=ALL_SEEING, patch=FINANCES),
    Line("reconciliation-run reconciliation-note approval-decide api-approval-decision delivery-retry", post=FINANCES),
    # Periods, statements, journal, adjustments: no admin's.
    Line("periods period period-journal period-journal-csv", get=OF_THE_BOOKS),
    Line("api-periods api-period api-period-manifest api-accruals api-journal api-journal-csv api-proof", get=OF_THE_BOOKS),
    Line("period-step period-waive period-task period-reopen period-journal-step", post=FINANCES),
    Line("api-period-steps api-period-waivers api-period-reopen api-period-tasks", post=FINANCES),
    Line("api-journal-post api-journal-export api-journal-number", post=FINANCES),
    Line(
        "api-posting-matrix api-statement-policy api-delivery-plan api-close-policy api-webhooks",
        get=OF_THE_BOOKS, post=FINANCES,
    ),
    Line("api-webhook", get=OF_THE_BOOKS, delete=FINANCES),
    Line("api-webhook-deliveries", get=OF_THE_BOOKS),
    # Sources, runs, quarantine.
    Line("sources source source-imported data-health quarantine runs run", get=ALL_SEEING),
    Line("api-runs api-quarantine api-data-health", get=ALL_SEEING),
    Line("api-sources", get=ALL_SEEING, post=ADMINS),
    Line("api-source", get=ALL_SEEING, patch=ADMINS),
    Line("source-imported-dismiss source-sync source-switch source-key source-accept data-health-check", post=ADMINS),
    Line("api-source-sync", post=ADMINS),
    Line("connect", get=ADMINS),
    Line("upload", get=ADMINS, post=ADMINS),
    Line("upload-mapped", post=ADMINS),
    Line("connect-kind", get=ADMINS, post=ADMINS),
    # Caps on what a query may cost.
    Line("api-query-caps", get=EVERYBODY, post=PROPOSERS),
    Line("api-query-cap", delete=PROPOSERS),
    Line("budgets-watch-cap budgets-watch-cap-end", post=PROPOSERS),
    # Credentials, users, grants, others' tokens.
    Line("people", get=ADMINS),
    Line("people-create people-grant people-revoke people-switch people-log-out people-token-revoke", post=ADMINS),
    # Audit.
    Line("audit api-audit", get=OF_THE_TRAIL),
    # Nobody's by role: tokens of scope ingest alone.
    Line("api-events otlp-traces otlp-metrics otlp-other"),
))  # fmt: skip
# Without a log-in; each has its own tests.
OPEN = frozenset(["login", "sso-login", "sso-callback", "logout", "healthz", "readyz", "metrics", "export-file"])
