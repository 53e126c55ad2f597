"""The other APIs that the fake provider speaks: what arrives is what it states, restated, late and gone included."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation.derived import refresh
from allocation.verification import verify
from ingest.sync import sync
from tests.fake_provider import Bucket, FakeProvider, Scenario, generate, recomputation, said
from tests.fake_provider.pulled import billed, connect, impatient, midnight, only, tokens

pytestmark = pytest.mark.usefixtures("ledger")
DAY = timedelta(days=1)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, settings: Any) -> "Iterator[Callable[[Scenario], FakeProvider]]":
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    impatient(monkeypatch)
    running: list[FakeProvider] = []

    def start(scenario: Scenario) -> FakeProvider:
        running.append(FakeProvider(scenario))
        return running[-1].__enter__()

    yield start
    for provider in running:
        provider.__exit__()


def all_ties() -> None:
    refresh()
    assert [check.id for check in verify() if not check.ok] == []


@pytest.mark.parametrize(
    ("kind", "api", "stream"),
    [
        ("openai", "openai.completions", "completions"),
        ("anthropic", "anthropic.messages", "messages"),
        ("litellm", "litellm", "spend_logs"),
        ("langfuse", "langfuse", "observations"),
    ],
)
def test_totals_are_those_that_are_stated_last(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch, kind: str, api: str, stream: str
) -> None:
    calls = kind in ("litellm", "langfuse")  # they may come late, up to a day; buckets may change for three
    # yesterday's first calls are more than a day old by now: at any hour all of them are to be read again
    only(monkeypatch, kind, stream, re_read=timedelta(days=2) if calls else None)
    unsteady = {"late": 0.1} if calls else {"restated": 0.1, "late": 0.05, "gone": 0.05}
    scenario = generate(midnight(), days=1 if calls else 3, series=3, seed=3, apis=[kind], **unsteady)
    scenario.largest_page = 13  # fewer than it is asked for: LiteLLM says so by its page size and total
    provider = serve(scenario)
    connection = connect(provider, kind, days=3)
    for tick in range(4):
        provider.tick = tick
        assert sync(connection).errors == {}
        assert tokens(kind) == recomputation.tokens(scenario, api, tick), f"tick {tick}"
    assert tokens(kind) != recomputation.tokens(scenario, api, 0)
    all_ties()


def test_costs_are_lines_in_dollars_and_follow_every_restatement(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "openai", "costs")

    def line(item: str, **amounts: str | None) -> Bucket:
        stated = {t: None if amount is None else {"amount": amount, "quantity": 1_000} for t, amount in amounts.items()}
        dims = {"project_id": "proj_a", "line_item": item, "api_key_id": None}
        return Bucket("openai.costs", midnight() - DAY, dims, said(stated.pop("t0"), **stated))

    scenario = Scenario(
        [
            line("gpt-5, input", t0="1.25", t1="1.5"), line("gpt-5, output", t0="10"),
            line("web search", t0="3", t1=None, t2="2"),
        ]
    )  # fmt: skip
    provider = serve(scenario)
    connection = connect(provider, days=3)
    day = (midnight() - DAY).date()
    for tick, total in enumerate(["14.25", "11.5", "13.5"]):  # 1.25 + 10 + 3; 1.5 + 10; 1.5 + 10 + 2
        provider.tick = tick
        assert sync(connection).errors == {}
        assert billed("openai") == {day: Decimal(total)} == recomputation.costs(scenario, "openai.costs", tick)


def test_cents_of_anthropic_are_dollars_here(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "anthropic", "cost_report")
    common = {
        "cost_type": "tokens", "context_window": "0-200k", "currency": "USD", "inference_geo": "global",
        "model": "claude-opus-4-5", "service_tier": "standard", "workspace_id": None,
    }  # fmt: skip
    cost = {**common, "description": "Claude Opus 4.5 Usage - Input Tokens", "token_type": "uncached_input_tokens"}
    scenario = Scenario([Bucket("anthropic.cost_report", midnight() - DAY, cost, said({"amount": "123.78912"}))])
    provider = serve(scenario)
    assert sync(connect(provider, "anthropic", days=3)).errors == {}
    assert billed("anthropic") == {(midnight() - DAY).date(): Decimal("1.2378912")}
    assert billed("anthropic") == recomputation.costs(scenario, "anthropic.cost_report")


def test_every_stream_of_a_kind_is_pulled_by_one_sync(serve: Callable[[Scenario], FakeProvider]) -> None:
    scenario = generate(midnight(), days=2, series=2, apis=["openai"])
    provider = serve(scenario)
    assert sync(connect(provider, days=2)).errors == {}
    assert tokens("openai") == recomputation.tokens(scenario, "openai.completions")
    assert billed("openai") == recomputation.costs(scenario, "openai.costs")
    endpoints = {request.path.rpartition("/")[2] for request in provider.of("organization/")}
    assert {"completions", "embeddings", "images", "web_search_calls", "costs", "projects"} <= endpoints
