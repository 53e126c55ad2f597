"""A fleet through the real sources: what its GPUs' counters say, who bears what, as a ledger written by hand."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from allocation import rulebook
from allocation.costing import capacity, terms
from allocation.costing.capacity_selectors import cost_per_million, gpu_hours
from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge, CostDaily
from allocation.verification import verify
from finops import fx
from finops.fx_files import Published
from finops.models import SiteMark
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
DAY = date(2026, 9, 8)
MIDNIGHT = datetime(2026, 9, 8, tzinfo=UTC)
SENTINEL = 9223372036854775794
LOADS = [D(tenth) / 10 for tenth in (2, 3, 4, 5, 6, 7, 8, 9)] * 3  # of each hour: 20 % to 90 %
assert sum(LOADS) == D("13.2")

RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "chat"}, "to": {"cost_centre": "CC-2"}},
    {"id": "r3", "priority": 3, "when": {"project": "training"}, "to": {"cost_centre": "CC-3"}},
    {"id": "r4", "priority": 4, "when": {"provider": "selfhosted"}, "to": {"cost_centre": "CC-REST"}},
]
FLEET = {
    "code": "a100-lab", "gpu": "NVIDIA A100", "count": 3, "valid_from": "2026-09-08", "valid_to": "2026-09-10",
    "rent": "2", "staff": "2160", "basis": "gpu_active", "meters": {"host": "n1"}, "utilisation": "0.6",
    "energy": {"pue": "1.25", "price_per_kwh": "0.10", "co2_kg_per_kwh": "0.4"},
    "serves": [{"model": "llama-70b", "weights": {"input": "0"}, "throughput": "1000"}],
    "idle_owner": {"cost_centre": "CC-IT", "team": "infra"},
}  # fmt: skip


def line(name: str, value: object, gpu: int, pod: str = "", project: str = "search") -> str:
    labels = f'gpu="{gpu}",UUID="GPU-{gpu}",modelName="NVIDIA A100",Hostname="n1"'
    if pod:
        labels += f',exported_namespace="{project}",exported_pod="{pod}"'
    return f"{name}{{{labels}}} {value}\n"


def scrapes(path: Path, project: str = "search") -> Path:
    """A scrape an hour of two GPUs: 1 in a pod, at LOADS; 2 idle. Counters of energy in millijoules.

    GPU 1 draws 250 Wh an hour; its counter begins anew within the hour before 12:00 and shows 100 Wh then. At 06:00 its
    engine's activity is the blank sentinel, and its utilisation in percent says the same. GPU 2 draws 50 Wh an hour; its
    utilisation is always blank.
    """
    records, energy = [], 10**9
    for hour in range(25):
        energy = 360_000_000 if hour == 12 else energy + 900_000_000
        load = LOADS[hour - 1] if hour else 0
        text = line("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", energy, 1, "vllm-0", project)
        text += line("DCGM_FI_PROF_GR_ENGINE_ACTIVE", SENTINEL if hour == 6 else load, 1, "vllm-0", project)
        text += line("DCGM_FI_DEV_GPU_UTIL", load * 100, 1, "vllm-0", project)
        text += line("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 5 * 10**9 + hour * 180_000_000, 2)
        text += line("DCGM_FI_DEV_GPU_UTIL", SENTINEL, 2)
        records.append(json.dumps({"at": (MIDNIGHT + timedelta(hours=hour)).isoformat(), "text": text}))
    path.write_text("\n".join(records) + "\n")
    return path


def calls(path: Path) -> Path:
    """300 tokens of output of search, 100 of chat, on a model without any price; and a call of gpt-5."""
    own = {"model": "llama-70b", "model_group": "llama-70b", "custom_llm_provider": "selfhosted"}
    return write_lines(
        path, [payload(1, output=300, **own), payload(2, output=100, team="chat", **own), payload(3, team="chat")]
    )


def derive(*fleets: dict[str, Any]) -> None:
    SiteMark.objects.update_or_create(name="demo", defaults={"value": {"until": "2026-09-11"}})
    terms.load("capacity", list(fleets), capacity.parse, actor="test")
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def ledger(day: date = DAY) -> dict[tuple[str, str, str], tuple[Decimal, Decimal]]:
    """(cost centre, status, class) -> quantity and EffectiveCost of the fleet's charges of a day; without empty lines."""
    found: dict[tuple[str, str, str], tuple[Decimal, Decimal]] = {}
    shares = AllocatedCost.objects.filter(charge_date=day, charge__subject__startswith="fleet ")
    for centre, status, price_class, quantity, cost in shares.values_list(
        "cost_centre__code", "charge__commitment_status", "charge__price_class", "quantity", "effective_cost"
    ):
        before = found.get((centre, status, price_class), (D(0), D(0)))
        found[centre, status, price_class] = (before[0] + quantity, before[1] + cost)
    return {place: figures for place, figures in found.items() if any(figures)}


