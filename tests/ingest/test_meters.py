"""Readings that are kept: scrapes in files of their own, in any order and repeated, are the same usage as in one."""

import json
from itertools import permutations

import pytest

from ingest.models import MeterReading, UsageEvent
from ingest.services import Import, ingest_file
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
TOKENS = "llamacpp:prompt_tokens_total"
# minutes since noon, start of the process (minutes), count
SCRAPES = [(0, -60, 100), (5, -60, 130), (10, -60, 140), (20, 15, 7), (3_000, 15, 9)]


def scrape(folder, minute, started, count):
    path = folder / f"{minute}.json"
    noon = 1_788_868_800
    text = f"process_start_time_seconds {noon + 60 * started}\n{TOKENS} {count}\n"
    hours, minutes = divmod(minute, 60)
    at = f"2026-09-{8 + (12 + hours) // 24:02d}T{(12 + hours) % 24:02d}:{minutes:02d}:00Z"
    path.write_text(json.dumps({"text": text, "at": at, "labels": {"instance": "one"}}))
    return path


def imported(folder, scrapes):
    return [ingest_file(Import(scrape(folder, *each), "prometheus")) for each in scrapes]


def counted():
    return sum(event.input_uncached or 0 for event in UsageEvent.objects.all())


def test_what_each_file_adds_counts_from_the_one_before(tmp_path):
    runs = imported(tmp_path, SCRAPES)
    assert [run.totals["input_uncached"] for run in runs] == ["0", "30", "10", "7", "2"]
    assert runs[0].skipped == {"first_scrape_baseline": 1}
    assert [run.read for run in runs] == [1] * 5


def test_any_order_of_imports_gives_the_same_state(tmp_path):
    imported(tmp_path, SCRAPES)
    expected = dump()
    assert counted() == 30 + 10 + 7 + 2
    again = imported(tmp_path, SCRAPES)
    assert [(run.stored, run.changed) for run in again] == [(0, 0)] * 5, "a repetition adds nothing"
    for order in list(permutations(range(len(SCRAPES))))[7::23]:
        MeterReading.objects.all().delete()
        UsageEvent.objects.all().delete()
        imported(tmp_path, [SCRAPES[index] for index in order])
        assert dump() == expected, order
    assert MeterReading.objects.count() == len(SCRAPES)


def test_a_late_scrape_restates_the_interval_it_splits(tmp_path):
    imported(tmp_path, [SCRAPES[0], SCRAPES[2]])
    (late,) = imported(tmp_path, [SCRAPES[1]])
    assert (late.read, late.stored, late.changed) == (2, 1, 1)
    assert counted() == 40


def test_another_value_of_the_same_instant_is_quarantined_and_changes_nothing(tmp_path):
    imported(tmp_path, SCRAPES[:2])
    path = scrape(tmp_path, 5, -60, 131)
    run = ingest_file(Import(path, "prometheus", accept_bad=True))
    assert (run.quarantined, run.stored, run.changed) == (1, 0, 0)
    assert counted() == 30


def test_servers_of_two_accounts_do_not_mix(tmp_path):
    paths = [scrape(tmp_path, 0, -60, 100), scrape(tmp_path, 5, -60, 900)]
    for account, path in zip("ab", paths, strict=True):
        assert ingest_file(Import(path, "prometheus", account=account)).skipped == {"first_scrape_baseline": 1}
