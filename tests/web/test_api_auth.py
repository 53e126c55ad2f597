"""Who gets in where: every URL x method x kind of caller. A URL without an entry fails."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from allocation.models import Grant
from finops import audit
from finops.models import AuditEvent, User
from ingest.models import Connection, IngestRun
from tests.web.ledger import Usage, bearer, load, person
from web import tokens
from web.models import ApiToken

pytestmark = pytest.mark.django_db
ROLES = ("viewer", "owner", "analyst", "finance", "admin", "auditor")
TOKENS = ("read", "write", "ingest")
CALLERS = ("anonymous", *ROLES, *TOKENS)
METHODS = ("get", "head", "post", "put", "patch", "delete")

# Kind -> what a caller gets, for a safe and for an unsafe method.
_SAFE_API = {"anonymous": 401, **dict.fromkeys(ROLES, 200), "read": 200, "write": 200, "ingest": 403}
_UNSAFE_API = {"anonymous": 401, **dict.fromkeys(ROLES, 405), "read": 403, "write": 405, "ingest": 403}
_BLIND = {"viewer": 403, "owner": 403}
_FORBIDDEN = {"anonymous": 401, **dict.fromkeys([*ROLES, *TOKENS], 403)}
_DONE_OR_WRONG = {200, 400, 405, 415}  # got past the guard; what then happens has its own tests


def _changed_by(*callers: str) -> dict[str, Any]:
    return _FORBIDDEN | dict.fromkeys(callers, _DONE_OR_WRONG)


_LOGGED_IN = (
    {**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 200)},
    {**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 405)},
)
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "api that an admin changes": (_SAFE_API | _BLIND, _changed_by("admin")),
    "api that finance decides": (_SAFE_API | _BLIND, _changed_by("finance", "write")),
    "api where money is proposed": (_SAFE_API | _BLIND, _changed_by("analyst", "finance", "write")),
    "api where alerts are answered": (_SAFE_API, _changed_by("owner", "analyst", "finance", "write")),
    "api where queries are capped": (_SAFE_API, _changed_by("analyst", "finance", "write")),
    "api where a budget is proposed": (_SAFE_API, _changed_by("owner", "finance", "write")),
    "books": (_SAFE_API | _BLIND | {"admin": 403}, {**_FORBIDDEN, "finance": 405, "write": 405}),
    "books that finance changes": (_SAFE_API | _BLIND | {"admin": 403}, _changed_by("finance", "write")),
    "api that anybody asks": (_SAFE_API, _changed_by(*ROLES, "write")),
    "api of the audit trail": (_SAFE_API | _BLIND | {"analyst": 403}, _UNSAFE_API | _BLIND | {"analyst": 403}),
    "api that takes records": (_FORBIDDEN | {"ingest": 405}, _changed_by("ingest")),
    "api": (_SAFE_API, _UNSAFE_API),
    "api for those who see everything": (_SAFE_API | _BLIND, _UNSAFE_API | _BLIND),
    "download": _LOGGED_IN, "docs": _LOGGED_IN,
}  # fmt: skip
# Pages are checked for not letting in who has not logged in (tokens open no pages); what they show has its own tests.
URLS: dict[str, tuple[str, str]] = {
    "home": ("page", "/"),
    "login": ("public", "/login/"),
    "sso-login": ("public", "/login/sso/"),  # see test_sso
    "sso-callback": ("public", "/login/sso/callback/"),
    "logout": ("page", "/logout/"),
    "account": ("page", "/account/"),  # see test_log_in
    "account-password": ("page", "/account/password"),
    "account-token": ("page", "/account/tokens"),
    "account-token-revoke": ("page", "/account/tokens/1/revoke"),
    "account-sessions-end": ("page", "/account/sessions/end"),
    "people": ("page", "/people/"),
    "people-create": ("page", "/people/create"),
    "people-grant": ("page", "/people/grant"),
    "people-revoke": ("page", "/people/revoke"),
    "people-switch": ("page", "/people/1/switch"),
    "people-log-out": ("page", "/people/1/log-out"),
    "people-token-revoke": ("page", "/people/tokens/1/revoke"),
    "overview": ("page", "/overview/"),
    "overview-cost-centres-csv": ("page", "/overview/cost-centres.csv"),
    "dash": ("page", "/dash/_dash-layout"),
    "api-costs": ("api", "/api/v1/costs?month=2026-09"),
    "api-usage": ("api", "/api/v1/usage?month=2026-09"),
    "api-queries": ("api", "/api/v1/queries?day=2026-09-01"),
    "api-query": ("by id", "/api/v1/queries/1"),  # see test_query_rows
    "api-forecasts": ("api", "/api/v1/forecasts"),
    "api-forecasts-accuracy": ("api", "/api/v1/forecasts/accuracy"),
    "api-forecasts-closes": ("api", "/api/v1/forecasts/closes"),
    "api-commitments-advice": ("decision", "/api/v1/commitments/advice"),  # no GET; see test_api_advice
    "api-calendar": ("api that analysts and finance propose to", "/api/v1/calendar"),
    "api-kpis": ("api", "/api/v1/kpis"),
    "kpis": ("page", "/kpis/"),
    "kpis-csv": ("page", "/kpis/kpis.csv"),
    "kpis-xlsx": ("page", "/kpis/kpis.xlsx"),
    "api-bridge": ("api", "/api/v1/bridge?month=2026-09"),
    "api-indices": ("api", "/api/v1/indices?month=2026-09"),
    "api-tiers": ("api", "/api/v1/tiers?month=2026-09"),
    "api-tiers-ledger": ("api", "/api/v1/tiers/ledger?month=2026-09"),
    "api-tiers-months": ("api", "/api/v1/tiers/months?month=2026-09"),
    "api-tiers-distribution": ("api", "/api/v1/tiers/distribution?month=2026-09"),
    "api-agents-workflows": ("api", "/api/v1/agents/workflows?month=2026-09"),
    "api-agents-outcomes": ("api", "/api/v1/agents/outcomes?month=2026-09"),
    "api-agents-runaways": ("api", "/api/v1/agents/runaways?month=2026-09"),
    "api-agents-decide": ("decision", "/api/v1/agents/runaways/1/decision"),  # no GET; see test_agents_page
    "api-anomalies": ("api", "/api/v1/anomalies"),
    "api-anomaly": ("by id", "/api/v1/anomalies/1"),  # see test_api_anomalies
    "api-anomaly-feedback": ("decision", "/api/v1/anomalies/1/feedback"),  # no GET; see test_api_anomalies
    "api-cost-centres": ("api", "/api/v1/cost-centres"),
    "api-outcomes": ("api where outcomes are written", "/api/v1/outcomes"),
    "api-benchmark-runs": ("api where outcomes are written", "/api/v1/benchmark-runs"),
    "api-benefits": ("api where outcomes are written", "/api/v1/benefits"),
    "api-benefit-attest": ("decision", "/api/v1/benefits/1/attest"),  # no GET; see test_api_outcomes
    "api-benefit-decide": ("decision", "/api/v1/benefits/1/decide"),
    "api-tiers-predict": ("calculation", "/api/v1/tiers/predict"),  # no GET; see test_predictions
    "api-tiers-predictions": ("api", "/api/v1/tiers/predictions"),
    "api-roi": ("api", "/api/v1/roi"),
    "api-roi-comparisons": ("api where outcomes are written", "/api/v1/roi/comparisons"),
    "api-roi-efforts": ("api", "/api/v1/roi/efforts"),
    "api-budgets": ("api where a budget is proposed", "/api/v1/budgets"),
    "api-budget-state": ("by id", "/api/v1/budgets/1/state"),  # see test_api_watch
    "api-watch": ("api", "/api/v1/watch"),
    "api-alerts": ("api", "/api/v1/alerts"),
    "api-alert-acknowledge": ("decision", "/api/v1/alerts/1/acknowledge"),  # no GET; see test_api_watch
    "api-silences": ("api where alerts are answered", "/api/v1/silences"),
    "api-silence": ("decision", "/api/v1/silences/1"),  # no GET; see test_api_watch
    "api-query-caps": ("api where queries are capped", "/api/v1/query-caps"),
    "api-query-cap": ("decision", "/api/v1/query-caps/1"),  # no GET; see test_api_watch
    "api-scenarios": ("api where money is proposed", "/api/v1/scenarios"),
    "api-scenario": ("api where money is proposed", "/api/v1/scenarios/base"),
    "api-scenario-versions": ("api where money is proposed", "/api/v1/scenarios/base/versions"),
    "api-scenario-runs": ("api where money is proposed", "/api/v1/scenarios/base/runs"),
    "api-scenario-result": ("by id", "/api/v1/scenarios/base/result"),  # see test_api_scenarios
    "api-scenario-json": ("by id", "/api/v1/scenarios/base/result.json"),
    "api-scenario-xlsx": ("by id", "/api/v1/scenarios/base/result.xlsx"),
    "api-scenarios-compare": ("by id", "/api/v1/scenarios/compare"),
    "api-assumptions": ("api that analysts and finance propose to", "/api/v1/assumptions"),
    "api-calculators": ("api", "/api/v1/calculators"),
    "api-calculator": ("calculation", "/api/v1/calculators/tier_cost"),  # no GET; see test_calculators
    "api-customer-margins": ("calculation", "/api/v1/calculators/customer_margins"),  # no GET; see test_calculators
    "api-claims": ("api", "/api/v1/claims"),
    "api-cost-centre-tree": ("api where money is proposed", "/api/v1/cost-centres/tree"),
    "api-rules": ("api where money is proposed", "/api/v1/rules"),
    "api-rules-preview": ("preview", "/api/v1/rules/preview"),  # no GET; see test_api_rules
    "api-rules-versions": ("api for those who see everything", "/api/v1/rules/versions"),
    "api-mappings": ("api where money is proposed", "/api/v1/mappings"),
    "api-drivers": ("api where money is proposed", "/api/v1/drivers"),
    "api-allocations": ("api", "/api/v1/allocations?month=2026-09"),
    "api-allocations-coverage": ("api for those who see everything", "/api/v1/allocations/coverage?month=2026-09"),
    "api-teams": ("api", "/api/v1/teams"),
    "api-runs": ("api for those who see everything", "/api/v1/runs"),
    "api-quarantine": ("api for those who see everything", "/api/v1/quarantine?run={run}"),
    "api-events": ("api that takes records", "/api/v1/events"),
    "api-sources": ("api that an admin changes", "/api/v1/sources"),
    "api-source": ("api that an admin changes", "/api/v1/sources/conn"),
    "api-source-sync": ("sync", "/api/v1/sources/conn/sync"),  # no GET; see test_api_sources
    "api-contracts": ("api where money is proposed", "/api/v1/contracts"),
    "api-commitments": ("api where money is proposed", "/api/v1/commitments"),
    "api-capacity": ("api where money is proposed", "/api/v1/capacity"),
    "api-other-charges": ("api where money is proposed", "/api/v1/other-charges"),
    "api-splits": ("api where money is proposed", "/api/v1/splits"),
    "api-rate-cards": ("api where money is proposed", "/api/v1/rate-cards"),
    "api-adjustments": ("books that finance changes", "/api/v1/adjustments"),
    "api-prices": ("api where money is proposed", "/api/v1/prices?limit=1"),
    "api-fx-rates": ("api where money is proposed", "/api/v1/fx-rates"),
    "api-tier-policies": ("api where money is proposed", "/api/v1/tier-policies"),
    "api-tier-policy-diff": ("by id", "/api/v1/tier-policies/1/diff"),  # see test_tier_policy_page
    "api-tier-policy": ("by id", "/api/v1/tier-policies/1"),  # see test_api_policies_tiers
    "api-posting-matrix": ("books that finance changes", "/api/v1/posting-matrix"),
    "api-statement-policy": ("books that finance changes", "/api/v1/statement-policy"),
    "api-delivery-plan": ("books that finance changes", "/api/v1/delivery-plan"),
    "api-close-policy": ("books that finance changes", "/api/v1/close-policy"),
    "api-approvals": ("api that finance decides", "/api/v1/approvals"),
    "api-approval-decision": ("decision", "/api/v1/approvals/1/decision"),  # no GET; see test_api_approvals
    "api-invoices": ("api where money is proposed", "/api/v1/invoices"),
    "api-invoice": ("by id", "/api/v1/invoices/1"),  # see test_api_invoices
    "api-invoice-withdrawal": ("decision", "/api/v1/invoices/1/withdrawal"),  # no GET; see test_proposals
    "api-owed": ("api for those who see everything", "/api/v1/owed?month=2026-09"),
    "api-reconciliations": ("api that finance decides", "/api/v1/reconciliations"),
    "api-reconciliation": ("by id", "/api/v1/reconciliations/1"),  # see test_api_reconciliations
    "api-reconciliation-line": ("by id", "/api/v1/reconciliations/1/lines/1"),
    "api-statements": ("api", "/api/v1/statements"),
    "api-statement": ("by id", "/api/v1/statements/1"),  # see test_api_statements
    "api-statement-accept": ("decision", "/api/v1/statements/1/accept"),
    "api-statement-dispute": ("decision", "/api/v1/statements/1/dispute"),
    "api-statement-resolve": ("decision", "/api/v1/statements/1/resolve"),
    "api-accruals": ("books", "/api/v1/accruals?month=2026-09"),
    "api-journal": ("books", "/api/v1/journal?month=2026-09"),
    "api-journal-csv": ("books", "/api/v1/journal.csv?month=2026-09"),
    "api-proof": ("books", "/api/v1/proof?month=2026-09"),
    "api-journal-post": ("decision", "/api/v1/journal/post"),  # no GET; see test_api_books
    "api-journal-export": ("decision", "/api/v1/journal/export"),
    "api-journal-number": ("decision", "/api/v1/journal/number"),
    "api-periods": ("books", "/api/v1/periods"),
    "api-period": ("books", "/api/v1/periods/2026-09"),
    "api-period-steps": ("decision", "/api/v1/periods/2026-09/steps"),  # no GET; see test_api_periods
    "api-period-waivers": ("decision", "/api/v1/periods/2026-09/waivers"),
    "api-period-reopen": ("decision", "/api/v1/periods/2026-09/reopen"),
    "api-period-tasks": ("decision", "/api/v1/periods/2026-09/tasks"),
    "api-period-manifest": ("by id", "/api/v1/periods/2026-09/manifest"),  # see test_api_manifests
    "api-exports": ("api that anybody asks", "/api/v1/exports"),
    "api-export": ("by id", "/api/v1/exports/1"),  # see test_api_exports
    "export-file": ("signed", "/exports/files/x"),
    "api-webhooks": ("books that finance changes", "/api/v1/webhooks"),
    "api-webhook": ("by id", "/api/v1/webhooks/1"),  # see test_api_webhooks
    "api-webhook-deliveries": ("by id", "/api/v1/webhooks/1/deliveries"),
    "api-audit": ("api of the audit trail", "/api/v1/audit"),
    "audit": ("page", "/audit/"),
    "api-data-health": ("api for those who see everything", "/api/v1/data-health"),
    "otlp-traces": ("otlp", "/v1/traces"),  # see test_otlp
    "otlp-metrics": ("otlp", "/v1/metrics"),
    "otlp-other": ("otlp", "/v1/logs"),
    "sources": ("page", "/sources/"),
    "source": ("page", "/sources/conn/"),
    "source-imported": ("page", "/imported/"),
    "source-imported-dismiss": ("page", "/imported/dismiss"),
    "source-sync": ("page", "/sources/conn/sync"),
    "source-switch": ("page", "/sources/conn/switch"),
    "source-key": ("page", "/sources/conn/key"),
    "source-accept": ("page", "/sources/conn/accept"),
    "connect": ("page", "/connect/"),
    "upload": ("page", "/upload/"),
    "upload-mapped": ("page", "/upload/mapped"),
    "connect-kind": ("page", "/connect/openai/"),
    "data-health": ("page", "/data-health/"),
    "data-health-check": ("page", "/data-health/check"),
    "quarantine": ("page", "/data-health/quarantine/"),
    "runs": ("page", "/runs/"),
    "run": ("page", "/runs/1/"),
    "prices": ("page", "/prices/"),
    "prices-csv": ("page", "/prices/prices.csv"),
    "price-history": ("page", "/prices/model/?provider=openai&model=gpt-5"),
    "price-vendors": ("page", "/prices/answers/"),
    "commitments": ("page", "/commitments/"),
    "commitments-csv": ("page", "/commitments/commitments.csv"),
    "capacity": ("page", "/commitments/capacity/"),
    "allocation-splits": ("page", "/allocation/splits/"),
    "allocation-splits-csv": ("page", "/allocation/splits.csv"),
    "calculators": ("page", "/calculators/"),
    "calculators-customers": ("page", "/calculators/customers/"),
    "calculators-customers-csv": ("page", "/calculators/customers.csv"),
    "calculators-claims": ("page", "/calculators/claims/"),
    "calculators-claims-csv": ("page", "/calculators/claims.csv"),
    "calculators-assumptions": ("page", "/calculators/assumptions/"),
    "calculators-assumptions-csv": ("page", "/calculators/assumptions.csv"),
    "tiers-predict": ("page", "/tiers/predict/"),
    "tiers-predict-csv": ("download", "/tiers/predict/prediction.csv"),
    "tiers-predict-xlsx": ("download", "/tiers/predict/prediction.xlsx"),
    "tiers-predict-tracking-csv": ("download", "/tiers/predict/predictions.csv"),
    "anomalies": ("page", "/budgets/anomalies/"),
    "anomalies-csv": ("download", "/budgets/anomalies/anomalies.csv"),
    "anomalies-xlsx": ("download", "/budgets/anomalies/anomalies.xlsx"),
    "anomalies-say": ("page", "/budgets/anomalies/1/say"),
    "tiers-agents": ("page", "/tiers/agents/"),
    "tiers-agents-csv": ("page", "/tiers/agents/agents.csv"),
    "tiers-agents-xlsx": ("page", "/tiers/agents/agents.xlsx"),
    "tiers-agents-runaways-csv": ("page", "/tiers/agents/runaways.csv"),
    "tiers-agents-decide": ("page", "/tiers/agents/runaways/1/decide"),
    "roi": ("page", "/roi/"),
    "roi-csv": ("page", "/roi/roi.csv"),
    "roi-xlsx": ("page", "/roi/roi.xlsx"),
    "roi-attest": ("page", "/roi/benefits/1/attest"),
    "budgets": ("page", "/budgets/"),
    "budgets-csv": ("page", "/budgets/budgets.csv"),
    "budgets-propose": ("page", "/budgets/propose"),
    "budgets-watch": ("page", "/budgets/watch/"),
    "budgets-watch-csv": ("page", "/budgets/watch/budgets.csv"),
    "budgets-watch-xlsx": ("page", "/budgets/watch/watch.xlsx"),
    "budgets-watch-cap": ("page", "/budgets/watch/caps"),
    "budgets-watch-cap-end": ("page", "/budgets/watch/caps/1/end"),
    "budgets-alerts": ("page", "/budgets/alerts/"),
    "budgets-alerts-csv": ("page", "/budgets/alerts/alerts.csv"),
    "budgets-alerts-xlsx": ("page", "/budgets/alerts/alerts.xlsx"),
    "budgets-alerts-acknowledge": ("page", "/budgets/alerts/1/acknowledge"),
    "budgets-alerts-silence": ("page", "/budgets/alerts/silence"),
    "budgets-alerts-silence-end": ("page", "/budgets/alerts/silences/1/end"),
    "forecast": ("page", "/forecast/"),
    "forecast-csv": ("download", "/forecast/forecast.csv"),
    "forecast-xlsx": ("download", "/forecast/forecast.xlsx"),
    "forecast-days-csv": ("download", "/forecast/days.csv"),
    "forecast-series-csv": ("download", "/forecast/series.csv"),
    "forecast-scenarios": ("page", "/forecast/scenarios/"),
    "forecast-scenarios-new": ("page", "/forecast/scenarios/new"),
    "forecast-scenarios-compare": ("page", "/forecast/scenarios/compare/"),
    "forecast-scenarios-compare-csv": ("page", "/forecast/scenarios/compare.csv"),  # not for those who see a part
    "forecast-scenarios-compare-xlsx": ("page", "/forecast/scenarios/compare.xlsx"),
    "forecast-scenario": ("page", "/forecast/scenarios/base/"),
    "forecast-scenario-save": ("page", "/forecast/scenarios/base/save"),
    "forecast-scenario-run": ("page", "/forecast/scenarios/base/run"),
    "forecast-scenario-csv": ("page", "/forecast/scenarios/base/months.csv"),
    "forecast-scenario-xlsx": ("page", "/forecast/scenarios/base/run.xlsx"),
    "forecast-scenario-json": ("page", "/forecast/scenarios/base/run.json"),
    "forecast-commitments": ("page", "/forecast/commitments/"),
    "forecast-commitments-csv": ("page", "/forecast/commitments/advice.csv"),
    "forecast-commitments-xlsx": ("page", "/forecast/commitments/advice.xlsx"),
    "forecast-accuracy": ("page", "/forecast/accuracy/"),
    "forecast-accuracy-csv": ("download", "/forecast/accuracy/backtest.csv"),
    "forecast-closes-csv": ("download", "/forecast/accuracy/closes.csv"),
    "forecast-accuracy-xlsx": ("download", "/forecast/accuracy/accuracy.xlsx"),
    "tiers-policy": ("page", "/tiers/policy/"),
    "tiers-policy-csv": ("page", "/tiers/policy/rules.csv"),
    "tiers-policy-xlsx": ("page", "/tiers/policy/rules.xlsx"),
    "tiers": ("page", "/tiers/"),
    "tiers-csv": ("page", "/tiers/tiers.csv"),
    "tiers-months-csv": ("page", "/tiers/months.csv"),
    "tiers-distribution-csv": ("page", "/tiers/distribution.csv"),
    "tiers-xlsx": ("page", "/tiers/tiers.xlsx"),
    "queries": ("page", "/queries/"),
    "queries-csv": ("page", "/queries/queries.csv"),
    "queries-xlsx": ("page", "/queries/queries.xlsx"),
    "query": ("page", "/queries/1/"),
    "query-calls-csv": ("page", "/queries/1/calls.csv"),
    "explore": ("page", "/explore/"),
    "explore-csv": ("page", "/explore/explore.csv"),
    "explore-xlsx": ("page", "/explore/explore.xlsx"),
    "explore-bridge-csv": ("page", "/explore/bridge.csv"),
    "allocation": ("page", "/allocation/"),
    "allocation-csv": ("page", "/allocation/rules.csv"),
    "allocation-propose": ("page", "/allocation/propose"),
    "allocation-effect": ("page", "/allocation/effect/1"),
    "period-journal": ("page", "/periods/2026-09/journal/"),
    "period-journal-csv": ("page", "/periods/2026-09/journal/journal.csv"),
    "period-journal-step": ("page", "/periods/2026-09/journal/step"),
    "periods": ("page", "/periods/"),
    "period": ("page", "/periods/2026-09/"),
    "period-step": ("page", "/periods/2026-09/step"),
    "period-waive": ("page", "/periods/2026-09/waive"),
    "period-task": ("page", "/periods/2026-09/task"),
    "period-reopen": ("page", "/periods/2026-09/reopen"),
    "deliveries": ("page", "/deliveries/"),
    "delivery-retry": ("page", "/deliveries/1/retry"),
    "approvals": ("page", "/approvals/"),
    "approval-decide": ("page", "/approvals/1/decide"),
    "reconciliation": ("page", "/reconciliation/"),
    "reconciliation-run": ("page", "/reconciliation/run"),
    "reconciliation-lines": ("page", "/reconciliation/lines/"),
    "reconciliation-csv": ("page", "/reconciliation/lines.csv"),
    "reconciliation-owed-csv": ("page", "/reconciliation/owed.csv"),
    "reconciliation-note": ("page", "/reconciliation/lines/1/note"),
    "invoices": ("page", "/reconciliation/invoices/"),
    "invoice": ("page", "/reconciliation/invoices/1/"),
    "statements": ("page", "/statements/"),
    "statements-csv": ("page", "/statements/statements.csv?month=2026-09"),
    "statement": ("page", "/statements/2026-09/CC-100"),
    "statement-pdf": ("page", "/statements/1.pdf"),
    "statement-answer": ("page", "/statements/1/answer"),
    "api-schema": ("api", "/api/schema/"),
    "api-docs": ("docs", "/api/docs/"),
    "healthz": ("probe", "/healthz"),
    "readyz": ("probe", "/readyz"),  # see test_probes
    "metrics": ("probe", "/metrics"),
    "export-statement": ("download", "/exports/statement-2026-09.xlsx"),
}


def names(patterns: list[Any]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found |= names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            found.add(pattern.name or str(pattern.pattern))
    return found


def test_every_url_has_an_entry() -> None:
    there = names(get_resolver("web.urls").url_patterns)
    assert sorted(there - set(URLS)) == [], "add these addresses to URLS in this file, and to tests/web/auth_matrix.py"
    assert sorted(set(URLS) - there) == [], "these entries of URLS are no addresses any more"


@pytest.fixture
def run() -> int:
    load(Usage("1"))
    now = timezone.now()
    Connection.objects.create(name="conn", kind="openai", every=timedelta(hours=1), begins_on=now.date())
    return IngestRun.objects.create(
        source="litellm", account="default", input_name="a.jsonl", observed_at=now, heartbeat_at=now, lease_until=now,
        fence="00000000-0000-0000-0000-000000000000", state="done", skipped={"heartbeat": 1}, totals={"requests": "3"},
    ).pk  # fmt: skip


def caller(kind: str) -> tuple[Client, dict[str, str]]:
    client = Client(raise_request_exception=True)
    if kind in TOKENS:
        return client, bearer(person(f"t-{kind}", "finance"), kind)
    if kind != "anonymous":
        client.force_login(person(kind, kind, "CC-100" if kind in ("viewer", "owner") else ""))
    return client, {}


@pytest.mark.parametrize("kind", CALLERS)
def test_the_matrix(kind: str, run: int) -> None:
    client, headers = caller(kind)
    for name, (group, path) in URLS.items():
        if group not in KINDS:
            continue
        for method in METHODS:
            safe, unsafe = KINDS[group]
            answer = getattr(client, method)(path.format(run=run), **headers)
            expected = (safe if method in ("get", "head") else unsafe)[kind]
            allowed = expected if isinstance(expected, set) else {expected}
            assert answer.status_code in allowed, (name, method, kind, getattr(answer, "content", b"")[:200])
            if answer.status_code == 401:
                assert answer["WWW-Authenticate"].startswith("Bearer")
            if answer.status_code in (401, 403, 405) and group.startswith("api"):
                assert answer["Content-Type"] == "application/problem+json"
            if answer.streaming:
                b"".join(answer.streaming_content)


@pytest.mark.parametrize("kind", ["anonymous", *TOKENS])
def test_pages_are_for_those_who_logged_in(kind: str) -> None:
    client, headers = caller(kind)
    for name, (group, path) in URLS.items():
        if group == "page":
            for method in METHODS:
                answer = getattr(client, method)(path, **headers)
                assert answer.status_code == 302, (name, method)
                assert answer["Location"].startswith("/login/"), (name, method)


@pytest.mark.parametrize("kind", ROLES)
def test_nobody_gets_more_by_role_than_by_grant(kind: str) -> None:
    client, _ = caller(kind)
    load(Usage("1", "CC-100"), Usage("2", "CC-200", "secret-team"), Usage("4", None))
    everything = kind not in ("viewer", "owner")
    body = client.get("/api/v1/costs", {"month": "2026-09"}).json()
    assert body["totals"]["EffectiveCost"] == ("7.000000000000" if everything else "1.000000000000")
    codes = [row["code"] for row in client.get("/api/v1/cost-centres").json()["results"]]
    assert codes == (["CC-100", "CC-200"] if everything else ["CC-100"])
    assert ("secret-team" in client.get("/api/v1/teams").content.decode()) == everything
    Grant.objects.all().delete()  # rights that were taken are gone at once, and so is the session
    assert client.get("/api/v1/costs", {"month": "2026-09"}).status_code == 401
    client.force_login(User.objects.get(username=kind))
    assert client.get("/api/v1/costs", {"month": "2026-09"}).json()["results"] == []
    assert client.get("/api/v1/cost-centres").json()["results"] == []
    assert client.get("/api/v1/runs").status_code == 403


def test_a_token_may_no_more_than_its_user(run: int) -> None:
    for scope in ("read", "write"):
        headers = bearer(person(f"v-{scope}", "viewer", "CC-100"), scope)
        assert Client().get("/api/v1/runs", **headers).status_code == 403
        assert Client().get("/api/v1/costs?month=2026-09", **headers).status_code == 200


@pytest.mark.parametrize("ending", ["expired", "revoked", "inactive", "unknown", "changed"])
def test_a_token_that_ended_opens_nothing(ending: str) -> None:
    user = person("u", "finance")
    past = timezone.now() - timedelta(seconds=1)
    headers = bearer(user, **({"expires_at": past} if ending == "expired" else {}))
    if ending == "revoked":
        tokens.revoke(token=ApiToken.objects.get().pk, actor="test")
    if ending == "inactive":
        type(user).objects.update(is_active=False)
    if ending == "unknown":
        ApiToken.objects.all().delete()
    if ending == "changed":
        headers = {"HTTP_AUTHORIZATION": headers["HTTP_AUTHORIZATION"][:-1] + "~"}
    answer = Client().get("/api/v1/costs?month=2026-09", **headers)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "This token is unknown, expired or revoked."  # says not which


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer a b", "Bearer \xff\xfe", "Bearer " + "x" * 5000, "Bearer '; drop table x", "bearer il_"],
)
def test_headers_that_are_no_token(header: str) -> None:
    answer = Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401


def test_basic_authentication_is_not_offered() -> None:
    person("u", "finance")
    answer = Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION="Basic dTp4")
    assert answer.status_code == 401


def test_a_session_needs_the_csrf_token_to_change_anything() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("u", "finance"))
    assert client.post("/api/v1/costs").status_code == 403


def test_use_is_noted_at_most_once_a_minute(django_assert_num_queries: Any) -> None:
    headers = bearer(person("u", "finance"))
    Client().get("/api/v1/cost-centres", **headers)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    Client().get("/api/v1/cost-centres", **headers)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    Client().get("/api/v1/cost-centres", **headers)
    assert (ApiToken.objects.get().last_used_at or first) >= first


def test_secrets_are_shown_once_and_stored_never() -> None:
    person("u", "finance")
    token, secret = tokens.create(username="u", scope="read", days=30, actor="test")
    assert len(secret) >= 43
    stored = [str(value) for row in ApiToken.objects.values_list() for value in row]
    assert not [value for value in stored if secret in value]
    assert secret not in str(list(AuditEvent.objects.values_list()))
    assert secret not in str(tokens.described(token, timezone.now()))
    assert AuditEvent.objects.filter(action="token.create").count() == 1
    tokens.revoke(token=token.pk, actor="test")
    tokens.revoke(token=token.pk, actor="test")
    assert AuditEvent.objects.filter(action="token.revoke").count() == 1
    assert list(audit.broken_links()) == []


def test_unknown_api_paths_and_failures_are_problems(rf: Any) -> None:
    from web.api import problems

    for answer in (
        problems.server_error(rf.get("/api/v1/x")),
        problems.not_found(rf.get("/api/v1/x"), Exception("secret")),
    ):
        assert answer["Content-Type"] == "application/problem+json"
        assert b"secret" not in answer.content


def test_runs_and_quarantine_tell_where_and_never_what(run: int) -> None:
    from ingest.models import Quarantine

    Quarantine.objects.bulk_create(
        [Quarantine(run_id=run, reason="bad_number", place=f"line {n}", sha256=b"x" * 32) for n in range(3)]
    )
    headers = bearer(person("a", "analyst"))
    [found] = Client().get("/api/v1/runs", **headers).json()["results"]
    assert (found["id"], found["skipped"], found["totals"]) == (str(run), {"heartbeat": 1}, {"requests": "3"})
    question, places, cursor = {"run": str(run), "limit": "2"}, [], None
    for _ in range(2):
        body = Client().get("/api/v1/quarantine", question | ({"cursor": cursor} if cursor else {}), **headers).json()
        places += [row["place"] for row in body["results"]]
        cursor = body["next"]
    assert cursor is None
    assert places == ["line 0", "line 1", "line 2"]
    assert Client().get("/api/v1/quarantine?run=999999", **headers).status_code == 404
    for wrong in ("", "0", "-1", "x", "1" * 30):
        assert Client().get("/api/v1/quarantine", {"run": wrong}, **headers).status_code == 400


def test_the_probe_answers_without_a_log_in_and_without_the_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
