"""OpenAI's usage and costs: totals as a few lines of JSON say them, buckets that are one and the same, and pulls."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.lines import check_lines, line_table
from ingest.calc.openai_costs import meter_of
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.scopes import covers
from ingest.pull import Answer, CursorExpired, PullFailed, Window
from ingest.source import Context, Line, NotThisKind, Skip
from ingest.sources.openai import SOURCE
from tests.ingest.reading import LATEST, read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "openai"
DAY = 1_736_640_000  # midnight UTC


def results(name):
    page = json.loads((SAMPLES / name).read_text())
    return [result for bucket in page["data"] for result in bucket["results"]]


@pytest.mark.parametrize("name", ["usage_completions_page1.json", "usage_completions_page2.json"])
def test_recorded_pages_of_2025_hold_text_with_its_cache_and_audio_beside_it(name):
    rows = results(name)
    found = read(SAMPLES / name, "openai")
    expected = {
        "input_uncached": sum(row["input_tokens"] - row["input_cached_tokens"] for row in rows),
        "cache_read": sum(row["input_cached_tokens"] for row in rows),
        "output_visible": sum(row["output_tokens"] for row in rows),
        "input_audio": sum(row["input_audio_tokens"] for row in rows),
        "output_audio": sum(row["output_audio_tokens"] for row in rows),
    }
    assert found.totals == expected
    assert sum(row["requests"] for row in found.rows) == sum(row["num_model_requests"] for row in rows)
    assert any(row["output_audio_tokens"] > row["output_tokens"] for row in rows) == ("page2" in name)


def test_the_schema_of_2026_is_split_as_its_fields_say():
    (row,) = results("usage_completions_2026_schema.json")
    found = read(SAMPLES / "usage_completions_2026_schema.json", "openai")
    assert sum(found.totals.values()) == row["input_tokens"] + row["output_tokens"]
    assert found.totals["input_uncached"] == row["input_text_tokens"]
    assert found.totals["cache_read"] == row["input_cached_text_tokens"]
    assert found.totals["cache_read_audio"] == row["input_cached_audio_tokens"]
    assert found.rows[0]["mode"] == "sync"
    assert found.rows[0]["service_tier_served"] == "default"


@pytest.mark.parametrize(
    ("name", "unit", "field"),
    [
        ("usage_images.json", 2, "images"),
        ("usage_code_interpreter_sessions.json", 12, "num_sessions"),
        ("usage_vector_stores.json", 13, "usage_bytes"),
    ],
)
def test_what_is_no_token_is_a_quantity_of_a_unit(name, unit, field):
    (row,) = read(SAMPLES / name, "openai").rows
    assert [(item["unit"], int(item["quantity"])) for item in row["units"]] == [(unit, results(name)[0][field])]


def bucket(start, end, **fields):
    result = {"object": "organization.usage.completions.result", "input_tokens": 10, "output_tokens": 5,
              "num_model_requests": 1, "model": "gpt-5"}  # fmt: skip
    return {"object": "bucket", "start_time": start, "end_time": end, "results": [result | fields]}


def of(tmp_path, *buckets, key="data"):
    return read_text(tmp_path, json.dumps({"object": "page", key: list(buckets)}), "openai", name="page.json")


def test_a_full_bucket_has_the_identity_of_its_parts(tmp_path):
    full = of(tmp_path, bucket(DAY, DAY + 86_400)).ids
    assert of(tmp_path, bucket(DAY + 40_000, DAY + 86_400)).ids == full, "the first bucket of an answer, not snapped"
    assert of(tmp_path, bucket(DAY, DAY + 30_000)).ids == full, "the last one, cut at the time of asking"
    assert of(tmp_path, bucket(DAY + 86_400, DAY + 2 * 86_400)).ids != full
    assert of(tmp_path, bucket(DAY, DAY + 3_600)).ids != full, "an hour is no part of a day's answer"


def test_neighbours_on_a_page_tell_the_width_of_a_short_part(tmp_path):
    full = of(tmp_path, bucket(DAY, DAY + 86_400), bucket(DAY + 86_400, DAY + 2 * 86_400)).ids
    assert of(tmp_path, bucket(DAY + 85_000, DAY + 86_400), bucket(DAY + 86_400, DAY + 2 * 86_400)).ids == full


def test_a_part_keeps_the_day_of_its_bucket_and_a_null_is_no_text(tmp_path):
    found = of(
        tmp_path, bucket(DAY + 40_000, DAY + 86_400, project_id=None), bucket(DAY, DAY + 86_400, project_id="null")
    )
    assert len(set(found.ids)) == 2
    assert {row["occurred_at"].timestamp() for row in found.rows} == {DAY}


def test_lines_may_hold_pages_or_buckets_and_results_may_be_called_result(tmp_path):
    one = bucket(DAY, DAY + 86_400)
    other = {"object": "bucket", "start_time": DAY, "end_time": DAY + 60, "result": one["results"]}
    text = "\n".join(map(json.dumps, [{"object": "page", "data": [one]}, other]))
    found = read_text(tmp_path, text, "openai")
    assert len(found.rows) == 2
    assert found.totals == {"input_uncached": 20, "output_visible": 10}


def test_an_error_is_refused():
    with pytest.raises(NotThisKind, match="error"):
        read(SAMPLES / "error_429.json", "openai")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input_cached_tokens": 11}, "cached_exceeds_input"),
        ({"input_cached_tokens": 2, "input_uncached_tokens": 9}, "unexplained_total"),
        ({"input_text_tokens": 10, "output_text_tokens": 4}, "unexplained_total"),
        ({"input_text_tokens": 4, "input_audio_tokens": 5}, "unexplained_total"),
        ({"input_text_tokens": 0, "input_audio_tokens": 11}, "cached_exceeds_input"),
        ({"input_tokens": -1}, "negative"),
        ({"input_tokens": 1.5}, "fractional"),
        ({"input_tokens": None}, "unknown_shape"),
        ({"object": "organization.usage.images.result", "num_images": 2}, "unknown_shape"),
        ({"object": "organization.usage.decisions.result"}, "unknown_shape"),
        ({"model": 5}, "unknown_shape"),
    ],
)
def test_a_result_that_contradicts_itself_is_rejected_and_its_neighbour_read(tmp_path, fields, reason):
    found = of(tmp_path, bucket(DAY, DAY + 86_400, **fields), bucket(DAY + 86_400, DAY + 2 * 86_400))
    assert found.reasons == [("/data/0/results/0", reason)]
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (DAY + 80_000, DAY + 90_000, "bad_time"),
        (DAY, DAY + 86_401, "bad_time"),
        (DAY, DAY, "bad_time"),
        (None, DAY, "missing_time"),
        (10**15, 10**15 + 60, "bad_time"),
        (10**11 * 3, 10**11 * 3 + 60, "out_of_window"),
    ],
)
def test_a_bucket_without_sensible_bounds_is_rejected(tmp_path, start, end, reason):
    assert [place.reason for place in of(tmp_path, bucket(start, end)).rejects] in ([reason], ["too_large"])


def test_an_answer_that_was_not_grouped_by_model_is_kept_without_a_price(tmp_path):
    (row,) = of(tmp_path, bucket(DAY, DAY + 86_400, model=None)).rows
    assert row["model_served"] == "(all models)"


def of_document(document, context=None):
    """The rows of a document, read as a pull reads it."""
    context = context or Context()
    rows = []
    for _, record in SOURCE.records(load_json(json.dumps(document).encode())):
        rows += SOURCE.row(record, context)
    return rows


def lines_of(name):
    raw = load_json((SAMPLES / name).read_bytes())
    return [line for _, record in SOURCE.records(raw) for line in SOURCE.row(record, Context())]


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        # 0.15 + 0.01125 + 0.07 + "2.25" + 0.03
        ("costs_by_line_item_project.json", "2.51125"),
        # 0 + 0.0000045 + 0.0000342 + 0.00116775 + 0.04537 + 0.032734 + 0.0104 + 0.028607 + 0.000003 + 0.00002 + 1.25 - 0.01
        ("costs_wordings.json", "1.35834045"),
        ("costs_spec_example.json", "0.06"),
    ],
)
def test_costs_are_dollars_whether_a_number_or_a_text_states_them(name, dollars):
    lines = lines_of(name)
    assert sum(line["billed_cost"] for line in lines) == Decimal(dollars)
    stated = json.loads((SAMPLES / name).read_text(), parse_float=Decimal)
    amounts = [result["amount"]["value"] for bucket in stated["data"] for result in bucket["results"]]
    assert sum(map(Decimal, amounts)) == Decimal(dollars)
    table, rejects = check_lines(line_table([line | {"record": 0} for line in lines]), latest_us=LATEST)
    assert not rejects
    assert set(table["billing_currency"].to_pylist()) == {"USD"}


def test_costs_and_usage_of_a_day_name_one_account_though_costs_alone_name_an_organisation():
    named = [line for line in lines_of("costs_wordings.json") if "org-example" in line["native_id"]]
    assert len(named) == 3
    assert not any(line.get("billing_account") for line in named)


@pytest.mark.parametrize(
    ("item", "model", "price_class", "mode", "tier"),
    [
        ("gpt-5-2025-08-07, input", "gpt-5-2025-08-07", "input_uncached", "sync", None),
        ("gpt-5-2025-08-07, cached input", "gpt-5-2025-08-07", "cache_read", "sync", None),
        ("gpt-5.6-luna, cache writes", "gpt-5.6-luna", "cache_write_5m", "sync", None),
        ("gpt-4o-2024-08-06, Output", "gpt-4o-2024-08-06", "output_visible", "sync", None),
        ("gpt-audio-mini-2025-12-15 text, output", "gpt-audio-mini-2025-12-15", "output_visible", "sync", None),
        ("gpt-audio-mini-2025-12-15 audio, input", "gpt-audio-mini-2025-12-15", "input_audio", "sync", None),
        (
            "gpt-realtime-2.1-mini-2026-08-28, audio output",
            "gpt-realtime-2.1-mini-2026-08-28",
            "output_audio",
            "sync",
            None,
        ),
        ("gpt-image-2-2026-04-21 image, cached input", "gpt-image-2-2026-04-21", "cache_read_image", "sync", None),
        ("evals | gpt-4o-mini-2024-07-18, input", "gpt-4o-mini-2024-07-18", "input_uncached", "sync", None),
        ("o3 batch, input", "o3", "input_uncached", "batch", None),
        ("gpt-5 priority, output", "gpt-5", "output_visible", "sync", "priority"),
        ("ft-gpt-4o-2024-08-06, input", "ft-gpt-4o-2024-08-06", "input_uncached", "sync", None),
        ("web search tool calls", None, "web_search", "sync", None),
        ("Image models", None, "image", "sync", None),
        ("gpt-live-1, voice session", "gpt-live-1", "", "sync", None),
        ("gpt-5, audio cache writes", "gpt-5", "", "sync", None),
        ("gpt-5 batch, fine cheese", "gpt-5", "", "sync", None),
        ("assistants api | file search", None, "", "sync", None),
        ("Completions", None, "", "sync", None),
        ("", None, "", "sync", None),
        (",", None, "", "sync", None),
    ],
)
def test_a_line_item_says_model_class_mode_and_tier_or_is_left_as_it_is(item, model, price_class, mode, tier):
    found = meter_of(item)
    assert (found.model, found.price_class, found.mode, found.tier) == (model, price_class, mode, tier)


def cost(item, value="1", **fields):
    amount = {"value": value, "currency": "usd"}
    result = {
        "object": "organization.costs.result",
        "amount": amount,
        "line_item": item,
        "project_id": "proj_a",
    } | fields
    return {"data": [{"start_time": DAY, "end_time": DAY + 86_400, "results": [result]}]}


def test_an_unknown_line_item_keeps_its_money_and_its_words_and_is_counted():
    context = Context()
    (line,) = of_document(cost("telepathy, premium", "0.5", quantity=3, quantity_unit="thoughts"), context)
    assert (line["description"], line["price_class"], line["scope"]) == ("telepathy, premium", None, "other")
    assert (line["billed_cost"], line["consumed_quantity"], line["consumed_unit"]) == (Decimal("0.5"), 3, "thoughts")
    assert context.unknown_fields == {"meter: telepathy, premium": 1}
    assert covers(SOURCE.line_scopes, line["scope"]), "so that it counts with the rest of the report"


@pytest.mark.parametrize(
    ("item", "quantity", "unit", "expected"),
    [
        ("gpt-5, input", 120, "tokens", (120, "tokens")),
        ("gpt-5, input", 1.5, "1000_tokens", (1_500, "tokens")),
        ("gpt-5, input", 30, None, (30, None)),
        ("web search tool calls", 225, None, (225, "web_search")),
        ("image models", 2, "images", (2, "image")),
        ("code interpreter", 0.5, "duration_hours", (Decimal("0.5"), "duration_hours")),
        ("gpt-5, input", None, None, (None, None)),
    ],
)
def test_quantities_are_tokens_or_units_of_ours_only_where_the_unit_says_so(item, quantity, unit, expected):
    (line,) = of_document(cost(item, quantity=quantity, quantity_unit=unit))
    assert (line.get("consumed_quantity"), line.get("consumed_unit")) == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount": None}, "bad_number"),
        ({"amount": {"currency": "usd"}}, "bad_number"),
        ({"amount": {"value": "NaN", "currency": "usd"}}, "bad_number"),
        ({"amount": {"value": "1e40", "currency": "usd"}}, "too_large"),
        ({"line_item": 7}, "unknown_shape"),
    ],
)
def test_a_cost_without_a_sensible_amount_is_rejected(fields, reason):
    with pytest.raises(Rejected) as rejected:
        of_document(cost("gpt-5, input", **fields))
    assert rejected.value.reason == reason


def test_a_cost_is_known_by_its_day_and_what_it_was_grouped_by_alone():
    first, grown = (of_document(cost("gpt-5, input", value, quantity=n))[0] for value, n in (("1", 5), ("2", 9)))
    assert first["native_id"] == grown["native_id"], "a restatement replaces"
    other = of_document(cost("gpt-5, input", project_id=None))[0]
    assert other["native_id"] != first["native_id"]
    assert (first["period_start"], first["period_end"]) == (
        datetime(2025, 1, 12, tzinfo=UTC), datetime(2025, 1, 13, tzinfo=UTC),
    )  # fmt: skip


def test_a_page_covers_its_buckets_as_they_are_cut_empty_ones_too():
    context = Context()
    page = {
        "data": [
            {"start_time": DAY + 3_600, "end_time": DAY + 7_200, "results": []},
            bucket(DAY + 7_200, DAY + 10_800),
            bucket(DAY + 14_400, DAY + 16_000),
        ]
    }
    of_document(page, context)
    hours = [
        (part.stream, (part.start.hour, part.start.minute), (part.end.hour, part.end.minute))
        for part in context.covered
    ]
    assert hours == [("usage.completions", (1, 0), (3, 0)), ("usage.completions", (4, 0), (4, 26))]


def test_a_pulled_page_without_any_usage_covers_its_time_and_a_saved_one_cannot_say_of_what():
    page = {"data": [{"start_time": DAY, "end_time": DAY + 86_400, "results": []}]}
    assert not list(SOURCE.records(page)), "no endpoint is named"
    context = Context()
    with pytest.raises(Skip, match="empty_page"):
        of_document(page | {"x_stream": "usage.images", "x_width": 3_600}, context)
    ((account, stream, start, end),) = context.covered
    assert (account, stream, end - start) == ("", "usage.images", timedelta(days=1))


def test_fields_of_no_meaning_to_us_are_counted_by_name():
    context = Context()
    page = {"data": [bucket(DAY, DAY + 86_400, carbon_grams=12, input_video_tokens=1)]}
    of_document(page, context)
    assert context.unknown_fields == {"carbon_grams": 1, "input_video_tokens": 1}


COUNTS = st.integers(0, 10**9)


@given(uncached=COUNTS, cached=COUNTS, written=COUNTS, output=COUNTS, audio=COUNTS, split=st.booleans())
def test_the_classes_are_the_reported_totals_in_either_schema(uncached, cached, written, output, audio, split):
    beside = 0 if split else audio  # in 2025 audio stood beside input_tokens, and nothing said what was written
    entered = uncached + cached + (written + audio if split else 0)
    fields = {
        "input_tokens": entered,
        "input_cached_tokens": cached,
        "output_tokens": output,
        "input_audio_tokens": audio,
    }
    if split:
        fields |= {"input_text_tokens": uncached, "input_uncached_tokens": uncached + audio,
                   "input_cache_write_tokens": written}  # fmt: skip
    (row,) = of_document({"data": [bucket(DAY, DAY + 86_400, **fields)]})
    classes = {name: row[name] for name in row if name.startswith(("input_", "cache_", "output_"))}
    assert sum(classes.values()) == entered + output + beside
    assert classes["input_uncached"] == uncached


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


WEEK = Window(datetime(2026, 9, 3, tzinfo=UTC), datetime(2026, 9, 10, tzinfo=UTC))
LAST = {"data": [], "has_more": False, "next_page": None}


def streams(**options):
    return {stream.name: stream for stream in SOURCE.streams(options)}


def pulled(client, name, window=WEEK, **options):
    return list(SOURCE.pages(client, streams(**options)[name], window, options))


def test_every_usage_endpoint_and_the_costs_are_streams_with_windows_of_whole_days():
    found = streams()
    assert len(found) == 11
    assert set(streams(leave_out="images, moderations")) == set(found) - {"usage.images", "usage.moderations"}
    assert {stream.width for stream in found.values()} == {timedelta(days=1)}
    assert all(stream.states_all for stream in found.values())
    assert found["usage.completions"].re_read == timedelta(days=3)
    assert found["costs"].re_read == timedelta(days=7)
    assert [name for name, stream in found.items() if stream.lines] == ["costs"]
    assert found["usage.embeddings"].operations == ("embedding",)
    assert len({stream.operations for stream in found.values()}) == 11, "what vanishes of one is not another's"


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("completions", ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier"]),
        ("images", ["project_id", "user_id", "api_key_id", "model", "size", "source"]),
        ("vector_stores", ["project_id"]),
        ("code_interpreter_sessions", ["project_id"]),
        ("file_search_calls", ["project_id", "user_id", "api_key_id", "vector_store_id"]),
        ("web_search_calls", ["project_id", "user_id", "api_key_id", "model", "context_level"]),
        ("embeddings", ["project_id", "user_id", "api_key_id", "model"]),
    ],
)
def test_usage_is_asked_by_the_hour_grouped_by_all_that_the_endpoint_allows(name, groups):
    client = Client(lambda *_: LAST)
    pulled(client, f"usage.{name}")
    ((path, asked),) = client.asked
    assert path == f"/organization/usage/{name}"
    assert list(asked.pop("group_by")) == groups
    assert asked == {"start_time": 1_788_393_600, "end_time": 1_788_998_400, "bucket_width": "1h", "limit": 168}
    assert (asked["end_time"] - asked["start_time"]) // 3_600 == asked["limit"], "a window is one page"
    assert asked["start_time"] % 86_400 == asked["end_time"] % 86_400 == 0


def test_costs_are_asked_by_the_day_and_usage_too_where_it_is_told_to():
    client = Client(lambda *_: LAST)
    pulled(client, "costs")
    pulled(client, "usage.completions", bucket_width="1d")
    (_, costs), (_, usage) = client.asked
    assert list(costs["group_by"]) == ["project_id", "line_item", "api_key_id"]
    assert (costs["bucket_width"], costs["limit"]) == ("1d", 180)
    assert (usage["bucket_width"], usage["limit"]) == ("1d", 31)
    with pytest.raises(PullFailed, match="bucket_width"):
        pulled(client, "usage.completions", bucket_width="1m")


def test_pages_are_followed_by_their_cursor_with_all_else_the_same():
    def answer(_, asked):
        number = int(asked.get("page", "0"))
        hour = DAY + 3_600 * number
        more = number < 2
        return {"data": [bucket(hour, hour + 3_600)], "has_more": more, "next_page": str(number + 1) if more else None}

    client = Client(answer)
    pages = pulled(client, "usage.completions")
    assert [asked.get("page") for _, asked in client.asked] == [None, "1", "2"]
    assert len({json.dumps(asked | {"page": ""}, sort_keys=True) for _, asked in client.asked}) == 1
    rows = [row for page in pages for row in of_document(page.document)]
    assert [row["occurred_at"].hour for row in rows] == [0, 1, 2]
    assert [page.place for page in pages] == [f"/organization/usage/completions page {n}" for n in (1, 2, 3)]


def test_the_last_bucket_that_is_cut_at_the_time_of_asking_is_known_by_the_width_that_was_asked():
    page = {"data": [bucket(DAY, DAY + 1_200)], "has_more": False, "next_page": None}
    (cut,) = (row for page_ in pulled(Client(lambda *_: page), "usage.completions", bucket_width="1d")
              for row in of_document(page_.document))  # fmt: skip
    (full,) = of_document({"data": [bucket(DAY, DAY + 86_400)]})
    assert cut["native_id"] == full["native_id"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"data": [], "has_more": True, "next_page": "again"}, "seen before"),
        ({"data": [], "has_more": True, "next_page": None}, "not where"),
        ({"error": {"message": "no"}}, "not a list of data"),
    ],
)
def test_an_answer_that_cannot_be_trusted_ends_the_stream_and_no_other(answer, message):
    def some(path, _):
        return answer if path.endswith("images") else LAST

    client = Client(some)
    with pytest.raises(PullFailed, match=message):
        pulled(client, "usage.images")
    assert len(pulled(client, "usage.completions")) == 1


def test_an_endpoint_that_the_organisation_may_not_ask_fails_alone():
    class Partly(Client):
        def get(self, path, params=None):
            if path.endswith("costs"):
                raise PullFailed("answered 403")
            if path.endswith("moderations"):
                raise CursorExpired("answered 404")
            return super().get(path, params)

    client, failed = Partly(lambda *_: LAST), []
    for name in streams():
        try:
            pulled(client, name)
        except PullFailed:
            failed.append(name)
    assert failed == ["usage.moderations", "costs"]


def test_names_are_those_of_projects_of_the_keys_of_running_ones_and_of_users():
    lists = {
        ("/organization/projects", None): {
            "data": [{"id": "proj_a", "name": "Search", "status": "active"}], "has_more": True, "last_id": "proj_a"
        },
        ("/organization/projects", "proj_a"): {
            "data": [{"id": "proj/b", "name": "Old", "status": "archived"}], "has_more": False, "last_id": "proj/b"
        },
        ("/organization/projects/proj_a/api_keys", None): {
            "data": [{"id": "key_1", "name": "ci"}, {"id": "key_2", "name": None}], "has_more": False
        },
        ("/organization/users", None): {
            "data": [{"id": "user_1", "name": "", "email": "a@example.com"}], "has_more": False
        },
    }  # fmt: skip
    client = Client(lambda path, asked: lists[path, asked.get("after")])
    assert [tuple(name) for name in SOURCE.names(client, {})] == [
        ("project", "proj_a", "Search"), ("api_key", "key_1", "ci"), ("project", "proj/b", "Old"),
        ("principal", "user_1", "a@example.com"),
    ]  # fmt: skip
    loop = Client(lambda *_: {"data": [], "has_more": True, "last_id": "same"})
    with pytest.raises(PullFailed, match="seen before"):
        list(SOURCE.names(loop, {}))


def test_the_key_is_sent_as_a_bearer_token():
    assert SOURCE.headers("sk-admin-1") == {"Authorization": "Bearer sk-admin-1"}


def test_lines_and_usage_are_told_apart():
    assert isinstance(of_document(cost("gpt-5, input"))[0], Line)
    assert not isinstance(of_document({"data": [bucket(DAY, DAY + 86_400)]})[0], Line)
