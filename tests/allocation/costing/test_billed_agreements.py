"""Commitments and fleets that a bill states too: the bill rules, the agreement says who bears it, nothing is charged twice."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from allocation.costing import steps
from ingest.services import Import, ingest_file
from ingest.sources import get_source
from tests.allocation.costing.agreed import agree, call, derive, summed
from tests.allocation.stated import DAY, KINDS, charges, line, state, total, whole_day
from tests.ingest.sources.bills import read_csv

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
SAMPLES = Path(__file__).parents[2] / "samples"

# 24 for the day = 1 an hour, for 10,000 tokens an hour; of the one hour that is used: Used 1, Unused 23.
PTU = """
- {code: ptu, kind: provisioned_throughput, provider: openai, from: 2026-09-08, to: 2026-09-09, price: "24", units: "10",
   capacity: "1000", owner: {cost_centre: FIN}, commitment_id: r-1}
"""
FLEET: dict[str, Any] = {
    "code": "lab", "gpu": "H100", "count": 3, "valid_from": "2026-09-08", "valid_to": "2026-09-09", "rent": "2",
    "basis": "allocation", "serves": [{"model": "llama-70b", "reserved": 1}], "idle_owner": {"cost_centre": "CC-IT"},
}  # fmt: skip  # 3 x 24 x 2 = 144: 48 used, 96 idle


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", lambda kind: KINDS.get(kind) or get_source(kind))
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 9))


def of_commitment(status: str, effective: str, billed: str = "0", **given: Any) -> Any:
    named = {"commitment_id": "r-1", "commitment_status": status, "effective_cost": D(effective), "scope": "ptu_hour"}
    return line(billed, **named, **given)


def purchase(effective: str = "0") -> Any:
    return of_commitment("", effective, "24", charge_category="Purchase")


def test_of_a_commitment_that_a_bill_states_too_the_owner_bears_what_the_agreement_says_and_lines_the_difference() -> (
    None
):
    agree("commitments", PTU)
    state("gate", [call(1, 10_000)])
    state("costs", [purchase(), of_commitment("Used", "2"), of_commitment("Unused", "22")], [whole_day()])
    derive()
    assert (total(), total("billed_cost")) == (2 + 22, 24)
    assert summed("effective_cost", "commitment_status", "provenance", "cause", "owner__code") == {
        ("Used", "computed", "", None): 1, ("Unused", "computed", "", "FIN"): 23,
        ("Used", "billed", "unexplained", None): 2 - 1, ("Unused", "billed", "price_difference", None): 22 - 23,
    }  # fmt: skip
    assert summed("effective_cost", "subject", "commitment_id") == {("commitment ptu", "r-1"): 24}
    assert charges("effective_cost", "billed_cost", "cause", charge_category="Purchase") == [(0, 24, "")]


def test_what_a_bill_does_not_state_of_a_commitment_is_taken_back_from_its_owner() -> None:
    agree("commitments", PTU)
    state("gate", [call(1, 10_000)])
    state("costs", [of_commitment("Used", "24")], [whole_day()])
    derive()
    assert (total(), total("billed_cost")) == (24, 0)
    unused = charges("effective_cost", "cause", "owner__code", commitment_status="Unused")
    assert unused == [(-23, "not_on_the_bill", "FIN"), (23, "", "FIN")]
    assert charges("billed_cost", "cause", charge_category="Purchase") == [(-24, "not_on_the_bill"), (24, "")]


def test_a_bill_that_does_not_amortise_a_purchase_leaves_that_to_the_agreement() -> None:
    agree("commitments", PTU)
    state("costs", [purchase("24")], [whole_day()])
    derive()
    assert (total(), total("billed_cost")) == (24, 24)
    assert summed("effective_cost", "commitment_status") == {"Unused": 24}


def test_of_an_incomplete_bill_only_what_it_states_beyond_is_charged() -> None:
    agree("commitments", PTU)
    state("gate", [call(1, 10_000)])
    state("costs", [of_commitment("Unused", "22")])
    derive()
    assert total() == 24
    state("costs", [of_commitment("Unused", "5", resource_id="other")])
    derive()
    assert total() == 1 + 22 + 5, "27 are stated of what is unused, 23 are computed"


def test_without_an_agreement_the_lines_of_a_commitment_are_charged_as_they_are() -> None:
    state("costs", [purchase(), of_commitment("Used", "2"), of_commitment("Unused", "22")], [whole_day()])
    derive()
    assert charges("commitment_status", "effective_cost", "billed_cost", "commitment_id", "subject") == [
        ("", 0, 24, "r-1", ""), ("Unused", 22, 0, "r-1", ""), ("Used", 2, 0, "r-1", ""),
    ]  # fmt: skip


def test_a_focus_bill_with_used_and_unused_lines_is_charged_once_beside_its_agreement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 10, 15))
    agree("commitments", PTU.replace("r-1", "ptu-res-9").replace("2026-09-08", "2026-10-14").replace("2026-09-09", "2026-10-15")
          .replace('"24"', '"2400"').replace("openai", "azure"))  # fmt: skip
    azure = {"provider": "azure", "billing_account": "ea-1001"}
    state("gate", [call(1, 10_000, 36, **azure)])
    ingest_file(Import(SAMPLES / "focus" / "focus_1_4_ai_full.csv", "focus"))
    derive()
    # The bill: 2,400 paid, 1,900 used, 500 unused; the agreement: one hour of 24 is used, 100 of 2,400.
    assert summed("effective_cost", "commitment_status", "provenance", commitment_id="ptu-res-9") == {
        ("Used", "computed"): 100, ("Used", "billed"): 1900 - 100, ("Unused", "computed"): 2300, ("Unused", "billed"): 500 - 2300,
    }  # fmt: skip
    assert total("billed_cost", commitment_id="ptu-res-9") == 2400
    bill = read_csv(SAMPLES / "focus" / "focus_1_4_ai_full.csv")
    assert total() == sum(D(row["EffectiveCost"]) for row in bill)
    assert total("billed_cost") == sum(D(row["BilledCost"]) for row in bill)


def test_a_correction_of_a_commitment_is_charged_as_it_is() -> None:
    agree("commitments", PTU)
    state(
        "costs",
        [purchase(), of_commitment("Unused", "24"), of_commitment("Unused", "-3", charge_class="Correction")],
        [whole_day()],
    )
    derive()
    assert summed("effective_cost", "charge_class") == {"": 24, "Correction": -3}


def llama(number: int) -> dict[str, Any]:
    return {**call(number, 100), "provider": "selfhosted", "model_served": "llama-70b"}


def opencost(path: Path, *allocations: tuple[str, str, str, str]) -> Path:
    """(name, model, cost, hours) of its GPUs on DAY."""
    window = {"start": "2026-09-08T00:00:00Z", "end": "2026-09-09T00:00:00Z"}
    items = {
        name: {
            "properties": {"cluster": "one"} | ({"namespace": name, "labels": {"model": model}} if model else {}),
            "window": window, "gpuCost": float(cost), "gpuHours": float(hours), "totalCost": float(cost),
        }
        for name, model, cost, hours in allocations
    }  # fmt: skip
    path.write_text(json.dumps({"code": 200, "data": [items]}))
    return path


def test_a_fleet_that_opencost_states_too_costs_what_opencost_says(tmp_path: Path) -> None:
    agree("capacity", yaml.safe_dump([FLEET]))
    state("gate", [llama(1)])
    ingest_file(
        Import(
            opencost(tmp_path / "a.json", ("llm", "llama-70b", "40", "24"), ("__idle__", "", "110", "48")), "opencost"
        )
    )
    derive()
    assert (total(), total("billed_cost")) == (150, 150)
    assert summed("effective_cost", "provenance", "commitment_status", "owner__code") == {
        ("computed", "Used", None): 48, ("computed", "Idle", "CC-IT"): 96, ("billed", "", None): 40 - 48 + 110 - 96,
    }  # fmt: skip


def test_an_idle_day_of_a_rented_fleet_is_on_the_bill_of_its_provider_once() -> None:
    agree("capacity", yaml.safe_dump([FLEET | {"bill": {"provider": "coreweave"}}]))
    rent = {"provider": "coreweave", "billing_account": "acc", "scope": "gpu_hour", "price_class": "gpu_hour"}
    state("costs", [line("150", **rent)], [whole_day()])
    derive()
    assert (total(), total("billed_cost")) == (150, 150)
    assert summed("effective_cost", "commitment_status") == {"Idle": 144, "": 6}
    state("gate", [llama(1)])
    derive()
    assert summed("effective_cost", "commitment_status", charge_date=DAY) == {"Used": 48, "Idle": 96, "": 6}


def test_a_bill_of_another_account_leaves_a_fleet_as_it_is() -> None:
    agree("capacity", yaml.safe_dump([FLEET | {"bill": {"provider": "coreweave", "billing_account": "acc-2"}}]))
    rent = {"provider": "coreweave", "billing_account": "acc-1", "scope": "gpu_hour", "price_class": "gpu_hour"}
    state("costs", [line("150", **rent)], [whole_day()])
    derive()
    assert total() == 144 + 150
