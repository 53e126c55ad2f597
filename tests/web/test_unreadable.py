"""What no database holds and no parser follows is refused with its place, wherever it is sent."""

import pytest
from django.test import Client

from tests.web.ledger import bearer, person
from tests.web.money_pages import client_of

pytestmark = pytest.mark.django_db
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "path", ["query-caps", "silences", "budgets", "scenarios", "scenarios/base/runs", "commitments/advice"]
)
def test_json_that_is_nested_too_deeply_is_no_fault_of_the_server(path: str) -> None:
    client, headers = Client(raise_request_exception=False), bearer(person("fin", "finance"), "write")
    answer = client.post(f"/api/v1/{path}", DEEP, content_type="application/json", **headers)
    assert (answer.status_code, "nested too deeply" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("name", ["ServiceProviderName", "x_Model", "x_CostCentre"])
@pytest.mark.parametrize("path", ["/forecast/commitments/", "/forecast/commitments/advice.csv"])
def test_a_nul_in_an_address_is_named(path: str, name: str) -> None:
    answer = client_of("finance").get(path, {name: "a\0"})
    assert (answer.status_code, f"{name}: no NUL" in answer.content.decode()) == (400, True)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/budgets/watch/caps", "model"), ("/budgets/alerts/silence", "reason"), ("/forecast/scenarios/new", "title")],
)
def test_a_nul_in_a_form_is_named(path: str, field: str) -> None:
    answer = client_of("finance").post(path, {field: "a\0"})
    assert (answer.status_code, f"{field}: no NUL" in answer.content.decode()) == (400, True)


def test_what_a_dashboard_is_sent_is_left_to_it() -> None:
    """Its scripts' bodies are JSON, which the server that answers them reads itself; a form is nothing it takes."""
    client = Client(raise_request_exception=False)
    client.force_login(person("fin", "finance"))
    assert client.post("/overview/", {"a": "b\0"}).status_code < 500