def test_used_idle_energy_and_co2_of_a_day_are_those_of_a_ledger_written_by_hand(tmp_path: Path) -> None:
    rulebook.load(RULES, actor="test")
    ingest_file(Import(scrapes(tmp_path / "gpus.jsonl"), "dcgm"))
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    derive(FLEET)

    # 3 GPUs x 24 h = 72 GPU-hours at 2 = 144, and 2160 / 30 days = 72 for staff: 216. In use: 13.2 of 72 GPU-hours.
    used = D(216) * D("13.2") / 72
    assert used == D("39.6")
    # 23 hours of 250 Wh and one of 100, and 24 of 50: 7,050 Wh x PUE 1.25 = 8.8125 kWh at 0.10; 0.4 kg each.
    kwh = D(23 * 250 + 100 + 24 * 50) / 1000 * D("1.25")
    assert kwh == D("8.8125")
    used_kwh = kwh * D("13.2") / 72
    search, chat = D(3) / 4, D(1) / 4  # by tokens of output
    expected = {
        ("CC-1", "Used", "output_visible"): (300, used * search),
        ("CC-1", "Used", "input_uncached"): (100, 0),
        ("CC-1", "Used", "kilowatt_hour"): (used_kwh * search, used_kwh * search / 10),
        ("CC-1", "Used", "co2e_kilogram"): (used_kwh * search * D("0.4"), 0),
        ("CC-2", "Used", "output_visible"): (100, used * chat),
        ("CC-2", "Used", "input_uncached"): (100, 0),
        ("CC-2", "Used", "kilowatt_hour"): (used_kwh * chat, used_kwh * chat / 10),
        ("CC-2", "Used", "co2e_kilogram"): (used_kwh * chat * D("0.4"), 0),
        ("CC-REST", "Used", "gpu_hour"): (48, 0),  # readings, borne by the tokens
        ("CC-REST", "Used", "gpu_active_hour"): (D("13.2"), 0),
        ("CC-REST", "Used", "watt_hour"): (7050, 0),
        ("CC-IT", "Idle", "gpu_hour"): (72 - D("13.2"), 216 - used),
        ("CC-IT", "Idle", "kilowatt_hour"): (kwh - used_kwh, (kwh - used_kwh) / 10),
        ("CC-IT", "Idle", "co2e_kilogram"): ((kwh - used_kwh) * D("0.4"), 0),
    }
    assert ledger() == expected
    fleet = Charge.objects.filter(charge_date=DAY, subject="fleet a100-lab")
    assert sum(fleet.values_list("effective_cost", flat=True)) == 216 + kwh / 10
    assert not fleet.filter(list_cost__gt=0).exists()
    assert not fleet.filter(proxy_cost__isnull=False).exists(), "what has a cost needs no estimate"
    assert not CostDaily.objects.filter(unpriced_tokens__gt=0).exists(), "the fleet prices what has no price"
    assert not AllocatedCost.objects.filter(cost_centre=None, effective_cost__gt=0).exists()
    assert Charge.objects.get(charge_date=DAY, sku_id="openai/gpt-5/output_visible").subject == ""


def test_a_day_without_usage_is_idle_and_days_out_of_service_cost_nothing(tmp_path: Path) -> None:
    derive(FLEET)
    day = {("CC-IT", "Idle", "gpu_hour"): (D(72), D(216))}
    assert [ledger(DAY + timedelta(days=n)) for n in (-1, 0, 1, 2)] == [{}, day, day, {}]


def test_gpus_that_are_not_paid_off_when_the_fleet_ends_are_written_off_by_its_owner() -> None:
    # 365 days x 24 hours at 1 from 8 September to the next; two days of service, 363 left
    derive(FLEET | {"rent": None, "staff": None, "purchase": {"price": 365 * 24, "months": 12}})
    idle = {("CC-IT", "Idle", "gpu_hour"): (72, 24)}
    assert [ledger(DAY + timedelta(days=n)) for n in (0, 1)] == [idle, idle]
    assert ledger(DAY + timedelta(days=2)) == {("CC-IT", "", "write_off"): (0, 363 * 24)}


def test_a_fleet_in_euros_is_charged_in_dollars_used_and_idle(tmp_path: Path) -> None:
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    fx.load([Published(DAY, "EUR", "USD", D("1.5"))], source="ecb", actor="test")
    given = {"basis": "allocation", "energy": None, "staff": None, "meters": None, "currency": "EUR"}
    derive(FLEET | given | {"serves": [{"model": "llama-70b", "reserved": 1}]})
    # 1 of 3 GPUs x 24 h x 2 = 48 EUR used and 96 idle; at 1.5
    rows = Charge.objects.filter(charge_date=DAY, subject="fleet a100-lab").order_by().values_list("commitment_status")
    sums = rows.annotate(Sum("effective_cost"), Sum("original_cost")).order_by("commitment_status")
    assert list(sums) == [("Idle", 144, 96), ("Used", 72, 48)]
    found = Charge.objects.filter(charge_date=DAY).values_list("billing_currency", flat=True)
    assert set(found) == {"USD"}
    used = Charge.objects.filter(charge_date=DAY, commitment_status="Used")
    assert not used.filter(tier="").exists()


