"""The pages Periods & statements: who sees them, what holds a month, and its close by two people from the page."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from allocation.models import BillingPeriod
from finops.models import Approval
from tests.allocation.close.months import agreed, calls, month_of_calls, soft_close
from tests.web.money_pages import client_of, page, row, text

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def september(ledger: None, tmp_path: Path) -> None:
    month_of_calls(tmp_path)


def post(client: Client, what: str, **given: Any) -> str:
    answer = client.post(f"/periods/2026-09/{what}", given)
    assert (answer.status_code, answer["Location"]) == (302, "/periods/2026-09/")
    return text(page(client, "/periods/2026-09/"))


def test_those_who_see_the_books_look_and_only_finance_has_buttons() -> None:
    for role in ("analyst", "auditor", "finance"):
        client = client_of(role)
        assert "September 2026" in text(page(client, "/periods/"))
        buttons = "<form" in page(client, "/periods/2026-09/").split('id="content"')[1]
        assert buttons == (role == "finance"), role
    for role in ("viewer", "owner", "admin"):
        client = client_of(role)
        for path in ("/periods/", "/periods/2026-09/"):
            assert client.get(path).status_code == 403, (role, path)
        assert "/periods/" not in page(client, "/statements/")
    for what in ("step", "waive", "task", "reopen"):
        assert client_of("analyst", f"a-{what}").post(f"/periods/2026-09/{what}").status_code == 403


def test_two_people_close_a_month_from_its_page() -> None:
    ann, bob = client_of("finance", "ann"), client_of("finance", "bob")
    assert "Every gate of the next step is passed: the month can be made preliminary." in text(
        page(ann, "/periods/2026-09/")
    )
    said = post(ann, "step", to="preliminary")
    assert "2026-09 is preliminary." in said
    assert "You prepared this month : another person of finance makes it soft-closed." in said
    assert 'disabled aria-describedby="why-not"' in page(ann, "/periods/2026-09/")
    assert "Nothing was done: ann prepared 2026-09: another person has to make it soft-closed." in post(
        ann, "step", to="soft_closed"
    )
    said = post(bob, "step", to="soft_closed")
    assert "2026-09 is soft-closed." in said
    manifest = BillingPeriod.objects.get().manifests.get()
    assert manifest.sha256 in said
    assert "CC-1" in said
    assert "holds this month from being closed: statements that are not agreed" in said
    agreed()
    assert "2026-09 is closed." in post(bob, "step", to="closed")
    listed = row(page(ann, "/periods/"), "September 2026")
    assert ("Closed" in listed, manifest.sha256[:12] in listed) == (True, True)


def test_a_gate_that_holds_is_told_with_value_and_limit_and_is_waived_from_the_page(tmp_path: Path) -> None:
    calls(tmp_path, "2026-09-20", team="nobody")
    ann, bob = client_of("finance", "ann"), client_of("finance", "bob")
    post(ann, "step", to="preliminary")
    markup = page(bob, "/periods/2026-09/")
    assert "1 gate holds this month from being soft-closed: cost without an owner" in text(markup)
    assert row(markup, "Cost without an owner").endswith("25.00 % 5.00 % holds")
    said = post(bob, "waive", gate="unallocated", reason="a new team")
    assert "What waits for a second person" in said
    asked = Approval.objects.get()
    bob.post(f"/approvals/{asked.pk}/decide", {"decision": "accept", "next": "/periods/2026-09/"})
    assert Approval.objects.get().state == "proposed"
    ann.post(f"/approvals/{asked.pk}/decide", {"decision": "accept", "next": "/periods/2026-09/"})
    assert "Waived: a new team (bob, accepted by ann)" in text(page(bob, "/periods/2026-09/"))
    assert "2026-09 is soft-closed." in post(bob, "step", to="soft_closed")


def test_what_is_done_by_hand_is_ticked_on_the_checklist() -> None:
    ann = client_of("finance", "ann")
    post(ann, "task", task="invoices")
    assert "done undo ann" in row(page(ann, "/periods/2026-09/"), "Invoices that came are entered")
    post(ann, "task", task="invoices", done="no")
    assert "Mark done" in row(page(ann, "/periods/2026-09/"), "Invoices that came are entered")
    assert "Nothing was done: sources is not done by hand" in post(ann, "task", task="sources")


def test_a_frozen_month_is_opened_again_by_two() -> None:
    soft_close()
    carl, dora = client_of("finance", "carl"), client_of("finance", "dora")
    assert "What waits for a second person" in post(carl, "reopen", reason="wrong invoice")
    number = Approval.objects.get().pk
    dora.post(f"/approvals/{number}/decide", {"decision": "accept", "next": "/periods/2026-09/"})
    said = text(page(carl, "/periods/2026-09/"))
    assert "version 2" in said
    assert "Version 1, before it was opened again" in said


def test_a_name_with_markup_stays_text_and_wrong_months_are_told() -> None:
    ann = client_of("finance", "ann")
    post(ann, "step", to="<script>alert(1)</script>")
    assert "<script>alert" not in page(ann, "/periods/2026-09/")
    answer = ann.get("/periods/2026-99/")
    assert (answer.status_code, "YYYY-MM" in answer.content.decode()) == (400, True)
    assert "Nothing is frozen yet" in text(page(ann, "/periods/2026-01/"))
