"""Single queries: the list of a day and one query against SQL on the facts, the distribution, and by hand; within scope."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation import rulebook
from allocation.derived import allocate_days, refresh
from allocation.models import CostCentre, CostDaily, QueryCostDaily
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery
from allocation.value import one_query, query_rows
from allocation.value.query_rows import Asked
from allocation.value.usage import usage
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.facts.one_query import began_on
from ingest.services import Import, ingest_file
from tests.allocation.value.agent_traces import Call, on, outcome, query_of, sent, trace, trace_id
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
DAY, SEPTEMBER = date(2026, 9, 8), Period(date(2026, 9, 1), date(2026, 10, 1))
IN, OUT, READ = Decimal("0.00000075"), Decimal("0.0000045"), Decimal("0.000000075")
RULES = [
    {"id": "r1", "priority": 1, "when": {"feature": "review"}, "to": {"shares": {"CC-100": "0.7", "CC-200": "0.3"}}},
    {"id": "r2", "priority": 2, "when": {"feature": "answers"}, "to": {"cost_centre": "CC-200", "team": "desk"}},
]
_COST = " + ".join(
    f"coalesce(e.{name} * (SELECT max(r.list_rate / r.per) FROM rating r WHERE r.charge_date = e.charge_date "
    f"AND (r.usage_key_id, r.rate_slot_id, r.price_class) = (e.usage_key_id, e.rate_slot_id, '{name}')), 0)"
    for name in TOKEN_CLASSES
)
_QUERIES = (
    f"WITH c AS (SELECT *, coalesce(query_id::text, event_id::text) AS query, {_COST} AS cost FROM usage_event e) "
    "SELECT b.query_id, count(*)::int, sum(c.cost), min(c.occurred_at), sum(coalesce(c.output_visible, 0))::int "
    "FROM c b JOIN c USING (query) WHERE b.begins AND b.charge_date = %s GROUP BY b.query, b.query_id ORDER BY 3 DESC, 1"
)


def world(path: Path) -> None:
    """Three queries of the 8th: `a` (review, 3 calls, one after midnight), `b` (answers, two agents), `c` (answers)."""
    rulebook.load(RULES, actor="test")
    sent(
        path / "a.jsonl",
        trace(
            "a", on(8, 23, 59), Call("lead", 4_000, 100), Call("lead", 500, 10, cached=200, after=5),
            Call("lead", 50, 1, after=90),
        ),
        trace("b", on(8), Call("lead", 300, 20), Call("two", 300, 20, ("lead",), after=1), feature="answers"),
        trace("c", on(8, 9), Call("lead", 90, 9), feature="answers"),
    )  # fmt: skip


def facts() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES, [DAY])
        return [tuple(row) for row in cursor.fetchall()]


def owner(code: str) -> Scope:
    return Scope(cost_centres=frozenset({CostCentre.objects.get(code=code).pk}))


def test_the_list_is_what_the_facts_say_the_dearest_first(tmp_path: Path) -> None:
    world(tmp_path)
    found = query_rows.listed(EVERYTHING, Asked(DAY))
    told = [
        (row.found.query, row.found.calls, row.found.cost, row.begins_at, row.found.tokens["output_visible"])
        for row in found.rows
    ]
    assert told == facts()
    assert [row.found.query for row in found.rows] == [query_of(name) for name in "abc"]
    a = found.rows[0]
    assert a.found.cost == 4_350 * IN + 200 * READ + 111 * OUT == Decimal("0.003777"), "the example of docs/queries.md"
    assert a.found.bin == -49
    assert (a.owner.cost_centre, a.tier, a.rule, a.currency) == ("CC-100", "moderate", "M1", "USD")
    assert (found.queries, found.after, found.in_buckets, found.stale) == (3, None, 0, False)


def test_list_and_single_queries_are_what_the_distribution_counts(tmp_path: Path) -> None:
    world(tmp_path)
    listed = query_rows.listed(EVERYTHING, Asked(DAY))
    kept = QueryCostDaily.objects.filter(charge_date=DAY)
    assert sum(row.queries for row in kept) == listed.queries
    assert sum(row.cost for row in kept) == listed.cost
    for row in listed.rows:
        assert row.found.query is not None
        one = one_query.one(EVERYTHING, row.found.query)
        assert one is not None
        assert (one.cost, one.tokens, len(one.calls)) == (row.found.cost, row.found.tokens, row.found.calls)
        assert (one.bin, one.way.tier, one.owner) == (row.found.bin, row.tier, row.owner)
        assert sum(part.cost for part in one.parts) == one.cost == sum(call.cost for call in one.calls)
        held = kept.get(bin=one.bin, tier=one.way.tier, cost_centre__code=one.owner.cost_centre)
        assert held.cost == one.cost, "each stands in a bin of its own"
        (there,) = query_rows.listed(EVERYTHING, Asked(DAY, bins=(one.bin or 0, one.bin or 0))).rows
        assert there == row


def test_one_query_says_from_where_each_figure_comes(tmp_path: Path) -> None:
    world(tmp_path)
    one = one_query.one(EVERYTHING, query_of("a"))
    assert one is not None
    assert [part.day for part in one.parts] == [DAY, DAY + timedelta(days=1)], (
        "a call after midnight has that day's price"
    )
    first = one.parts[0]
    line = next(line for line in first.lines if line.name == "input_uncached")
    assert (line.tokens, line.rate, line.per, line.cost) == (4_300, Decimal("0.75"), 1_000_000, 4_300 * IN)
    assert line.price is not None
    assert (line.price.book, line.price.rate) == ("builtin", Decimal("0.75"))
    assert first.charged is not None
    assert (first.charged.list_cost, first.charged.effective_factor) == (first.cost, 1), (
        "nothing else was used that day"
    )
    assert first.rule == "r1"
    assert [(each.cost_centre, each.weight, each.effective) for each in first.bearers] == [
        ("CC-100", Decimal("0.7"), (first.cost * Decimal("0.7")).quantize(Decimal(1).scaleb(-12))),
        ("CC-200", Decimal("0.3"), (first.cost * Decimal("0.3")).quantize(Decimal(1).scaleb(-12))),
    ]
    assert sum(each.effective or 0 for each in first.bearers) == first.charged.effective
    assert one.evidence == {
        "calls": 3, "agents": 1, "output_reasoning": 0, "output": 111, "input_uncached": 4_350, "tool_calls": 0,
    }  # fmt: skip
    assert one.way.condition == "input_uncached>4000"
    assert one.calls[0].run is not None
    assert one.calls[0].run.input_name.endswith("a.jsonl")


def test_an_outcome_and_a_prediction_that_name_it_stand_beside_it(tmp_path: Path) -> None:
    from allocation.value import outcomes

    world(tmp_path)
    assert outcomes.take([outcome("a", True), outcome("c", False)], by="ann").refused == []
    one = one_query.one(EVERYTHING, query_of("a"))
    assert one is not None
    assert [(each.source, each.success) for each in one.outcomes] == [("desk", True)]
    assert one.prediction is None


def test_only_who_bears_most_of_a_query_sees_it_and_never_what_others_calls_are(tmp_path: Path) -> None:
    world(tmp_path)
    seen = {
        code: [row.found.query for row in query_rows.listed(owner(code), Asked(DAY)).rows]
        for code in ("CC-100", "CC-200")
    }
    assert seen == {"CC-100": [query_of("a")], "CC-200": [query_of("b"), query_of("c")]}
    assert one_query.one(owner("CC-200"), query_of("a")) is None
    assert one_query.one(Scope(), query_of("a")) is None
    one = one_query.one(owner("CC-100"), query_of("a"))
    assert one is not None
    assert [(each.cost_centre, each.foreign, each.effective is None) for each in one.parts[0].bearers] == [
        ("CC-100", False, False), (None, True, True),
    ]  # fmt: skip
    assert one.calls[0].run is None, "imports are not for owners"


def test_filters_narrow_the_list_as_they_narrow_the_distribution(tmp_path: Path) -> None:
    world(tmp_path)
    for filters, names in (
        ({"x_CostCentre": ("CC-200",)}, "bc"), ({"x_QueryTier": ("simple",)}, "c"), ({"x_Model": ("gpt-*",)}, "abc"),
        ({"x_Feature": ("answers",), "x_QueryTier": ("complex",)}, "b"), ({"ServiceProviderName": ("aws",)}, ""),
        ({"x_Team": ("desk",)}, "bc"), ({"x_CostCentre": ("(unallocated)",)}, ""),
    ):  # fmt: skip
        found = query_rows.listed(EVERYTHING, Asked(DAY, filters))
        assert [row.found.query for row in found.rows] == [query_of(name) for name in names], filters


def test_a_trace_is_found_as_its_caller_names_it(tmp_path: Path) -> None:
    world(tmp_path)
    here = {query_of("b"): DAY}
    assert one_query.numbers_of_trace(trace_id("b")) == here
    assert one_query.numbers_of_trace(trace_id("b"), "otlp", "default") == here
    assert one_query.numbers_of_trace(trace_id("b"), "litellm") == {}
    assert one_query.numbers_of_trace("nobody's") == one_query.numbers_of_trace("") == {}


def test_a_trace_that_is_used_again_is_a_query_each_time(tmp_path: Path) -> None:
    sent(tmp_path / "a.jsonl", trace("x", on(3), Call("a", 100, 10)))
    sent(tmp_path / "b.jsonl", trace("x", on(12), Call("a", 900, 90), first=9))
    last, first = one_query.one(EVERYTHING, query_of("x")), one_query.one(EVERYTHING, query_of("x"), date(2026, 9, 3))
    assert last is not None
    assert first is not None
    assert (last.day, last.cost) == (date(2026, 9, 12), 900 * IN + 90 * OUT)
    assert (first.day, first.cost) == (date(2026, 9, 3), 100 * IN + 10 * OUT)
    assert one_query.one(EVERYTHING, query_of("x"), date(2026, 9, 4)) is None


def test_calls_without_a_trace_are_listed_without_a_number_and_without_a_price_apart(tmp_path: Path) -> None:
    at = "2026-09-08T10:00:00.000000Z"
    records = [payload(n, trace=None, at=at, prompt=100 * n, output=n) for n in (1, 2)]
    records.append(
        payload(3, trace="t", at=at, prompt=50, output=5, model="nobody-knows-this", model_group="nobody-knows-this")
    )
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    refresh()
    found = query_rows.listed(EVERYTHING, Asked(DAY))
    assert [(row.found.query is None, row.found.priced, row.begins_at is None) for row in found.rows] == [
        (True, True, True), (True, True, True), (False, False, False),
    ]  # fmt: skip
    (free,) = query_rows.listed(EVERYTHING, Asked(DAY, without=True)).rows
    assert (free.found.cost, free.found.bin) == (0, None)


def test_the_list_reads_no_fact_but_by_the_index_and_as_much_for_one_query_as_for_many(tmp_path: Path) -> None:
    world(tmp_path)

    def statements(limit: int) -> list[str]:
        with CaptureQueriesContext(connection) as told:
            query_rows.listed(EVERYTHING, Asked(DAY), limit=limit)
        return [each["sql"] for each in told.captured_queries]

    few, many = statements(1), statements(3)
    assert len(few) == len(many)
    assert not any("usage_event" in sql for sql in few), "instants come by COPY, of the queries shown alone"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT 1 FROM usage_event WHERE charge_date = ANY(%s) AND query_id = %s", [[DAY], query_of("a")]
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan
    assert "usage_event_2026_09" in plan or plan.count("Scan") == 1, "one partition"
    assert began_on([], [DAY]) == {}


def test_pages_of_the_list_leave_out_and_repeat_nothing(tmp_path: Path) -> None:
    world(tmp_path)
    whole, after, found = query_rows.listed(EVERYTHING, Asked(DAY)).rows, None, []
    for _ in range(4):
        page = query_rows.listed(EVERYTHING, Asked(DAY), after=after, limit=1)
        found, after = [*found, *page.rows], page.after
        assert (page.queries, page.cost) == (3, sum(row.found.cost for row in whole))
        if after is None:
            break
    assert found == whole


def test_new_rules_give_queries_new_owners(tmp_path: Path) -> None:
    world(tmp_path)
    rulebook.load(
        [{"id": "all", "priority": 1, "when": {"provider": "openai"}, "to": {"cost_centre": "CC-9"}}], actor="t"
    )
    allocate_days([DAY, DAY + timedelta(days=1)])
    assert {row.owner.cost_centre for row in query_rows.listed(EVERYTHING, Asked(DAY)).rows} == {"CC-9"}
    assert one_query.one(owner("CC-100"), query_of("a")) is None


def test_usage_by_class_sums_to_the_tokens_of_cost(tmp_path: Path) -> None:
    world(tmp_path)
    for names in ((), ("x_CostCentre",), ("ChargeDate", "x_Model"), ("x_Team", "x_Feature", "x_Basis")):
        found = usage(EVERYTHING, CostQuery(SEPTEMBER, names))
        rows = CostDaily.objects.all()
        assert found.total.tokens == sum(row.tokens for row in rows) == sum(found.total.classes.values())
        assert found.total.requests == 6
        assert found.total.queries == 3
        for row in found.rows:
            assert sum(row.classes.values()) == row.tokens, (names, row.place)
        parts = usage(EVERYTHING, CostQuery(SEPTEMBER, names), by_class=True)
        assert sum(row.tokens for row in parts.rows) == found.total.tokens
        assert parts.total == found.total
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(input_uncached), sum(cache_read), sum(output_visible) FROM usage_event")
        assert tuple(found.total.classes.values()) == tuple(int(value) for value in cursor.fetchone() or ())
    assert usage(owner("CC-200"), CostQuery(SEPTEMBER)).total.queries < 3
    one = usage(EVERYTHING, CostQuery(SEPTEMBER, ("x_Feature",), {"x_Feature": ("answers",)}))
    assert [(row.place, row.queries) for row in one.rows] == [(("answers",), 2)]
