"""Every address x method x kind of caller, as auth_matrix says; and nothing of another cost centre in any answer."""

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from allocation import people
from allocation.close import statements
from allocation.models import Statement
from finops.periods import Period
from ingest.models import Connection
from tests.web.auth_matrix import MATRIX, OPEN, ROLES
from tests.web.ledger import Usage, bearer, freeze, load, person
from tests.web.test_api_auth import URLS
from web.models import BuiltFile

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
METHODS = ("get", "post", "put", "patch", "delete")  # of the API; pages have forms, which know two of them
OUTSIDERS = ("anonymous", "expired token", "demoted")
CALLERS = (*ROLES, "viewer of B", *OUTSIDERS)
A, B = "CC-100", "CC-200"
SEALED = {
    A: (b"alpha-team", b"alpha-model", b"alpha-feature"),
    B: (b"beta-team", b"beta-model", b"beta-feature", b"CC-200"),
}
REFUSED = {403, 405}
NOT_THERE = 404  # also what is said of things that are not for the caller


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    load(
        Usage("3", A, "alpha-team", model="alpha-model", feature="alpha-feature"),
        Usage("5", B, "beta-team", model="beta-model", feature="beta-feature"),
        Usage("7", None),
    )
    freeze()
    statements.issue(Period.month("2026-09"), "somebody")
    now = timezone.now()
    Connection.objects.create(name="conn", kind="openai", every=timedelta(hours=1), begins_on=now.date())
    return {code: Statement.objects.get(cost_centre__code=code).pk for code in (A, B)} | {"run": 1}


def caller(kind: str) -> tuple[Client, dict[str, str]]:
    client = Client(raise_request_exception=True)
    if kind in ROLES:
        client.force_login(person(f"the-{kind}", kind, A if kind in ("viewer", "owner") else ""))
    if kind == "viewer of B":
        client.force_login(person("of-b", "viewer", B))
    if kind == "expired token":
        return client, bearer(person("late", "finance"), "write", expires_at=timezone.now() - timedelta(seconds=1))
    if kind == "demoted":
        user = person("fallen", "finance")
        people.grant(name="fallen", role="admin", cost_centre=None, actor="test")
        client.force_login(user)
        assert client.get("/account/").status_code == 200
        for role in ("finance", "admin"):
            people.revoke(name="fallen", role=role, cost_centre=None, actor="test")
    return client, {}


def path_of(name: str) -> str:
    _, path = URLS[name]
    return path


def is_api(path: str) -> bool:
    return path.startswith(("/api/v1/", "/api/schema/", "/v1/"))


def test_every_address_has_a_line() -> None:
    there = set(URLS) - OPEN
    assert sorted(there - set(MATRIX.by_name)) == [], "add these names to a line of tests/web/auth_matrix.py:MATRIX"
    assert sorted(set(MATRIX.by_name) - there) == [], (
        "these names of tests/web/auth_matrix.py are no addresses any more"
    )
    named = [name for line in MATRIX.lines for name in line.names.split()]
    assert len(named) == len(set(named)), "a name stands in two lines"


def told(name: str, method: str, kind: str, answer: Any) -> str:
    body = b"" if answer.streaming else answer.content[:160]
    where = answer.get("Location", "")
    return f"{name}: {method.upper()} {path_of(name)} as {kind} answers {answer.status_code} {where} {body!r}"


@pytest.mark.parametrize("kind", CALLERS)
def test_each_caller_gets_in_where_the_matrix_says_and_nowhere_else(kind: str, filled: dict[str, Any]) -> None:
    client, headers = caller(kind)
    role = "viewer" if kind == "viewer of B" else kind
    wrong = []
    for name, line in MATRIX.by_name.items():
        path = path_of(name).format(run=filled["run"])
        for method in METHODS if is_api(path) else METHODS[:2]:
            answer = getattr(client, method)(path, **headers)
            out = answer.status_code == 401 or (answer.status_code == 302 and answer["Location"].startswith("/login/"))
            if kind in OUTSIDERS:
                fits = answer.status_code == 401 if is_api(path) else out
            elif role in line.may(method):
                fits = not out and answer.status_code not in REFUSED and answer.status_code < 500
            else:
                fits = answer.status_code in REFUSED | {NOT_THERE} | ({401} if path.startswith("/v1/") else set())
            if not fits:
                wrong.append(told(name, method, kind, answer))
            if answer.streaming:
                b"".join(answer.streaming_content)
    assert not wrong, "\n".join(["what the matrix does not say:", *wrong])


