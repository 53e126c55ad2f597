"""Anthropic's reports: tokens and dollars as a few lines of JSON say them, what null means, and pulls."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.anthropic_usage import context_of, dollars
from ingest.calc.lines import check_lines, line_table
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.scopes import charge_scope, covers
from ingest.pull import Answer, CursorExpired, PullFailed, Window
from ingest.source import Context, Line, NotThisKind, Skip
from ingest.sources.anthropic import SOURCE
from tests.ingest.reading import LATEST, read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "anthropic"
WEB_SEARCH = 5


def of_document(document, context=None):
    """The rows of a document, read as a pull reads it."""
    context = context or Context()
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return [row for _, record in SOURCE.records(load_json(raw)) for row in SOURCE.row(record, context)]


def results(name):
    return [result for bucket in json.loads((SAMPLES / name).read_text())["data"] for result in bucket["results"]]


@pytest.mark.parametrize("name", ["usage_messages_page2.json", "usage_messages_hours.json"])
def test_token_fields_stand_beside_one_another(name):
    totals = Counter()
    for result in results(name):
        totals["input_uncached"] += result["uncached_input_tokens"]
        totals["cache_read"] += result["cache_read_input_tokens"]
        totals["cache_write_5m"] += result["cache_creation"]["ephemeral_5m_input_tokens"]
        totals["cache_write_1h"] += result["cache_creation"]["ephemeral_1h_input_tokens"]
        totals["output_visible"] += result["output_tokens"]
    found = read(SAMPLES / name, "anthropic")
    assert found.totals == {name: total for name, total in totals.items() if total}
    assert all(row["output_reasoning"] is None for row in found.rows), "thinking is inside the output and not split"


def test_the_hours_sample_by_hand():
    found = read(SAMPLES / "usage_messages_hours.json", "anthropic")
    assert found.totals["input_uncached"] == 1_500 + 700_000 + 40_000 + 800 + 3_000
    assert found.totals["output_visible"] == 500 + 9_000 + 6_000 + 1_200 + 100
    searches = [unit for row in found.rows for unit in row["units"] or ()]
    assert {unit["unit"] for unit in searches} == {WEB_SEARCH}
    assert sum(unit["quantity"] for unit in searches) == 10 + 3


def usage(start="2026-09-07T10:00:00Z", end="2026-09-07T11:00:00Z", **fields):
    result = {
        "account_id": None, "api_key_id": None, "service_account_id": None, "workspace_id": None, "speed": None,
        "model": "claude-opus-5", "service_tier": "standard", "context_window": "0-200k", "inference_geo": "global",
        "uncached_input_tokens": 10, "cache_read_input_tokens": 0, "output_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 0},
    }  # fmt: skip
    return {"data": [{"starting_at": start, "ending_at": end, "results": [result | fields]}]}


@pytest.mark.parametrize(
    ("fields", "mode", "tier", "scope"),
    [
        ({"service_tier": "standard"}, "sync", "standard", "tokens.standard"),
        ({"service_tier": None}, "sync", None, "tokens.standard"),
        ({"service_tier": "batch"}, "batch", "batch", "tokens.batch"),
        ({"service_tier": "priority"}, "sync", "priority", "tokens.priority"),
        ({"service_tier": "priority_on_demand"}, "sync", "priority_on_demand", "tokens.priority_on_demand"),
        ({"service_tier": "flex"}, "sync", "flex", "tokens.flex"),
        ({"service_tier": "standard", "speed": "fast"}, "sync", "fast", "tokens.fast"),
        ({"service_tier": "standard", "speed": "standard"}, "sync", "standard", "tokens.standard"),
        ({"service_tier": "priority", "speed": "fast"}, "sync", "priority", "tokens.priority"),
    ],
)
def test_a_service_tier_is_kept_and_costs_cover_all_but_priority(fields, mode, tier, scope):
    (row,) = of_document(usage(**fields))
    assert (row["mode"], row["service_tier_served"]) == (mode, tier)
    assert charge_scope("input_uncached", row["mode"], row["service_tier_served"] or "") == scope
    assert covers(SOURCE.scopes, scope)
    assert covers(SOURCE.line_scopes, scope) == ("priority" not in scope)


@pytest.mark.parametrize(
    ("window", "context"),
    [("0-200k", 0), ("200k-1M", 200_001), ("1M-2M", 1_000_001), ("0-32000", 0), (None, None)],
)
def test_a_bucket_has_a_context_inside_the_window_that_its_provider_states(window, context):
    assert context_of(window) == context
    (row,) = of_document(usage(context_window=window))
    assert row["context"] == context
    assert row["requests"] == 0, "so that it is this number, not the sum of the bucket, that its price looks at"


def test_what_usage_is_grouped_by_makes_a_bucket_and_null_is_a_value():
    fields = (
        "account_id", "api_key_id", "service_account_id", "workspace_id", "speed", "model", "service_tier",
        "context_window", "inference_geo",
    )  # fmt: skip
    nothing = dict.fromkeys(fields)

    def native(start="2026-09-07T10:00:00Z", end="2026-09-07T11:00:00Z", **more):
        return of_document(usage(start, end, **nothing | more))[0]["native_id"]

    ids = {native(), *(native(**{field: "1M-2M"}) for field in fields)}  # a text that suits them all
    assert len(ids) == 1 + 9
    assert native(api_key_id="null") not in ids
    assert native("2026-09-07T00:00:00Z", "2026-09-08T00:00:00Z") not in ids, "a day is no hour"
    assert native(output_tokens=9_999) == native(), "a restatement replaces"


def test_who_called_is_a_service_account_or_a_user_and_the_default_workspace_has_no_name():
    (row,) = of_document(usage(service_account_id="svac_1", account_id="user_1", api_key_id="apikey_1"))
    assert (row["principal"], row["api_key"], row.get("project")) == ("svac_1", "apikey_1", None)
    (row,) = of_document(usage(account_id="user_1", workspace_id="wrkspc_1", inference_geo="us"))
    assert (row["principal"], row["project"], row["region"]) == ("user_1", "wrkspc_1", "us")
    (row,) = of_document(usage(inference_geo="not_available"))
    assert row["region"] is None


def test_searches_alone_need_no_model_and_tokens_of_all_models_have_no_price():
    none = {"uncached_input_tokens": 0, "output_tokens": 0}
    (row,) = of_document(usage(model=None, server_tool_use={"web_search_requests": 3}, **none))
    assert (row["model_served"], row["units"]) == (None, [{"unit": WEB_SEARCH, "quantity": 3}])
    (row,) = of_document(usage(model=None))
    assert row["model_served"] == "(all models)"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"uncached_input_tokens": None}, "unknown_shape"),
        ({"cache_creation": None}, "unknown_shape"),
        ({"cache_creation": 5}, "unknown_shape"),
        ({"output_tokens": -1}, "negative"),
        ({"output_tokens": 1.5}, "fractional"),
        ({"cache_read_input_tokens": True}, "bad_number"),
        ({"context_window": "all of it"}, "unknown_shape"),
        ({"model": 5}, "unknown_shape"),
    ],
)
def test_a_result_that_cannot_be_read_is_rejected(fields, reason):
    with pytest.raises(Rejected) as rejected:
        of_document(usage(**fields))
    assert rejected.value.reason == reason


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("2026-09-07T10:00:00Z", "2026-09-07T10:00:00Z", "bad_time"),
        ("2026-09-07T10:00:00Z", "2026-09-09T10:00:00Z", "bad_time"),
        ("2026-09-07T10:30:00Z", "2026-09-07T11:30:00Z", "bad_time"),
        ("2026-09-07T10:00:00", "2026-09-07T11:00:00", "bad_time"),
        ("yesterday", "2026-09-07T11:00:00Z", "bad_time"),
        (None, "2026-09-07T11:00:00Z", "missing_time"),
    ],
)
def test_a_bucket_that_is_no_minute_hour_or_day_is_rejected(start, end, reason):
    with pytest.raises(Rejected) as rejected:
        of_document(usage(start, end))
    assert rejected.value.reason == reason


COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_classes_of_a_result_are_its_fields(uncached, read_, short, long, output):
    (row,) = of_document(
        usage(
            uncached_input_tokens=uncached, cache_read_input_tokens=read_, output_tokens=output,
            cache_creation={"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        )
    )  # fmt: skip
    classes = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output_visible")
    assert [row[name] for name in classes] == [uncached, read_, short, long, output]
    assert sum(row[name] for name in classes) == uncached + read_ + short + long + output


# Costs


def test_amounts_are_cents():
    assert dollars("123.78912", "amount") == Decimal("1.2378912")
    assert dollars("2799.187450", "amount") == Decimal("27.9918745")
    assert dollars(1025, "amount") == Decimal("10.25")
    assert dollars("-50", "amount") == Decimal("-0.5")
    assert dollars("0.00000000005", "amount") == 0, "half-even at 12 decimals"


def test_a_cost_report_adds_up_to_its_cents():
    lines = of_document((SAMPLES / "cost_report.json").read_bytes())
    # 123.78912 + 0.0000000123456789 + 12.5 + 20 + 2799.187450 + 50 + 7.25 + 3 + 1.5 cents
    assert sum(line["billed_cost"] for line in lines) == Decimal("30.172265700123")
    cents = [Decimal(result["amount"]) for result in results("cost_report.json")]
    assert sum(cents) == Decimal("3017.2265700123456789")
    table, rejects = check_lines(line_table([line | {"record": 0} for line in lines]), latest_us=LATEST)
    assert not rejects
    assert set(table["charge_date"].to_pylist()) == {datetime(2026, 9, 7, tzinfo=UTC).date()}


def test_what_a_cost_is_for_becomes_class_and_scope_and_all_scopes_are_declared():
    lines = of_document((SAMPLES / "cost_report.json").read_bytes())
    assert [(line["price_class"], line["scope"]) for line in lines] == [
        ("input_uncached", "tokens.standard"), ("cache_read", "tokens.standard"), ("cache_write_5m", "tokens.standard"),
        ("cache_write_1h", "tokens.standard"), ("output_visible", "tokens.batch"), ("web_search", "web_search"),
        (None, "session"), (None, "session_usage"), (None, "other"),
    ]  # fmt: skip
    assert all(covers(SOURCE.line_scopes, line["scope"]) for line in lines)
    assert not covers(SOURCE.scopes, "session"), "usage leaves out code execution"
    batch = lines[4]
    assert (batch["mode"], batch["region"], batch["model_served"]) == ("batch", "us", "claude-opus-5")


def cost(amount="100", **fields):
    result = {
        "amount": amount, "currency": "USD", "description": "d", "cost_type": "tokens", "model": "claude-opus-5",
        "service_tier": "standard", "token_type": "output_tokens", "context_window": "0-200k", "inference_geo": None,
        "workspace_id": None,
    }  # fmt: skip
    bucket = {"starting_at": "2026-09-07T00:00:00Z", "ending_at": "2026-09-08T00:00:00Z", "results": [result | fields]}
    return {"data": [bucket]}


def test_costs_that_were_not_grouped_by_description_keep_their_money():
    (line,) = of_document((SAMPLES / "cost_report_not_grouped.json").read_bytes())
    assert (line["billed_cost"], line["scope"]) == (Decimal("30.162265800123"), "other")


def test_a_new_type_of_token_or_cost_is_counted_and_tokens_stay_tokens():
    context = Context()
    (line,) = of_document(cost(token_type="thought_tokens"), context)
    assert (line["price_class"], line["scope"]) == (None, "tokens.standard")
    of_document(cost(cost_type="image_generation"), context)
    assert context.unknown_fields == {"meter: tokens, thought_tokens": 1, "meter: image_generation": 1}


def test_a_negative_cost_is_a_credit():
    (line,) = of_document(cost("-250"))
    assert (line["charge_category"], line["billed_cost"]) == ("Credit", Decimal("-2.5"))


def test_a_cost_is_known_by_its_day_and_every_field_but_its_amount():
    first = of_document(cost())[0]["native_id"]
    assert of_document(cost("7"))[0]["native_id"] == first
    names = ("description", "cost_type", "model", "service_tier", "token_type", "context_window", "workspace_id")
    assert len({of_document(cost(**{name: None}))[0]["native_id"] for name in names} | {first}) == len(names)
    # ... workspace_id is null already


@pytest.mark.parametrize("amount", [None, "", "NaN", "12 cents", True])
def test_a_cost_without_an_amount_is_rejected(amount):
    with pytest.raises(Rejected, match="bad_number"):
        of_document(cost(amount))


# Claude Code


def test_claude_code_is_notional_and_bills_nothing():
    lines = of_document((SAMPLES / "claude_code.json").read_bytes())
    # 1025 + 1 + 0.7 cents
    assert sum(line["list_cost"] for line in lines) == Decimal("10.267")
    assert {line["kind_of_cost"] for line in lines} == {"notional"}
    assert sum(line["billed_cost"] + line["effective_cost"] + line["contracted_cost"] for line in lines) == 0
    assert [(line["principal"], line["api_key"], line["description"]) for line in lines] == [
        ("dev@example.com", None, "Claude Code, subscription"), ("dev@example.com", None, "Claude Code, subscription"),
        (None, "ci", "Claude Code, api"),
    ]  # fmt: skip
    tokens = [model["tokens"] for day in json.loads((SAMPLES / "claude_code.json").read_text())["data"]
              for model in day["model_breakdown"]]  # fmt: skip
    assert [line["consumed_quantity"] for line in lines] == [sum(counts.values()) for counts in tokens]
    assert len({line["native_id"] for line in lines}) == 3
    assert not any(covers(SOURCE.line_scopes, line["scope"]) for line in lines), "no part of what the costs cover"


def test_claude_codes_days_may_be_lines_of_a_file(tmp_path):
    days = json.loads((SAMPLES / "claude_code.json").read_text())["data"]
    text = "\n".join(map(json.dumps, [days[0], days[1]]))
    assert len(of_document(json.dumps(days).encode())) == 3
    from ingest.reading import groups

    path = tmp_path / "days.jsonl"
    path.write_text(text)
    (group,) = groups(path, SOURCE, Context(), latest_us=LATEST)
    assert (len(group.lines), group.rejects) == (3, [])


# Documents


def test_a_page_covers_its_buckets_empty_ones_too():
    context = Context()
    of_document((SAMPLES / "usage_messages_hours.json").read_bytes(), context)
    (part,) = context.covered
    assert (part.account, part.stream) == ("", "messages")
    assert part.end - part.start == timedelta(hours=3)


def test_a_pulled_page_without_any_result_covers_its_time():
    page = {"data": [{"starting_at": "2026-09-07T00:00:00Z", "ending_at": "2026-09-08T00:00:00Z", "results": []}]}
    assert not list(SOURCE.records(page)), "a saved page does not say which report it is of"
    context = Context()
    with pytest.raises(Skip, match="empty_page"):
        of_document(page | {"x_stream": "cost_report"}, context)
    assert [(part.stream, part.end - part.start) for part in context.covered] == [("cost_report", timedelta(days=1))]


@pytest.mark.parametrize("document", [{"type": "error", "error": {}}, {"data": [{"id": 1}]}, {"data": [7]}, 7])
def test_other_documents_are_refused(document):
    with pytest.raises(NotThisKind):
        list(SOURCE.records(document))


def test_a_result_of_no_known_kind_is_rejected_and_its_neighbour_read(tmp_path):
    page = usage()
    page["data"][0]["results"].append({"weather": "fine"})
    found = read_text(tmp_path, json.dumps(page), "anthropic", name="page.json")
    assert found.reasons == [("/data/0/results/1", "unknown_shape")]
    assert len(found.rows) == 1


def test_fields_of_no_meaning_to_us_are_counted_by_name():
    context = Context()
    of_document(usage(carbon_grams=12), context)
    of_document(cost(carbon_grams=12), context)
    assert context.unknown_fields == {"carbon_grams": 2}


def test_usage_is_a_row_and_costs_are_lines():
    assert not isinstance(of_document(usage())[0], Line)
    assert isinstance(of_document(cost())[0], Line)


# Pulls: a client in memory, which answers by a function and keeps what it was asked.


class Client:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def get(self, path, params=None):
        self.asked.append((path, dict(params or {})))
        assert len(self.asked) < 200, "it asks without end"
        return Answer(
            json.dumps(self.answer(path, dict(params or {}))).encode(), {}, datetime(2026, 9, 8, 12, tzinfo=UTC)
        )


LAST = {"data": [], "has_more": False, "next_page": None}
WEEK = Window(datetime(2026, 9, 3, tzinfo=UTC), datetime(2026, 9, 10, tzinfo=UTC))


def streams(**options):
    return {stream.name: stream for stream in SOURCE.streams(options)}


def pulled(client, name, window=WEEK, **options):
    return list(SOURCE.pages(client, streams(**options)[name], window, options))


def test_three_reports_are_streams_of_whole_days():
    found = streams()
    assert list(found) == ["messages", "cost_report", "claude_code"]
    assert list(streams(claude_code="no")) == ["messages", "cost_report"]
    assert {stream.width for stream in found.values()} == {timedelta(days=1)}
    assert [stream.re_read.days for stream in found.values()] == [3, 7, 2]
    assert [stream.lines for stream in found.values()] == [False, True, True]
    assert all(stream.states_all for stream in found.values())


def test_messages_are_asked_by_the_hour_grouped_by_all_there_is():
    client = Client(lambda *_: LAST)
    pulled(client, "messages")
    pulled(client, "messages", speed="no", bucket_width="1d")
    (path, asked), (_, slower) = client.asked
    assert path == "/organizations/usage_report/messages"
    assert sorted(asked.pop("group_by[]")) == [
        "account_id", "api_key_id", "context_window", "inference_geo", "model", "service_account_id", "service_tier",
        "speed", "workspace_id",
    ]  # fmt: skip
    assert asked == {
        "starting_at": "2026-09-03T00:00:00Z", "ending_at": "2026-09-10T00:00:00Z", "bucket_width": "1h", "limit": 168,
    }  # fmt: skip
    assert "speed" not in slower["group_by[]"]
    assert (slower["bucket_width"], slower["limit"]) == ("1d", 31)
    with pytest.raises(PullFailed, match="bucket_width"):
        pulled(client, "messages", bucket_width="1m")


def test_costs_are_asked_by_description_and_workspace():
    client = Client(lambda *_: LAST)
    pulled(client, "cost_report")
    ((path, asked),) = client.asked
    assert path == "/organizations/cost_report"
    assert sorted(asked["group_by[]"]) == ["description", "workspace_id"]
    assert (asked["bucket_width"], asked["limit"]) == ("1d", 31)


def test_claude_code_is_asked_one_day_at_a_time():
    client = Client(lambda *_: LAST)
    pulled(client, "claude_code", Window(WEEK.start, WEEK.start + timedelta(days=2)))
    assert client.asked == [
        ("/organizations/usage_report/claude_code", {"starting_at": day, "limit": 1_000})
        for day in ("2026-09-03", "2026-09-04")
    ]


def test_pages_are_followed_by_their_cursor_with_all_else_the_same():
    def answer(_, asked):
        number = int(asked.get("page", "0"))
        more = number < 2
        page = usage(f"2026-09-07T1{number}:00:00Z", f"2026-09-07T1{number + 1}:00:00Z")
        return page | {"has_more": more, "next_page": str(number + 1) if more else None}

    client = Client(answer)
    pages = pulled(client, "messages")
    assert [asked.get("page") for _, asked in client.asked] == [None, "1", "2"]
    assert len({json.dumps(asked | {"page": ""}, sort_keys=True) for _, asked in client.asked}) == 1
    rows = [row for page in pages for row in of_document(page.document)]
    assert [row["occurred_at"].hour for row in rows] == [10, 11, 12]


@pytest.mark.parametrize("name", ["messages", "cost_report", "claude_code"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"data": [], "has_more": True, "next_page": "again"}, "seen before"),
        ({"data": [], "has_more": True, "next_page": None}, "not where"),
        ({"type": "error", "error": {}}, "not a list of data"),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_no_end(name, answer, message):
    with pytest.raises(PullFailed, match=message):
        pulled(Client(lambda *_: answer), name)


def test_a_cursor_that_expired_is_for_the_caller_to_ask_again():
    def answer(_, asked):
        if "page" in asked:
            raise CursorExpired("answered 410")
        return {"data": [], "has_more": True, "next_page": "old"}

    with pytest.raises(CursorExpired):
        pulled(Client(answer), "messages")


def test_names_are_those_of_workspaces_keys_and_users():
    lists = {
        ("/organizations/workspaces", None): {"data": [{"id": "w1", "name": "A"}], "has_more": True, "last_id": "w1"},
        ("/organizations/workspaces", "w1"): {"data": [{"id": "w2", "name": "B"}], "has_more": False, "last_id": "w2"},
        ("/organizations/api_keys", None): {"data": [{"id": "k1", "name": "ci"}], "has_more": False},
        ("/organizations/users", None): {"data": [{"id": "u1", "email": "a@example.com"}], "has_more": False},
    }
    client = Client(lambda path, asked: lists[path, asked.get("after_id")])
    assert [tuple(name) for name in SOURCE.names(client, {})] == [
        ("project", "w1", "A"), ("project", "w2", "B"), ("api_key", "k1", "ci"), ("principal", "u1", "a@example.com"),
    ]  # fmt: skip


def test_the_key_has_a_header_of_its_own_beside_the_version():
    headers = SOURCE.headers("sk-ant-admin01-x")
    assert headers["x-api-key"] == "sk-ant-admin01-x"
    assert headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in headers
