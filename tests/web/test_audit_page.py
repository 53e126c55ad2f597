"""The audit trail as page and API: filters, before and after, request ids; a changed row is named."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from allocation.costing import terms
from finops import audit, requests
from finops.models import AuditEvent
from tests.web.connected import PAYLOAD
from tests.web.ledger import bearer, person
from tests.web.money_pages import client_of, page, row, text

pytestmark = pytest.mark.django_db
URL = "/api/v1/audit"
MAY = ("finance", "admin", "auditor")


@pytest.fixture
def trail() -> list[AuditEvent]:
    return [
        audit.record(action="statement.accept", actor="ann", subject="2026-09 CC-100", details={"before": "issued"}),
        audit.record(action="statement.dispute", actor="bo", subject="2026-09 CC-200", details={"dispute_reason": "not ours"}),
        audit.record(
            action="period.close", actor="ann", subject="2026-09",
            details={"before": "soft_closed", "after": "closed", "version": 1, "request": "abc-1"},
        ),
    ]  # fmt: skip


def ask(**given: str) -> Any:
    user = person("reader", "auditor")
    answer = Client().get(URL, given, **bearer(user))
    user.delete()
    return answer


@pytest.mark.parametrize("role", [*MAY, "viewer", "owner", "analyst"])
def test_the_matrix_of_roles(role: str) -> None:
    client = client_of(role)
    assert client.get("/audit/").status_code == (200 if role in MAY else 403)
    assert client.get(URL).status_code == (200 if role in MAY else 403)
    assert ('href="/audit/"' in client.get("/budgets/").content.decode()) == (role in MAY)


def test_the_page_says_who_what_when_before_after_why_and_in_which_request(trail: list[AuditEvent]) -> None:
    markup = page(client_of("auditor"), "/audit/")
    closed = row(markup, "period.close")
    for told in ("ann", "2026-09", "soft_closed", "→ closed", "request abc-1", "version 1"):
        assert told in closed, told
    assert "not ours" in row(markup, "statement.dispute")
    assert markup.index("period.close<small") < markup.index("statement.accept<small"), "the newest first"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"actor": "ann"}, ["period.close", "statement.accept"]),
        ({"action": "statement"}, ["statement.dispute", "statement.accept"]),
        ({"action": "statement.accept"}, ["statement.accept"]),
        ({"action": "state"}, []),
        ({"subject": "cc-2"}, ["statement.dispute"]),
        ({"subject": "100%"}, []),
        ({"request": "abc-1"}, ["period.close"]),
        ({"start": "2999-01-01"}, []),
        ({"end": "2020-01-01"}, []),
        ({"actor": "ann", "action": "period.close"}, ["period.close"]),
    ],
)
def test_filters_of_page_and_api_find_the_same(
    given: dict[str, str], expected: list[str], trail: list[AuditEvent]
) -> None:
    assert [each["action"] for each in ask(**given).json()["results"]] == expected
    markup = page(
        client_of("auditor"),
        "/audit/?" + "&".join(f"{name}={value}" for name, value in given.items()).replace("%", "%25"),
    )
    for event in trail:
        assert (f'id="event-{event.pk}"' in markup) == (event.action in expected)


def test_a_day_is_whole_and_utc(trail: list[AuditEvent]) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert len(ask(start=today, end=today).json()["results"]) == 3


@pytest.mark.parametrize("given", [{"start": "1"}, {"end": "2026-02-30"}, {"start": "0001-01-01"}, {"actor": "a" * 301},
                                   {"end": "9999-12-31"}, {"what": "x"}])  # fmt: skip
def test_wrong_filters_are_named(given: dict[str, str]) -> None:
    answer = ask(**given)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(next(iter(given)))
    if "what" not in given:
        assert client_of("auditor").get("/audit/", given).status_code == 400
    assert client_of("auditor", "b").get("/audit/", {"subject": "\x00"}).status_code == 400


def test_the_api_has_before_after_reason_and_the_seals(trail: list[AuditEvent]) -> None:
    newest, middle, _ = ask().json()["results"]
    assert (newest["before"], newest["after"], newest["request"]) == ("soft_closed", "closed", "abc-1")
    assert middle["reason"] == "not ours"
    assert newest["previous_hash"] == middle["hash"] == bytes(trail[1].hash).hex()


def test_what_a_request_changes_has_its_id_and_the_answer_says_it() -> None:
    user = person("fin", "finance")
    body = {"kind": "charges", "month": "2026-09"}
    answer = Client().post(
        "/api/v1/exports", body, content_type="application/json", HTTP_X_REQUEST_ID="req-7", **bearer(user, "write")
    )
    assert (answer.status_code, answer["X-Request-ID"]) == (202, "req-7")
    assert AuditEvent.objects.get(action="export.ask").details["request"] == "req-7"
    assert requests.current() == "", "and nothing after it"
    audit.record(action="x", actor="clock", subject="")
    assert "request" not in AuditEvent.objects.get(action="x").details


@pytest.mark.parametrize("wrong", ["", "a b", "x" * 65, "<script>", "a\nb", "é"])
def test_what_is_no_sane_id_is_replaced(wrong: str) -> None:
    told = Client().get("/healthz", HTTP_X_REQUEST_ID=wrong)["X-Request-ID"]
    assert told != wrong
    assert len(told) == 32


def test_a_new_version_says_which_it_replaced() -> None:
    def parse(given: Any) -> Any:
        return given

    first = terms.load("thing", [1], parse, actor="ann", charged=False)
    second = terms.load("thing", [2], parse, actor="ann", charged=False)
    one, two = AuditEvent.objects.filter(action="thing.load").order_by("pk")
    assert (one.details["before"], one.details["sha256"]) == (None, first.content_hash)
    assert (two.details["before"], two.details["sha256"]) == (f"v1 {first.content_hash}", second.content_hash)


@pytest.mark.parametrize("column", ["actor = 'eve'", "details = '{}'", "subject = 'other'", "at = at + interval '1s'"])
def test_a_row_that_a_superuser_changed_is_named(column: str, trail: list[AuditEvent]) -> None:
    call_command("audit_verify")
    changed = trail[1]
    with connection.cursor() as cursor:  # what the application's role may not do
        cursor.execute("ALTER TABLE finops_auditevent DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE finops_auditevent SET {column} WHERE id = %s", [changed.pk])
        cursor.execute("ALTER TABLE finops_auditevent ENABLE TRIGGER USER")
    with pytest.raises(CommandError, match=rf"the audit trail is broken at event {changed.pk}$"):
        call_command("audit_verify")


def test_a_row_that_is_gone_breaks_the_one_after_it(trail: list[AuditEvent]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE finops_auditevent DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM finops_auditevent WHERE id = %s", [trail[1].pk])
        cursor.execute("ALTER TABLE finops_auditevent ENABLE TRIGGER USER")
    assert list(audit.broken_links()) == [trail[2].pk]


def test_no_text_becomes_markup() -> None:
    audit.record(
        action="x", actor=PAYLOAD, subject=PAYLOAD, details={"reason": PAYLOAD, "before": PAYLOAD, PAYLOAD: [PAYLOAD]}
    )
    assert "<img" not in page(client_of("auditor"), "/audit/")


def test_pages_go_on_and_keep_their_filters(django_assert_max_num_queries: Any) -> None:
    for number in range(60):
        audit.record(action="x.y", actor="ann", subject=f"s{number:02}")
    client = client_of("auditor")
    with django_assert_max_num_queries(9):
        markup = page(client, "/audit/?actor=ann")
    assert "s59" in markup
    assert "s09" not in markup
    older = markup.split('href="?')[1].split('"')[0].replace("&amp;", "&")
    assert "actor=ann" in older
    assert "s09" in text(page(client, f"/audit/?{older}"))


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("from=zz", "from: no such parameter; possible: actor, action, subject, request, start, end, before"),
        ("start=zz", "start: a day is written YYYY-MM-DD"),
        ("start=2026-09-30&end=2026-09-01", "end: the last day, 2026-09-01, lies before the first, 2026-09-30"),
    ],
)
def test_the_page_refuses_what_is_no_filter_and_days_the_wrong_way_round(query: str, wrong: str) -> None:
    answer = client_of("auditor").get(f"/audit/?{query}")
    assert answer.status_code == 400
    assert wrong in answer.content.decode()


def test_the_api_refuses_days_the_wrong_way_round_and_takes_a_single_one(trail: list[AuditEvent]) -> None:
    assert ask(start="2026-09-30", end="2026-09-01").status_code == 400
    assert ask(start="2026-09-30", end="2026-09-30").status_code == 200
