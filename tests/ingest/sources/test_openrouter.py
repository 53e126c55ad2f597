"""OpenRouter's activity and generations: native tokens, credits in dollars, and keys of one's own apart."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.lines import check_lines, line_table
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.pull import Answer, PullFailed, Window
from ingest.source import Context, Line, NotThisKind
from ingest.sources.openrouter import SOURCE
from tests.ingest.reading import LATEST, read

SAMPLES = Path(__file__).parents[2] / "samples" / "openrouter"
ITEMS = json.loads((SAMPLES / "activity.json").read_text(), parse_float=Decimal)["data"]


def read_all(document, context=None):
    """Usage rows, lines, and reasons of rejects."""
    usage, lines, rejected = [], [], []
    for _, record in SOURCE.records(load_json(json.dumps(document, default=str).encode())):
        try:
            for row in SOURCE.row(record, context or Context()):
                (lines if isinstance(row, Line) else usage).append(row)
        except Rejected as reject:
            rejected.append(reject.reason)
    return usage, lines, rejected


def test_an_item_is_usage_and_what_is_charged_for_it():
    usage, lines, rejected = read_all({"data": ITEMS[:2]})
    assert not rejected
    tokens = sum(item["prompt_tokens"] + item["completion_tokens"] for item in ITEMS[:2])
    classes = ("input_uncached", "cache_read", "output_visible", "output_reasoning", "output_image")
    assert sum(row[name] for row in usage for name in classes) == tokens == 50 + 125 + 4_000 + 900
    assert [(row["cache_read"], row["output_reasoning"], row["requests"]) for row in usage] == [
        (0, 25, 5),
        (3_000, 0, 7),
    ]
    assert sum(row["reported_cost"] for row in usage) == Decimal("0.015") + Decimal("0.0091")
    assert sum(line["billed_cost"] for line in lines) == Decimal("0.0241")
    _, rejects = check_lines(line_table([line | {"record": 0} for line in lines]), latest_us=LATEST)
    assert not rejects


def test_what_keys_of_ones_own_cost_is_notional_and_in_no_sum_of_ours():
    _, lines, _ = read_all({"data": ITEMS})
    (own,) = (line for line in lines if line.get("kind_of_cost") == "notional")
    assert (own["list_cost"], own["billed_cost"], own["effective_cost"]) == (Decimal("0.012"), 0, 0)
    assert own["scope"] == "byok"


def test_an_item_with_more_cached_than_prompt_tokens_keeps_its_cost_and_loses_its_usage_visibly():
    item = ITEMS[2]
    assert item["cached_tokens"] > item["prompt_tokens"]
    usage, lines, rejected = read_all(item)
    assert (usage, rejected) == ([], ["cached_exceeds_input"])
    assert [line["billed_cost"] for line in lines] == [Decimal("0.5")]


def test_an_item_is_known_by_its_day_and_what_it_is_grouped_by():
    item = ITEMS[0]
    first = [row["native_id"] for row in read_all(item)[0]]
    assert [row["native_id"] for row in read_all(item | {"requests": 9, "usage": 1})[0]] == first
    for name in ("date", "model", "model_permaslug", "endpoint_id", "provider_name", "workspace_id"):
        other = "2026-09-05" if name == "date" else None
        assert [row["native_id"] for row in read_all(item | {name: other})[0]] != first


def test_every_day_that_is_stated_is_covered_once():
    context = Context()
    read_all({"data": [*ITEMS, *ITEMS]}, context)
    assert [(part.stream, part.start.date(), part.end.date()) for part in context.covered] == [
        ("activity", date(2026, 9, 6), date(2026, 9, 7)), ("activity", date(2026, 9, 7), date(2026, 9, 8)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"date": None}, ["missing_time", "missing_time"]),
        ({"date": "2026-09-06T05:00:00Z"}, ["bad_time", "bad_time"]),
        ({"reasoning_tokens": 126}, ["unexplained_total"]),
        ({"prompt_tokens": -1}, ["negative"]),
        ({"requests": 0.5}, ["fractional"]),
        ({"usage": None}, ["bad_number"]),
        ({"usage": -1}, ["negative", "negative"]),
    ],
)
def test_an_item_that_cannot_be_read_is_rejected(fields, reasons):
    assert read_all(ITEMS[0] | fields)[2] == reasons


def calls():
    return [json.loads(line)["data"] for line in (SAMPLES / "generations.jsonl").read_text().splitlines()]


def test_a_generation_counts_native_tokens_and_what_was_charged():
    found = read(SAMPLES / "generations.jsonl", "openrouter")
    first, second, failed = calls()
    native = ("native_tokens_prompt", "native_tokens_completion")
    assert (
        sum(found.totals.values()) == sum(call[name] for call in (first, second) for name in native) == 10 + 25 + 1_200
    )
    assert found.totals == {
        "input_uncached": 7 + 1_000,
        "cache_read": 3,
        "output_visible": 20 + 200,
        "output_reasoning": 5,
    }
    assert found.skipped == {"no_usage": 1}
    assert failed["finish_reason"] == "error"
    assert first["tokens_prompt"] != first["native_tokens_prompt"], "what is normalised is not priced"
    assert found.rows[0]["reported_cost"] == Decimal("0.0015")
    assert found.rows[0]["model_requested"] == "openrouter/auto"


def test_a_generation_on_a_key_of_ones_own_is_a_call_on_that_provider_at_its_cost():
    row = read(SAMPLES / "generations.jsonl", "openrouter").rows[1]
    assert (row["provider"], row["host"], row["reported_cost"]) == ("openai", "openrouter", Decimal("0.0036"))


def test_generations_stand_below_activity_and_end_users_are_not_kept():
    context = Context()
    usage, _, _ = read_all(calls()[0], context)
    assert SOURCE.layer_in(context) == "gateway"
    assert SOURCE.layer_in(Context()) == "provider_usage"
    assert "user-123" not in json.dumps(usage, default=str)


def test_a_generation_that_costs_something_and_counts_nothing_is_rejected():
    call = calls()[2] | {"total_cost": 0.1}
    assert read_all(call)[2] == ["unknown_shape"]


@given(*[st.integers(0, 10**6)] * 5)
def test_the_classes_of_a_generation_add_up(uncached, cached, visible, reasoning, images):
    call = calls()[0] | {
        "native_tokens_prompt": uncached + cached, "native_tokens_cached": cached, "native_tokens_reasoning": reasoning,
        "native_tokens_completion": visible + reasoning + images, "native_tokens_completion_images": images,
    }  # fmt: skip
    ((row,), _, _) = read_all(call)
    names = ("input_uncached", "cache_read", "output_visible", "output_reasoning", "output_image")
    assert [row[name] for name in names] == [uncached, cached, visible, reasoning, images]


def test_fields_of_no_meaning_to_us_are_counted_by_name():
    context = Context()
    read_all(ITEMS[0] | {"carbon": 1}, context)
    read_all(calls()[0] | {"carbon": 1}, context)
    assert context.unknown_fields == {"carbon": 2}


@pytest.mark.parametrize("document", [{"error": {"code": 401}}, {"data": [{"id": "x"}]}, 7, [7]])
def test_other_documents_are_refused(document):
    with pytest.raises(NotThisKind):
        list(SOURCE.records(document))


# Pulls


class Client:
    def __init__(self, document):
        self.document, self.asked = document, []

    def get(self, path, params=None):
        self.asked.append((path, dict(params or {})))
        return Answer(json.dumps(self.document, default=str).encode(), {}, datetime(2026, 9, 8, tzinfo=UTC))


def pulled(document, first, last):
    (stream,) = SOURCE.streams({})
    client = Client(document)
    window = Window(datetime.combine(first, datetime.min.time(), UTC), datetime.combine(last, datetime.min.time(), UTC))
    return client, list(SOURCE.pages(client, stream, window, {}))


def test_one_request_answers_all_days_of_which_the_window_takes_its_own():
    client, (page,) = pulled({"data": ITEMS}, date(2026, 9, 6), date(2026, 9, 7))
    assert client.asked == [("/activity", {"group_by": "workspace"})]
    assert [item["date"] for item in page.document["data"]] == ["2026-09-06", "2026-09-06"]
    _, (page,) = pulled({"data": ITEMS}, date(2026, 8, 1), date(2026, 9, 1))
    assert page.document["data"] == []


def test_days_that_are_no_longer_kept_do_not_vanish():
    (stream,) = SOURCE.streams({})
    assert not stream.states_all
    assert (stream.width, stream.re_read) == (timedelta(days=1), timedelta(days=3))


def test_an_item_without_a_day_is_not_lost_between_windows():
    _, (page,) = pulled({"data": [{"date": "soon"}]}, date(2026, 9, 6), date(2026, 9, 7))
    assert read_all(page.document)[2] == ["bad_time", "bad_time"]


def test_an_answer_that_is_no_list_is_not_trusted():
    with pytest.raises(PullFailed):
        pulled({"data": {}}, date(2026, 9, 6), date(2026, 9, 7))


def test_names_are_those_of_workspaces():
    client = Client({"data": [{"id": "ws_1", "name": "Search"}, {"id": "ws_2"}]})
    assert [tuple(name) for name in SOURCE.names(client, {})] == [("project", "ws_1", "Search")]
