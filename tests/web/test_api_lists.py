"""Every list of the API, from its OpenAPI document: pages of one row lead to the end without leaving out or repeating."""

import itertools
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone

from allocation.close import statements
from allocation.models import Accrual, AccrualRun, Basis, SplitOutcome, TrueUp
from finops import audit
from finops.periods import Period
from ingest.models import IngestRun, Quarantine
from tests.web.connected import connected
from tests.web.ledger import Usage, bearer, centre, freeze, load, person
from web.models import Webhook

pytestmark = pytest.mark.django_db
DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "web" / "api" / "openapi.yaml").read_text())
READS = {path: operations["get"] for path, operations in DOCUMENT["paths"].items() if "get" in operations}
LISTS = [path for path, read in READS.items() if "limit" in {each["name"] for each in read.get("parameters", ())}]
# What a list needs to be asked for, and what keeps it short.
NEEDED = {
    "/api/v1/quarantine": {"run": "{run}"}, "/api/v1/costs": {"month": "2026-09", "group_by": "x_CostCentre"},
    "/api/v1/prices": {"provider": "openai", "model": "gpt-5"},
    "/api/v1/queries": {"day": "2026-09-01"}, "/api/v1/usage": {"month": "2026-09", "group_by": "x_CostCentre"},
    **{
        f"/api/v1/{name}": {"month": "2026-09"}
        for name in ("journal", "allocations", "accruals", "owed", "splits", "rate-cards", "budgets", "bridge", "indices",
                     "tiers/months", "agents/workflows", "agents/outcomes", "agents/runaways")
    },
}  # fmt: skip
# Under which names an answer has its rows, where it is not `results` alone.
ROWS = {
    "/api/v1/journal": ("lines",), "/api/v1/accruals": ("accruals", "true_ups", "accuracy", "cost_centres"),
    "/api/v1/splits": ("moved",),
    "/api/v1/rate-cards": ("moved",),
}  # fmt: skip
# A row for each issuer, claim of the field, cost centre (feature, team) with its totals, comparison, model tried, workflow,
# key figure, level of a backtest, close.
NOT_PAGED = {
    "/api/v1/proof",
    "/api/v1/claims",
    "/api/v1/roi",
    "/api/v1/roi/comparisons",
    "/api/v1/roi/efforts",
    "/api/v1/agents/workflows",
    "/api/v1/agents/outcomes",
    "/api/v1/tier-policies/{version}/diff",
    "/api/v1/tiers",
    "/api/v1/tiers/distribution",
    "/api/v1/kpis",
    "/api/v1/forecasts/accuracy",
    "/api/v1/forecasts/closes",
}
FULL = {
    "/api/v1/quarantine", "/api/v1/costs", "/api/v1/prices", "/api/v1/statements", "/api/v1/audit", "/api/v1/cost-centres",
    "/api/v1/teams", "/api/v1/runs", "/api/v1/approvals", "/api/v1/adjustments", "/api/v1/exports", "/api/v1/webhooks",
    "/api/v1/periods", "/api/v1/sources", "/api/v1/journal", "/api/v1/accruals", "/api/v1/splits", "/api/v1/rate-cards",
    "/api/v1/budgets",
}  # fmt: skip


@pytest.fixture
def headers() -> dict[str, str]:
    return bearer(person("fin", "finance"), "write")


