"""Invariant 10: API, page and workbook say what the facts and the prices say, exactly, under any filters."""

import csv
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import openpyxl
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from allocation import rulebook
from allocation.derived import refresh
from allocation.models import Grant
from allocation.verification import verify
from finops.models import User
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")

MODELS = ["gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "no-such-model"]
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "legal", "model": "gpt-5*"}, "to": {"cost_centre": "CC-2"}},
    {"id": "r3", "priority": 3, "when": {"environment": "dev"}, "to": {"cost_centre": "CC-3"}},
]
# Facts x prices, without the cube, ratings, charges or allocation: classes of each event at the price of its day.
SQL = """
WITH event AS (
    SELECT e.charge_date, t.tier, k.model_served AS model, k.environment, k.provider,
        CASE WHEN k.tags->>'team' = 'search' THEN 'CC-1' WHEN k.tags->>'team' = 'legal' AND k.model_served LIKE 'gpt-5%%'
            THEN 'CC-2' WHEN k.environment = 'dev' THEN 'CC-3' END AS cost_centre,
        c.class, c.tokens
    FROM usage_event e JOIN ingest_usagekey k ON k.id = e.usage_key_id JOIN allocation_tierrule t ON t.id = e.tier_rule
    CROSS JOIN LATERAL (VALUES ('input_uncached', e.input_uncached), ('cache_read', e.cache_read),
        ('output_visible', e.output_visible), ('output_reasoning', e.output_reasoning)) c (class, tokens)
    WHERE c.tokens > 0)
SELECT coalesce(sum(tokens * p.rate / p.per), 0) FROM event JOIN ingest_price p
    ON p.provider = event.provider AND p.model = event.model AND p.price_class = event.class AND p.mode = 'sync'
    AND p.service_tier = '' AND p.region = '' AND p.variant = '' AND p.context_over = 0 AND p.window_start IS NULL
    AND p.valid_from <= event.charge_date AND (p.valid_to IS NULL OR p.valid_to > event.charge_date)
WHERE charge_date >= '2026-09-01' AND charge_date < '2026-10-01'
"""
_SQL_COLUMN = {
    "x_CostCentre": "cost_centre",
    "x_Model": "event.model",
    "x_QueryTier": "tier",
    "x_Environment": "environment",
}
_PAGE_NAME = {"x_CostCentre": "cost_centre", "x_Model": "model", "x_QueryTier": "tier", "x_Environment": "environment"}
CHOICES = {
    "x_CostCentre": ["CC-1", "CC-2", "CC-3", "(unallocated)"], "x_Model": MODELS,
    "x_QueryTier": ["simple", "moderate", "complex", "research"], "x_Environment": ["dev", "prod"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def month(ledger: None, tmp_path: Path) -> None:
    chance = random.Random(3)
    records = []
    for number in range(1_500):
        model, env = chance.choice(MODELS), chance.choice(["dev", "prod", ""])
        tags = [f"team:{chance.choice(['search', 'legal', 'other'])}", *([f"env:{env}"] if env else [])]
        output = chance.choice([3, 250, 900, 4_500, 31_000])
        records.append(
            payload(
                number, model=model, model_group=model, prompt=chance.randrange(1, 9_000), output=output,
                reasoning=chance.randrange(output), trace=f"t{number // chance.randint(1, 3)}", request_tags=tags,
                at=f"2026-{chance.choice(['08', '09', '09', '09'])}-{chance.choice([1, 14, 30]):02d}T13:00:00Z",
            )
        )  # fmt: skip
    rulebook.load(RULES, actor="test")
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    refresh()


def expected(filters: Mapping[str, list[str]]) -> Decimal:
    conditions, parameters = [], []
    for column, values in filters.items():
        named = [value for value in values if value != "(unallocated)"]
        parts = [f"{_SQL_COLUMN[column]} = ANY(%s)"]
        parameters.append(named)
        if len(named) < len(values):
            parts.append(f"{_SQL_COLUMN[column]} IS NULL")
        conditions.append(f"({' OR '.join(parts)})")
    with connection.cursor() as cursor:
        cursor.execute(SQL + "".join(f" AND {condition}" for condition in conditions), parameters)
        return Decimal(cursor.fetchone()[0])


def random_filters(chance: random.Random) -> dict[str, list[str]]:
    columns = chance.sample(list(CHOICES), chance.randint(0, 3))
    return {column: chance.sample(CHOICES[column], chance.randint(1, 2)) for column in columns}


@pytest.fixture
def analyst() -> Client:
    user = User.objects.create_user("analyst", password="x")
    Grant.objects.create(user=user, role=Grant.Role.ANALYST)
    client = Client()
    client.force_login(user)
    return client


def test_api_page_and_sql_agree_exactly_for_twenty_random_filters(analyst: Client) -> None:
    assert all(check.ok for check in verify())
    chance = random.Random(11)
    seen = set()
    for _ in range(20):
        filters = random_filters(chance)
        wanted = expected(filters)
        query: dict[str, Any] = {f"filter[{name}]": ",".join(values) for name, values in filters.items()}
        answer = analyst.get(
            "/api/v1/costs", {"month": "2026-09", "group_by": "x_Model", "compare": "previous"} | query
        ).json()
        page = [
            ("month", "2026-09"),
            *((_PAGE_NAME[name], value) for name, values in filters.items() for value in values),
        ]
        rows = list(
            csv.DictReader(analyst.get(f"/overview/cost-centres.csv?{urlencode(page)}").content.decode().splitlines())
        )
        assert Decimal(answer["totals"]["EffectiveCost"]) == wanted, filters
        assert sum(Decimal(row["EffectiveCost"]) for row in answer["results"]) == wanted, filters
        assert sum(Decimal(row["EffectiveCost"]) for row in rows) == wanted, filters
        seen.add(wanted)
    assert len(seen) > 10


def test_the_workbook_ties_to_the_facts_and_its_statement_is_their_largest_remainder_rounding(tmp_path: Path) -> None:
    out = tmp_path / "statement.xlsx"
    call_command("export", "statement", "--month", "2026-09", "--format", "xlsx", "--out", str(out))
    book = openpyxl.load_workbook(out, read_only=True)
    rows = [row for row in book["Detail"].iter_rows(values_only=True) if any(value is not None for value in row)]
    head = next(n for n, row in enumerate(rows) if "EffectiveCost" in row)
    names = {name: n for n, name in enumerate(rows[head]) if name}
    lines = [
        row for row in rows[head + 1 :] if row[names["x_CostCentre"]] is not None or row[names["SkuId"]] is not None
    ]
    lines = [row for row in lines if row[names["SkuId"]] is not None]
    exact = [Decimal(row[names["x_EffectiveCostExact"]]) for row in lines if row[names["x_EffectiveCostExact"]]]
    wanted = expected({})
    assert sum(exact) == wanted
    for row in lines:  # the numeric cell carries 15 significant digits of the exact text beside it
        if row[names["EffectiveCost"]] is not None:
            value, text = float(row[names["EffectiveCost"]]), Decimal(row[names["x_EffectiveCostExact"]])
            assert f"{value:.15g}" == f"{float(text):.15g}"
    summary = [row for row in book["Summary"].iter_rows(values_only=True) if row]
    charged = _charged(summary)
    by_centre = {name: expected({"x_CostCentre": [name]}) for name in CHOICES["x_CostCentre"]}
    assert sum(charged.values()) == wanted.quantize(Decimal("0.01"))
    cents = {
        name: int(cost * 100) for name, cost in by_centre.items()
    }  # floor, then the largest remainders get one more
    missing = int(wanted.quantize(Decimal("0.01")) * 100) - sum(cents.values())
    for name in sorted(by_centre, key=lambda name: -(by_centre[name] * 100 % 1))[:missing]:
        cents[name] += 1
    assert {name: int(value * 100) for name, value in charged.items()} == cents


def _charged(rows: list[tuple[Any, ...]]) -> dict[str, Decimal]:
    """Cost centre -> charged amount, from the Summary sheet."""
    head = next(n for n, row in enumerate(rows) if any(str(value).startswith("Charged") for value in row if value))
    place = next(n for n, value in enumerate(rows[head]) if str(value).startswith("Charged"))
    found = {}
    for row in rows[head + 1 :]:
        name = next((str(value) for value in row if value is not None), "")
        name = {"Unallocated": "(unallocated)"}.get(name, name)
        if name in CHOICES["x_CostCentre"] and name not in found:
            found[name] = Decimal(str(row[place]))
    return found
