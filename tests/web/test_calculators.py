"""Calculators by page and API: the same figures, inputs to edit, own figures in scope, claims, and the register's versions."""

import csv
import io
import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from allocation import assumptions
from allocation.calc.claims import CALCULATORS
from allocation.close import freeze
from allocation.models import BillingPeriod, Charge, CostCentre, CostDaily, QueryCostDaily, TermsVersion
from finops import audit
from finops.models import Approval, AuditEvent
from finops.periods import Period
from tests.web.ledger import Usage, bearer, load, person
from tests.web.money_pages import client_of, page, row, text
from web import approving
from web.management.base import WrongUse

pytestmark = pytest.mark.django_db
OWN = {
    "code": "subscription_price", "name": "Our plan", "group": "economics", "unit": "USD/month", "base": "50",
    "source": "Price list", "as_of": "2026-09-01", "grade": "measured", "owner": "pricing",
}  # fmt: skip
SEPTEMBER = Period.month("2026-09")


def post(path: str, body: Any, headers: dict[str, str], **more: str) -> Any:
    return Client().post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", **headers, **more)


def figures(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.content
    return {one["name"]: one["value"] for one in answer.json()["figures"]}


@pytest.fixture
def headers() -> dict[str, str]:
    return bearer(person("fin", "finance"), "write")


def run(*arguments: str) -> tuple[str, dict[str, Any]]:
    out = io.StringIO()
    call_command("assumptions", *arguments, "--json", stdout=out)
    lines = out.getvalue().splitlines()
    return "\n".join(lines[:-1]), json.loads(lines[-1])


# The API calculates


def test_a_calculator_answers_with_formula_and_numbers_and_where_the_rest_is_from(headers: dict[str, str]) -> None:
    answer = post("calculators/break_even_queries", {"inputs": {"queries": "1000"}}, headers)
    assert figures(answer)["margin"] == "-80.000000000000"
    first = answer.json()["figures"][0]
    assert (first["formula"], first["filled"]) == ("price ÷ query cost", "20 ÷ 0.1")
    price, _, queries = answer.json()["inputs"]
    assert (price["given"], price["assumption"], queries["given"], queries["source"]) == (
        False,
        "subscription_price",
        True,
        None,
    )


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_calculator_calculates_with_its_defaults(name: str, headers: dict[str, str]) -> None:
    assert figures(post(f"calculators/{name}", {}, headers))


def test_the_examples_of_the_document_run(headers: dict[str, str]) -> None:
    document = yaml.safe_load((Path(__file__).parents[2] / "web/api/openapi.yaml").read_text())
    ran = 0
    for path, operations in document["paths"].items():
        if not path.startswith(("/api/v1/calculators", "/api/v1/assumptions")) or "post" not in operations:
            continue
        for name, example in operations["post"]["requestBody"]["content"]["application/json"]["examples"].items():
            address = path.removeprefix("/api/v1/").replace("{name}", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
            answer = post(address, example["value"], headers)
            assert answer.status_code in (200, 202), (path, name, answer.content)
            ran += 1
    assert ran >= 8


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("calculators/luck", {}, 404, "There is no such calculator"),
        ("calculators/net_cost", {"inputs": {"price_fall": "0"}}, 400, "inputs: price_fall: must be above 0"),
        ("calculators/net_cost", {"inputs": {"price_fall": 1.5}}, 400, "price_fall: is a float"),
        ("calculators/net_cost", {"inputs": {"luck": "1"}}, 400, "luck: is no input of net_cost"),
        ("calculators/net_cost", {"inputs": []}, 400, "the body is an object with the object `inputs`"),
        ("calculators/net_cost", [], 400, "the body is an object"),
        ("calculators/net_cost", {"input": {}}, 400, "input: is not known"),
        ("calculators/customer_margins", {"price": "0", "customers": []}, 400, "price: must be above 0"),
        ("calculators/customer_margins", {"price": "x", "customers": []}, 400, "price must be a number"),
        ("calculators/customer_margins", {"price": "1"}, 400, "no month has cost yet"),
        ("calculators/customer_margins", {"price": "1", "month": "2026-13"}, 400, "month"),
        ("calculators/customer_margins", {"price": "1", "by": "luck"}, 400, "by"),
        ("calculators/customer_margins", {"price": "1", "customers": [], "by": "team"}, 400, "month and by are of one's own"),
        ("calculators/customer_margins", {"price": "1", "customers": [{"name": "a", "queries": 1, "cost": "y"}]}, 400,
         "customers: customers 1: cost must be a number"),
        ("calculators/customer_margins", {"price": "1", "luck": 1}, 400, "luck: is not known"),
    ],
)  # fmt: skip
def test_what_cannot_be_calculated_is_told(
    path: str, body: Any, status: int, told: str, headers: dict[str, str]
) -> None:
    answer = post(path, body, headers)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert told in answer.json()["detail"]


