"""Parameters of all lists: what a list does not know is refused, never ignored."""

import pytest
from django.test import Client

from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
LISTS = ("costs", "cost-centres", "teams", "runs", "quarantine")


@pytest.mark.parametrize("name", ["format", "cursr", "filter[code]", "filter[x_Team"])
@pytest.mark.parametrize("path", LISTS)
def test_an_unknown_parameter_is_a_problem_that_names_it_and_says_which_there_are(path: str, name: str) -> None:
    answer = Client().get(f"/api/v1/{path}", {name: "csv"}, **bearer(person("f", "finance")))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    detail = answer.json()["detail"]
    assert detail.startswith(f"{name}: no such parameter; possible: ")
    assert "limit, cursor" in detail
    assert "format" not in detail.partition("possible")[2]


@pytest.mark.parametrize("path", LISTS)
def test_who_is_not_logged_in_learns_nothing_about_parameters(path: str) -> None:
    assert Client().get(f"/api/v1/{path}?format=csv").status_code == 401


def test_another_form_than_json_is_a_problem_too() -> None:
    answer = Client().get("/api/v1/teams", HTTP_ACCEPT="text/csv", **bearer(person("f", "finance")))
    assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")
