"""The bridge over a real ledger: it ends where the costs do, under any filters, and asks as often whatever the traffic."""

import random
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation import rule_changes, rulebook, selectors
from allocation.derived import refresh
from allocation.models import Charge, CostCentre, CostDaily
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery, QueryError
from allocation.value.bridge import DIMENSIONS, cost_bridge, monthly_indices
from allocation.value.tiers import report
from finops.focus import COST_COLUMNS
from finops.periods import Period
from ingest.models import UsageKey
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import Usage, by_class, load

pytestmark = pytest.mark.usefixtures("ledger")
COST = "EffectiveCost"
AUGUST, SEPTEMBER = Period.month("2026-08"), Period.month("2026-09")
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1", "team": "search"}},
    {"id": "r2", "priority": 2, "when": {"environment": "dev"}, "to": {"shares": {"CC-2": "0.7", "CC-3": "0.3"}}},
]
CHOICES = {
    "x_CostCentre": ["CC-1", "CC-2", "(unallocated)", "CC*"], "x_Model": ["gpt-5", "gpt-5*", "no-such-model"],
    "x_QueryTier": ["simple", "complex"], "x_Environment": ["dev", "prod", ""], "x_Basis": ["direct", "idle"],
    "x_Provenance": ["computed"], "ServiceProviderName": ["openai"],
}  # fmt: skip


def records(count: int, seed: int = 3) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        model, env = chance.choice(["gpt-5", "gpt-5-mini", "gpt-4o", "no-such-model"]), chance.choice(["dev", "prod"])
        output = chance.choice([3, 250, 900, 4_500, 31_000])
        month = chance.choice(["08", "09", "09"])
        found.append(
            payload(
                f"{seed}-{number}", model=model, model_group=model, prompt=chance.randrange(1, 9_000), output=output,
                reasoning=chance.randrange(output) * (month == "09"), trace=f"t{seed}-{number // chance.randint(1, 3)}",
                request_tags=[f"team:{chance.choice(['search', 'other'])}", f"env:{env}"],
                at=f"2026-{month}-{chance.choice([1, 14, 30]):02d}T13:00:00Z",
            )
        )  # fmt: skip
    return found


def take(folder: Path, rows: list[dict[str, Any]], name: str = "u") -> None:
    ingest_file(Import(write_lines(folder / f"{name}.jsonl", rows), "litellm"))
    refresh()


@pytest.fixture
def traffic(ledger: None, tmp_path: Path) -> None:
    rulebook.load(RULES, actor="test")
    take(tmp_path, records(600))


def total(scope: Scope, query: CostQuery, column: str) -> Decimal:
    cost: Decimal = selectors.costs(scope, query)[column].iloc[0]
    return cost


@pytest.mark.usefixtures("traffic")
def test_both_ends_are_what_costs_say_for_random_filters_and_columns() -> None:
    chance = random.Random(5)
    seen = set()
    for _ in range(25):
        names = chance.sample(sorted(CHOICES), chance.randint(0, 3))
        filters = {name: tuple(chance.sample(CHOICES[name], 1)) for name in names}
        column = chance.choice(COST_COLUMNS)
        one, two = (CostQuery(period, filters=filters) for period in (AUGUST, SEPTEMBER))
        found = cost_bridge(EVERYTHING, one, two, column).total
        assert (found.start, found.end) == (total(EVERYTHING, one, column), total(EVERYTHING, two, column)), filters
        assert sum(found.effects.values()) == found.delta
        seen.add(found.delta)
    assert len(seen) > 8


@pytest.mark.usefixtures("traffic")
def test_features_and_environments_are_those_that_mappings_show_on_each_day() -> None:
    """From mid-September what gpt-5 serves is for chat and live, whatever callers say; bridge, tier table and costs agree."""
    mapping: dict[str, Any] = {
        "id": "m1", "valid_from": "2026-09-10", "when": {"model": "gpt-5"}, "set": {"feature": "chat", "environment": "live"},
    }  # fmt: skip
    rule_changes.load_document(rulebook.MAPPINGS, [mapping], actor="test")
    refresh()
    for filters in (
        {"x_Feature": ("chat",)}, {"x_Feature": ("",)}, {"x_Feature": ("c*",), "x_Model": ("gpt-5*",)},
        {"x_Environment": ("live",)}, {"x_Environment": ("prod", "l?ve")}, {"x_Environment": ("dev",), "x_Feature": ("",)},
    ):  # fmt: skip
        one, two = (CostQuery(period, filters=filters) for period in (AUGUST, SEPTEMBER))
        found = cost_bridge(EVERYTHING, one, two)
        assert (found.total.start, found.total.end) == (total(EVERYTHING, one, COST), total(EVERYTHING, two, COST)), (
            filters
        )
        assert found.total.end > 0
        assert {code for (code,) in found.by("feature")} <= {"chat", ""}
        assert report(EVERYTHING, one, two).table.chosen.spend == found.total.end, filters
    whole = cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER))
    chat = CostQuery(SEPTEMBER, filters={"x_Feature": ("chat",)})
    assert whole.by("feature")["chat",].end == total(EVERYTHING, chat, COST) < whole.total.end
    assert whole.by("environment")["live",].start == 0


