"""OpenCost: lines of a cluster's cost, idle and unallocated ones among them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.source import Context, NotThisKind
from ingest.sources.opencost import SOURCE
from tests.ingest.sources.bills import read_bill

SAMPLES = Path(__file__).parents[2] / "samples" / "opencost"


def test_an_allocation_is_its_gpus_and_the_rest_of_its_total():
    gpu, rest = read_bill(SAMPLES / "allocation.json", "opencost").lines
    assert (gpu["billed_cost"], gpu["consumed_quantity"], gpu["consumed_unit"], gpu["scope"]) == (
        144,
        48,
        "gpu_hour",
        "gpu_hour",
    )
    assert (rest["billed_cost"], rest["scope"]) == (Decimal("6.07") + Decimal("9.5"), "other")  # CPU and memory
    assert {(line["provider"], line["project"], line["billing_account"]) for line in (gpu, rest)} == {
        ("selfhosted", "llm-search", "cluster-one")
    }


def test_idle_and_unallocated_cost_stay_lines_of_their_own():
    bill = read_bill(SAMPLES / "allocation_idle.json", "opencost")
    (step, _) = json.loads((SAMPLES / "allocation_idle.json").read_text(), parse_float=Decimal)["data"]
    kept = {name: item["totalCost"] for name, item in step.items() if name != "broken"}
    assert {name: bill.total(project=name) for name in kept} == kept
    assert bill.total(project="__idle__", scope="gpu_hour") == 72
    # 71.99 less the adjustment of 3.60
    assert bill.total(project="llm-chat", price_class="gpu_hour") == Decimal("68.39")
    assert bill.total("consumed_quantity", price_class="gpu_hour") == 24 + 24
    assert {line["model_served"] for line in bill.lines if line["project"] == "llm-chat"} == {"qwen3-32b"}
    assert bill.skipped == {"no_cost": 1}
    assert bill.reasons == [("/data/0/broken", "unexplained_total")]


def test_a_set_covers_its_window_for_the_cluster_it_is_of():
    (span,) = read_bill(SAMPLES / "allocation_idle.json", "opencost").context.covered
    assert (span.account, span.start.isoformat()[:10], span.end.isoformat()[:10]) == (
        "cluster-one",
        "2026-09-08",
        "2026-09-09",
    )
    assert {line["billing_account"] for line in read_bill(SAMPLES / "allocation_idle.json", "opencost").lines} == {
        "cluster-one"
    }


def test_the_currency_is_what_the_connection_says():
    assert {
        line["billing_currency"] for line in read_bill(SAMPLES / "allocation.json", "opencost", currency="EUR").lines
    } == {"EUR"}


@pytest.mark.parametrize("document", [{"code": 500, "data": []}, {"data": "x"}, {"data": ["x"]}, {"foo": 1}])
def test_errors_and_other_documents_are_refused(document):
    with pytest.raises(NotThisKind):
        list(SOURCE.records(document))


def test_a_record_that_is_no_allocation_is_rejected():
    with pytest.raises(Exception, match="totalCost is missing"):
        SOURCE.row({"name": "x"}, Context())