def test_gpus_on_which_no_tokens_are_made_are_borne_by_their_own_readings(tmp_path: Path) -> None:
    rulebook.load(RULES, actor="test")
    ingest_file(Import(scrapes(tmp_path / "gpus.jsonl", "training"), "dcgm"))
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    serves = [{"model": "llama-70b", "gpus": {"project": "search"}}]
    derive(FLEET | {"basis": "allocation", "energy": None, "staff": None, "serves": serves})
    # 24 of 72 GPU-hours in a pod of training, at 2; llama's tokens made on GPUs of search: none are.
    found = ledger()
    assert found["CC-3", "Used", "gpu_hour"] == (24, 48)
    assert found["CC-IT", "Idle", "gpu_hour"] == (48, 96)
    assert found["CC-1", "Used", "output_visible"] == (300, 0)


def test_a_fleet_in_another_currency_leaves_the_list_price_in_its_own(tmp_path: Path) -> None:
    ingest_file(Import(write_lines(tmp_path / "calls.jsonl", [payload(1, prompt=0, output=100)]), "litellm"))
    serves = [{"model": "gpt-5", "reserved": 1}]
    given = {"basis": "allocation", "energy": None, "staff": None, "meters": None, "serves": serves, "currency": "CHF"}
    derive(FLEET | given)
    rows = Charge.objects.filter(charge_date=DAY, commitment_status="Used", price_class="output_visible")
    found = rows.order_by("billing_currency").values_list(
        "billing_currency", "consumed_quantity", "list_cost", "effective_cost"
    )
    assert list(found) == [("CHF", 0, None, 48), ("USD", 100, D("0.001"), 0)]


def test_cost_per_million_tokens_at_the_actual_and_at_the_stated_load(tmp_path: Path) -> None:
    ingest_file(Import(scrapes(tmp_path / "gpus.jsonl"), "dcgm"))
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    derive(FLEET | {"energy": None})
    (row,) = cost_per_million(Period(DAY, DAY + timedelta(days=1)))
    assert (row.fleet, row.model, row.currency, row.tokens) == ("a100-lab", "llama-70b", "USD", 600)
    assert row.used == D("39.6")
    assert row.load == D("13.2") / 72 or abs(row.load - D("13.2") / 72) < D("1e-12")
    assert row.at_actual == D(216) / 600 * 1_000_000, "all that the fleet costs"
    # 216 / 72 = 3 a GPU-hour; 1,000 tokens/s x 3,600 s x 60 % = 2.16 million tokens
    assert row.at_stated == pytest.approx(D(3) / D("2.16"), abs=D("1e-11"))


def test_hours_that_are_still_to_come_of_a_month_were_not_used(tmp_path: Path) -> None:
    ingest_file(Import(scrapes(tmp_path / "gpus.jsonl"), "dcgm"))
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    derive(FLEET | {"energy": None, "valid_to": "2026-10-01"})
    month = Period.month("2026-09")
    days = Charge.objects.filter(subject="fleet a100-lab").values("charge_date").distinct().count()
    assert 1 < days < 22, "charged to a day before the month ends"
    had, idle = gpu_hours(month)
    assert (had, idle) == (72 * days, 72 * days - D("13.2"))
    (row,) = cost_per_million(month)
    assert row.load == pytest.approx(D("13.2") / (72 * days), abs=D("1e-11"))
    assert row.at_stated == pytest.approx(D(3) / D("2.16"), abs=D("1e-11")), "3 a GPU-hour, as on any of its days"


def test_the_same_terms_again_change_nothing(tmp_path: Path) -> None:
    ingest_file(Import(scrapes(tmp_path / "gpus.jsonl"), "dcgm"))
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    derive(FLEET)
    names = ("charge_date", "sku_id", "subject", "commitment_status", "consumed_quantity", "effective_cost")
    before = sorted(Charge.objects.values_list(*names))
    terms.rate_anew([DAY, DAY + timedelta(days=1)])
    refresh()
    assert sorted(Charge.objects.values_list(*names)) == before


def test_the_energy_that_several_classes_of_a_call_draw_is_one_charge(tmp_path: Path) -> None:
    ingest_file(Import(calls(tmp_path / "calls.jsonl"), "litellm"))
    energy = {"source": "tdp", "tdp_watts": 500, "price_per_kwh": "0.10", "co2_kg_per_kwh": "0.4"}
    serves = [{"model": "llama-70b", "reserved": 1}]  # input counts as output does: 200 and 400 tokens
    derive(FLEET | {"basis": "allocation", "meters": None, "energy": energy, "serves": serves})
    # 1 GPU x 24 h x 500 W = 12 kWh: of search 400 of 600 tokens, of chat 200.
    rows = Charge.objects.filter(charge_date=DAY, price_class="kilowatt_hour", commitment_status="Used")
    found = rows.order_by("-consumed_quantity").values_list("consumed_quantity", "effective_cost")
    assert list(found) == [(8, D("0.8")), (4, D("0.4"))]