@pytest.mark.usefixtures("traffic")
def test_the_tokens_of_a_cost_centre_follow_its_share() -> None:
    """CC-2 bears 0.7 and CC-3 0.3 of the same usage."""
    tokens = {}
    for code in ("CC-2", "CC-3"):
        given = {"x_CostCentre": (code,)}
        found = cost_bridge(EVERYTHING, CostQuery(AUGUST, filters=given), CostQuery(SEPTEMBER, filters=given))
        assert found.total.effects["reasoning_tokens"] > 0, "September reasons, August does not"
        tokens[code] = [
            sum(side[n].tokens.get("output_reasoning", 0) for side in found.measures.values()) for n in (0, 1)
        ]
    assert tokens["CC-2"][0] == tokens["CC-3"][0] == 0
    assert tokens["CC-2"][1] * 3 == tokens["CC-3"][1] * 7 > 0


@pytest.mark.usefixtures("traffic")
def test_an_owner_bridges_the_own_cost_alone() -> None:
    scope = Scope(cost_centres=frozenset(CostCentre.objects.filter(code="CC-1").values_list("pk", flat=True)))
    one, two = CostQuery(AUGUST), CostQuery(SEPTEMBER)
    found = cost_bridge(scope, one, two)
    assert set(found.by("cost_centre")) == {("CC-1",)}
    assert found.total.end == total(scope, two, "EffectiveCost") > 0


@pytest.mark.usefixtures("traffic")
def test_days_and_scopes_that_differ_are_compared_by_what_else_differs() -> None:
    days = Period(date(2026, 9, 10), date(2026, 9, 20))
    one = CostQuery(days, filters={"x_CostCentre": ("CC-2",)})
    two = CostQuery(days, filters={"x_CostCentre": ("CC-3",)})
    found = cost_bridge(EVERYTHING, one, two).total
    assert found.start > found.end > 0
    assert found.effects["keys"] == 0, "the cost centre is what they are compared by, so it makes no use case new"
    back = cost_bridge(EVERYTHING, two, one).total
    assert back.effects == {name: -amount for name, amount in found.effects.items()}


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_drill_down_sums_to_the_costs_of_that_dimension(name: str) -> None:
    two = CostQuery(SEPTEMBER, (name,))
    parts = cost_bridge(EVERYTHING, CostQuery(AUGUST), two).by(DIMENSIONS[name])
    frame = selectors.costs(EVERYTHING, two)
    assert {place[0]: part.end for place, part in parts.items() if part.end} == {
        value: cost for value, cost in zip(frame[name], frame["EffectiveCost"], strict=True) if cost
    }


def test_questions_to_the_database_do_not_grow_with_events_or_days(ledger: None, tmp_path: Path) -> None:
    counted = []
    rulebook.load(RULES, actor="test")
    for name, count in (("few", 20), ("many", 500)):
        take(tmp_path, records(count, seed=count), name)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER))
            monthly_indices(EVERYTHING, CostQuery(Period(AUGUST.start, SEPTEMBER.end)))
        counted.append(len(asked))
        assert not any("usage_event" in query["sql"] for query in asked.captured_queries)
    assert counted == [5, 5]


@pytest.mark.usefixtures("traffic")
def test_indices_multiply_to_what_was_spent() -> None:
    months = monthly_indices(EVERYTHING, CostQuery(Period(date(2026, 7, 1), SEPTEMBER.end)))
    assert [(each.month.name, each.base) for each in months] == [
        ("2026-07", None), ("2026-08", "2026-08"), ("2026-09", "2026-08"),
    ]  # fmt: skip
    spent = [total(EVERYTHING, CostQuery(period), "EffectiveCost") for period in (AUGUST, SEPTEMBER)]
    chained = months[-1].chained
    assert chained is not None
    assert chained["spend"] == Fraction(spent[1]) / Fraction(spent[0])


def test_currencies_are_never_mixed() -> None:
    with pytest.raises(QueryError, match="cannot compare USD with EUR: a bridge has one currency"):
        cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER, currency="EUR"))
    with pytest.raises(QueryError, match="no cost column 'Money'; possible: ListCost"):
        cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER), "Money")


@pytest.mark.parametrize(
    ("effect", "changed"),
    [
        ("idle", {"commitment_status": "Idle"}), ("shared", {"provenance": "allocated"}), ("other", {"tier": ""}),
        ("corrections", {"corrects_date": date(2026, 7, 1)}),
    ],
)  # fmt: skip
def test_cost_of_no_usage_is_told_by_what_it_is(effect: str, changed: dict[str, Any]) -> None:
    load(Usage("10", day=AUGUST.start), Usage("10"), Usage("4", model="fleet"))
    Charge.objects.filter(sku_id__contains="fleet").update(**changed)
    by_class()
    found = cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER)).total
    assert found.effects[effect] == Decimal(4)


def test_a_rate_of_exchange_is_told_apart_from_the_price() -> None:
    """10.00 EUR at 1.10, then 10.00 EUR at 1.25: the price in euros is the same."""
    load(Usage("11", day=AUGUST.start), Usage("12.5"))
    for day, rate in ((AUGUST.start, "1.10"), (SEPTEMBER.start, "1.25")):
        Charge.objects.filter(charge_date=day).update(original_currency="EUR", fx_rate=Decimal(rate))
    by_class()
    found = cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER)).total
    assert {name: amount for name, amount in found.effects.items() if amount} == {"fx": Decimal("1.5")}


def test_batch_instead_of_standard_is_the_service_tier() -> None:
    load(Usage("10", day=AUGUST.start))
    sync = set(UsageKey.objects.values_list("pk", flat=True))
    load(Usage("5", environment="batch"))
    UsageKey.objects.exclude(pk__in=sync).update(mode="batch", environment="prod")
    CostDaily.objects.update(environment="prod")
    by_class()
    found = cost_bridge(EVERYTHING, CostQuery(AUGUST), CostQuery(SEPTEMBER)).total
    assert {name: amount for name, amount in found.effects.items() if amount} == {"service_tier": Decimal(-5)}
