"""The OpenAPI document: checked in as generated, complete, and kept by the API when fuzzed from it."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import get_resolver
from hypothesis import HealthCheck, settings
from rest_framework import serializers
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from allocation.selectors import FILTERS
from finops.wsgi import application
from ingest.connections import Trial
from tests.web.connected import connected
from tests.web.ledger import Usage, bearer, load, person
from web import connecting
from web.api.inline import inline_serializer
from web.downloads import XLSX

DOCUMENT = Path(__file__).parents[2] / "web" / "api" / "openapi.yaml"
EXAMPLES = int(os.environ.get("FINOPS_FUZZ_EXAMPLES", "40"))


def generated() -> str:
    out = io.StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=out)
    return out.getvalue()


def test_the_document_that_is_checked_in_is_the_generated_one() -> None:
    """To renew it: manage.py spectacular --file web/api/openapi.yaml"""
    assert DOCUMENT.read_text().strip() == generated().strip()


FILES = {"csv": "text/csv", "xlsx": XLSX}


@pytest.mark.django_db
def test_every_example_of_a_parameter_is_answered_by_itself() -> None:
    load(Usage("1", feature="example-code-agent"))
    headers, asked = bearer(person("reader", "finance")), 0
    for path, operations in yaml.safe_load(DOCUMENT.read_text())["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            for example in parameter.get("examples", {}).values():
                answer = Client().get(path, {parameter["name"]: example["value"]}, **headers)
                assert answer.status_code == 200, (path, parameter["name"], answer.content)
                asked += 1
    assert asked


def test_every_operation_is_documented() -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    api = {pattern for pattern in _paths(get_resolver("web.api.urls").url_patterns) if pattern.startswith("/api/v1/")}
    assert set(document["paths"]) == api
    assert set(document["components"]["securitySchemes"]) == {"token", "cookieAuth"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)
            assert {} not in operation["security"], "no operation is open to everybody"
            assert {"400", "401", "403", "429"} <= set(operation["responses"])
            shared = document["components"]["responses"]
            operation["responses"] = {
                code: shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
                for code, answer in operation["responses"].items()
            }
            assert {"200", "201", "202"} & set(operation["responses"])
            for code, answer in operation["responses"].items():
                told = FILES.get(path.rpartition(".")[2], "application/json")
                media = told if code in ("200", "201", "202") else "application/problem+json"
                assert list(answer["content"]) == [media], (path, code)
            refused = operation["responses"]["429"]
            assert refused["headers"]["Retry-After"]["schema"] == {"type": "integer", "minimum": 1}, (path, method)
    names = {parameter["name"] for parameter in document["paths"]["/api/v1/costs"]["get"]["parameters"]}
    assert {f"filter[{name}]" for name in FILTERS} <= names


def test_a_field_that_several_names_share_is_documented_under_each() -> None:
    field = serializers.CharField()
    assert list(inline_serializer("Two", {"one": field, "other": field}).fields) == ["one", "other"]
    direct = [
        str(path)
        for path in (Path(__file__).parents[2] / "web").rglob("*.py")
        if re.search(r"drf_spectacular\.utils import .*inline_serializer", path.read_text())
    ]
    assert direct == [], "web.api.inline has the one that does so"


def _paths(patterns: list[Any]) -> set[str]:
    return {re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{pattern.pattern}") for pattern in patterns}


@pytest.mark.django_db
def test_the_page_that_shows_it_runs_under_our_content_security_policy() -> None:
    client = Client()
    client.force_login(person("u", "viewer", "CC-100"))
    answer = client.get("/api/docs/")
    html = answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "<script>" not in html
    assert html.count("<script src=") == 3
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"] == "application/javascript"
    assert b"/api/schema/" in script.content or b"../schema/" in script.content
    for address in ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"):
        file = client.get(f"/static/drf_spectacular_sidecar/swagger-ui-dist/{address}")
        assert file.status_code == 200
        file.close()


schema = schemathesis.openapi.from_dict(yaml.safe_load(DOCUMENT.read_text()))
schema.app = application
_ours = [
    not_a_server_error, content_type_conformance, response_headers_conformance, response_schema_conformance,
    status_code_conformance,
]  # fmt: skip


@pytest.fixture
def access(ledger: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Tokens that may: of finance, of an admin who changes sources, none of which is asked anything, and of a sender.

    Requests leave the test's connection open, as Django's own test client does.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    load(
        Usage("12.34", "CC-100", "search"), Usage("7", None, provenance="billed"), Usage(None, "CC-200", estimate="1"),
        Usage("3", "CC-100", currency="EUR"),
    )  # fmt: skip
    monkeypatch.setattr(connecting, "try_out", lambda _: Trial(True, "The key works"))
    connected("conn")
    finance, admin = bearer(person("fuzz", "finance"), "write"), bearer(person("fuzz-admin", "admin"), "write")
    sender = bearer(person("fuzz-sender"), "ingest")
    yield {
        "finance": finance["HTTP_AUTHORIZATION"], "admin": admin["HTTP_AUTHORIZATION"],
        "sender": sender["HTTP_AUTHORIZATION"],
    }  # fmt: skip
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_is_answered_as_documented(case: Any, access: dict[str, str]) -> None:
    path = case.operation.path
    who = "admin" if "/sources" in path else "sender" if path.endswith("/events") else "finance"
    headers = {"Authorization": access[who], "Accept-Encoding": "identity"}  # it does not unzip
    response = case.call(headers=headers)
    case.validate_response(response, checks=_ours)
