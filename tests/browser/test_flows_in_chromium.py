"""What people do with the product, from beginning to end and through its pages alone (issue 8, point 3).

Setting up and looking at the end happens in the database; what a worker or beat would do meanwhile is said so.

| flow | test_..._in_chromium.py: test |
|---|---|
| connect a source with a wrong and a right key | sources: test_connect_openai_with_a_wrong_and_with_the_right_key |
| upload a file with bad rows, mend the mapping | flows_of_sources: test_a_file_that_nothing_can_be_read_of_is_mended_... |
| unallocated spend, a rule, who pays more, apply | here: test_spend_that_nobody_owns_gets_an_owner |
| explain last month's rise by the bridge | explore: test_a_bar_leads_to_where_its_effect_lies |
| build and compare two scenarios | flows_of_plans: test_two_scenarios_are_built_and_compared; scenarios |
| set a budget and see it breach | flows_of_plans: test_a_budget_is_set_by_two_and_its_breach_is_told |
| reconcile an invoice variance | here: test_an_invoice_that_is_dearer_is_reconciled_and_its_variance_noted |
| close, download the workbook, dispute | here: test_a_month_is_closed_by_two_with_a_dispute_between |
| attest an outcome | roi: test_the_page_fits_and_a_benefit_is_attested |
| rotate a key | flows_of_sources: test_the_key_of_a_provider_is_rotated, test_one_s_own_token_is_rotated |
| read the audit trail | here, after the close; its filters: audit: test_it_is_read_wide_and_narrow |
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Browser, Page

from allocation import rulebook
from allocation.derived import refresh
from allocation.models import BillingPeriod, Grant, ReconciliationLine, Statement
from finops.models import User
from tests.allocation.close.months import calls, month_of_calls
from tests.browser.site import PASSWORD, logged_in, people, served
from tests.web.ledger import centre

pytestmark = [pytest.mark.browser]


def fill() -> None:
    """September of a team that is known, and one call in October of a team that no rule knows."""
    people("ann", "bo")
    people("aud", role="auditor")
    with TemporaryDirectory() as folder:
        month_of_calls(Path(folder))
        calls(Path(folder), "2026-10-05", team="lost")
    olga = User.objects.create_user("olga", password=PASSWORD)
    for code in ("CC-1", "CC-2"):
        Grant.objects.create(user=olga, role=Grant.Role.OWNER, cost_centre=centre(code))


@pytest.fixture(scope="module")
def once(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """One site for all flows of this file: each has a month of its own."""
    with served(django_db_blocker, fill) as url:
        yield url


@pytest.fixture
def site(once: str) -> str:
    return once


def at(browser: Browser, site: str, who: str, path: str, heard: list[str]) -> Page:
    """Somebody's own window, logged in."""
    page = logged_in(browser, site, who, "desk", heard, "account/")
    page.goto(f"{site}/{path}")
    return page


def press(page: Page, name: str) -> None:
    """A button by its name; the page that answers says that it was done."""
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_selector(".said .success")


def test_spend_that_nobody_owns_gets_an_owner(browser: Browser, site: str) -> None:
    heard: list[str] = []
    ann = at(browser, site, "ann", "allocation/?month=2026-10", heard)
    assert "$0.01 has none" in ann.inner_text(".sentence").replace("\u202f", " ")
    gap = ann.locator(".gap-list li", has_text="team lost")
    gap.locator("select").select_option("CC-2")
    gap.get_by_role("button", name="Propose rule").click()
    ann.wait_for_selector(".gap-asked")
    bo = at(browser, site, "bo", "approvals/", heard)
    bo.get_by_role("button", name="Who pays more?").click()
    bo.wait_for_selector("#moved-title")
    moved = bo.locator("section:has(#moved-title) tbody tr").all_inner_texts()
    assert len(moved) == 2, moved
    assert moved[0].startswith("(unallocated)")
    assert moved[1].startswith("CC-2")
    assert moved[1].endswith("+$0.01"), "1,000 input and 1,000 output of gpt-5: 0.01125"
    assert [rule.rule for rule in rulebook.in_force().rules] == ["r1"], "nothing has changed"
    press(bo, "Accept")
    assert [rule.rule for rule in rulebook.in_force().rules] == ["r1", "s-team-lost"]
    refresh()  # what the worker does within minutes
    ann.reload()
    assert "100" in ann.inner_text(".sentence b")
    assert "Every key has an owner." in ann.inner_text("main")
    assert heard == []


