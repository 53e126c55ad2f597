"""Layers of truth on stored data: what several layers say of the same calls is matched, never summed (invariant 6)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Sum

from allocation import rulebook
from allocation.derived import refresh
from allocation.layer_selectors import several_sources
from allocation.models import Charge, CostDaily, LayerDay
from allocation.scope import EVERYTHING, Scope
from allocation.verification import verify
from finops.periods import Period
from tests.allocation.stated import DAY, KINDS, NOON, charges, line, state, total, whole_day

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
# gpt-5: 1.25 per million tokens of uncached input, 10 per million of output.
INPUT, OUTPUT = D("0.00000125"), D("0.00001")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def sonnet(tokens: int, **given: Any) -> dict[str, Any]:
    return {"provider": "anthropic", "model_served": "claude-sonnet-4-5", "input_uncached": tokens, **given}


def anthropic_usage(day_offset: int) -> list[dict[str, Any]]:
    at = NOON + timedelta(days=day_offset)
    return [
        sonnet(1_000_000, native_id=f"s{day_offset}", occurred_at=at, service_tier_served="standard", requests=10),
        sonnet(200_000, native_id=f"p{day_offset}", occurred_at=at, service_tier_served="priority", requests=2),
    ]


def test_a_cost_report_rules_the_standard_tokens_of_its_whole_day_and_leaves_priority_and_half_days_to_usage() -> None:
    # Claude Sonnet 4.5: 3 dollars per million tokens of input, for priority assumed as standard.
    state("usage", anthropic_usage(0) + anthropic_usage(1), [whole_day(days=2)])
    named = {"provider": "anthropic", "model_served": "claude-sonnet-4-5", "price_class": "input_uncached"}
    tomorrow = NOON.replace(hour=0) + timedelta(days=1)
    state(
        "costs",
        [line("2.7", native_id="a", **named), line("1.4", native_id="b", period_start=tomorrow, **named)],
        [whole_day(days=1.5)],
    )
    derive()
    assert total(charge_date=DAY) == D("2.7") + D("0.6")  # the report's standard, computed priority
    assert total(charge_date=DAY + timedelta(days=1)) == D("3") + D("0.6")  # half a day is no day
    assert total() == D("6.9")
    assert charges("cause", "effective_cost", "billed_cost", provenance="billed") == [
        ("unexplained", D("-0.3"), D("-0.3"))
    ]
    assert total("billed_cost", charge_date=DAY, scope="tokens.standard") == D("2.7")
    # the other half comes
    state("costs", [], [whole_day(day=DAY + timedelta(days=1))])
    derive()
    assert total() == D("2.7") + D("0.6") + D("1.4") + D("0.6")


def calls(count: int, tokens: int = 1_000, **given: Any) -> list[dict[str, Any]]:
    return [
        {"native_id": f"call-{n}", "input_uncached": tokens, "output_visible": 90, "output_reasoning": 10,
         "tags": f'{{"team":"{("search", "legal")[n % 2]}"}}', **given}
        for n in range(count)
    ]  # fmt: skip


BUCKET = {"native_id": "day", "requests": 12, "input_uncached": 12_000, "output_visible": 1_200}


def test_a_gateway_gives_the_owners_and_the_provider_what_the_gateway_has_not_seen() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET], [whole_day()])
    derive()
    # 10 calls of 1,000 + 100 tokens through the gateway; the provider knows 12 of them: 2 x (1,000 + 100) more.
    assert total() == 12_000 * INPUT + 1_200 * OUTPUT
    assert charges("price_class", "consumed_quantity", "cause", provenance="computed", cause="not_seen_below") == [
        ("input_uncached", D(2_000), "not_seen_below"), ("output_visible", D(200), "not_seen_below"),
    ]  # fmt: skip
    assert sum(CostDaily.objects.values_list("requests", flat=True)) == 12
    assert sum(CostDaily.objects.values_list("queries", flat=True)) == 12


def test_what_lower_layers_say_too_much_is_taken_back_where_the_provider_rules() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET | {"input_uncached": 9_000, "output_visible": 1_000}], [whole_day()])
    derive()
    assert total() == 9_000 * INPUT + 1_000 * OUTPUT
    assert charges("consumed_quantity", "effective_cost", cause="below_exceeds") == [(D(-1_000), -1_000 * INPUT)]


def test_a_part_of_a_day_never_takes_back_and_adds_only_what_nobody_else_states() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET | {"input_uncached": 5_000, "output_visible": 1_100}], [whole_day(days=0.5)])
    derive()
    assert total() == 10_000 * INPUT + 1_100 * OUTPUT


def test_gateway_usage_and_costs_of_the_same_calls_are_the_costs_exactly() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET], [whole_day()])
    state(
        "costs",
        [line("0.02", native_id="i", model_served="gpt-5", price_class="input_uncached", consumed_unit="tokens",
              consumed_quantity=D(12_000)),
         line("0.011", native_id="o", model_served="gpt-5", price_class="output_visible")],
        [whole_day()],
    )  # fmt: skip
    derive()
    assert total() == total("billed_cost") == D("0.031")
    by_team = dict(CostDaily.objects.values_list("provenance", "effective_cost"))
    assert by_team["billed"] == D("0.031") - 12_000 * INPUT - 1_200 * OUTPUT
    assert charges("cause", "effective_cost", "consumed_quantity", provenance="billed") == [
        ("price_difference", D("0.02") - 12_000 * INPUT, D(0)), ("unexplained", D("0.011") - 1_200 * OUTPUT, D(0)),
    ]  # fmt: skip


def test_lines_that_are_no_usage_are_charged_as_they_are_and_notional_ones_never() -> None:
    state(
        "costs",
        [line("5", charge_category="Tax", native_id="t", scope="other"),
         line("-2", charge_category="Credit", native_id="c", scope="other"),
         line("7", native_id="n", kind_of_cost="notional"), line("3", native_id="u", description="gpt-5, input")],
    )  # fmt: skip
    derive()
    assert charges("charge_category", "effective_cost", "tier", "cause") == [
        ("Credit", D(-2), "", ""), ("Tax", D(5), "", ""), ("Usage", D(3), "", ""),
    ]  # fmt: skip


def test_unpriced_usage_keeps_no_cost_and_the_line_carries_the_money() -> None:
    state("usage", [BUCKET | {"model_served": "no-such-model"}], [whole_day()])
    state("costs", [line("4", model_served="no-such-model")], [whole_day()])
    derive()
    assert charges("provenance", "effective_cost", "cause") == [
        ("billed", D(4), "unpriced_below"), ("computed", None, ""), ("computed", None, ""),
    ]  # fmt: skip


def test_currencies_are_never_mixed() -> None:
    state("usage", [BUCKET], [whole_day()])
    state("costs", [line("4", billing_currency="EUR")], [whole_day()])
    derive()
    assert total(billing_currency="EUR") == 4
    assert total(billing_currency="USD") == 12_000 * INPUT + 1_200 * OUTPUT


def test_traced_calls_that_the_gateway_knows_by_id_are_charged_once() -> None:
    state("gate", calls(10))
    traced = [row | {"request_id": row["native_id"], "native_id": f"span-{row['native_id']}"} for row in calls(12)]
    state("spans", traced)
    derive()
    # Of 12 traced calls the gateway knows 10: two more of 1,000 + 100 tokens.
    assert total() == 12_000 * INPUT + 1_200 * OUTPUT
    assert sum(CostDaily.objects.values_list("requests", flat=True)) == 12
    assert {row[0] for row in Charge.objects.filter(cause="surplus").values_list("consumed_quantity")} <= {
        D(1_000), D(2_000), D(90), D(180), D(10), D(20)
    }  # fmt: skip


def test_traced_calls_without_ids_are_matched_by_the_hour() -> None:
    state("gate", calls(10))
    later = [
        row | {"native_id": f"late-{row['native_id']}", "occurred_at": NOON + timedelta(hours=2)} for row in calls(3)
    ]
    state("spans", [row | {"native_id": f"span-{row['native_id']}"} for row in calls(12)] + later)
    derive()
    # 12 traced and 10 of the gateway in one hour are 12; three in an hour of which the gateway says nothing are more.
    assert total() == 15_000 * INPUT + 1_500 * OUTPUT


def test_a_match_across_midnight_is_found_whichever_side_comes_last() -> None:
    before, after = NOON.replace(hour=23, minute=59), NOON.replace(hour=0) + timedelta(days=1)
    state(
        "spans", [row | {"request_id": row["native_id"], "native_id": "s", "occurred_at": before} for row in calls(1)]
    )
    derive()
    assert total() == 1_000 * INPUT + 100 * OUTPUT
    state("gate", [row | {"occurred_at": after} for row in calls(1)])
    derive()
    assert total() == 1_000 * INPUT + 100 * OUTPUT
    assert total(charge_date=DAY) == 0


def test_a_restated_layer_derives_the_others_again() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET], [whole_day()])
    derive()
    state("usage", [BUCKET | {"input_uncached": 20_000}], [whole_day()])
    derive()
    assert total() == 20_000 * INPUT + 1_200 * OUTPUT
    state("gate", calls(10, tokens=1_500))
    derive()
    assert total() == 20_000 * INPUT + 1_200 * OUTPUT
    assert charges("consumed_quantity", price_class="input_uncached", cause="not_seen_below") == [(D(5_000),)]


@pytest.mark.parametrize(
    ("sql", "example"),
    [
        (
            "UPDATE charge SET billed_cost = billed_cost + 1 WHERE provenance = 'billed' AND billed_cost > 0",
            "BilledCost",
        ),
        ("UPDATE layer_share SET quantity = quantity + 1 WHERE part = 'by_day'", "parts"),
        ("UPDATE ingest_coverage SET covered = '{}' WHERE source = 'costs'", "other sources state it whole now"),
        ("DELETE FROM allocation_layerday", "cost_report + gateway + provider_usage"),
    ],
)
def test_every_planted_double_count_is_found(sql: str, example: str) -> None:
    state("gate", calls(10))
    state("usage", [BUCKET], [whole_day()])
    state("costs", [line("0.2", model_served="gpt-5")], [whole_day()])
    derive()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    found = {check.id: check.examples for check in verify() if not check.ok}
    assert any(example in text for text in found["layers_not_summed"])


def test_a_token_more_than_a_cost_report_states_is_found_where_no_provider_usage_does() -> None:
    state("gate", calls(10))
    lines = [
        line(cost, native_id=name, price_class=name, consumed_quantity=D(quantity), model_served="gpt-5",
             consumed_unit="tokens")
        for name, cost, quantity in (("input_uncached", "1", 12_000), ("output_visible", "2", 900))
    ]  # fmt: skip
    state("costs", lines, [whole_day()])
    derive()
    # 10 calls are of 1,000 + 100 tokens: of input 2,000 more are billed, of output 100 less.
    assert charges("price_class", "consumed_quantity", cause="quantity_difference") == [
        ("input_uncached", D(2_000)), ("output_visible", D(-100)),
    ]  # fmt: skip
    Charge.objects.filter(cause="quantity_difference", price_class="input_uncached").update(consumed_quantity=2_001)
    found = {check.id: check.examples for check in verify() if not check.ok}
    assert "input_uncached 1" in found["ruled_tokens"][0]


def test_tokens_that_wander_from_model_to_model_are_found() -> None:
    mini = {"native_id": "mini", "model_served": "gpt-5-mini", "input_uncached": 500}
    state("gate", calls(10))
    state("usage", [BUCKET, mini], [whole_day()])
    derive()
    for model, tokens in (("gpt-5", 100), ("gpt-5-mini", -100)):
        rows = Charge.objects.filter(cause="not_seen_below", sku_id=f"openai/{model}/input_uncached")
        wandered = rows.filter(pk=rows.order_by("-consumed_quantity")[:1].get().pk)  # of its tiers the largest
        wandered.update(consumed_quantity=F("consumed_quantity") + tokens)
    found = {check.id: check.examples for check in verify() if not check.ok}
    assert [example.rpartition(" ")[2][:5] for example in found["ruled_tokens"]] == ["100.0", "-100."]


def test_requests_are_the_providers_where_it_rules_and_queries_stay_where_they_are_seen() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET | {"requests": 8}], [whole_day()])
    derive()
    of = CostDaily.objects.aggregate(requests=Sum("requests"), queries=Sum("queries"))
    assert of == {"requests": 8, "queries": 10}  # the gateway counts two calls that never came to the provider
    assert sorted(row for row in CostDaily.objects.values_list("requests", flat=True) if row) == [-2, 10]
    state("usage", [BUCKET | {"requests": 0}], [whole_day()])
    derive()  # it counts no requests, as Anthropic's does not
    assert CostDaily.objects.aggregate(requests=Sum("requests"))["requests"] == 10


def test_requests_of_half_a_day_are_those_of_everybody_who_saw_them() -> None:
    state("gate", calls(10))
    state("usage", [BUCKET | {"requests": 8}], [whole_day(days=0.5)])
    derive()
    assert CostDaily.objects.aggregate(requests=Sum("requests"))["requests"] == 10


def test_a_negative_count_is_shared_as_a_positive_one(rules: None) -> None:
    state("gate", calls(10))
    state("usage", [BUCKET | {"requests": 5, "tags": '{"team":"both"}'}], [whole_day()])
    derive()
    rows = CostDaily.objects.values_list("cost_centre__code").annotate(Sum("requests"))
    found = dict(row for row in rows if row[0])
    assert sum(found.values()) == -5
    assert found["CC-1"] in (-3, -4)  # 5 at 0.7 to 0.3: 3.5 and 1.5; each tier of the bucket is shared by itself


@pytest.fixture
def rules() -> None:
    shares = {"shares": {"CC-1": "0.7", "CC-2": "0.3"}}
    rulebook.load([{"id": "r", "priority": 1, "when": {"tag.team": "both"}, "to": shares}], actor="test")


# Two sources of provider usage


def test_of_two_sources_of_provider_usage_one_rules_and_nothing_is_charged_twice() -> None:
    state("usage", [BUCKET], [whole_day()])
    state("usage2", [BUCKET | {"input_uncached": 13_000}])
    state("gate", calls(10))
    derive()
    assert total() == 12_000 * INPUT + 1_200 * OUTPUT  # the first states the day whole
    assert CostDaily.objects.aggregate(requests=Sum("requests"))["requests"] == 12
    state("usage2", [], [whole_day()])
    derive()
    assert total() == 13_000 * INPUT + 1_200 * OUTPUT  # both do: the one that states more


def test_two_incomplete_sources_of_provider_usage_are_charged_what_either_states() -> None:
    state("usage", [BUCKET])
    state("usage2", [BUCKET | {"input_uncached": 9_000, "output_visible": 1_300}])
    derive()
    assert total() == 12_000 * INPUT + 1_300 * OUTPUT


def test_two_gateways_add_up() -> None:
    state("gate", calls(10))
    state("gate2", [row | {"native_id": f"other-{row['native_id']}"} for row in calls(5)])
    derive()
    assert total() == 15_000 * INPUT + 1_500 * OUTPUT


def test_two_sources_of_one_layer_are_named_with_what_both_state_of_the_same_models_and_days() -> None:
    month = Period.month("2026-09")
    state("gate", calls(10))
    state("gate2", [row | {"native_id": f"other-{row['native_id']}"} for row in calls(4)], account="default")
    state("gate2", [{"native_id": "m", "model_served": "gpt-5-mini", "input_uncached": 7}])
    state("usage", [BUCKET], [whole_day()])
    state("costs", [line("2")])
    derive()
    [found] = several_sources(EVERYTHING, month, "USD")
    # of gpt-5 the one states 10 calls of 1,000 + 100 tokens, the other 4
    assert found == ("", "openai", "gateway", ["gate", "gate2"], DAY, DAY, 1, 4_400, 4_000 * INPUT + 400 * OUTPUT)
    assert not found.matched
    assert several_sources(Scope(), month, "USD") == several_sources(EVERYTHING, month, "EUR") == []
    state("usage2", [BUCKET])
    derive()
    assert [(row.layer, row.matched) for row in several_sources(EVERYTHING, month, "USD")] == [
        ("provider_usage", True), ("gateway", False),
    ]  # fmt: skip


# Usage without a price, and a bill


def test_usage_without_a_price_is_unpriced_only_where_no_bill_states_its_money() -> None:
    strange = BUCKET | {"model_served": "no-such-model"}
    state("usage", [strange, strange | {"native_id": "next", "occurred_at": NOON + timedelta(days=1)}])
    state("costs", [line("4", model_served="no-such-model")], [whole_day()])
    derive()
    columns = ("tokens", "unpriced_tokens", "bill_priced_tokens", "effective_cost")
    rows = CostDaily.objects.order_by("charge_date", "provenance").values_list("charge_date", "provenance")
    sums = rows.annotate(**{f"of_{name}": Sum(name) for name in columns})
    assert [(row[0], *row[2:]) for row in sums.order_by("charge_date", "of_effective_cost")] == [
        (DAY, 13_200, 0, 13_200, D(0)), (DAY, 0, 0, 0, D(4)), (DAY + timedelta(days=1), 13_200, 13_200, 0, D(0)),
    ]  # fmt: skip
    estimates = dict(CostDaily.objects.values_list("charge_date").annotate(Sum("unpriced_estimate")))
    assert estimates[DAY] == 0
    assert estimates[DAY + timedelta(days=1)] > 0


def test_other_accounts_of_the_provider_are_left_alone() -> None:
    state("gate", calls(10, billing_account="org-a"))
    state("usage", [BUCKET | {"billing_account": "org-b"}], [whole_day(part="org-b")])
    derive()
    assert total() == 22_000 * INPUT + 2_200 * OUTPUT
    assert not LayerDay.objects.exists()
