"""Buckets over tiers, from imported buckets to charges: against the truth per request, by an observed mix, in any order."""

import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models import Sum

import web
from allocation.calc.tier_spread_reference import judged
from allocation.calc.tiers import parse_policy
from allocation.derived import refresh
from allocation.models import BucketSpread, Charge, QueryCostDaily, TierPolicy, UsageDaily
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from allocation.value.tier_estimates import estimates, measured
from allocation.verification import verify
from finops.focus import TIERS
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import KnownKeys
from tests.allocation.stated import DAY, KINDS, NOON, state
from tests.bench.tier_error import recording
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
DATA = Path(web.__file__).parent / "demo" / "data"
FILES = {"code": "azure_llm_trace_2023_code.csv.gz", "chat": "mooncake_conversation_trace.csv.gz"}
RUNS = 120
PRICES = {"input_uncached": 2.0, "output_visible": 8.0}  # gpt-4.1


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def calls(count: int, **given: Any) -> list[dict[str, Any]]:
    return [
        {"native_id": f"call-{n}", "input_uncached": 1_000, "output_visible": 100 if n % 4 else 4_500, **given}
        for n in range(count)
    ]


BUCKET = {"native_id": "day", "requests": 1_000, "input_uncached": 1_000_000, "output_visible": 200_000}


def spread(**only: Any) -> dict[str, tuple[int, int]]:
    rows = UsageDaily.objects.filter(tier_estimated=True, **only).values_list("tier", "requests", "output_visible")
    return {tier: (requests, output or 0) for tier, requests, output in rows}


def test_buckets_of_real_requests_are_off_by_what_is_stated_beside_every_estimated_figure() -> None:
    """Both recordings as 120 buckets each, imported and charged; their requests one by one are the truth. Errors are printed."""
    policy = parse_policy(TierPolicy.objects.get(live=True).policy)
    truths, rows = {}, []
    for name, file in FILES.items():
        tokens = recording(DATA / file)
        size = len(tokens["input_uncached"])
        tier = judged(tokens, size, policy, operation="chat", model="gpt-4.1", reasoning_known=False)
        cost = sum(tokens[kind] * price for kind, price in PRICES.items())
        for n, run in enumerate(np.array_split(np.arange(size), RUNS)):
            truths[name, n] = np.bincount(tier[run], weights=cost[run], minlength=len(TIERS)) / cost[run].sum()
            rows.append(
                {"native_id": f"{name}{n}", "occurred_at": NOON + timedelta(days=n), "model_served": "gpt-4.1",
                 "project": name, "requests": len(run)} | {kind: int(tokens[kind][run].sum()) for kind in PRICES}
            )  # fmt: skip
    state("usage", rows)
    refresh()
    charged = Charge.objects.filter(tier_estimated=True).order_by().values_list("charge_date", "usage_key_id", "tier")
    shares: dict[Any, Any] = {}
    projects = {key: found["project"] for key, found in KnownKeys().of(_keys()).items()}
    for day, key, tier, amount in charged.annotate(Sum("effective_cost")):
        found = shares.setdefault((projects[key], (day - NOON.date()).days), np.zeros(len(TIERS)))
        found[TIERS.index(tier)] += float(amount)
    assert shares.keys() == truths.keys()
    errors = np.array([truths[at] - of / of.sum() for at, of in shares.items()])
    for kind, said in measured().items():
        of = errors[:, TIERS.index(kind)]
        inside = [float(np.mean(np.abs(of) <= float(reach) + 1e-4)) for reach in said.reach]
        print(  # noqa: T201  the error is wanted
            f"\n{kind:9} mean {100 * of.mean():+.2f} points, mean absolute {100 * np.abs(of).mean():.2f}, largest "
            f"{100 * np.abs(of).max():.2f}; 80 % interval covers {100 * inside[0]:.0f} %, 95 % {100 * inside[1]:.0f} %"
        )
        assert 100 * np.abs(of).mean() == pytest.approx(100 * float(said.mean_absolute), abs=0.05)
        assert inside == [pytest.approx(0.80, abs=0.05), pytest.approx(0.95, abs=0.05)]
    assert not errors[:, TIERS.index("research")].any(), "it has no stated error, as it does not occur"
    query = CostQuery(Period.through(NOON.date(), NOON.date() + timedelta(days=RUNS - 1)))
    found = estimates(EVERYTHING, query)
    assert found.estimated == found.cost == sum(row.cost for row in found.rows)
    truth = sum(truths[at] * of.sum() for at, of in shares.items())
    for row in found.rows:
        low, high = row.low[0], row.high[0]
        assert low is not None
        assert high is not None
        assert low <= Decimal(truth[TIERS.index(row.tier)]) <= high


