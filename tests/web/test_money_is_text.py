"""Money in JSON is text, never a float: in the OpenAPI document, and in real answers of every list (DESIGN 10)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from allocation.models import LearntPredictor
from tests.web.ledger import Usage, bearer, load, person
from tests.web.test_api_lists import NEEDED

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "web" / "api" / "openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
MONEY = re.compile(
    r"(^|_)(cost|costs|amount|amounts|price|prices|spend|budget|value|worth|net|extra|more|loaded|cash|paid)(_|$)|Cost$"
)
# Not money: parts of the cost that are compared, hours and a price over today's, shares of futures.
RATIOS = {"base_cost", "candidate_cost", "gpu_price"}


def money_as_numbers(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of numbers under a name of money."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "number" and any(MONEY.search(name) and name not in RATIOS for name in path):
        yield ".".join(path)
    for each in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from money_as_numbers(each, path)
    for name, each in schema.get("properties", {}).items():
        yield from money_as_numbers(each, (*path, name))
    if "items" in schema:
        yield from money_as_numbers(schema["items"], path)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from money_as_numbers(schema["additionalProperties"], path)


def test_no_answer_is_described_with_money_as_a_number() -> None:
    found = {
        f"{method} {path}: {each}"
        for path, operations in DOCUMENT["paths"].items() for method, operation in operations.items()
        for code, answer in operation["responses"].items() for body in answer.get("content", {}).values()
        for each in money_as_numbers(body.get("schema", {}))
        if code.startswith("2")
    }  # fmt: skip
    assert found == set()


def floats_of_money(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of floats under a name of money in an answer."""
    if isinstance(value, float) and any(MONEY.search(name) and name not in RATIOS for name in path):
        yield ".".join(path)
    if isinstance(value, dict):
        for name, each in value.items():
            yield from floats_of_money(each, (*path, name))
    if isinstance(value, list):
        for each in value:
            yield from floats_of_money(each, path)


def outcomes() -> list[dict[str, Any]]:
    """Two models on the same 100 tasks, with costs."""
    return [
        {
            "source": "desk", "id": f"{model}{n}", "at": "2026-09-08T13:00:00Z", "task": f"c{n}", "model": model, "tier": tier,
            "feature": "chat", "success": n < good, "cost": cost, "currency": "USD", "value": "2" if n < good else "",
        }
        for model, tier, good, cost in (("small", "simple", 60, "0.01"), ("large", "complex", 80, "0.11")) for n in range(100)
    ]  # fmt: skip


def runs() -> list[dict[str, Any]]:
    same = {"source": "b", "task_class": "coding", "features": ["chat"], "model": "m", "tasks": 225, "run_on": "2026-08-08",
            "currency": "USD"}  # fmt: skip
    return [
        same | {"id": 1, "effort": "low", "score": "0.6", "cost": "10.37"},
        same | {"id": 2, "effort": "high", "score": "0.8", "cost": "40"},
    ]


@pytest.mark.django_db
def test_no_list_answers_with_money_as_a_float() -> None:
    load(Usage("60", feature="chat"), Usage("40", "CC-200", tier="complex"), Usage(None, "CC-200"))
    load(Usage("8", day=Usage("1").day.replace(month=8)))
    headers, asked = bearer(person("fin", "finance"), "write"), set()
    for name, rows in (("outcomes", outcomes()), ("benchmark-runs", runs())):
        answer = Client().post(f"/api/v1/{name}", rows, content_type="application/json", **headers)
        assert answer.json()["refused"] == []
    assert not LearntPredictor.objects.exists()
    for path, operations in DOCUMENT["paths"].items():
        if "get" not in operations or "{" in path or path.endswith((".csv", ".xlsx")):
            continue
        names = {each["name"] for each in operations["get"].get("parameters", ())}
        given = {name: value for name, value in NEEDED.get(path, {}).items() if "{" not in value}
        answer = Client().get(path, given, **headers)
        if answer.status_code == 400 and "month" in names:
            answer = Client().get(path, given | {"month": "2026-09"}, **headers)
        if answer.status_code == 200 and "json" in answer["Content-Type"]:
            assert list(floats_of_money(answer.json())) == [], path
            asked.add(path)
    assert {
        f"/api/v1/{name}" for name in ("costs", "tiers", "bridge", "roi", "roi/comparisons", "roi/efforts", "outcomes")
    } <= asked
    assert len(asked) > 40


@pytest.mark.django_db
def test_amounts_of_comparisons_and_efforts_are_exact_text() -> None:
    """Small: 100 tasks at 0.01, 60 resolved; large at 0.11, 80 resolved. A run of 225 tasks cost 10.37, so each 0.0460888..."""
    load(Usage("60", feature="chat"))
    headers = bearer(person("fin", "finance"), "write")
    Client().post("/api/v1/outcomes", outcomes(), content_type="application/json", **headers)
    Client().post("/api/v1/benchmark-runs", runs(), content_type="application/json", **headers)
    path = "/api/v1/roi/comparisons?dimension=model&base=small&candidate=large"
    [found] = Client().get(path, **headers).json()["results"]
    assert [found["arms"][side]["cost_per_task"] for side in ("base", "candidate")] == [
        "0.010000000000",
        "0.110000000000",
    ]
    assert found["arms"]["base"]["cost_per_resolved"]["estimate"] == "0.016666666667"  # 1.00 / 60
    assert found["cost"]["estimate"] == "0.100000000000"
    assert found["extra"]["estimate"] == "0.500000000000"  # 0.10 / 0.20
    assert found["net"]["estimate"] == "0.300000000000"  # 2 x 0.20 - 0.10
    assert found["difference"]["estimate"] == pytest.approx(0.2), "a rate is a number"
    [advice] = Client().get("/api/v1/roi/efforts?month=2026-09", **headers).json()["results"][0]["advice"]
    assert advice["steps"][0]["more"] == "0.131688888889"  # (40 - 10.37) / 225
    assert advice["steps"][0]["worth_from"] == "0.658444444444"  # / (0.8 - 0.6)
    assert advice["effort"]["cost"] == "0.177777777778"  # 40 / 225