def test_an_invoice_that_is_dearer_is_reconciled_and_its_variance_noted(browser: Browser, site: str) -> None:
    heard: list[str] = []
    ann = at(browser, site, "ann", "reconciliation/invoices/?month=2026-10", heard)
    for field, value in (("issuer", "openai"), ("number", "INV-10"), ("billing_period", "2026-10"), ("total", "1.50")):
        ann.fill(f"#id_{field}", value)
    press(ann, "Ask for it to be entered")
    bo = at(browser, site, "bo", "approvals/", heard)
    press(bo, "Accept")
    ann.goto(f"{site}/reconciliation/?month=2026-10")
    press(ann, "Reconcile October")
    ann.get_by_role("link", name="Lines", exact=True).first.click()
    row = ann.locator("tbody tr", has_text="1.50").first
    row.locator("details.note-edit summary").click()
    row.locator("input[name=owner]").fill("ann")
    row.locator("textarea").fill("asked openai for its detail")
    row.get_by_role("button", name="Save").click()
    ann.wait_for_selector(".said .success")
    line = ReconciliationLine.objects.get(owner="ann")
    assert (f"{line.invoice:.2f}", line.note) == ("1.50", "asked openai for its detail")
    assert heard == []


def test_a_month_is_closed_by_two_with_a_dispute_between(browser: Browser, site: str) -> None:
    heard: list[str] = []
    ann = at(browser, site, "ann", "periods/", heard)
    ann.get_by_role("link", name="September 2026").click()
    press(ann, "Make preliminary")
    assert ann.get_by_role("button", name="Freeze and issue statements").is_disabled(), "ann prepared it"
    bo = at(browser, site, "bo", "periods/2026-09/", heard)
    press(bo, "Freeze and issue statements")
    with bo.expect_download() as left:
        bo.get_by_role("link", name="Workbook").click()
    book = openpyxl.load_workbook(BytesIO(Path(left.value.path()).read_bytes()), read_only=True)
    assert left.value.suggested_filename == "statement_2026-09.xlsx"
    assert "Summary" in book.sheetnames

    olga = at(browser, site, "olga", "statements/2026-09/CC-1", heard)
    olga.get_by_text("Dispute it").click()
    olga.fill("#reason", "the evaluation of 15 September is not ours")
    press(olga, "Dispute")
    bo.reload()
    assert bo.get_by_role("button", name="Close and build the journal").is_disabled()
    ann.goto(f"{site}/statements/2026-09/CC-1")
    ann.fill("#resolution", "it ran on your key; the rule is changed from October on")
    press(ann, "Resolve")
    olga.goto(f"{site}/statements/2026-09/CC-2")
    olga.locator(".beside button.primary", has_text="Accept").click()
    olga.wait_for_selector(".said .success")
    bo.reload()
    press(bo, "Close and build the journal")
    assert BillingPeriod.objects.get(month="2026-09-01").state == "closed"
    assert set(Statement.objects.values_list("cost_centre__code", "state", "resolution")) == {
        ("CC-1", "accepted", "it ran on your key; the rule is changed from October on"), ("CC-2", "accepted", ""),
    }  # fmt: skip

    aud = at(browser, site, "aud", "audit/", heard)
    aud.get_by_label("Action").select_option("statement")
    aud.get_by_role("button", name="Show").click()
    told = aud.locator("tbody tr", has_text="dispute").all_inner_texts()
    assert any("olga" in text and "the evaluation of 15 September is not ours" in text for text in told), told
    assert heard == []
