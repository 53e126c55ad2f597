"""The same calls as LiteLLM logs them, OpenAI's usage states them and OpenAI's costs bill them: files as they come."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from allocation import rulebook
from allocation.derived import refresh
from allocation.layer_selectors import layer_matches
from allocation.models import AllocatedCost, Charge
from allocation.scope import EVERYTHING, Scope
from allocation.verification import verify
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.allocation.stated import charges, total
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
START = int(datetime(2026, 9, 8, tzinfo=UTC).timestamp())


def write(path: Path, results: list[dict[str, Any]]) -> Path:
    bucket = {"object": "bucket", "start_time": START, "end_time": START + 86_400, "results": results}
    path.write_text(json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None}))
    return path


def usage(tmp_path: Path) -> Import:
    result = {
        "object": "organization.usage.completions.result", "input_tokens": 1_200, "output_tokens": 120,
        "input_cached_tokens": 0, "input_audio_tokens": 0, "output_audio_tokens": 0, "num_model_requests": 12,
        "project_id": "p", "user_id": None, "api_key_id": "k", "model": "gpt-5-2025-08-07", "batch": False,
        "service_tier": "default",
    }  # fmt: skip
    return Import(write(tmp_path / "usage.json", [result]), "openai")


def costs(tmp_path: Path) -> Import:
    def result(item: str, amount: str, tokens: int) -> dict[str, Any]:
        return {
            "object": "organization.costs.result", "amount": {"value": amount, "currency": "usd"}, "line_item": item,
            "project_id": "p", "api_key_id": None, "quantity": tokens, "quantity_unit": "tokens",
        }  # fmt: skip

    lines = [result("gpt-5-2025-08-07, input", "0.0016", 1_200), result("gpt-5-2025-08-07, output", "0.0011", 120)]
    return Import(write(tmp_path / "costs.json", lines), "openai")


def gateway(tmp_path: Path) -> Import:
    records = [payload(n, team=("search", "legal")[n % 2]) for n in range(10)]
    return Import(write_lines(tmp_path / "u.jsonl", records), "litellm")


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_gateway_usage_and_costs_of_openai_are_the_costs_and_the_teams_are_the_gateways(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    rules = [
        {"id": team, "priority": n, "when": {"tag.team": team}, "to": {"cost_centre": f"CC-{team}"}}
        for n, team in enumerate(("search", "legal"))
    ]
    rulebook.load(rules, actor="test")
    for number in order:
        ingest_file([gateway(tmp_path), usage(tmp_path), costs(tmp_path)][number])
        derive()
    # gpt-5: 10 calls of 100 + 10 tokens at 1.25 and 10 per million, half of them each team's; OpenAI knows 12.
    assert total() == total("billed_cost") == D("0.0027")
    by_centre = {
        code: sum(
            cost
            for owner, cost in AllocatedCost.objects.values_list("cost_centre__code", "effective_cost")
            if owner == code
        )
        for code in ("CC-search", "CC-legal", None)
    }
    assert by_centre == {"CC-search": D("0.001125"), "CC-legal": D("0.001125"), None: D("0.0027") - D("0.00225")}
    assert charges("cause", "effective_cost", "consumed_quantity", provenance="billed") == [
        ("price_difference", D("-0.0001"), D(0)), ("price_difference", D("0.0001"), D(0)),
    ]  # fmt: skip
    assert sum(row[0] for row in charges("consumed_quantity", cause="not_seen_below")) == 2 * 110


def test_the_table_of_matches_says_what_each_layer_states_and_what_became_of_it(tmp_path: Path) -> None:
    for job in (gateway(tmp_path), usage(tmp_path), costs(tmp_path)):
        ingest_file(job)
    derive()
    frame = layer_matches(EVERYTHING, Period.month("2026-09"))
    rows = list(frame[["x_Layer", "x_Part", "x_Cause", "x_Tokens", "Cost"]].itertuples(index=False, name=None))
    assert rows == [
        ("cost_report", "stated", "", 1_320, D("0.0027")), ("cost_report", "charged", "price_difference", 0, D(0)),
        ("gateway", "stated", "", 1_100, D("0.00225")), ("gateway", "charged", "", 1_100, D("0.00225")),
        ("provider_usage", "stated", "", 1_320, D("0.0027")), ("provider_usage", "by_day", "", 1_100, D("0.00225")),
        ("provider_usage", "charged", "not_seen_below", 220, D("0.00045")),
    ]  # fmt: skip
    assert set(frame["ServiceProviderName"]) == {"openai"}
    assert layer_matches(Scope(), Period.month("2026-09")).empty


def test_a_day_of_one_layer_reads_its_facts_once(tmp_path: Path, django_assert_max_num_queries: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    ingest_file(gateway(tmp_path))
    with CaptureQueriesContext(connection) as found:
        refresh()
    of_facts = [query["sql"] for query in found if "usage_event" in query["sql"]]
    assert len(of_facts) == 2  # the cube and its units; what its calls used is copied out, once too
    assert sum("event_request" in query["sql"] or "ingest_coverage" in query["sql"] for query in found) == 0
    assert Charge.objects.exists()


def test_anthropics_report_rules_its_whole_day_without_priority_and_leaves_half_a_day_to_usage(tmp_path: Path) -> None:
    def write_days(name: str, results: dict[str, list[dict[str, Any]]]) -> Path:
        data = [
            {
                "starting_at": f"{day}T00:00:00Z",
                "ending_at": f"{day[:-1]}{int(day[-1]) + 1}T00:00:00Z",
                "results": found,
            }
            for day, found in results.items()
        ]
        path = tmp_path / name
        path.write_text(json.dumps({"data": data, "has_more": False, "next_page": None}))
        return path

    def used(tier: str, tokens: int) -> dict[str, Any]:
        return {
            "account_id": None, "api_key_id": "apikey_a", "service_account_id": None, "workspace_id": "wrkspc_a",
            "model": "claude-sonnet-4-5", "service_tier": tier, "context_window": "0-200k", "inference_geo": "global",
            "speed": "standard", "uncached_input_tokens": tokens, "cache_read_input_tokens": 0, "output_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "server_tool_use": {"web_search_requests": 0},
        }  # fmt: skip

    def cost(cents: str) -> dict[str, Any]:
        return {
            "context_window": "0-200k", "currency": "USD", "description": "Claude Sonnet 4.5 Usage - Input Tokens",
            "inference_geo": "global", "model": "claude-sonnet-4-5", "service_tier": "standard", "workspace_id": "wrkspc_a",
            "token_type": "uncached_input_tokens", "amount": cents, "cost_type": "tokens",
        }  # fmt: skip

    a_day = [used("standard", 1_000_000), used("priority", 200_000)]
    usage_file = write_days("usage.json", {"2026-09-07": a_day, "2026-09-08": a_day})
    ingest_file(Import(usage_file, "anthropic"))
    ingest_file(Import(write_days("whole.json", {"2026-09-07": [cost("310.5")]}), "anthropic"))
    at_noon = datetime(2026, 9, 8, 12, tzinfo=UTC)
    ingest_file(Import(write_days("half.json", {"2026-09-08": [cost("140")]}), "anthropic", observed_at=at_noon))
    derive()
    # Claude Sonnet 4.5: 3 dollars per million tokens. Priority is in no cost report: 0.2 million are computed.
    assert total(charge_date="2026-09-07") == D("3.105") + D("0.6")
    assert total(charge_date="2026-09-08") == D("3") + D("0.6")
    assert total() == D("7.305")
    assert charges("cause", "effective_cost", provenance="billed") == [("unexplained", D("0.105"))]
    ingest_file(Import(write_days("later.json", {"2026-09-08": [cost("310.5")]}), "anthropic"))
    derive()
    assert total() == 2 * (D("3.105") + D("0.6"))