def texts(answer: Any) -> Iterator[bytes]:
    """What an answer says, workbooks unpacked."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if body[:2] != b"PK":
        yield body
        return
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        for part in book.namelist():
            yield book.read(part)


@pytest.mark.parametrize(("role", "own", "foreign"), [("viewer", A, B), ("owner", B, A)])
def test_no_answer_says_anything_of_another_cost_centre(
    role: str, own: str, foreign: str, filled: dict[str, Any]
) -> None:
    client = Client()
    client.force_login(person("reader", role, own))
    seen, leaks = 0, []
    asked = [
        path.format(run=1) + ("" if "month=" in path else f"{'&' if '?' in path else '?'}month=2026-09")
        for name, (_, path) in URLS.items()
        if (line := MATRIX.by_name.get(name)) and role in line.may("get")
    ]
    asked += [
        f"/api/v1/costs?month=2026-09&group_by={column}"
        for column in ("x_CostCentre", "x_Team", "x_Model", "x_Feature", "ServiceProviderName", "x_QueryTier")
    ]
    asked += [f"/api/v1/costs?month=2026-09&group_by=x_Team&filter[x_CostCentre]={foreign}"]
    for path in asked:
        said = b"".join(texts(client.get(path)))
        seen += any(word in said for word in SEALED[own])
        leaks += [(path, word) for word in SEALED[foreign] if word in said and word != b"CC-200"]
    assert not leaks, f"{role} of {own} reads of {foreign}: {leaks}"
    assert seen >= 5  # own names are there, so the words would show


def test_those_who_see_everything_see_both(filled: dict[str, Any]) -> None:
    client = Client()
    client.force_login(person("reader", "auditor"))
    said = client.get("/api/v1/costs?month=2026-09&group_by=x_Team").content
    assert b"alpha-team" in said
    assert b"beta-team" in said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/statements/{foreign}"),
        ("post", "/api/v1/statements/{foreign}/accept"),
        ("post", "/api/v1/statements/{foreign}/dispute"),
        ("get", "/statements/2026-09/CC-200"),
        ("get", "/statements/{foreign}.pdf"),
        ("post", "/statements/{foreign}/answer"),
        ("get", "/api/v1/exports/{export}"),
        ("post", "/account/tokens/{token}/revoke"),
    ],
)
def test_an_id_of_others_is_not_there(method: str, path: str, filled: dict[str, Any], settings: Any) -> None:
    other = person("other", "finance")
    bearer(other)
    file = BuiltFile.objects.create(
        kind="charges", format="csv", name="x.csv", month="2026-09-01", asked_by="other", user=other
    )
    client = Client()
    client.force_login(person("own", "owner", A))
    places = {"foreign": filled[B], "export": file.pk, "token": other.api_tokens.get().pk}  # type: ignore[attr-defined]
    nowhere = path.format(foreign=2**62, export=2**62, token=2**62).replace("200", "999")
    for place in (path.format(**places), nowhere):  # nobody learns whether there is one
        said = {"reason": "x"} if method == "post" else {}
        assert getattr(client, method)(place, said).status_code == 404, place


def callback(pathname: str = "/overview/", search: str = "?month=2026-09") -> dict[str, Any]:
    return {
        "output": "page.children", "outputs": {"id": "page", "property": "children"},
        "inputs": [{"id": "address", "property": "pathname", "value": pathname},
                   {"id": "address", "property": "search", "value": search}],
        "changedPropIds": ["address.search"],
    }  # fmt: skip


DASH = ("_dash-layout", "_dash-dependencies", "_dash-update-component", "_dash-component-suites/dash/x.js", "any/thing")


@pytest.mark.parametrize("kind", OUTSIDERS)
def test_no_part_of_dash_is_for_outsiders(kind: str, filled: dict[str, Any]) -> None:
    client, headers = caller(kind)
    for part in DASH:
        for method in ("get", "post"):
            answer = getattr(client, method)(f"/dash/{part}", callback(), content_type="application/json", **headers)
            assert (answer.status_code, answer["Location"][:7]) == (302, "/login/"), part


def test_a_callback_is_cut_to_the_scope_whatever_it_asks_for(filled: dict[str, Any]) -> None:
    client = Client()
    client.force_login(person("own", "viewer", A))
    for search in ("?month=2026-09", f"?month=2026-09&cost_centre={B}", "?month=2026-09&team=beta-team"):
        answer = client.post("/dash/_dash-update-component", callback(search=search), content_type="application/json")
        assert answer.status_code == 200
        assert not [word for word in SEALED[B] if word in answer.content and word not in search.encode()]


def test_a_callback_needs_the_csrf_token_and_json(filled: dict[str, Any]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("own", "viewer", A))
    place = "/dash/_dash-update-component"
    assert client.post(place, callback(), content_type="application/json").status_code == 403
    token = client.get("/overview/").cookies["csrftoken"].value
    sent = client.post(place, callback(), content_type="application/json", HTTP_X_CSRFTOKEN=token)
    assert sent.status_code == 200
    plain = client.post(place, "{}", content_type="text/plain", HTTP_X_CSRFTOKEN=token)
    assert plain.status_code in (400, 415)


def test_every_form_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("all", "admin"))
    for name, line in MATRIX.by_name.items():
        for method in ("post", "patch", "delete"):
            if line.may(method) and "admin" in line.may(method):
                assert getattr(client, method)(path_of(name).format(run=1)).status_code == 403, (name, method)
