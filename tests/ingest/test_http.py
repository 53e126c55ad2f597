"""The client of the providers' APIs: bounded in time, bytes and tries; it follows nothing and quotes nothing."""

import gzip
import time
import tomllib
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.http import USER_AGENT, HttpClient, KeyRefused, Limits
from ingest.pull import CursorExpired, PullFailed
from tests.ingest import loopback
from tests.ingest.loopback import JSON, Reply, serving

KEY = "sk-ant-admin01-canary-0123456789"
LOOPBACK = [ip_network("127.0.0.0/8")]
NOON = datetime(2026, 9, 8, 12, tzinfo=UTC)


class Clock:
    """Time passes only in pauses."""

    def __init__(self) -> None:
        self.seconds, self.pauses = 0.0, list[float]()

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client(url: str, clock: Clock, **given: Any) -> HttpClient:
    times = {"clock": clock, "now": clock.now, "sleep": clock.sleep, "jitter": lambda: 1.0}
    return HttpClient(url, {"x-api-key": KEY}, **({"allowed": LOOPBACK} | times | given))


def test_a_request_carries_the_key_our_name_and_its_parameters_below_the_base_url(clock: Clock) -> None:
    with serving(Reply(body=b'{"data": [1.10]}')) as server, client(f"{server.url}/v1/", clock) as http:
        answer = http.get(
            "usage/completions", {"bucket_width": "1h", "group_by": ["model", "project_id"], "batch": True}
        )
    asked = server.asked[0]
    assert asked.path == "/v1/usage/completions?bucket_width=1h&group_by=model&group_by=project_id&batch=true"
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["user-agent"] == USER_AGENT
    assert answer.json() == {"data": ["1.10"]}  # a fraction stays its text


def test_a_post_sends_json(clock: Clock) -> None:
    with serving() as server, client(server.url, clock) as http:
        http.post("query", {"from": 1})
    assert server.asked[0][:2] == ("POST", "/query")
    assert server.asked[0].body == b'{"from":1}'
    assert server.asked[0].headers["content-type"] == "application/json"


def test_our_name_says_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"InferenceLedger/{project['version']}" == USER_AGENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(status: int, clock: Clock) -> None:
    with serving(Reply(status), Reply(body=b'{"ok": 1}')) as server, client(server.url, clock) as http:
        assert http.get("usage").json() == {"ok": 1}
    assert len(server.asked) == 2
    assert clock.pauses == [1.0]


def test_pauses_double_with_full_jitter_and_tries_are_bounded(clock: Clock) -> None:
    with serving(Reply(503)) as server:
        http = client(server.url, clock)  # jitter 1.0 is the longest
        with http, pytest.raises(PullFailed, match=r"answered 503; tried 5 times"):
            http.get("usage")
        assert len(server.asked) == 5
        assert clock.pauses == [1.0, 2.0, 4.0, 8.0]
        http = client(server.url, clock, jitter=lambda: 0.25, tries=2)
        with http, pytest.raises(PullFailed, match=r"answered 503; tried 2 times"):
            http.get("usage")
        assert clock.pauses[4:] == [0.25]


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("7", 7.0), ("1.5", 1.5), ("900", 900.0), ("86400", 900.0),  # a quarter of an hour at most
        (format_datetime(NOON + timedelta(seconds=40), usegmt=True), 40.0),
        (format_datetime(NOON - timedelta(seconds=40), usegmt=True), 1.0),  # past: the usual pause
        ("0", 1.0), ("-5", 1.0), ("soon", 1.0), ("9" * 5_000, 1.0), ("nan", 1.0), ("inf", 1.0), ("", 1.0),
    ],
)  # fmt: skip
def test_retry_after_is_honoured_as_seconds_and_as_a_date(header: str, pause: float, clock: Clock) -> None:
    with serving(Reply(429, headers={**JSON, "Retry-After": header}), Reply()) as server:
        server.date = format_datetime(NOON, usegmt=True)
        with client(server.url, clock) as http:
            http.get("usage")
    assert clock.pauses == [pause]


def test_a_date_is_counted_from_the_servers_own_clock(clock: Clock) -> None:
    """An hour ahead of ours, it asks for ten seconds; by our clock that would be an hour and ten."""
    ahead = NOON + timedelta(hours=1)
    asks = format_datetime(ahead + timedelta(seconds=10), usegmt=True)
    with serving(Reply(503, headers={**JSON, "Retry-After": asks}), Reply()) as server:
        server.date = format_datetime(ahead, usegmt=True)
        with client(server.url, clock) as http:
            http.get("usage")
    assert clock.pauses == [10.0]


