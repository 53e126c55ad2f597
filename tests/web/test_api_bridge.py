"""GET /api/v1/bridge and /api/v1/indices: the figures of /costs, taken apart; examples that run; scope and budgets."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from finops.models import Approval
from tests.web.ledger import Usage, bearer, centre, load, person
from tests.web.money_pages import client_of
from tests.web.test_openapi import DOCUMENT
from web import approving

pytestmark = pytest.mark.django_db
AUGUST = date(2026, 8, 3)
ANY = "/api/v1/bridge?month=2026-09"


@pytest.fixture
def reader() -> dict[str, str]:
    return bearer(person("reader", "analyst"))


def get(path: str, headers: dict[str, str], status: int = 200) -> Any:
    answer = Client().get(path, **headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def example(path: str) -> tuple[str, dict[str, Any]]:
    """The address and the answer of an example in the OpenAPI document."""
    answer = yaml.safe_load(DOCUMENT.read_text())["paths"][path]["get"]["responses"]["200"]
    (found,) = answer["content"]["application/json"]["examples"].values()
    return found["summary"].removeprefix("GET "), found["value"]


def half_as_many_again() -> None:
    load(
        Usage("10", day=AUGUST, queries=100, tokens=10_000), Usage("15", queries=150, tokens=15_000),
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/api/v1/bridge", "/api/v1/indices"])
def test_the_examples_of_the_document_run(path: str, reader: dict[str, str]) -> None:
    half_as_many_again()
    address, answer = example(path)
    assert get(address, reader) == answer


def test_the_sentence_names_the_tier_and_how_many_times(reader: dict[str, str]) -> None:
    load(
        Usage("1", day=AUGUST, tier="simple", price_class="output_reasoning"),
        Usage("10", day=AUGUST, tier="complex", price_class="output_reasoning", tokens=1_000),
        Usage("1", tier="simple", price_class="output_reasoning"),
        Usage("18", tier="complex", price_class="output_reasoning", tokens=1_800),
        Usage("2", day=AUGUST, tier="complex"), Usage("1", tier="complex"),
    )  # fmt: skip
    found = get(ANY, reader)
    assert found["sentence"] == (
        "Spend rose 54\u202f% to $20.00, mostly because of complex queries that used 1.8\u00d7 the reasoning tokens a call "
        "(+$8.00); lower prices of complex queries took back $1.00."
    )
    back = get("/api/v1/bridge?month=2026-08&compare_month=2026-09", reader)
    assert back["sentence"].startswith("Spend fell 35\u202f% to $13.00, mostly because of complex queries that used")
    assert {e["effect"]: Decimal(e["amount"]) for e in back["effects"]} == {
        e["effect"]: -Decimal(e["amount"]) for e in found["effects"]
    }


def test_it_is_said_how_much_of_the_money_has_an_estimated_tier(reader: dict[str, str]) -> None:
    """August: 2 of 10; September: 10 of 16, an unpriced row and one without a tier beside."""
    load(
        Usage("8", day=AUGUST), Usage("2", day=AUGUST, estimated=True), Usage("6"), Usage("10", estimated=True),
        Usage(None, estimated=True), Usage("4", tier=""),
    )  # fmt: skip
    found = get(ANY, reader)
    assert found["estimated_tiers"] == {"before": "0.200000", "after": "0.625000"}
    assert found["sentence"].endswith("; the tier of up to 62\u202f% of it is estimated.")
    page = client_of("analyst", "pages").get("/explore/?month=2026-09").content.decode()
    assert "62.5\u202f%</span> after lies in tiers that are estimated" in page
    one_tier = get(f"{ANY}&filter[x_QueryTier]=&group_by=x_QueryTier", reader)
    assert one_tier["estimated_tiers"] == {"before": None, "after": None}
    assert "estimated" not in one_tier["sentence"]


def test_both_ends_and_the_drill_down_are_the_costs_of_the_same_question(reader: dict[str, str]) -> None:
    load(
        Usage("10.1", "CC-100", "a", AUGUST), Usage("7.25", "CC-200", day=AUGUST, model="o5"), Usage("1", None, day=AUGUST),
        Usage("12.333333333333", "CC-100", "a"), Usage("3", "CC-200", tier="complex"), Usage("9", "CC-300", feature="x"),
    )  # fmt: skip
    for extra in (
        "",
        "&filter[x_CostCentre]=CC-1*",
        "&filter[x_QueryTier]=complex",
        "&column=ListCost",
        "&filter[x_Model]=o5",
    ):
        costs = get(f"/api/v1/costs?month=2026-09&group_by=x_CostCentre&compare=previous{extra}", reader)
        found = get(f"{ANY}&group_by=x_CostCentre{extra}", reader)
        column = found["column"]
        assert (found["before"]["cost"], found["after"]["cost"]) == (
            costs["totals"]["Previous"],
            costs["totals"][column],
        )
        for effects in (found["effects"],):
            assert sum(Decimal(e["amount"]) for e in effects) == Decimal(found["delta"])
            assert sum(Decimal(e["rounded"]) for e in effects) == round(Decimal(found["after"]["cost"]), 2) - round(
                Decimal(found["before"]["cost"]), 2
            )
        assert {r["x_CostCentre"]: r["after"] for r in found["results"]} == {
            r["x_CostCentre"]: r[column] for r in costs["results"]
        }
        for row in found["results"]:
            assert sum(map(Decimal, row["effects"].values())) == Decimal(row["delta"])


def test_an_owner_sees_the_own_cost_alone() -> None:
    load(Usage("10", "CC-100"), Usage("50", "CC-200"), Usage("5", None))
    owner = bearer(person("o", "owner", "CC-100"))
    assert get(ANY, owner)["after"]["cost"] == "10.000000000000"
    assert get(f"{ANY}&filter[x_CostCentre]=CC-200", owner)["after"]["cost"] == "0.000000000000"
    assert get("/api/v1/indices?month=2026-09", owner)["results"][0]["cost"] == "10.000000000000"


def test_two_scopes_are_compared_by_what_else_differs(reader: dict[str, str]) -> None:
    load(Usage("10", "CC-100"), Usage("14", "CC-200"))
    found = get(
        f"{ANY}&compare_month=2026-09&filter[x_CostCentre]=CC-200&compare_filter[x_CostCentre]=CC-100"
        "&group_by=x_CostCentre", reader,
    )  # fmt: skip
    assert [(e["effect"], e["rounded"]) for e in found["effects"]] == [("price", "4.00")]
    assert found["results"][0]["x_CostCentre"] == "*"


def test_a_budget_stands_before_the_cost(reader: dict[str, str]) -> None:
    for code in ("CC-100", "CC-200"):
        centre(code)
    file = SimpleUploadedFile("b.csv", b"cost_centre,annual,phasing\nCC-100,120,even\n", "text/csv")
    said = {"fiscal_year": "2026", "version": "original", "name": "AI", "file": file}
    assert client_of("finance", "ann").post("/budgets/propose", said).status_code == 302
    for asked in Approval.objects.filter(state="proposed"):
        approving.decide(asked, by="second", accept=True)
    load(Usage("8", day=AUGUST, queries=100, tokens=8_000), Usage("12", queries=150, tokens=12_000))
    address = f"{ANY}&against=budget&filter[x_CostCentre]=CC-100"
    found = get(address, reader)
    assert (found["before"]["cost"], found["before"]["is_budget"]) == ("10.000000000000", True)
    assert [(e["effect"], e["rounded"]) for e in found["effects"]] == [("budget", "-2.00"), ("volume", "4.00")]
    assert found["sentence"].startswith(
        "Spend of $12.00 is $2.00 over budget, mostly because of 50\u202f% more queries"
    )
    owner = bearer(person("o", "owner", "CC-100"))
    assert get(address, owner)["before"]["cost"] == "10.000000000000"
    assert "not yours to see" in get(f"{ANY}&against=budget", owner, 400)["detail"]
    assert "no budget of CC-200" in get(f"{ANY}&against=budget&filter[x_CostCentre]=CC-200", reader, 400)["detail"]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("&group_by=x_Basis", "cannot group a bridge by x_Basis"), ("&group_by=x_Team,x_Model,x_QueryTier", "at most 2"),
        ("&compare_month=nonsense", "compare_month"), ("&compare_start=2026-01-01", "compare_month"), ("&against=x", "budget"),
        ("&against=budget&filter[x_Model]=o5", "one x_CostCentre alone"), ("&compare_filter[x]=1", "no such parameter"),
        ("&against=budget&column=ListCost", "EffectiveCost"), ("&granularity=day", "no such parameter"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(extra: str, told: str, reader: dict[str, str]) -> None:
    assert told in get(f"{ANY}{extra}", reader, 400)["detail"]


def test_the_drill_down_is_paged(reader: dict[str, str]) -> None:
    load(*(Usage("1", f"CC-{n}00") for n in range(1, 6)))
    address, seen = f"{ANY}&group_by=x_CostCentre&limit=2", []
    found = get(address, reader)
    while True:
        seen += [row["x_CostCentre"] for row in found["results"]]
        if not found["next"]:
            break
        found = get(f"{address}&cursor={found['next']}", reader)
    assert seen == [f"CC-{n}00" for n in range(1, 6)]
