"""DCGM: GPU hours, active hours and watt hours; MIG instances and idle GPUs; values that are none."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from finops.tokens import UNITS
from ingest.calc.reasons import Rejected
from ingest.source import Context, NotThisKind, Skip
from ingest.sources import get_source
from tests.ingest.reading import read

SAMPLES = Path(__file__).parents[2] / "samples"
SOURCE = get_source("dcgm")
HOUR, ACTIVE, ENERGY = (UNITS[name] for name in ("gpu_hour", "gpu_active_hour", "watt_hour"))
START = datetime(2026, 9, 8, 13, tzinfo=UTC)


def sums(rows):
    found = defaultdict(Decimal)
    for row in rows:
        for item in row["units"]:
            found[row["operation"], row["project"], item["unit"]] += item["quantity"]
    return dict(found)


def scrapes(*texts, minutes=30):
    context, rows = Context(), []
    for index, text in enumerate(texts):
        at = Context(at=START + timedelta(minutes=minutes * index), state=context.state)
        for _, record in SOURCE.records(text):
            try:
                rows += SOURCE.row(record, at)
            except Skip:
                continue
    return rows


def test_two_gpus_over_an_hour_are_two_gpu_hours_however_they_are_cut():
    found = read(SAMPLES / "dcgm" / "scrapes.jsonl", "dcgm")
    hours = sum(amount for (_, _, unit), amount in sums(found.rows).items() if unit == HOUR)
    assert hours == 2
    assert found.skipped == {"first_scrape_baseline": 2, "blank_value": 3}


def test_a_gpu_in_use_its_energy_in_millijoules_and_its_time_without_a_pod():
    found = sums(read(SAMPLES / "dcgm" / "scrapes.jsonl", "dcgm").rows)
    slices = Decimal(1) / 2 / 7
    assert abs(found["gpu", "search", HOUR] - (Decimal("0.5") + 2 * 3 * slices)) < Decimal("1e-11")
    assert abs(found["gpu", "search", ACTIVE] - (Decimal("0.5") * Decimal("0.8") + 2 * 3 * slices / 2)) < Decimal(
        "1e-11"
    )
    assert found["gpu", "search", ENERGY] == Decimal(1_039_159_391 - 319_159_391) / 3_600_000 == 200
    assert found["gpu_idle", None, ENERGY] == Decimal("0.1") + 60, "360,000 mJ since a restart, and 60 W for an hour"


def test_real_lines_of_the_documentation_are_one_gpu():
    text = (SAMPLES / "dcgm" / "a100_mig_parent.prom").read_text()
    later = text.replace("} 319159391", "} 679159391")
    (row,) = scrapes(text, later, minutes=60)
    assert row["host"] == "ub20-a100-k8s"
    assert {item["unit"]: item["quantity"] for item in row["units"]} == {HOUR: 1, ENERGY: 100}


def line(name, value, **labels):
    given = {"gpu": "0", "UUID": "GPU-1", "Hostname": "n"} | labels
    inside = ",".join(f'{key}="{text}"' for key, text in given.items())
    return f"{name}{{{inside}}} {value}\n"


def test_the_exporters_own_pod_does_not_use_the_gpu():
    idle = line("DCGM_FI_DEV_GPU_UTIL", 0, pod="nvidia-dcgm-exporter-x2x", namespace="monitoring")
    (row,) = scrapes(idle, idle)
    assert (row["operation"], row["project"]) == ("gpu_idle", None)


def test_utilisation_counts_where_there_is_no_profiling_and_engine_activity_where_there_is():
    util = line("DCGM_FI_DEV_GPU_UTIL", 90, pod="p")
    (row,) = scrapes(util, util)
    assert [item["quantity"] for item in row["units"]] == [Decimal("0.5"), Decimal("0.45")]
    both = util + line("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, pod="p")
    (row,) = scrapes(both, both)
    assert [item["quantity"] for item in row["units"]] == [Decimal("0.5"), Decimal("0.25")]


def test_after_a_long_gap_nobody_knows_how_busy_a_gpu_was():
    util = line("DCGM_FI_DEV_GPU_UTIL", 90, pod="p") + line("DCGM_FI_DEV_POWER_USAGE", 100, pod="p")
    (row,) = scrapes(util, util, minutes=180)
    assert [(item["unit"], item["quantity"]) for item in row["units"]] == [(HOUR, 3)]


@pytest.mark.parametrize(
    ("value", "reason"), [("NaN", "bad_number"), ("101", "too_large"), ("-1", "negative")]
)  # fmt: skip
def test_an_impossible_utilisation_is_rejected(value, reason):
    ((_, record),) = SOURCE.records(line("DCGM_FI_DEV_GPU_UTIL", value))
    with pytest.raises(Rejected) as caught:
        SOURCE.row(record, Context(at=START))
    assert caught.value.reason == reason


def test_instances_with_more_slices_than_a_gpu_has_are_rejected():
    text = "".join(line("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0, GPU_I_ID=str(n), GPU_I_PROFILE="4g.40gb") for n in range(2))
    with pytest.raises(Rejected, match="slices"):
        scrapes(text, text)


def test_a_scrape_of_something_else_is_refused():
    with pytest.raises(NotThisKind):
        list(SOURCE.records("vllm:prompt_tokens_total 5\n"))
