"""POST /api/v1/events: what is sent is stored once, known, or rejected with its place; a key makes it one request."""

import gzip
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from allocation.models import TierRule
from finops.tokens import TOKEN_CLASSES
from ingest import push
from ingest.intake import Unfinished
from ingest.models import IngestRun, Quarantine, UsageEvent
from tests.web.ledger import bearer, person
from web import idempotency
from web.api import bodies
from web.models import IdempotencyKey

pytestmark = pytest.mark.usefixtures("ledger")
URL = "/api/v1/events"
SAMPLES = Path(__file__).parents[1] / "samples" / "litellm"


@pytest.fixture
def headers() -> dict[str, str]:
    return bearer(person("sender"), "ingest")  # no role: the scope of the token is enough


def event(number: int, **given: Any) -> dict[str, Any]:
    return {
        "id": f"e{number}", "timestamp": "2026-09-08T13:00:00Z", "model": "gpt-5", "input_tokens": 100,
        "cached_tokens": 40, "output_tokens": 10, **given,
    }  # fmt: skip


def send(headers: dict[str, str], body: Any, query: str = "", **extra: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra.setdefault("content_type", "application/json")
    return Client(raise_request_exception=False).generic("POST", URL + query, data, **headers, **extra)


def test_a_batch_is_stored_and_told_as_a_run(headers: dict[str, str]) -> None:
    answer = send(headers, [event(1), event(2), event(3, output_tokens=-1)])
    assert answer.status_code == 200
    body = answer.json()
    assert (body["read"], body["stored"], body["duplicate"], body["quarantined"]) == (3, 2, 0, 1)
    assert body["source"] == "generic"
    assert body["account"] == "default"
    assert body["state"] == "done"
    assert body["totals"]["input_uncached"] == "120"  # 2 x (100 - 40)
    assert body["totals"]["cache_read"] == "80"
    assert body["quarantine"] == {"negative": 1}
    [rejected] = body["rejected"]
    assert (rejected["index"], rejected["place"], rejected["reason"]) == (2, "event 2", "negative")
    assert UsageEvent.objects.count() == 2
    assert IngestRun.objects.get().pk == int(body["run"])


def test_the_same_batch_again_is_known_in_any_shape(headers: dict[str, str]) -> None:
    events = [event(1), event(2), event(3)]
    assert send(headers, events).json()["stored"] == 3
    lines = b"\n".join(json.dumps(each).encode() for each in reversed(events)) + b"\n\n"
    shapes: list[tuple[bytes, dict[str, str]]] = [
        (json.dumps({"events": events}).encode(), {}),
        (lines, {"content_type": "application/x-ndjson"}),
        (gzip.compress(lines), {"content_type": "application/x-ndjson", "HTTP_CONTENT_ENCODING": "gzip"}),
        (gzip.compress(lines[:40]) + gzip.compress(lines[40:]),
         {"content_type": "application/x-ndjson; charset=utf-8", "HTTP_CONTENT_ENCODING": "gzip"}),
    ]  # fmt: skip
    for body, extra in shapes:
        told = send(headers, body, **extra).json()
        assert (told["read"], told["stored"], told["duplicate"]) == (3, 0, 3)
    assert UsageEvent.objects.count() == 3
    assert send(headers, events, "?account=other").json()["stored"] == 3  # an account is part of the identity


def test_what_a_router_called_a_query_decides_its_tier(headers: dict[str, str]) -> None:
    """Ten tokens out are simple, unless a router that the policy maps says otherwise."""
    batch = [event(1), event(2, router_label="REASONING"), event(3, metadata={"router_label": "complex"})]
    assert send(headers, batch).json()["stored"] == 3
    rules = TierRule.objects.in_bulk(UsageEvent.objects.values_list("tier_rule", flat=True))
    tiers = sorted(rules[event.tier_rule].tier for event in UsageEvent.objects.all())
    assert tiers == ["complex", "complex", "simple"]


def test_numbers_are_never_floats(headers: dict[str, str]) -> None:
    cost = "0.123456789012"  # as a float it would be 0.12345678901200000...
    body = json.dumps([event(1)]).replace("}", f', "cost_usd": {cost}}}').encode()
    assert send(headers, body).json()["totals"]["reported_cost"] == cost
    assert send(headers, [event(5, input_tokens=1.5)]).json()["quarantine"] == {"fractional": 1}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1", "true", '"1e3"', "1e400", "[]", '"x"', "9" * 30])
def test_what_is_no_count_is_rejected_and_its_neighbours_stored(headers: dict[str, str], text: str) -> None:
    good = json.dumps(event(1))
    bad = json.dumps(event(2)).replace('"output_tokens": 10', f'"output_tokens": {text}')
    told = send(headers, f"[{bad},{good}]".encode()).json()
    assert (told["stored"], told["quarantined"]) == (1, 1)
    assert told["rejected"][0]["index"] == 0


@pytest.mark.parametrize("nul", ["\\u0000", "\x00"])
@pytest.mark.parametrize("field", ["model", "id", "input_tokens", "timestamp"])
def test_a_record_with_nul_is_rejected_in_its_place_and_its_neighbours_stored(
    headers: dict[str, str], field: str, nul: str
) -> None:
    batch = json.dumps([event(1), event(2, **{field: "QQ"}), event(3)]).replace("QQ", f"x{nul}y")
    told = send(headers, batch.encode()).json()
    assert (told["stored"], told["quarantined"], told["rejected"][0]["index"]) == (2, 1, 1), told
    assert UsageEvent.objects.count() == 2


def test_a_line_that_is_no_json_is_rejected_in_its_place(headers: dict[str, str]) -> None:
    lines = json.dumps(event(1)).encode() + b"\n{broken\n\xff\xfe\n5\n" + json.dumps(event(2)).encode()
    told = send(headers, lines, content_type="application/x-ndjson").json()
    assert (told["read"], told["stored"], told["quarantined"]) == (5, 2, 3)
    assert [row["index"] for row in told["rejected"]] == [1, 2, 3]
    assert "broken" not in json.dumps(told)


@pytest.mark.parametrize(
    "body", [b"  ", b"{", b"5", b'{"events": 5}', b'{"events": [], "events": []}', b"[" * 200_000,
             b'{"events": [], "more": 1}', b"\xff", b"null"],
)  # fmt: skip
def test_a_body_that_is_no_batch_is_refused(headers: dict[str, str], body: bytes) -> None:
    answer = send(headers, body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert IngestRun.objects.count() == 0


def test_one_object_is_a_batch_of_one(headers: dict[str, str]) -> None:
    told = send(headers, event(1), HTTP_IDEMPOTENCY_KEY="k").json()
    assert (told["read"], told["stored"]) == (1, 1)
    assert send(headers, [event(1)]).json()["duplicate"] == 1
    for body in (b'{"a": []}', json.dumps(event(2)).replace("{", '{"id": "x", ').encode()):
        told = send(headers, body).json()
        assert (told["read"], told["quarantined"], told["rejected"][0]["index"]) == (1, 1, 0)


def recorded() -> list[dict[str, Any]]:
    """What LiteLLM 1.106.2 gave to its callbacks, see ORIGIN.md."""
    return [json.loads(line) for line in (SAMPLES / "recorded_payloads.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("log_format", ["json_array", "ndjson", "single"])
def test_each_format_of_litellms_generic_logger_arrives_under_its_one_content_type(
    headers: dict[str, str], log_format: str
) -> None:
    calls = recorded()
    bodies_ = {
        "json_array": [json.dumps(calls)],
        "ndjson": ["\n".join(map(json.dumps, calls))],  # GenericAPILogger joins so, without a last newline
        "single": [json.dumps(call) for call in calls],
    }[log_format]
    told = [send(headers, body.encode(), "?source=litellm").json() for body in bodies_]
    assert sum(each["read"] for each in told) == sum(each["stored"] for each in told) == len(calls)
    tokens = sum(int(value) for each in told for name, value in each["totals"].items() if name in TOKEN_CLASSES)
    paid = [call for call in calls if call["cache_hit"] is not True]
    assert tokens == sum(call["prompt_tokens"] + call["completion_tokens"] for call in paid)


def test_lines_under_the_content_type_of_json_are_what_they_are_under_their_own(headers: dict[str, str]) -> None:
    lines = json.dumps(event(1)).encode() + b"\r\n{broken\n\xff\xfe\n5\n\n" + json.dumps(event(2)).encode() + b"\n"
    told = send(headers, lines, HTTP_CONTENT_ENCODING="identity").json()
    assert (told["read"], told["stored"], told["quarantined"]) == (5, 2, 3)
    assert [row["index"] for row in told["rejected"]] == [1, 2, 3]
    one = json.dumps([event(1), event(2)], indent=1).encode()  # over many lines, and one value
    assert send(headers, one).json()["duplicate"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"5\n6",
        b'[{"id": "x"}]\n[{"id": "y"}]',
        b'{"id": "x"},\n{"id": "y"}',
        b'{\n"id": "x"',
        b'{"id": "x"} {"id": "y"}',
    ],
)
def test_what_is_neither_one_value_nor_lines_of_records_is_refused_whole(headers: dict[str, str], body: bytes) -> None:
    answer = send(headers, body)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert "The body is no JSON: not_json at character" in answer.json()["detail"]
    assert IngestRun.objects.count() == 0


def test_what_may_be_posted_cannot_be_read(headers: dict[str, str]) -> None:
    client = Client()
    answer = client.get(URL, **headers)
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")
    assert client.options(URL, **headers).status_code == 403
    assert client.get(URL, **bearer(person("reader", "admin"))).status_code == 403


def test_an_empty_batch_is_one(headers: dict[str, str]) -> None:
    assert send(headers, []).json()["read"] == 0


@pytest.mark.parametrize(
    "query",
    ["?source=nothing", "?source=openai", "?source=", "?account=", "?account=%20a", "?account=" + "x" * 201, "?a=1",
     "?source=generic&source=generic", "?account=a%00b"],
)  # fmt: skip
def test_wrong_parameters_say_so(headers: dict[str, str], query: str) -> None:
    assert send(headers, [event(1)], query).status_code == 400
    assert IngestRun.objects.count() == 0


def test_media_types_and_codings_that_are_not_taken(headers: dict[str, str]) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ):
        answer = send(headers, [event(1)], content_type=kind)
        assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")
    assert send(headers, [event(1)], HTTP_CONTENT_ENCODING="br").status_code == 415
    assert send(headers, b"no gzip", HTTP_CONTENT_ENCODING="gzip").status_code == 400
    cut = gzip.compress(json.dumps([event(1)]).encode())[:-9]
    assert send(headers, cut, HTTP_CONTENT_ENCODING="gzip").status_code == 400
    assert IngestRun.objects.count() == 0


def test_what_is_too_much(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(headers, [{}] * (push.MAX_BATCH + 1)).status_code == 413
    bomb = gzip.compress(b" " * (bodies.MOST_BYTES + 1))
    assert len(bomb) < 40_000
    assert send(headers, bomb, HTTP_CONTENT_ENCODING="gzip").status_code == 413
    monkeypatch.setattr(bodies, "raw", lambda request, most=1_000: _raw(request, 1_000))
    answer = send(headers, [event(number) for number in range(20)])
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert UsageEvent.objects.count() == 0


_raw = bodies.raw


def test_more_than_django_takes_by_itself(headers: dict[str, str]) -> None:
    wide = [event(number, metadata={"note": "x" * 3_000}) for number in range(1_000)]  # 3 MB; Django's bound is 2.5
    assert send(headers, wide).json()["stored"] == 1_000


@pytest.mark.parametrize("error", [Unfinished("broke off"), DatabaseError("gone")])
def test_a_batch_that_could_not_be_stored_may_be_sent_again(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(push, "take_batch", lambda *_: (_ for _ in ()).throw(error))
        answer = send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "gone" not in answer.content.decode()
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").json()["stored"] == 1


@pytest.mark.parametrize("scope", ["read", "write"])
def test_only_an_ingest_token_may_send(scope: str) -> None:
    assert send(bearer(person("admin", "admin"), scope), [event(1)]).status_code == 403
    assert send({}, [event(1)]).status_code == 401
    client = Client()
    client.force_login(person("b", "admin"))
    assert client.post(URL, [event(1)], content_type="application/json").status_code == 403
    assert IngestRun.objects.count() == 0


def test_names_in_a_rejected_record_are_told_as_data(headers: dict[str, str]) -> None:
    payload = "<script>alert(1)</script>_tokens"
    answer = send(headers, [event(1) | {payload: 5}])
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["rejected"][0]["reason"] == "unknown_shape"


# The key that makes a request one.


def test_the_same_key_and_request_is_answered_as_the_first(headers: dict[str, str]) -> None:
    first = send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="a-1")
    again = send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="a-1")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert again.json()["stored"] == 1
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert IngestRun.objects.count() == 1


def test_the_same_key_with_another_request_is_refused(headers: dict[str, str]) -> None:
    send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k")
    assert send(headers, [event(2)], HTTP_IDEMPOTENCY_KEY="k").status_code == 422
    assert send(headers, [event(1)], "?account=b", HTTP_IDEMPOTENCY_KEY="k").status_code == 422
    other = bearer(person("another"), "ingest")
    assert send(other, [event(2)], HTTP_IDEMPOTENCY_KEY="k").status_code == 200  # keys are a user's own
    assert IngestRun.objects.count() == 2


def test_a_key_whose_request_failed_is_free_again(headers: dict[str, str]) -> None:
    assert send(headers, b"{", HTTP_IDEMPOTENCY_KEY="k").status_code == 400
    assert IdempotencyKey.objects.count() == 0
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
def test_keys_that_are_none(headers: dict[str, str], key: str) -> None:
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY=key).status_code == 400
    assert IngestRun.objects.count() == 0


def test_while_the_first_is_under_way_others_wait(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = push.take_batch

    def during(*given: Any) -> Any:
        seen.append(send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").status_code)
        return real(*given)

    monkeypatch.setattr(push, "take_batch", during)
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").status_code == 200
    assert seen == [409]


def test_eight_at_once_have_one_effect(headers: dict[str, str]) -> None:
    codes: list[int] = []
    ready = threading.Barrier(8)

    def one() -> None:
        ready.wait()
        try:
            codes.append(send(headers, [event(1), event(2)], HTTP_IDEMPOTENCY_KEY="k").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 409}
    assert 200 in codes
    assert IngestRun.objects.count() == 1
    assert UsageEvent.objects.count() == 2


@pytest.fixture
def stuck(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> IdempotencyKey:
    """A key whose first sender's process died."""
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "keep", lambda *_: None)
        send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k")
    return IdempotencyKey.objects.get()


def test_a_dead_first_is_taken_over(headers: dict[str, str], stuck: IdempotencyKey) -> None:
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").status_code == 409
    IdempotencyKey.objects.update(begun_at=timezone.now() - timedelta(minutes=11))
    told = send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").json()
    assert (told["stored"], told["duplicate"]) == (0, 1)  # its batch had been committed
    idempotency.keep(stuck, 200, '"the answer of a process that woke up too late"')
    assert send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k").json() == told


def test_keys_are_forgotten_after_a_day(headers: dict[str, str]) -> None:
    send(headers, [event(1)], HTTP_IDEMPOTENCY_KEY="k")
    assert idempotency.prune() == 0
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send(headers, [event(2)], HTTP_IDEMPOTENCY_KEY="k").status_code == 200  # also where no tick has pruned it
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert idempotency.prune() == 1


def test_rejects_are_told_without_their_content(headers: dict[str, str]) -> None:
    send(headers, [event(1, output_tokens="a secret of the customer")])
    row = Quarantine.objects.get()
    assert "secret" not in row.detail + row.place
