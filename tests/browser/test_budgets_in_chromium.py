"""Budgets and Deliveries in a real browser: no sideways scroll, no script error, and a file that is taken."""

import os
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from finops.models import Approval
from tests.browser.site import SIZES, logged_in, people
from tests.web.connected import PAYLOAD
from tests.web.ledger import Usage, centre, load
from web import approving, delivery_plan
from web.models import BuiltFile, Delivery

pytestmark = [pytest.mark.browser]
CSV = "cost_centre,annual,phasing\nCC-100,14400,even\nCC-200,6000,even\n"


def fill() -> None:
    people("ann", "bo")
    centre("CC-100", name="Search")
    centre("CC-200", name=PAYLOAD * 3)
    for month in (7, 8, 9):
        load(Usage("1350.25", "CC-100", day=date(2026, month, 3)), Usage("420", "CC-200", day=date(2026, month, 3)))
    load(Usage("33.3", None))
    delivery_plan.load(
        [{"code": "books", "working_day": 3, "files": ["workbook", "statements"], "stage": "final", "channel": "folder",
          "address": "/srv/" + "books/" * 20}], actor="ann",
    )  # fmt: skip
    month = date(2026, 9, 1)
    file = BuiltFile.objects.create(
        kind="workbook", name="statement_2026-09_preliminary-1.xlsx", month=month, asked_by="x"
    )
    given = {
        "kind": "workbook",
        "subject": "2026-09",
        "month": month,
        "stage": "preliminary",
        "channel": "folder",
        "file": file,
    }
    Delivery.objects.create(**given, occasion="1", address="/srv/books", state="sent", attempts=1, sha256="a" * 64)
    Delivery.objects.create(
        **given, occasion="2", address=PAYLOAD * 5, state="failed", attempts=8, error=f"the disk is full {PAYLOAD * 4}"
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_proposed_accepted_and_shown_and_the_log_fits(
    browser: Browser, site: str, size: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", size, heard, "budgets/")
    file = tmp_path / "budget.csv"
    file.write_text(CSV)
    page.set_input_files("input[name=file]", str(file))
    page.fill("input[name=fiscal_year]", "2026")
    page.get_by_role("button", name="Ask for it to be in force").click()
    page.wait_for_selector(".said .success")
    approving.decide(Approval.objects.get(), by="bo", accept=True)
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for name, path in (("budgets", "budgets/?month=2026-09"), ("deliveries", "deliveries/")):
        page.goto(f"{site}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("img").count() == 0, path
        page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
    page.goto(f"{site}/budgets/?month=2026-09")
    assert "$1,200.00" in page.inner_text("main")
    assert heard == []