def test_all_tries_together_are_bounded_in_time(clock: Clock) -> None:
    """900 s of pause fit into 1,500 s, a second 900 s do not."""
    with (
        serving(Reply(429, headers={**JSON, "Retry-After": "3600"})) as server,
        client(server.url, clock) as http,
        pytest.raises(PullFailed, match="tried 2 times"),
    ):
        http.get("usage")
    assert clock.pauses == [900.0]
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(status: int, clock: Clock) -> None:
    with (
        serving(Reply(status)) as server,
        client(server.url, clock) as http,
        pytest.raises(KeyRefused, match=str(status)),
    ):
        http.get("usage")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, CursorExpired), (410, CursorExpired), (400, PullFailed), (409, PullFailed), (422, PullFailed)],
)
def test_other_refusals_are_final(status: int, error: type[PullFailed], clock: Clock) -> None:
    with serving(Reply(status)) as server, client(server.url, clock) as http, pytest.raises(PullFailed) as failed:
        http.get("usage")
    assert type(failed.value) is error
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_an_error_that_names_its_status_only(status: int, clock: Clock) -> None:
    with (
        serving() as second,
        serving(Reply(status, headers={"Location": f"{second.url}/{KEY}"})) as first,
        client(first.url, clock) as http,
        pytest.raises(PullFailed) as failed,
    ):
        http.get("usage")
    assert str(failed.value) == f"GET 127.0.0.1:{first.port}/usage answered {status}: redirects are not followed"
    assert len(first.asked) == 1
    assert second.asked == []


@pytest.mark.parametrize(
    "fault",
    [
        Reply(raw=loopback.reset), Reply(raw=loopback.cut_short), Reply(raw=lambda handler: None),
        Reply(body=gzip.compress(b'{"data": []}' * 9)[:-9], headers={**JSON, "Content-Encoding": "gzip"}),
        Reply(body=b"no gzip at all", headers={**JSON, "Content-Encoding": "gzip"}),
    ],
    ids=["reset", "cut short", "closed", "gzip cut short", "broken gzip"],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_asked_again_and_never_taken_for_whole(fault: Reply, clock: Clock) -> None:
    with serving(fault, fault, Reply(body=b'{"ok": 1}')) as server, client(server.url, clock) as http:
        assert http.get("usage").json() == {"ok": 1}
        assert len(server.asked) == 3
    with (
        serving(fault) as server,
        client(server.url, clock, tries=2) as http,
        pytest.raises(PullFailed, match="broke off"),
    ):
        http.get("usage")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://meter.local:8080/x", "meter.local:8080"), ("http://meter.local/x", "meter.local"),
        ("http://meter.local:80/x", "meter.local"), ("https://meter.local:443/x", "meter.local"),
        ("https://meter.local:80/x", "meter.local:80"), ("http://[::1]:9/x", "[::1]:9"), ("http://[::1]/x", "[::1]"),
    ],
)  # fmt: skip
def test_an_error_names_the_server_with_its_port_where_it_is_not_the_schemes(
    url: str, server: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise httpx.ReadError("gone")

    with HttpClient(url, {}, allowed=LOOPBACK, tries=1) as http:
        monkeypatch.setattr(http._transport, "handle_request", breaks)
        with pytest.raises(PullFailed) as failed:
            http.get("usage")
    assert str(failed.value) == f"GET {server}/x/usage broke off"


def test_nobody_there_is_said_so(clock: Clock) -> None:
    with serving() as server:
        url = server.url
    with client(url, clock, tries=2) as http, pytest.raises(PullFailed, match=r"nothing listens .*; tried 2 times"):
        http.get("usage")


@pytest.mark.parametrize("slow", [loopback.drip_body, loopback.drip_head, loopback.silent])
def test_a_byte_now_and_then_does_not_keep_us(slow: Any) -> None:
    """The server would drip for 10 s, and each byte comes within the read time-out."""
    with serving(Reply(raw=slow)) as server:
        http = HttpClient(server.url, {}, allowed=LOOPBACK, limits=Limits(read=0.3, request=0.4), tries=1)
        begun = time.monotonic()
        with http, pytest.raises(PullFailed, match="did not answer in time"):
            http.get("usage")
        assert time.monotonic() - begun < 2


def test_a_body_is_read_to_64_mib_and_not_a_byte_further(clock: Clock) -> None:
    limits = Limits(body=1_000)
    with serving(Reply(body=b" " * 998 + b"{}")) as server, client(server.url, clock, limits=limits) as http:
        assert http.get("usage").json() == {}
    with (
        serving(Reply(body=b" " * 999 + b"{}")) as server,
        client(server.url, clock, limits=limits) as http,
        pytest.raises(PullFailed, match="more than 1,000 bytes"),
    ):
        http.get("usage")
    assert len(server.asked) == 1
    assert Limits().body == 64 * 1024 * 1024


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_while_it_inflates(coding: str, clock: Clock) -> None:
    """256 MiB of zeros in 256 KB: never more than the cap and a step of 1 MiB lie in memory."""
    compressor = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(256)) + compressor.flush()
    assert len(bomb) < 300_000
    headers = {**JSON, "Content-Encoding": coding}
    with (
        serving(Reply(body=bomb, headers=headers)) as server,
        client(server.url, clock, limits=Limits(body=8 << 20)) as http,
    ):
        tracemalloc.start()
        with pytest.raises(PullFailed, match="more than 8,388,608 bytes"):
            http.get("usage")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12 << 20
    assert len(server.asked) == 1


