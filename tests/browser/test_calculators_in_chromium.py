"""Calculators in a real browser: an input is changed, the address keeps it, and every table fits its screen."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from allocation.models import CostCentre, QueryCostDaily
from tests.browser.site import SIZES, logged_in, no_sideways_scroll, people
from tests.web.connected import PAYLOAD
from tests.web.ledger import MONTH, NAMES, Usage, centre, load
from web import approving

pytestmark = [pytest.mark.browser]
OWN = {
    "code": "subscription_price", "name": f"Our plan {PAYLOAD}", "group": "economics", "unit": "USD/month", "base": "50",
    "source": PAYLOAD * 4, "as_of": "2026-09-01", "grade": "measured", "owner": "pricing",
}  # fmt: skip


def fill() -> None:
    people("ann", "bo")
    rows = []
    for number in range(1, 13):
        code = f"CC-{number:02}00"
        centre(code, name=f"{NAMES[number % 8]} {PAYLOAD if number == 3 else ''}")
        rows.append(Usage(f"{number**2 * 3}.25", code, queries=number * 400))
        QueryCostDaily.objects.bulk_create(
            QueryCostDaily(
                charge_date=date(2026, 9, 1), cost_centre=CostCentre.objects.get(code=code), provider="openai",
                model="gpt-5", tier="simple", environment="prod", bin=at - 60, queries=number * 40,
                cost=Decimal(number * 40) * Decimal(10) ** (at // 20 - 3),
            )
            for at in range(0, 60, 6)
        )  # fmt: skip
    load(*rows, Usage("3", None))
    approving.propose_document("assumptions", [OWN], by="ann")


@pytest.mark.parametrize("size", SIZES)
def test_a_figure_follows_its_inputs_and_the_address_keeps_them(
    browser: Browser, site: str, size: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "bo", size, heard, "calculators/?calculator=tier_cost")
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page.select_option("#in-tier", "research")
    page.select_option("#in-basis", "both")
    page.get_by_role("button", name="Calculate").click()
    page.wait_for_selector(".calc-warning")
    assert "tier=research" in page.url
    page.fill("#in-calls", "1")
    page.get_by_role("button", name="Calculate").click()
    page.wait_for_selector(".calc-result")
    expect(page.locator(".calc-warning")).to_have_count(0)
    page.goto(f"{site}/calculators/?calculator=agent_tasks")
    page.fill("#in-calls", "100")
    page.fill("#in-call_cost", "0.01")
    page.press("#in-call_cost", "Enter")
    page.wait_for_selector("text=$30,000,000.00")
    page.reload()
    assert "$30,000,000.00" in page.inner_text(".calc-result")
    assert page.get_by_role("link", name="Calculat", exact=False).first.is_visible()
    paths = {
        "tier": "?calculator=tier_cost", "stack": "?calculator=technique_stack", "own": "?calculator=fixed_variable",
        "wrong": "?calculator=net_cost&price_fall=many", "customers": f"customers/?month={MONTH:%Y-%m}", "claims": "claims/",
        "assumptions": "assumptions/",
    }  # fmt: skip
    expected = [f"{site}/calculators/{paths['wrong']}"]
    for name, path in paths.items():
        page.goto(f"{site}/calculators/{path}")
        assert no_sideways_scroll(page), path
        assert page.locator("img").count() == 0, path
        page.screenshot(path=folder / f"calculators-{name}-{size}.png", full_page=True)
    assert len([text for text in heard if "400" not in text]) == 0, heard
    assert len(heard) == len(expected)
