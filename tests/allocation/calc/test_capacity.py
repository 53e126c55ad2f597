"""Fleets: what they cost on a day, and how usage and idleness share it, exactly."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.capacity import parse
from allocation.calc.capacity_shares import Usage, costs, day_of, written_off
from allocation.calc.contracts_fields import AgreementError

DAY = date(2026, 9, 8)
D = Decimal


def fleet(**given):
    return parse([{"code": "h100", "gpu": "H100", "count": 8, "valid_from": "2026-01-01"} | given]).fleets[0]


def meter(number, price_class, quantity, project="search", operation="gpu", host="n1"):
    dimensions = {"provider": "selfhosted", "host": host, "project": project, "operation": operation}
    return Usage(number, dimensions, price_class, D(quantity))


def tokens(number, quantity, model="llama-70b", price_class="output_visible"):
    return Usage(number, {"provider": "selfhosted", "model_served": model}, price_class, D(quantity))


SERVES = {"serves": [{"model": "llama*"}]}
METERED = {"meters": {"host": "n*"}, "basis": "allocation"}


def test_rent_staff_and_overhead_of_a_day_are_those_of_its_hours():
    found = costs(fleet(rent="2.50", staff="7200", overhead="720"), DAY)
    assert (found.gpu_hours, found.rent) == (8 * 24, 8 * 24 * D("2.50"))
    assert (found.staff, found.overhead) == (7200 / 30, 720 / 30), "September has 30 days of 24 hours"


def test_a_day_on_which_clocks_change_has_as_many_hours_as_it_has():
    berlin = fleet(rent="1", zone="Europe/Berlin")
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert [costs(berlin, day).rent for day in (spring, DAY, autumn)] == [8 * 23, 8 * 24, 8 * 25]


def test_count_and_rent_change_on_their_dates():
    changed = fleet(
        count=[{"from": "2026-01-01", "count": 8}, {"from": "2026-09-08", "count": 16}],
        rent=[{"from": "2026-01-01", "rent": "2"}, {"from": "2026-09-09", "rent": "3"}],
    )
    days = [DAY + timedelta(days=n) for n in (-1, 0, 1)]
    assert [costs(changed, day).rent for day in days] == [8 * 24 * 2, 16 * 24 * 2, 16 * 24 * 3]


@given(
    price=st.integers(1, 10**9), residual=st.integers(0, 10**6), months=st.integers(1, 40),
    begin=st.dates(date(2023, 12, 25), date(2025, 1, 5)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    end=st.none() | st.integers(1, 1200),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_what_is_amortised_and_written_off_is_the_price_less_the_residual(price, residual, months, begin, zone, end):
    residual = min(price, residual)
    bought = fleet(
        valid_from=str(begin), zone=zone, purchase={"price": price, "residual": residual, "months": months},
        **({"valid_to": str(begin + timedelta(days=end))} if end else {}),
    )  # fmt: skip
    days = [begin + timedelta(days=n) for n in range(-2, 1300)]
    amortised = sum((costs(bought, day).amortisation for day in days), D(0))
    assert amortised + sum((written_off(bought, day) for day in days), D(0)) == price - residual
    assert all(costs(bought, day).amortisation >= 0 for day in days)


def test_a_purchase_that_outlives_its_fleet_is_written_off_when_the_fleet_ends():
    # 366 days x 24 hours from 2024-01-01 to 2025-01-01 at 10 an hour; the fleet ends after 91 of them
    early = fleet(valid_from="2024-01-01", valid_to="2024-04-01", purchase={"price": 366 * 24 * 10, "months": 12})
    assert costs(early, date(2024, 2, 29)).amortisation == 240
    assert written_off(early, date(2024, 4, 1)) == (366 - 91) * 240
    assert written_off(early, date(2024, 3, 31)) == 0


def test_by_allocation_what_pods_hold_is_used_and_the_rest_is_idle():
    # 8 GPUs x 24 h = 192 GPU-hours at 2; search holds 48, research 24, the rest of the metered is idle
    usage = [
        meter(0, "gpu_hour", 48), meter(1, "gpu_hour", 24, "research"), meter(2, "gpu_hour", 120, operation="gpu_idle"),
    ]  # fmt: skip
    found = day_of(fleet(rent="2", **METERED), DAY, usage)
    assert found.capacity.used == {0: 96, 1: 48}
    assert found.capacity.idle == (192 - 72) * 2
    assert found.gpu_hours.idle == 120
    assert found.touched == {0, 1, 2}


def test_what_gpus_have_had_is_borne_by_the_tokens_that_were_made_on_them():
    both = fleet(rent="2", **METERED, serves=[{"model": "llama*", "gpus": {"project": "search"}}])
    usage = [meter(0, "gpu_hour", 48), meter(1, "gpu_hour", 24, "training")]
    usage += [tokens(2, 300), tokens(3, 100), tokens(4, 9, "gpt-5")]
    assert day_of(both, DAY, usage).capacity.used == {1: 48, 2: 72, 3: 24}, "96 by 3 to 1; training has no tokens"


def test_by_active_share_reserved_and_unused_hours_are_idle():
    active = fleet(rent="2", meters={"host": "n*"}, basis="gpu_active", **SERVES)
    usage = [meter(0, "gpu_hour", 192), meter(1, "gpu_active_hour", 48), tokens(2, 1000)]
    found = day_of(active, DAY, usage)
    assert (found.capacity.used, found.capacity.idle) == ({2: 96}, 288)


def test_by_tokens_usage_has_had_the_hours_that_its_tokens_take_at_the_stated_throughput():
    # 1,000 tokens/s: 3.6M tokens take a GPU-hour; input counts a fifth, cached input nothing
    by_tokens = fleet(
        rent="2", basis="tokens",
        serves=[{"model": "llama*", "throughput": 1000, "weights": {"input": "0.2", "cache_read": 0}}],
    )  # fmt: skip
    usage = [
        tokens(0, 3_600_000),
        tokens(1, 18_000_000, price_class="input_uncached"),
        tokens(2, 7, price_class="cache_read"),
    ]
    found = day_of(by_tokens, DAY, usage)
    assert (found.claimed, found.capacity.used, found.capacity.idle) == (2, {0: 2, 1: 2}, 2 * 190)
    assert found.touched == {0, 1, 2}, "cached tokens are the fleet's too, at nothing"
    assert day_of(by_tokens, DAY, usage, counted=[0, 1, 2]).claimed == 0


def test_a_stated_utilisation_is_the_load_where_no_throughput_is_stated():
    stated = fleet(rent="1", basis="tokens", utilisation="0.25", **SERVES)
    assert day_of(stated, DAY, [tokens(0, 5)]).capacity.used == {0: 48}
    assert day_of(stated, DAY, []).capacity.idle == 192, "without usage all of it is idle"


def test_usage_beyond_the_fleet_bears_all_of_it_and_no_more():
    found = day_of(fleet(rent="2", **METERED), DAY, [meter(0, "gpu_hour", 400)])
    assert (found.capacity.used, found.capacity.idle, found.claimed) == ({0: 384}, 0, 400)


def test_gpus_set_aside_are_used_by_the_usage_they_are_for():
    reserved = fleet(rent="2", serves=[{"model": "llama*", "reserved": 3}, {"model": "qwen*", "reserved": 2}])
    found = day_of(reserved, DAY, [tokens(0, 5)])
    assert found.capacity.used == {0: 3 * 24 * 2}
    assert found.capacity.idle == 5 * 24 * 2, "nothing came for the two GPUs of qwen, and three are nobody's"


def test_metered_energy_with_all_that_is_drawn_around_it_is_shared_like_the_rest():
    # 10 kWh on the meters x PUE 1.5 = 15 kWh, at 0.20 = 3.00, 0.4 kg CO2e each = 6 kg; load 48 of 192 = a quarter
    energy = {"pue": "1.5", "price_per_kwh": "0.20", "co2_kg_per_kwh": "0.4"}
    usage = [meter(0, "gpu_hour", 48), meter(1, "watt_hour", 8000), meter(2, "watt_hour", 2000, operation="gpu_idle")]
    found = day_of(fleet(energy=energy, **METERED), DAY, usage)
    assert (found.kilowatt_hours.used, found.kilowatt_hours.idle) == ({0: D("3.75")}, D("11.25"))
    assert (found.energy.used, found.energy.idle) == ({0: D("0.75")}, D("2.25"))
    assert (found.co2.used, found.co2.idle) == ({0: D("1.5")}, D("4.5"))


def test_energy_by_tdp_is_what_the_gpus_in_use_draw():
    # 48 GPU-hours x 700 W x 0.8 x 1.25 = 33.6 kWh
    energy = {"source": "tdp", "tdp_watts": 700, "utilisation": "0.8", "pue": "1.25", "price_per_kwh": "0.10"}
    found = day_of(fleet(energy=energy, **METERED), DAY, [meter(0, "gpu_hour", 48)])
    assert (found.kilowatt_hours.used, found.kilowatt_hours.idle) == ({0: D("33.6")}, 0)
    assert (found.energy.used, found.energy.idle) == ({0: D("3.36")}, 0)


AMOUNTS = st.decimals(0, 10**6, places=6)


@given(
    rent=st.decimals(0, 100, places=4), staff=AMOUNTS, price=st.integers(1, 10**8), watts=AMOUNTS,
    hours=st.lists(st.decimals(0, 100, places=9), max_size=4), made=st.lists(st.integers(0, 10**12), max_size=4),
    basis=st.sampled_from(["allocation", "gpu_active", "tokens"]), day=st.dates(date(2024, 2, 20), date(2024, 11, 5)),
)  # fmt: skip
def test_total_is_used_and_idle_in_every_amount_whatever_the_load(rent, staff, price, watts, hours, made, basis, day):
    found = fleet(
        valid_from="2024-02-20", zone="America/New_York", rent=str(rent), staff=str(staff), basis=basis,
        purchase={"price": price, "months": 7}, energy={"price_per_kwh": "0.1234567", "co2_kg_per_kwh": "0.377"},
        meters={"host": "n*"}, serves=[{"model": "llama*", "throughput": "2741", "weights": {"input": "0.3"}}],
    )  # fmt: skip
    unit = "gpu_hour" if basis == "allocation" else "gpu_active_hour"
    usage = [meter(n, unit, amount) for n, amount in enumerate(hours)]
    usage += [tokens(n, amount, price_class="input_uncached") for n, amount in enumerate(made, len(usage))]
    usage += [meter(99, "watt_hour", watts)]
    shared = day_of(found, day, usage)
    of_day = costs(found, day)
    assert shared.capacity.total == of_day.capacity
    assert shared.gpu_hours.total == of_day.gpu_hours
    assert shared.energy.total == round(shared.kilowatt_hours.total * D("0.1234567"), 12)
    for each in shared[2:7]:
        assert each.idle >= 0
        assert all(part >= 0 for part in each.used.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"valid_from": None}, "h100: valid_from is missing"),
        ({"valid_to": "2026-01-01"}, "h100: valid_to must be after"),
        ({"rent": 2.5}, 'rent is a float; write it in quotes: "2.5"'),
        ({"count": [{"from": "2026-02-01", "count": 8}]}, "count must say how many GPUs there are from 2026-01-01"),
        ({"count": [{"from": "2026-01-01", "count": 8}, {"from": "2026-01-01", "count": 9}]}, "each later"),
        ({"basis": "gpu_active"}, "basis gpu_active needs meters"),
        ({"basis": "tokens", **SERVES}, "basis tokens needs the throughput"),
        ({"basis": "allocation", **SERVES}, "basis allocation needs meters"),
        ({"meters": {}}, "meters must name at least one dimension"),
        ({"energy": {"source": "tdp"}}, "tdp_watts is missing"),
        ({"energy": {"price_per_kwh": "0.1"}}, "energy is metered, but meters do not say"),
        ({"energy": {"source": "tdp", "tdp_watts": 700, "pue": "0.9"}}, "pue is at least 1"),
        ({"purchase": {"price": 10, "residual": 11, "months": 3}}, "residual is above the price"),
        ({"purchase": {"price": 10, "months": 0}}, "months must be 1 or more"),
        ({"serves": [{"model": "a", "weights": {"inputs": "1"}}], "utilisation": "0.5", "basis": "tokens"}, "weights.inputs"),
        ({"idle_owner": {"team": "x"}}, "idle_owner needs a cost_centre"),
        ({"utilisation": "1.2"}, "utilisation is a part"),
        ({"gpus": 8}, "unknown field 'gpus'"),
        ({"model": "llama*"}, "say which usage is meant under serves"),
    ],
)  # fmt: skip
def test_a_fleet_that_cannot_be_used_names_the_entry_and_the_field(given, message):
    with pytest.raises(AgreementError) as caught:
        fleet(**given)
    assert message in str(caught.value)


def test_a_file_without_fleets_costs_nothing_and_begins_never():
    assert (parse([]).fleets, parse([]).begins) == ((), None)
    assert parse([{"code": "a", "count": 1, "valid_from": "2026-02-01"}]).begins == date(2026, 2, 1)
