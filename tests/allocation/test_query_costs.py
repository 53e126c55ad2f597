"""The distribution of cost per query is that of the facts at the ratings, whatever changed and in whatever order."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.db import connection

from allocation import day_calls, posting, query_costs, rulebook
from allocation.calc.cell_rates import rates_in
from allocation.derived import allocate_days, refresh
from allocation.failed_days import DaysFailed
from allocation.models import DayCalls, QueryCostDaily, Rating
from finops.tokens import TOKEN_CLASSES
from ingest.models import FactDay, PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
MIDNIGHT = datetime(2026, 9, 9, tzinfo=UTC)
_COST = " + ".join(
    f"coalesce(e.{name} * (SELECT max(r.list_rate / r.per) FROM rating r WHERE r.charge_date = e.charge_date "
    f"AND (r.usage_key_id, r.rate_slot_id, r.price_class) = (e.usage_key_id, e.rate_slot_id, '{name}')), 0)"
    for name in TOKEN_CLASSES
)
# one row per query: of the day on which it begins, and what all of its calls cost
_QUERIES = (
    f"WITH c AS (SELECT *, coalesce(query_id::text, event_id::text) AS query, {_COST} AS cost FROM usage_event e) "
    "SELECT b.charge_date, CASE WHEN sum(c.cost) > 0 THEN floor(20 * log(sum(c.cost)::float8))::int END AS bin, "
    "sum(c.cost) AS cost FROM c b JOIN c USING (query) WHERE b.begins GROUP BY b.query, b.charge_date"
)


@pytest.fixture(autouse=True)
def builtin_prices_only(ledger: None) -> object:
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


def records(seed: int) -> list[dict[str, Any]]:
    """Calls around a midnight, most of them of a few queries, some of two keys."""
    dice = random.Random(seed)
    return [
        payload(
            number, trace=dice.choice([None, *(f"t{n}" for n in range(25))]), key=dice.choice(["key-a", "key-b"]),
            prompt=dice.randrange(1, 50_000), output=dice.randrange(1, 3_000),
            at=f"{MIDNIGHT + timedelta(minutes=dice.randrange(-900, 900)):%Y-%m-%dT%H:%M:%S.000000Z}",
        )
        for number in range(120)
    ]  # fmt: skip


def told(path: Path, found: Iterable[dict[str, Any]]) -> None:
    ingest_file(Import(write_lines(path, found), "litellm"))
    refresh()


def stored() -> list[tuple[Any, ...]]:
    return _rows("SELECT charge_date, bin, sum(queries), sum(cost) FROM query_cost_daily GROUP BY 1, 2 ORDER BY 1, 2")


def of_the_facts() -> list[tuple[Any, ...]]:
    return _rows(f"SELECT charge_date, bin, count(*), sum(cost) FROM ({_QUERIES}) q GROUP BY 1, 2 ORDER BY 1, 2")


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def test_it_is_that_of_the_facts_also_after_prices_changed(tmp_path: Path) -> None:
    told(tmp_path / "usage.jsonl", records(1))
    assert stored() == of_the_facts() != []
    before = sum(row[3] for row in stored())
    twice_the_prices(tmp_path)
    refresh()
    assert stored() == of_the_facts()
    assert sum(row[3] for row in stored()) == 2 * before


def twice_the_prices(folder: Path) -> None:
    book = '- {provider: openai, model: gpt-5, prices: {input: "2.50", cache_read: "0.250", output: "20"}}\n'
    (folder / "prices.yaml").write_text(book)
    load_overrides(folder / "prices.yaml", actor="test")


def test_other_prices_make_it_anew_with_each_day_the_last_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tmp_path / "usage.jsonl", records(5))
    twice_the_prices(tmp_path)
    charged = []
    monkeypatch.setattr(query_costs, "replace", lambda *_: pytest.fail("the days before had to be made anew"))
    monkeypatch.setattr(
        posting, "forget", lambda day, keys, forget=posting.forget: charged.append(day) or forget(day, keys)
    )
    refresh()
    assert charged == sorted(charged, reverse=True)
    assert len(charged) == 2
    assert stored() == of_the_facts()
    assert not DayCalls.objects.filter(stale=True).exists()


def test_more_usage_of_one_key_leaves_the_rates_of_the_others(tmp_path: Path) -> None:
    found = records(8)
    told(tmp_path / "first.jsonl", found)
    told(tmp_path / "second.jsonl", [payload(1_000, key="key-a", at="2026-09-09T12:00:00.000000Z")])
    assert stored() == of_the_facts()


def test_a_day_waits_for_the_one_after_that_cannot_be_derived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(tmp_path / "usage.jsonl", records(6))
    twice_the_prices(tmp_path)

    def failing(day: date, keys: Any, forget: Any = posting.forget) -> None:
        if day == MIDNIGHT.date():
            raise ValueError("not today")
        forget(day, keys)

    with monkeypatch.context() as patch:
        patch.setattr(posting, "forget", failing)
        with pytest.raises(DaysFailed):
            refresh()
    assert stored() == of_the_facts(), "the first day at its new ratings, what goes on with it at the old"
    refresh()
    assert stored() == of_the_facts()


def test_calls_that_come_later_for_queries_of_the_day_before_count_there(tmp_path: Path) -> None:
    found = records(2)
    told(tmp_path / "first.jsonl", [row for row in found if row["startTime"] < "2026-09-09"])
    told(tmp_path / "second.jsonl", [row for row in found if row["startTime"] >= "2026-09-09"])
    assert stored() == of_the_facts()
    assert DayCalls.objects.filter(going_on__isnull=False).exists()


def test_a_large_day_is_kept_in_parts_of_whole_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(tmp_path / "usage.jsonl", records(3))
    whole = dump()["queries"]
    monkeypatch.setattr(day_calls, "_PART_ROWS", 7)
    for day in FactDay.objects.values_list("charge_date", flat=True):
        day_calls.replace(day)
    refresh()
    allocate_days([])
    assert DayCalls.objects.count() > 10
    assert dump()["queries"] == whole


def test_new_rules_give_queries_new_owners(tmp_path: Path) -> None:
    told(tmp_path / "usage.jsonl", records(4))
    assert not QueryCostDaily.objects.filter(cost_centre__isnull=False).exists()
    before = stored()
    rulebook.load(
        [{"id": "r1", "priority": 1, "when": {"provider": "openai"}, "to": {"cost_centre": "CC-1"}}], actor="t"
    )
    allocate_days(FactDay.objects.values_list("charge_date", flat=True))
    assert set(QueryCostDaily.objects.values_list("cost_centre__code", flat=True)) == {"CC-1"}
    assert stored() == before
    assert sum(row[3] for row in before) > Decimal(0)


def test_rates_about_to_be_written_are_those_that_are_read_back(tmp_path: Path) -> None:
    told(tmp_path / "usage.jsonl", records(7))
    without = "UPDATE rating SET list_rate = NULL, per = NULL"
    with connection.cursor() as cursor:
        cursor.execute(f"{without}, list_cost = 2 * list_cost WHERE usage_key_id % 2 = 0 OR tier = 'simple'")
        cursor.execute(f"{without}, list_cost = NULL WHERE usage_key_id % 2 = 0 AND price_class = 'input_uncached'")
        cursor.execute(f"{without}, list_cost = NULL WHERE usage_key_id % 2 = 0 AND tier = 'simple'")
    columns = ("usage_key_id", "rate_slot_id", "price_class", "quantity", "list_rate", "per", "list_cost")
    for day in FactDay.objects.values_list("charge_date", flat=True):
        rows = list(Rating.objects.filter(charge_date=day).values_list(*columns))
        written = pa.table([pa.array(values) for values in zip(*rows, strict=True)], names=columns)
        read = query_costs.rates_of(day, sorted({row[0] for row in rows}))
        prices = {price for of in read.values() for price in of.values()}
        assert prices > {Decimal("0.00000125"), Decimal("0.00001"), None}, "rates, none, and averages"
        assert rates_in(written) == read
