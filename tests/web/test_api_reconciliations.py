"""/api/v1/reconciliations: runs and their lines for those who see everything; owners and notes by finance alone."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from allocation.models import Reconciliation, ReconciliationLine
from finops.models import AuditEvent
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
D = Decimal


def made(number: int = 1, month: date = date(2026, 9, 1)) -> Reconciliation:
    run = Reconciliation.objects.create(
        month=month, number=number, made_by="ann", hash=f"{number:064}", inputs={"price_book": "v"},
        totals=[{"currency": "USD", "computed": "1.000000000000"}],
    )  # fmt: skip
    ReconciliationLine.objects.bulk_create(
        ReconciliationLine(
            reconciliation=run, provider=provider, model="m", price_class="input_uncached", charge_date=date(2026, 9, day),
            charge_category="Usage", currency="USD", state=state, computed=D(1), invoice=D("1.5"),
            causes={"not_captured": "0.300000000000"}, unexplained=D("0.2"),
        )
        for day, (provider, state) in enumerate([("openai", "variance"), ("openai", "matched"), ("google", "missing")], 1)
    )  # fmt: skip
    return run


def ask(headers: dict[str, str], path: str = "", method: str = "get", body: Any = None, **query: str) -> Any:
    client, url = Client(raise_request_exception=False), f"/api/v1/reconciliations{path}"
    if body is None:
        return getattr(client, method)(url, query, **headers)
    return getattr(client, method)(url, json.dumps(body), content_type="application/json", **headers)


@pytest.fixture
def finance() -> dict[str, str]:
    return bearer(person("fin", "finance"), "write")


def test_runs_are_filtered_by_month_and_by_what_their_lines_are_of(finance: dict[str, str]) -> None:
    first, second = made(), made(2, date(2026, 8, 1))
    second.lines.filter(provider="google").delete()

    def numbers(**query: str) -> list[int]:
        return [run["id"] for run in ask(finance, **query).json()["results"]]

    assert numbers() == [second.pk, first.pk]
    assert numbers(month="2026-09") == [first.pk]
    assert numbers(provider="google") == numbers(state="missing") == [first.pk]
    assert numbers(provider="google", state="matched") == []
    for wrong in ({"month": "2026-13"}, {"state": "wrong"}, {"stat": "matched"}):
        assert ask(finance, **wrong).status_code == 400


def test_pages_have_cursors(finance: dict[str, str]) -> None:
    runs = [made(n) for n in (1, 2, 3)]
    body = ask(finance, limit="2").json()
    assert [run["number"] for run in body["results"]] == [3, 2]
    assert [run["number"] for run in ask(finance, limit="2", cursor=body["next"]).json()["results"]] == [1]
    page = ask(finance, f"/{runs[0].pk}", limit="2").json()
    rest = ask(finance, f"/{runs[0].pk}", limit="2", cursor=page["next"]).json()
    days = [line["day"] for line in (*page["lines"], *rest["lines"])]
    assert (days, rest["next"]) == (["2026-09-01", "2026-09-02", "2026-09-03"], None)


def test_a_run_is_told_with_its_lines_in_exact_numbers(finance: dict[str, str]) -> None:
    run = made()
    body = ask(finance, f"/{run.pk}", state="variance").json()
    assert (body["month"], body["made_by"], body["totals"][0]["computed"]) == ("2026-09", "ann", "1.000000000000")
    [line] = body["lines"]
    assert {name: line[name] for name in ("provider", "class", "state", "computed", "invoice", "cost_report")} == {
        "provider": "openai", "class": "input_uncached", "state": "variance", "computed": "1.000000000000",
        "invoice": "1.500000000000", "cost_report": None,
    }  # fmt: skip
    assert (line["causes"], line["unexplained"]) == ({"not_captured": "0.300000000000"}, "0.200000000000")
    assert ask(finance, "/999999").status_code == 404


def test_finance_sets_owner_and_note_and_nothing_else(finance: dict[str, str]) -> None:
    run = made()
    line = run.lines.first()
    assert line is not None
    path = f"/{run.pk}/lines/{line.pk}"
    answer = ask(finance, path, "patch", {"owner": "bob", "note": "late export"})
    assert (answer.status_code, answer.json()["owner"], answer.json()["note"]) == (200, "bob", "late export")
    assert ask(finance, path).json()["owner"] == "bob"
    assert ask(finance, path, "patch", {"note": ""}).json()["owner"] == "bob"
    for wrong in ({"state": "matched"}, {"owner": "x" * 151}, {"owner": 3, "x": 1}, [1]):
        assert ask(finance, path, "patch", wrong).status_code == 400
    assert ask(finance, f"/{run.pk + 1}/lines/{line.pk}", "patch", {"owner": "x"}).status_code == 404
    assert [event.actor for event in AuditEvent.objects.filter(action="reconciliation.note")] == ["fin", "fin"]


@pytest.mark.parametrize(
    ("role", "may_read"), [("viewer", 403), ("owner", 403), ("analyst", 200), ("admin", 200), ("auditor", 200)]
)
def test_others_read_at_most(role: str, may_read: int) -> None:
    run = made()
    line = run.lines.first()
    assert line is not None
    headers = bearer(person(role, role, "CC-100" if may_read == 403 else ""), "write")
    assert ask(headers).status_code == may_read
    assert ask(headers, f"/{run.pk}").status_code == may_read
    assert ask(headers, f"/{run.pk}/lines/{line.pk}", "patch", {"owner": "x"}).status_code == 403
