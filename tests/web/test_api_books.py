"""/api/v1/accruals, journal, proof: what the books say, and steps that take two people and have one effect."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from allocation.close import accruals, journal
from allocation.models import BillingPeriod, JournalEntry
from allocation.scope import EVERYTHING
from finops.periods import Period
from tests.web.ledger import Usage, bearer, load, person
from web import export_building
from web.export_jobs import ExportError
from web.models import BuiltFile

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")


@pytest.fixture(autouse=True)
def spent() -> None:
    load(Usage("12.346", "CC-100"), Usage("7", "CC-200"), Usage("2", None))


@pytest.fixture
def ann() -> dict[str, str]:
    return bearer(person("ann", "finance"), "write")


@pytest.fixture
def bob() -> dict[str, str]:
    return bearer(person("bob", "finance"), "write")


def close() -> None:
    accruals.run(SEPTEMBER, "ann")
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="closed")
    journal.build(SEPTEMBER, "ann")


def get(path: str, headers: dict[str, str], **query: str) -> Any:
    return Client().get(f"/api/v1/{path}", {"month": "2026-09"} | query, **headers)


def post(step: str, headers: dict[str, str], key: str = "", **body: Any) -> Any:
    extra = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    text = json.dumps({"month": "2026-09"} | body)
    return Client().post(f"/api/v1/journal/{step}", text, content_type="application/json", **headers, **extra)


def test_accruals_say_what_they_are_made_of(ann: dict[str, str]) -> None:
    assert get("accruals", ann).json() == {
        "month": "2026-09", "version": None, "accruals": [], "true_ups": [], "accuracy": [], "cost_centres": [], "next": None,
    }  # fmt: skip
    close()
    [row] = get("accruals", ann).json()["accruals"]
    assert (row["amount"], row["cost"], row["share"], row["x_Provenance"], row["billed_month"]) == (
        "21.346000000000", "21.346000000000", "0.000000000000", "estimated", "2026-09",
    )  # fmt: skip
    assert row["InvoiceId"].startswith("PROV-2026-09-openai")


def test_the_journal_balances_page_by_page(ann: dict[str, str]) -> None:
    body = get("journal", ann).json()
    assert (body["state"], body["number"]) == ("preview", None)
    close()
    whole = get("journal", ann).json()
    assert (whole["state"], whole["lines"]) == ("built", body["lines"])
    lines, query = [], {"limit": "1"}
    while True:
        part = get("journal", ann, **query).json()
        lines += part["lines"]
        if part["next"] is None:
            break
        query["cursor"] = part["next"]
    assert lines == whole["lines"]
    cents = [(round(float(line["debit"]) * 100), round(float(line["credit"]) * 100)) for line in lines]
    assert sum(debit for debit, _ in cents) == sum(credit for _, credit in cents) == 2135
    told = get("journal.csv", ann | {"HTTP_ACCEPT": "text/csv"})
    assert told["Content-Type"].startswith("text/csv")
    assert len(told.content.decode().splitlines()) == 1 + len(lines)
    assert told.content.decode().splitlines()[1].startswith("built,")


def test_the_proof_holds(ann: dict[str, str]) -> None:
    [row] = get("proof", ann).json()["results"]
    assert (row["issuer"], row["statements"], row["difference"], row["holds"]) == (
        "openai", "19.346000000000", "0.000000000000", True,
    )  # fmt: skip


def test_two_people_and_one_effect(ann: dict[str, str], bob: dict[str, str]) -> None:
    assert post("post", bob).status_code == 409  # there is none yet
    close()
    assert post("post", ann).status_code == 403
    assert post("export", bob).status_code == 409
    first = post("post", bob, "k1")
    assert (first.status_code, first.json()["state"], first.json()["posted_by"]) == (200, "posted", "bob")
    assert post("post", bob, "k1").json() == first.json()
    assert post("post", bob).status_code == 409
    left = post("export", ann, "k2")
    assert post("export", ann, "k2").json() == left.json()
    assert post("export", ann).status_code == 409
    assert post("export", ann, copy=True).json() == left.json()
    assert left.json()["sha256"] == JournalEntry.objects.get().export_sha256
    assert post("number", ann, number="FI-1").json()["state"] == "numbered"
    assert post("number", ann, number="FI-2").status_code == 409


@pytest.mark.parametrize("step", ["post", "export", "number"])
def test_who_may_not_and_what_is_wrong(step: str, ann: dict[str, str]) -> None:
    for role in ("analyst", "auditor", "admin", "owner"):
        headers = bearer(person(role, role, "CC-100" if role == "owner" else ""), "write")
        assert post(step, headers, number="1").status_code == 403
        assert get("journal", headers).status_code == (403 if role in ("admin", "owner") else 200)
    extra = {"number": "1"} if step == "number" else {}
    for wrong in ({"month": "2026-13"}, {"month": 9}, {"stray": 1}):
        assert post(step, ann, **extra | wrong).status_code == 400
    assert Client().get("/api/v1/journal", **ann).status_code == 400


@pytest.mark.parametrize("path", ["journal", "journal.csv", "proof"])
def test_a_month_whose_month_before_is_not_accrued_is_told_with_the_remedy(ann: dict[str, str], path: str) -> None:
    """Every month in its first days."""
    load(Usage("3", "CC-100", day=date(2026, 10, 2)), Usage("4", "CC-100", day=date(2026, 11, 2)))
    accruals.run(SEPTEMBER, "ann")
    answer = get(path, ann, month="2026-11")
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert "2026-10 has cost and no accruals: close months in their order" in answer.json()["detail"]
    assert "`manage.py close_month 2026-10 --to preliminary --as USER` accrues it" in answer.json()["detail"]
    assert get(path, ann, month="2026-10").status_code == 200


def test_a_journal_that_is_asked_for_as_a_file_fails_with_the_same_words(tmp_path: Path) -> None:
    load(Usage("3", "CC-100", day=date(2026, 10, 2)), Usage("4", "CC-100", day=date(2026, 11, 2)))
    accruals.run(SEPTEMBER, "ann")
    with pytest.raises(ExportError, match="2026-10 has cost and no accruals"):
        export_building._journal(BuiltFile(), tmp_path / "journal.csv", Period.month("2026-11"), EVERYTHING, "")
    assert list(tmp_path.iterdir()) == []
