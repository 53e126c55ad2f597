"""LiteLLM: both forms of its log give the same classes, as its own builders write them; pulls lose no row."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.pull import Answer, PullFailed, Window
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "litellm"


def test_a_page_gives_its_own_totals_and_nothing_for_a_cache_hit():
    rows = json.loads((SAMPLES / "spend_logs_v2_page.json").read_text())["data"]
    paid = [row for row in rows if row["cache_hit"] != "True"]
    cached = sum(row["metadata"]["usage_object"]["prompt_tokens_details"]["cached_tokens"] for row in paid)
    found = read(SAMPLES / "spend_logs_v2_page.json", "litellm")
    assert found.totals == {
        "input_uncached": sum(row["prompt_tokens"] for row in paid) - cached,
        "cache_read": cached,
        "output_visible": sum(row["completion_tokens"] for row in paid) - 20,
        "output_reasoning": 20,
    }
    assert [row["saved_tokens"] for row in found.rows] == [None, 150]


def test_one_call_has_one_shape_in_either_form_and_its_metadata_may_be_a_text():
    row, payload = (
        read(SAMPLES / name, "litellm").rows[0] for name in ("spend_log_row.json", "standard_logging_payload.json")
    )
    for name in ("occurred_at", "input_uncached", "output_visible", "model_served", "provider", "reported_cost"):
        assert row[name] == payload[name], name


def test_rows_of_both_forms_may_stand_in_one_file(tmp_path):
    names = ("spend_log_row.json", "standard_logging_payload.json", "spend_log_row.json")
    records = [json.loads((SAMPLES / name).read_text()) for name in names]
    records[2]["request_id"] = "other"
    text = "\n".join(map(json.dumps, records))
    assert read_text(tmp_path, text, "litellm").ids == [records[0]["request_id"], records[1]["id"], "other"]


def test_a_time_that_is_no_number_rejects_its_row_alone(tmp_path):
    record = json.loads((SAMPLES / "standard_logging_payload.json").read_text())
    lines = [json.dumps(record | {"id": f"c{number}", "startTime": 1_788_872_400.5}) for number in range(3)]
    lines[1] = lines[1].replace("1788872400.5", "NaN")
    found = read_text(tmp_path, "\n".join(lines), "litellm")
    assert found.ids == ["c0", "c2"]
    assert found.reasons == [("line 2", "bad_time")]


RECORDED = ("recorded_payloads.jsonl", "recorded_spend_logs.jsonl")


def recorded(name):
    return [json.loads(line) for line in (SAMPLES / name).read_text().splitlines()]


@pytest.mark.parametrize("name", RECORDED)
def test_what_litellms_own_builders_write_arrives_complete(name):
    records = recorded(name)
    found = read(SAMPLES / name, "litellm")
    assert found.reasons == []
    assert [row["requests"] for row in found.rows] == [1] * len(records)
    paid = [each for each in records if str(each["cache_hit"]) != "True"]
    assert sum(found.totals.values()) == sum(each["prompt_tokens"] + each["completion_tokens"] for each in paid)
    cost = "response_cost" if "payloads" in name else "spend"
    assert sum(row["reported_cost"] for row in found.rows) == sum(
        Decimal(str(round(each[cost], 12))) for each in records
    )
    assert [row["saved_tokens"] for row in found.rows if row["saved_tokens"]] == [1_500], "a hit of LiteLLM's cache"
    assert [row["failed"] for row in found.rows if row["failed"]] == [1]
    assert "hello" not in repr(found.rows), "prompts stand in the records and are not read"
    assert "cust-9" not in repr(found.rows), "nor are end users"


def test_cache_writes_of_an_hour_are_told_from_those_of_five_minutes():
    for name in RECORDED:
        rows = [row for row in read(SAMPLES / name, "litellm").rows if row["provider"] == "anthropic"]
        assert [(row["cache_write_5m"], row["cache_write_1h"]) for row in rows] == [(100, 1_000)] * 3
        # 12 x $3 + 2,000 x $0.30 + 100 x $3.75 + 1,000 x $6 + 40 x $15 a million tokens
        assert {row["reported_cost"] for row in rows} == {Decimal("0.007611")}


def test_both_forms_of_each_recorded_call_are_one_event():
    payloads, rows = (read(SAMPLES / name, "litellm") for name in RECORDED)
    assert payloads.ids == rows.ids
    assert len(set(rows.ids)) == 10
    ids = [recorded(name)[-1]["id" if "payloads" in name else "request_id"] for name in RECORDED]
    assert ids[0] != ids[1], "LiteLLM itself gives a hit of its cache two ids"
    for one, other in zip(payloads.rows, rows.rows, strict=True):
        for name in (
            "occurred_at",
            "input_uncached",
            "cache_write_1h",
            "reported_cost",
            "saved_tokens",
            "failed",
            "tags",
        ):
            assert one[name] == other[name], name


class Proxy:
    """Answers /spend/logs/v2 as LiteLLM does: by start, offset by pages, and rows may come and go between answers."""

    def __init__(self, starts, between=lambda proxy: None):
        self.rows = [(at, f"r{number}") for number, at in enumerate(starts)]
        self.between, self.asked, self.ascending = between, [], True

    def get(self, path, params=None):
        if self.asked:
            self.between(self)
        self.asked.append(params)
        since, until = (
            datetime.strptime(params[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            for name in ("start_date", "end_date")
        )
        rows = sorted((row for row in self.rows if since <= row[0] <= until), reverse=not self.ascending)
        skip = (params["page"] - 1) * params["page_size"]
        data = [
            {"startTime": at.isoformat(), "request_id": name} for at, name in rows[skip : skip + params["page_size"]]
        ]
        document = {"data": data, "total": min(len(rows), 3), "total_pages": 1, "page": params["page"]}
        return Answer(json.dumps(document).encode(), {}, datetime(2026, 9, 9, tzinfo=UTC))


START = datetime(2026, 9, 8, tzinfo=UTC)


def pulled(proxy, page_size=4):
    source = get_source("litellm")
    (stream,) = source.streams({})
    pages = list(source.pages(proxy, stream, Window(START, START + timedelta(days=1)), {"page_size": page_size}))
    return [row["request_id"] for page in pages for row in page.document["data"]]


def test_a_pull_gets_every_row_though_the_count_of_pages_is_capped():
    found = pulled(Proxy([START + timedelta(seconds=n) for n in range(50)]))
    assert set(found) == {f"r{n}" for n in range(50)}


def test_more_rows_in_one_second_than_an_answer_holds_are_read_page_by_page():
    found = pulled(Proxy([START + timedelta(milliseconds=n) for n in range(11)] + [START + timedelta(hours=1)]))
    assert set(found) == {f"r{n}" for n in range(12)}


def test_rows_that_vanish_or_come_while_a_pull_goes_on_hide_no_other():
    def change(proxy):
        proxy.rows = [row for row in proxy.rows if row[1] not in ("r0", "r1", "r2")]
        proxy.rows.append((START, f"late{len(proxy.asked)}"))

    found = pulled(Proxy([START + timedelta(seconds=n) for n in range(30)], change))
    assert {f"r{n}" for n in range(30)} <= set(found)


def test_a_version_that_does_not_sort_is_told_from_one_that_does():
    proxy = Proxy([START + timedelta(seconds=n) for n in range(9)])
    proxy.ascending = False
    with pytest.raises(PullFailed, match="sort"):
        pulled(proxy)
    assert set(pulled(proxy, page_size=10)) == {f"r{n}" for n in range(9)}, "one answer holds them all"