@pytest.fixture
def values(headers: dict[str, str]) -> dict[str, str]:
    """Two rows or more of nearly everything; names of what addresses need."""
    load(Usage("10", "CC-100", "search"), Usage("20", "CC-200", "chat"), Usage("3", None))
    load(Usage("1", "CC-100", day=Period.month("2026-08").start))
    run = AccrualRun.objects.create(month="2026-09-01", version=1, made_by="ann")
    for account in ("a", "b"):
        place = {"issuer": "openai", "billing_account": account, "currency": "USD", "billed_month": "2026-09-01"}
        Accrual.objects.create(
            run=run, **place, invoice_id=account, **dict.fromkeys(("cost", "computed", "share", "estimate", "amount"), 1),
            reversed=0,
        )  # fmt: skip
        TrueUp.objects.create(run=run, **place, **dict.fromkeys(("invoiced", "accrued", "charged", "amount"), 1))
    for basis, step in itertools.product((Basis.SHARED, Basis.VARIANCE), (1, 2)):
        told = {"code": f"p{step}", "step": step, "version": 1, "currency": "USD", "found": 1, "moved": 1}
        SplitOutcome.objects.create(month="2026-09-01", basis=basis, **told)
    freeze()
    statements.issue(Period.month("2026-09"), "ann")
    now = timezone.now()
    runs = [
        IngestRun.objects.create(
            source="litellm", account="default", input_name=f"{n}.jsonl", observed_at=now, heartbeat_at=now,
            lease_until=now + timedelta(hours=1), fence=f"00000000-0000-0000-0000-00000000000{n}", state="done",
        )
        for n in range(2)
    ]  # fmt: skip
    Quarantine.objects.bulk_create(
        Quarantine(run=runs[0], reason="not_json", place=f"line {n}", sha256=b"x" * 32) for n in range(3)
    )
    for name, account in (("one", "a"), ("two", "b")):
        connected(name, account=account)
    centre("CC-A")
    for n in range(2):
        body = {"kind": "charges", "month": f"2026-0{8 + n}"}
        assert Client().post("/api/v1/exports", body, content_type="application/json", **headers).status_code == 202
        moved = {
            "month": "2026-09", "currency": "USD", "reason": f"r{n}", "evidence": {"text": "t", "link": "https://a.example/1"},
            "parts": [{"cost_centre": "CC-100", "amount": "1"}, {"cost_centre": "CC-200", "amount": "-1"}],
        }  # fmt: skip
        asked = Client().post("/api/v1/adjustments", json.dumps(moved), content_type="application/json", **headers)
        assert asked.status_code == 202, asked.content
        hook = {"url": f"https://b.example/{n}", "events": ["period.closed"], "secret": "x" * 16}
        assert Client().post("/api/v1/webhooks", hook, content_type="application/json", **headers).status_code == 201
    audit.record(action="x", actor="y", subject="z")
    return {"run": str(runs[0].pk), "number": str(Webhook.objects.latest("pk").pk), "month": "2026-09"}


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_one_row_are_the_whole_list_in_its_order(
    path: str, values: dict[str, str], headers: dict[str, str]
) -> None:
    address = re.sub(r"{(\w+)}", lambda found: values.get(found[1], "1"), path)
    asked = {name: value.format(**values) for name, value in NEEDED.get(path, {}).items()}

    def rows(**more: str) -> tuple[list[Any], str | None, str]:
        answer = Client().get(address, asked | more, **headers)
        if answer.status_code == 404:
            pytest.skip("nothing to list: its own tests have it")
        assert answer.status_code == 200, answer.content
        body = answer.json()
        lists = ROWS.get(path, ("results",))
        return [row for name in lists for row in body[name]], body["next"], answer.get("Link", "")

    whole, following, _ = rows(limit="1000")
    assert following is None
    assert len(whole) >= 2 or path not in FULL, len(whole)
    found, cursor = [], None
    for _ in range(len(whole) + 1):
        page, cursor, link = rows(limit="1", **({"cursor": cursor} if cursor else {}))
        assert len(page) <= 1
        assert (cursor is not None) == ('rel="next"' in link)
        found += page
        if cursor is None:
            break
    assert cursor is None, "it ends"
    links = {"url"} if path == "/api/v1/exports" else set()  # each answer signs anew
    assert [_without(row, links) for row in found] == [_without(row, links) for row in whole]


def _without(row: Any, names: set[str]) -> Any:
    return {name: value for name, value in row.items() if name not in names}


def test_every_answer_with_rows_is_paged() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    found = set()
    for path, read in READS.items():
        answer = read["responses"]["200"]["content"].get("application/json", {}).get("schema", {}).get("$ref", "")
        rows = set(schemas.get(answer.rsplit("/", 1)[-1], {}).get("properties", ())) & {
            "results",
            *sum(ROWS.values(), ()),
        }
        found |= {path} if rows else set()
    assert found - set(LISTS) == NOT_PAGED


@pytest.mark.parametrize("path", READS)
def test_an_unknown_parameter_is_a_problem_that_names_it(path: str, headers: dict[str, str]) -> None:
    address = re.sub(r"{(\w+)}", lambda found: "2026-09" if found[1] == "month" else "1", path)
    answer = Client().get(address, {"limt": "1"} | NEEDED.get(path, {}), **headers)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["detail"].startswith("limt: no such parameter")


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_of_another_question_is_refused(path: str, headers: dict[str, str]) -> None:
    address = re.sub(r"{(\w+)}", lambda found: "2026-09" if found[1] == "month" else "1", path)
    for wrong in ("x", "", "bnVsbA"):
        answer = Client().get(address, {"cursor": wrong} | NEEDED.get(path, {}), **headers)
        assert answer.status_code in (400, 404), (path, wrong)
