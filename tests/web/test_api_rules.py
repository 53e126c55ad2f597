"""/api/v1/rules and what belongs to them: read, proposed, previewed; who bears what by which rule."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from allocation import rule_changes
from allocation.derived import refresh
from finops.models import Approval
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")
CALL = Decimal("0.000225")  # gpt-5: 100 input at 1.25 and 10 output at 10 per million
SEARCH = {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1", "team": "search"}}
MORE = {"id": "r2", "priority": 2, "when": {"api_key": "key-*"}, "to": {"cost_centre": "CC-2"}}


@pytest.fixture
def analyst() -> Client:
    found = Client()
    found.force_login(person("ann", "analyst"))
    return found


@pytest.fixture
def finance() -> Client:
    found = Client()
    found.force_login(person("bob", "finance"))
    return found


def usage(folder: Path) -> None:
    """Two calls of team search and one of nobody."""
    rows = [payload(n, team=team) for n, team in enumerate(("search", "search", "lost"))]
    ingest_file(Import(write_lines(folder / "u.jsonl", rows), "litellm"))
    refresh()


def get(client: Client, path: str, **asked: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(client: Client, path: str, body: Any, status: int, **headers: Any) -> Any:
    answer = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", **headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_rules_are_proposed_accepted_by_another_person_and_then_in_force(
    tmp_path: Path, analyst: Client, finance: Client
) -> None:
    usage(tmp_path)
    assert get(analyst, "rules") == {"version": None, "loaded_at": None, "loaded_by": "", "rules": []}
    asked = post(analyst, "rules", {"rules": [SEARCH]}, 202)
    assert (asked["kind"], asked["state"]) == ("rules", "proposed")
    assert get(analyst, "rules")["version"] is None
    post(finance, f"approvals/{asked['id']}/decision", {"accept": True}, 200)
    refresh()
    assert get(analyst, "rules") | {"loaded_at": ""} == {
        "version": 1,
        "loaded_at": "",
        "loaded_by": "ann",
        "rules": [SEARCH],
    }
    assert get(analyst, "allocations", month="2026-09")["results"] == [
        {
            "x_CostCentre": centre, "x_Team": team, "rule": rule, "ground": "rule", "keys": 1, "ListCost": f"{cost:.12f}",
            "ContractedCost": f"{cost:.12f}", "EffectiveCost": f"{cost:.12f}", "BilledCost": f"{0:.12f}",
            "BillingCurrency": "USD",
        }
        for centre, team, rule, cost in ((None, None, None, CALL), ("CC-1", "search", "r1", 2 * CALL))
    ]  # fmt: skip


def test_one_rule_is_added_by_a_proposal(analyst: Client, finance: Client) -> None:
    rule_changes.load([SEARCH], actor="test")
    asked = post(analyst, "rules", {"add": MORE}, 202)
    post(finance, f"approvals/{asked['id']}/decision", {"accept": True}, 200)
    assert [rule["id"] for rule in get(analyst, "rules")["rules"]] == ["r1", "r2"]
    assert [rule["id"] for rule in get(analyst, "rules", version=1)["rules"]] == ["r1"]
    first = get(analyst, "rules/versions", limit=1)
    assert [(row["version"], row["rules"]) for row in first["results"]] == [(2, 2)]
    assert [row["version"] for row in get(analyst, "rules/versions", limit=1, cursor=first["next"])["results"]] == [1]


def test_a_preview_says_who_would_pay_what_more_and_changes_nothing(tmp_path: Path, analyst: Client) -> None:
    usage(tmp_path)
    rule_changes.load([SEARCH], actor="test")
    before = dump()
    found = post(analyst, "rules/preview", {"rules": [SEARCH, MORE]}, 200)["cost_centres"]
    assert {row["cost_centre"]: (Decimal(row["difference"]), row["causes"]) for row in found} == {
        "(unallocated)": (-CALL, {"rules": f"{-CALL:.12f}"}), "CC-1": (0, {}), "CC-2": (CALL, {"rules": f"{CALL:.12f}"}),
    }  # fmt: skip
    assert dump() == before
    assert get(analyst, "rules")["version"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "the body is an object"),
        ({"rules": [], "add": {}}, "the body is an object"),
        ({"rules": {}}, "a list of rules"),
        ({"add": []}, "a rule"),
        ({"add": {"id": "x", "priority": 1, "when": {"provider": "p"}, "to": {}}}, "x: to must be"),
        ({"rules": [1]}, "rule 1: needs an id"),
        ({"rules": [SEARCH | {"when": {"provider": "a\x00"}}]}, "cannot be stored"),
        ({"rules": [SEARCH | {"note": "\ud800"}]}, "cannot be stored"),
        ({"rules": [SEARCH | {"when": {"tag.colour": "red"}}]}, "FINOPS_TAG_KEYS"),
        ({"rules": [SEARCH | {"to": {"shares": {"A": 0.5, "B": 0.5}}}]}, "write the share 0.5 as a text"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_with_rule_and_field(analyst: Client, body: Any, message: str) -> None:
    assert message in json.dumps(post(analyst, "rules", body, 400))
    if "add" not in body:
        post(analyst, "rules/preview", body, 400)
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        ("mappings", [{"id": "m1", "when": {"project": "p"}, "set": {"environment": "test"}}]),
        ("drivers", [{"month": "2026-09", "name": "headcount", "cost_centre": "CC-1", "value": "3"}]),
        ("cost-centres/tree", [{"code": "CC-1", "name": "One", "gl_account": "6400", "charging": "showback"}]),
    ],
)
def test_what_rules_look_at_is_proposed_and_put_in_force_by_another_person(
    analyst: Client, finance: Client, path: str, entries: Any
) -> None:
    rule_changes.load([SEARCH], actor="test")
    assert "1: " in json.dumps(post(analyst, path, {"entries": [{"x": 1}]}, 400))
    asked = post(analyst, path, {"entries": entries}, 202)
    assert get(analyst, path)["entries"] == []
    post(analyst, f"approvals/{asked['id']}/decision", {"accept": True}, 403)
    post(finance, f"approvals/{asked['id']}/decision", {"accept": True}, 200)
    assert get(analyst, path)["entries"] == entries


def test_cost_centres_say_what_they_are_today_and_whose_children(analyst: Client) -> None:
    tree = [
        {"code": "CC", "name": "All"},
        {"code": "CC-1", "parent": "CC", "gl_account": "6400", "owner": "ann", "charging": "showback"},
    ]
    rule_changes.load_document("cost_centres", tree, actor="test")
    found = {row["code"]: row for row in get(analyst, "cost-centres")["results"]}
    assert found["CC-1"] == {
        "code": "CC-1", "name": "", "currency": "USD", "parent": "CC", "gl_account": "6400", "legal_entity": "", "owner": "ann",
        "valid_from": None, "valid_to": None, "charging": "showback",
    }  # fmt: skip


def test_coverage_tells_what_nobody_owns_with_a_rule_that_would_catch_it(tmp_path: Path, analyst: Client) -> None:
    usage(tmp_path)
    rule_changes.load([SEARCH, MORE | {"when": {"tag.team": "sear*"}}], actor="test")
    found = get(analyst, "allocations/coverage", month="2026-09")
    assert found["owned_share"] == "0.666667"
    assert [(rule["id"], rule["state"], Decimal(rule["cost"])) for rule in found["rules"]] == [
        ("r1", "catches", 2 * CALL), ("r2", "shadowed", 0),
    ]  # fmt: skip
    assert found["rules"][1]["taken_by"] == [{"id": "r1", "keys": 1, "cost": f"{2 * CALL:.12f}"}]
    (gap,) = found["gaps"]
    assert gap["suggestion"] == {"id": "s-team-lost", "priority": 12, "when": {"tag.team": "lost"}}
    assert {field["field"]: field["cost"] for field in found["fields"]}["tag.team"] == {"caller": f"{3 * CALL:.12f}"}


def test_a_viewer_sees_what_their_cost_centre_bears_and_nothing_else(tmp_path: Path) -> None:
    usage(tmp_path)
    rule_changes.load([SEARCH, MORE], actor="test")
    viewer = Client()
    viewer.force_login(person("eve", "viewer", "CC-2"))
    assert [row["x_CostCentre"] for row in get(viewer, "allocations", month="2026-09")["results"]] == ["CC-2"]
    assert viewer.get("/api/v1/allocations/coverage?month=2026-09").status_code == 403
    assert viewer.get("/api/v1/allocations?month=2026-9").status_code == 400


def test_pages_of_allocations_join_to_the_whole(tmp_path: Path, analyst: Client) -> None:
    usage(tmp_path)
    rule_changes.load([SEARCH, MORE], actor="test")
    whole = get(analyst, "allocations", month="2026-09")["results"]
    first = get(analyst, "allocations", month="2026-09", limit=1)
    rest = get(analyst, "allocations", month="2026-09", limit=1, cursor=first["next"])
    assert first["results"] + rest["results"] == whole
    assert rest["next"] is None