def test_gzip_is_read_also_in_several_members(clock: Clock) -> None:
    body = gzip.compress(b'{"data": ') + gzip.compress(b"[1, 2]}")
    with (
        serving(Reply(body=body, headers={**JSON, "Content-Encoding": "gzip"})) as server,
        client(server.url, clock) as http,
    ):
        assert http.get("usage").json() == {"data": [1, 2]}
    assert server.asked[0].headers["accept-encoding"] == "gzip"


def test_a_coding_that_was_not_asked_for_is_refused(clock: Clock) -> None:
    with (
        serving(Reply(headers={**JSON, "Content-Encoding": "br"})) as server,
        client(server.url, clock) as http,
        pytest.raises(PullFailed, match="coding"),
    ):
        http.get("usage")


def test_html_is_no_json_even_where_it_would_parse(clock: Clock) -> None:
    with (
        serving(Reply(headers={"Content-Type": "text/html; charset=utf-8"})) as server,
        client(server.url, clock) as http,
    ):
        answer = http.get("usage")
        with pytest.raises(PullFailed, match="not JSON"):
            answer.json()
    for declared in ("application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"):
        with serving(Reply(headers={"Content-Type": declared})) as server, client(server.url, clock) as http:
            assert http.get("usage").json() == {}
    with serving(Reply(headers={})) as server, client(server.url, clock) as http:
        assert http.get("usage").json() == {}  # nothing is declared


@pytest.mark.parametrize("body", [b"", b'{"data": [', b"[" * 200_000, b'{"a": NaN', b"\xff"])
def test_broken_json_is_a_failure_of_ours(body: bytes, clock: Clock) -> None:
    with serving(Reply(body=body)) as server, client(server.url, clock) as http:
        answer = http.get("usage")
        with pytest.raises(PullFailed, match="no JSON"):
            answer.json()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"error": {"type": "rate_limit_error", "message": "for organization acme"}}', " (rate_limit_error)"),
        (b'{"error": {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-..."}}', " (invalid_api_key)"),
        (b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}', " (resource_exhausted)"),
        (b'{"error": {"type": "<script>alert(1)</script>"}}', ""),
        (f'{{"error": {{"type": "{KEY}"}}}}'.encode(), ""),
        (f'{{"error": {{"type": "bad.{KEY.upper()}"}}}}'.encode(), ""),
        (f'{{"error": {{"type": "{KEY[7:20]}"}}}}'.encode(), ""),  # a piece of it
        (b'{"error": {"type": "' + b"a" * 61 + b'"}}', ""),
        (b'{"error": "all of it is text"}', ""), (b'["error"]', ""), (b'{"error": {"type": ["x"]}}', ""),
        (b"[" * 60_000, ""), (b"<html>", ""), (b"{" + b" " * 70_000 + b"}", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 429])
def test_of_an_error_only_its_plain_word_is_told(status: int, body: bytes, word: str, clock: Clock) -> None:
    with (
        serving(Reply(status, body)) as server,
        client(server.url, clock, tries=1) as http,
        pytest.raises(PullFailed) as failed,
    ):
        http.get("v1/usage", {"page": "secret-cursor"})
    assert str(failed.value) == f"GET 127.0.0.1:{server.port}/v1/usage answered {status}{word}"


def test_a_next_page_given_as_url_is_followed_on_the_same_server_only(clock: Clock) -> None:
    with serving() as second, serving() as first, client(f"{first.url}/v1", clock) as http:
        http.get(f"{first.url}/v1/usage?skip=100")
        assert first.asked[0].path == "/v1/usage?skip=100"
        for link in (
            f"{second.url}/x",
            "https://127.0.0.1/x",
            f"http://user@127.0.0.1:{first.port}/x",
            "file:///etc/passwd",
        ):
            with pytest.raises(PullFailed, match="another server"):
                http.get(link)
        http.get(f"//127.0.0.1:{second.port}/x")  # read as a path, below the base
        assert first.asked[1].path == f"/v1/127.0.0.1:{second.port}/x"
    assert second.asked == []


def test_the_time_of_an_answer_is_its_date_unless_that_lies_ahead(clock: Clock) -> None:
    earlier, later = NOON - timedelta(hours=2), NOON + timedelta(hours=2)
    with serving() as server, client(server.url, clock) as http:
        server.date = format_datetime(earlier, usegmt=True)
        assert http.get("usage").at == earlier
        server.date = format_datetime(later, usegmt=True)
        assert http.get("usage").at == NOON


def test_no_proxy_of_the_environment_and_no_cookie_is_used(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy, serving(Reply(headers={**JSON, "Set-Cookie": "a=b"})) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with client(server.url, clock) as http:
            http.get("usage")
            http.get("usage")
    assert proxy.asked == []
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


def test_a_key_that_no_header_can_carry_is_refused_without_telling_it(clock: Clock) -> None:
    for bad in ("sk-one\r\nX-Injected: 1", "sk-\x00", "schlüssel"):
        with pytest.raises(PullFailed) as failed:
            HttpClient("http://127.0.0.1:1", {"x-api-key": bad}, allowed=LOOPBACK)
        assert bad not in str(failed.value)