def _keys() -> set[int]:
    return set(UsageDaily.objects.values_list("usage_key_id", flat=True).distinct())


def test_a_bucket_is_parted_by_the_queries_that_a_gateway_saw_of_its_model_that_day() -> None:
    """A quarter of the gateway's calls is complex and has 4,500 of every 4,800 tokens of output."""
    state("gate", calls(40))
    state("usage", [BUCKET, BUCKET | {"native_id": "next", "occurred_at": NOON + timedelta(days=1)}])
    derive()
    assert spread(charge_date=DAY) == {"simple": (750, 12_500), "complex": (250, 187_500)}
    tomorrow = spread(charge_date=DAY + timedelta(days=1))
    assert set(tomorrow) == {"simple", "moderate", "complex"}, "nobody saw calls of the next day: the reference"
    assert sum(requests for requests, _ in tomorrow.values()) == 1_000
    assert list(BucketSpread.objects.order_by("charge_date").values_list("source", "queries")) == [
        ("observed", 40), ("reference", 0),
    ]  # fmt: skip


def test_few_queries_and_those_of_another_model_or_project_are_no_mix() -> None:
    mine = BUCKET | {"project": "search"}
    state("gate", calls(29, project="search") + calls(50, model_served="gpt-5-mini"))
    state("usage", [mine])
    derive()
    assert BucketSpread.objects.get().source == "reference"
    state("gate2", calls(40, project="legal"))
    derive()
    found = BucketSpread.objects.get()
    assert (found.source, found.queries) == ("observed", 69), "its own are too few: those of the model, whose ever"


def test_whatever_comes_first_and_in_whatever_pieces_the_cube_is_the_same() -> None:
    pieces: list[tuple[str, list[dict[str, Any]]]] = [
        ("gate", calls(20)), ("gate", [row | {"native_id": f"more-{n}"} for n, row in enumerate(calls(20))]),
        ("usage", [BUCKET]), ("usage", [BUCKET | {"native_id": "two", "requests": 7, "output_visible": 700_000}]),
    ]  # fmt: skip
    dumps = []
    for seed in range(3):
        order = random.Random(seed).sample(pieces, len(pieces))
        for kind, rows in order:
            state(kind, rows)
            if seed:
                refresh()
        derive()
        found = dump()
        dumps.append((found["cube"], found["queries"]))
        _empty()
    assert dumps[0] == dumps[1] == dumps[2]


def _empty() -> None:
    from tests.conftest import empty_ledger

    empty_ledger()


def test_nothing_of_a_bucket_is_lost_and_a_day_of_small_ones_has_rare_tiers_too() -> None:
    small = {"requests": 2, "input_uncached": 4_000, "output_visible": 500}
    state("usage", [BUCKET | small | {"native_id": f"{n}", "project": f"p{n}"} for n in range(400)])
    derive()
    sums = UsageDaily.objects.aggregate(*(Sum(name) for name in ("requests", "queries", "events", *TOKEN_CLASSES)))
    assert [sums[f"{name}__sum"] for name in ("requests", "queries", "events")] == [800, 800, 400]
    assert (sums["input_uncached__sum"], sums["output_visible__sum"]) == (1_600_000, 200_000)
    rows = UsageDaily.objects.values_list("tier").annotate(Sum("requests"), Sum("output_visible"))
    found = {tier: (requests, output) for tier, requests, output in rows}
    # About a third of requests of 2,000 + 250 tokens is moderate by this reference: never one of two, were each rounded.
    assert 200 < found["moderate"][0] < 350
    kept = QueryCostDaily.objects.values_list("tier").annotate(Sum("queries"))
    assert dict(kept) == {tier: requests for tier, (requests, _) in found.items() if requests}


def test_embeddings_are_what_their_operation_says() -> None:
    state("usage", [BUCKET | {"operation": "embedding"}])
    derive()
    assert spread() == {"simple": (1_000, 200_000)}
    assert BucketSpread.objects.get().source == "whole"


def test_a_cube_whose_buckets_are_parted_otherwise_is_found() -> None:
    state("usage", [BUCKET])
    derive()
    with connection.cursor() as cursor:
        for tier, sign in (("simple", "-"), ("moderate", "+")):
            cursor.execute(f"UPDATE usage_daily SET requests = requests {sign} 1 WHERE tier = %s", [tier])
    failed = {check.id: check.examples for check in verify() if not check.ok}
    assert failed["cube_equals_facts"] == [f"{DAY} buckets over tiers"]
