"""The menu of every page: the month that a reader chose stays chosen."""

import re
from datetime import date

import pytest
from django.test import Client

from tests.web.ledger import Usage, load
from tests.web.money_pages import client_of

pytestmark = pytest.mark.django_db
CHOOSE = (
    "/overview/", "/explore/", "/tiers/", "/budgets/", "/roi/", "/allocation/", "/reconciliation/", "/commitments/", "/kpis/",
)  # fmt: skip


def menu(client: Client, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, address
    [found] = re.findall(r'<nav aria-label="Pages">(.*?)</nav>', answer.content.decode(), re.DOTALL)
    return re.findall(r'href="([^"]+)"', found)


@pytest.fixture
def client() -> Client:
    load(Usage("100", "CC-100", day=date(2026, 9, 3)), Usage("20", "CC-100", day=date(2026, 8, 3)))
    return client_of("finance")


@pytest.mark.parametrize("page", CHOOSE)
def test_the_chosen_month_stays_chosen_wherever_the_menu_leads(client: Client, page: str) -> None:
    found = menu(client, f"{page}?month=2026-08")
    assert {link.partition("?")[0] for link in found if "?month=2026-08" in link} == {
        "/overview/", "/explore/", "/tiers/", "/budgets/", "/roi/", "/allocation/", "/reconciliation/", "/data-health/", "/kpis/",
    }  # fmt: skip
    assert {client.get(link).status_code for link in found} == {200}
    assert not [link for link in menu(client, page) if "?" in link], "none was chosen"


def test_a_month_without_cost_goes_nowhere(client: Client) -> None:
    assert not [link for link in menu(client, "/budgets/?month=2027-01") if "?" in link]