def test_a_repeated_request_is_answered_as_the_first(headers: dict[str, str]) -> None:
    first, again = (post("calculators/net_cost", {}, headers, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("role", ["viewer", "owner", "analyst", "admin", "auditor"])
def test_whoever_may_log_in_may_calculate_and_only_analysts_and_finance_propose(role: str) -> None:
    theirs = bearer(person("u", role, "CC-100" if role in ("viewer", "owner") else ""), "write")
    assert post("calculators/net_cost", {}, theirs).status_code == 200
    assert Client().get("/api/v1/assumptions", **theirs).status_code == 200
    expected = 202 if role == "analyst" else 403
    assert post("assumptions", {"entries": [OWN]}, theirs).status_code == expected


def test_the_list_gives_defaults_of_a_tier_with_their_source(headers: dict[str, str]) -> None:
    listed = Client().get("/api/v1/calculators?tier=research", **headers).json()
    assert (listed["own"], listed["register_version"]) == (None, None)
    tier = next(one for one in listed["calculators"] if one["name"] == "tier_cost")
    ttc = next(one for one in tier["inputs"] if one["name"] == "ttc")
    assert (ttc["low"], ttc["default"], ttc["high"], ttc["assumption"]) == (
        "15",
        "30",
        "100",
        "ttc_multiplier.research",
    )
    assert tier["figures"][0]["formula"].startswith("ttc: ttc \u00d7 debate; calls: ")
    for wrong in ("tier=luck", "month=2026-13", "luck=1"):
        assert Client().get(f"/api/v1/calculators?{wrong}", **headers).status_code == 400


# Own figures


def month_of_usage() -> None:
    """CC-100: 90 queries for 9; CC-200: 10 for 41, of which 30 is owed whether it is used or not; nobody: 2."""
    load(
        Usage("9", "CC-100", "search", queries=90), Usage("11", "CC-200", "chat", queries=9),
        Usage("30", "CC-200", "chat", queries=1, model="llama"), Usage("2", None, queries=0),
        Usage("100", "CC-100", queries=5, currency="EUR"),
    )  # fmt: skip
    Charge.objects.filter(effective_cost=30).update(subject="fleet own", commitment_status="Used")
    for code, cost, number in (("CC-100", "9", 90), ("CC-200", "41", 10)):
        QueryCostDaily.objects.create(
            charge_date=date(2026, 9, 1), cost_centre=CostCentre.objects.get(code=code), provider="openai", model="gpt-5",
            tier="simple", environment="prod", bin=-20, queries=number, cost=Decimal(cost),
        )  # fmt: skip


def test_own_figures_split_fixed_from_variable_and_are_those_of_the_scope(headers: dict[str, str]) -> None:
    month_of_usage()
    own = Client().get("/api/v1/calculators?month=2026-09", **headers).json()["own"]
    assert {name: own[name] for name in ("cost", "fixed", "variable", "queries", "query_mean")} == {
        "cost": "52.000000000000", "fixed": "30.000000000000", "variable": "22.000000000000", "queries": 100,
        "query_mean": "0.500000000000",
    }  # fmt: skip
    viewer = bearer(person("v", "viewer", "CC-100"))
    theirs = Client().get("/api/v1/calculators", **viewer).json()
    assert (theirs["own"]["cost"], theirs["own"]["fixed"], theirs["own"]["queries"]) == (
        "9.000000000000",
        "0.000000000000",
        90,
    )
    listed = next(one for one in theirs["calculators"] if one["name"] == "fixed_variable")["inputs"]
    assert [one["own"] for one in listed] == ["0", "0.1", None, "90"]


def test_what_splits_move_is_in_margins_and_makes_no_cost_fixed_or_variable(headers: dict[str, str]) -> None:
    month_of_usage()
    for code, cost in (("CC-100", 5), ("CC-200", -5)):
        moved = CostDaily.objects.filter(cost_centre__code=code, billing_currency="USD").first()
        assert moved is not None
        moved.pk, moved.basis, moved.effective_cost, moved.queries = None, "shared", Decimal(cost), 0
        moved.save()
    own = Client().get("/api/v1/calculators", **bearer(person("v", "viewer", "CC-100"))).json()["own"]
    assert (own["cost"], own["variable"]) == ("9.000000000000", "9.000000000000")
    found = post("calculators/customer_margins", {"price": "20"}, headers).json()
    assert [(one["name"], one["margin"]) for one in found["results"]] == [
        ("CC-200", "-16.000000000000"), ("CC-100", "6.000000000000"),
    ]  # fmt: skip


def test_margins_of_own_customers_are_exact_by_api_page_and_csv(headers: dict[str, str]) -> None:
    month_of_usage()
    found = post("calculators/customer_margins", {"price": "20", "month": "2026-09"}, headers).json()
    assert [(one["name"], one["queries"], one["margin"]) for one in found["results"]] == [
        ("CC-200", 10, "-21.000000000000"), ("CC-100", 90, "11.000000000000"),
    ]  # fmt: skip
    assert (found["loss_making"], found["loss_share"], found["unnamed"]) == (1, "0.500000000000000", "2.000000000000")
    assert found["break_even"][0] == {"at": "mean", "query_cost": "0.500000000000", "queries": "40.000000000000"}
    client = client_of("finance", "f")
    markup = page(client, "/calculators/customers/?price=20&month=2026-09")
    assert "1 of 2 make a loss ( 50.0 % )" in text(markup)
    assert row(markup, 'title="CC-200"') == "CC-200 10 $41.00 82.0 % \u2212$21.00 \u2212105.0 %"
    assert "$2.00 names no cost centre" in text(markup)
    written = list(
        csv.reader(io.StringIO(client.get("/calculators/customers.csv?price=20&month=2026-09").content.decode()))
    )
    assert written[1][:4] == ["CC-200", "10", "41.000000000000", "-21.000000000000"]
    assert "CC-200" not in page(client_of("viewer", "v"), "/calculators/customers/?price=20&month=2026-09")


def test_customers_by_team_and_given_ones(headers: dict[str, str]) -> None:
    month_of_usage()
    found = post("calculators/customer_margins", {"price": "20", "fixed": "1", "by": "team"}, headers).json()
    assert [(one["name"], one["margin"]) for one in found["results"]] == [
        ("chat", "-22.000000000000"), ("search", "10.000000000000"),
    ]  # fmt: skip
    given = [{"name": "a", "queries": 4, "cost": "0.1"}, {"name": "b", "queries": 0, "cost": "0.2"}]
    found = post("calculators/customer_margins", {"price": "0.1", "customers": given}, headers).json()
    assert (found["margin"], found["loss_making"], found["month"]) == ("-0.100000000000", 1, None)
    assert found["break_even"][0]["query_cost"] == "0.075000000000"


# The page


def test_the_page_keeps_its_inputs_in_the_address_and_shows_what_the_api_answers(headers: dict[str, str]) -> None:
    client = client_of("viewer")
    markup = page(client, "/calculators/?calculator=agent_tasks&calls=100&call_cost=0.01&tasks=1000000")
    assert 'value="1000000"' in markup
    answer = figures(
        post("calculators/agent_tasks", {"inputs": {"calls": "100", "call_cost": "0.01", "tasks": "1000000"}}, headers)
    )
    assert f'title="{Decimal(answer["month"]).normalize():f}"' in markup
    assert row(markup, "Cost of a month").startswith(
        "Cost of a month $30,000,000.00 /month day \u00d7 days 1000000 \u00d7 30"
    )


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_calculator_has_a_page_with_the_figures_of_the_api(name: str, headers: dict[str, str]) -> None:
    markup = page(client_of("viewer"), f"/calculators/?calculator={name}")
    for value in figures(post(f"calculators/{name}", {}, headers)).values():
        assert f'title="{Decimal(value).normalize():f}"'.replace('"-', '"\u2212') in markup, value


def test_a_wrong_input_is_told_beside_it_and_what_was_typed_stays() -> None:
    answer = client_of("viewer").get("/calculators/?calculator=net_cost&price_fall=many&token_growth=7")
    assert answer.status_code == 400
    markup = answer.content.decode()
    assert "price_fall: must be a number from 0" in markup
    assert "not &#x27;many&#x27;" in markup
    assert 'class="field bad"' in markup
    assert 'value="many"' in markup
    assert 'value="7"' in markup
    assert client_of("viewer", "w").get("/calculators/?calculator=<b>").status_code == 400


def test_overlap_is_warned_of_on_the_page() -> None:
    markup = page(client_of("viewer"), "/calculators/?calculator=tier_cost&tier=complex&basis=both")
    assert "Test-time compute (10) and calls (29) overlap" in text(markup)
    assert "calc-warning" not in page(client_of("viewer", "w"), "/calculators/?calculator=tier_cost")


def test_own_figures_are_offered_as_links_that_set_the_input() -> None:
    month_of_usage()
    markup = page(client_of("finance"), "/calculators/?calculator=break_even_queries&price=30")
    assert "own, September 2026: 0.5" in text(markup)
    assert "?calculator=break_even_queries&amp;price=30&amp;query_cost=0.5" in markup


def test_claims_are_shown_with_their_verdict_and_lead_to_the_calculator() -> None:
    client = client_of("viewer")
    markup = page(client, "/calculators/claims/")
    found = text(markup)
    assert "54 D $20 (late 2022) to $0.40 (2026) per M is 1,000 times in 3 years It is 50 times; 3.27 a year" in found
    assert "credited to MLCommons" in found
    assert "credited to Epoch" in found
    assert "A subscription" not in found
    address = re.search(r'href="(/calculators/\?calculator=growth[^"]*start=20[^"]*)"', markup)
    assert address is not None
    assert 'title="50"' in page(client, address[1].replace("&amp;", "&"))
    assert "17 A" in text(page(client, "/calculators/claims/?verdict=external"))
    rows = list(csv.DictReader(io.StringIO(client.get("/calculators/claims.csv").content.decode())))
    assert len({each["id"] for each in rows}) == 77
    api = Client().get("/api/v1/claims", **bearer(person("c", "viewer", "CC-100"))).json()["results"]
    assert [one["id"] for one in api if one["verdict"] == "inconsistent"] == [13, 27, 29, 39, 61]


def test_the_register_is_shown_with_its_provenance() -> None:
    client = client_of("viewer")
    markup = page(client, "/calculators/assumptions/")
    assert f"{len(assumptions.shipped().entries)} assumptions" in text(markup)
    assert row(markup, 'id="ttc_multiplier.complex"').startswith(
        "Tokens of test-time compute against a single pass, complex ttc_multiplier.complex 5 10 50 x derived Aider"
    )
    rows = list(csv.DictReader(io.StringIO(client.get("/calculators/assumptions.csv").content.decode())))
    assert len(rows) == len(assumptions.shipped().entries)


# The register


def test_a_register_is_proposed_accepted_by_another_and_then_in_force_everywhere(
    headers: dict[str, str], tmp_path: Path
) -> None:
    person("ann", "finance")
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump([OWN]))
    told, said = run("diff", str(file))
    assert "subscription_price base: 20 -> 50" in told
    told, said = run("load", str(file), "--as", "ann")
    assert figures(post("calculators/break_even_queries", {}, headers))["break_even"] == "200.000000000000"
    asked = Approval.objects.get(pk=said["approval"])
    assert "This register waits for a second person" in page(client_of("finance", "bo"), "/calculators/assumptions/")
    with pytest.raises(ValueError, match="prepared this"):
        approving.decide(asked, by="ann", accept=True)
    approving.decide(asked, by="bo", accept=True)
    answer = post("calculators/break_even_queries", {}, headers)
    assert (figures(answer)["break_even"], answer.json()["register_version"]) == ("500.000000000000", 1)
    told, said = run("show", "subscription_price")
    assert said["entries"]["subscription_price"]["value"] == "50 USD/month"
    found = Client().get("/api/v1/assumptions", **headers).json()
    assert [one["code"] for one in found["entries"] if not one["shipped"]] == ["subscription_price"]
    assert found["loaded_by"] == "ann"
    assert AuditEvent.objects.filter(action="assumptions.load").count() == 1
    assert list(audit.broken_links()) == []
    told, said = run("diff")
    assert {one["code"] for one in said["differences"]} == {"subscription_price"}
    assert "own" in row(page(client_of("viewer"), "/calculators/assumptions/"), 'id="subscription_price"')


def test_what_was_proposed_before_something_else_came_in_force_is_stale(headers: dict[str, str]) -> None:
    first = post("assumptions", {"entries": [OWN]}, headers).json()["id"]
    assumptions.load([OWN | {"base": "7"}], actor="x")
    with pytest.raises(ValueError, match="came in force since"):
        approving.decide(Approval.objects.get(pk=first), by="bo", accept=True)


def test_a_closed_month_keeps_the_register_it_was_frozen_with() -> None:
    assumptions.load_default()
    first = assumptions.version()
    assert first is not None
    versions = freeze.versions(SEPTEMBER)
    assert versions["terms"]["assumptions"] == {"number": first.number, "sha256": first.content_hash}
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed", frozen_versions=versions)
    assumptions.load([OWN], actor="x")
    assert assumptions.in_force().number("subscription_price") == 50
    assert assumptions.of(SEPTEMBER).number("subscription_price") == 20
    assert assumptions.of(Period.month("2026-10")).number("subscription_price") == 50
    reopened = Period.month("2026-08")
    BillingPeriod.objects.create(month=reopened.start, state="preliminary", frozen_versions=versions)
    assert assumptions.of(reopened).number("subscription_price") == 50


def test_the_shipped_register_is_loaded_once_and_never_over_a_sites_own() -> None:
    assert assumptions.load_default().pk == assumptions.load_default().pk
    own = assumptions.load([OWN], actor="x")
    assert assumptions.load_default().pk == own.pk
    assert TermsVersion.objects.filter(kind="assumptions").count() == 2
    assert len(own.document) == len(assumptions.shipped_document()), "a version is whole, whatever ships later"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- {code: a}\n", "own.yaml: a: unit must be a text"), ("a: 1\n", "assumptions are a list of entries"),
        ("- [\n", "own.yaml: line"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_one_line(content: str, told: str, tmp_path: Path) -> None:
    person("ann", "finance")
    (tmp_path / "own.yaml").write_text(content)
    for arguments in (("load", "--as", "ann"), ("diff",)):
        with pytest.raises(WrongUse, match=re.escape(told)):
            run(arguments[0], str(tmp_path / "own.yaml"), *arguments[1:])
    assert not Approval.objects.exists()


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("[]")
    with pytest.raises(WrongUse, match="say who asks for it: --as USER"):
        run("load", str(tmp_path / "own.yaml"))
    with pytest.raises(WrongUse, match="there is no entry and no group luck"):
        run("show", "luck")
    assert "token_price_change_frontier" in run("show", "macro")[0]


def test_an_older_version_is_still_to_be_read(headers: dict[str, str]) -> None:
    assumptions.load([OWN], actor="x")
    assumptions.load([OWN | {"base": "7"}], actor="y")
    found = Client().get("/api/v1/assumptions?version=1", **headers).json()
    assert {one["code"]: one["base"] for one in found["entries"]}["subscription_price"] == "50"
    assert Client().get("/api/v1/assumptions?version=3", **headers).status_code == 404
    assert Client().get("/api/v1/assumptions?version=x", **headers).status_code == 400
