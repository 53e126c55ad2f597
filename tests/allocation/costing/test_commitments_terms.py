"""AR7, AR12, AR14: over any term, what is used and unused costs what was billed, and usage loses nothing by it."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.commitments import CAPACITY, SEATS, Commitments
from allocation.calc.commitments_entries import parse
from allocation.costing import commitments as step
from allocation.costing.commitments_capacity import Covering
from allocation.costing.work import Work, of_usage
from finops.money import MONEY

D = Decimal
QUANTITY = pa.decimal128(38, 12)
KEY = {"layer": "gateway", "provider": "openai", "model_served": "gpt-5", "tags": {}}


def usage(rows: list[tuple[int, Decimal | None]]) -> pa.Table:
    """Charges of usage: (tokens, list cost) each."""
    count = len(rows)
    return of_usage(
        pa.table(
            {
                "key_id": pa.array([1] * count, pa.int64()),
                "tier": pa.array(["simple"] * count, pa.string()),
                "tier_estimated": pa.array([False] * count),
                "price_class": pa.array(["input_uncached"] * count, pa.string()),
                "currency": pa.array(["USD"] * count, pa.string()),
                "quantity": pa.array([D(tokens) for tokens, _ in rows], QUANTITY),
                "list_cost": pa.array([cost for _, cost in rows], MONEY),
                "proxy_cost": pa.nulls(count, MONEY),
            }
        )
    )


ROWS = st.lists(st.tuples(st.integers(-100, 5_000_000), st.none() | st.decimals("-1", "500", places=9)), max_size=4)
TERMS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([*CAPACITY, SEATS]),
        "first": st.dates(date(2023, 12, 1), date(2026, 11, 1)),
        "length": st.integers(2, 70),
        "price": st.decimals("0", "99999", places=4),
        "per": st.sampled_from(["term", "month", "day"]),
        "zone": st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"]),
        "capacity": st.integers(1, 3_000_000),
        "ended": st.none() | st.integers(1, 69),
    }
)


def book_of(term: dict[str, Any]) -> Commitments:
    first, length = term["first"], term["length"]
    entry = {"code": "a", "kind": term["kind"], "from": str(first), "to": str(first + timedelta(days=length)),
             "zone": term["zone"], "price": str(term["price"])}  # fmt: skip
    if term["ended"] is not None:
        entry["terminated"] = str(first + timedelta(days=min(term["ended"], length - 1)))
    if term["kind"] == SEATS:
        who = {"who": "ada", "cost_centre": "A", "from": str(first + timedelta(days=1))}
        return parse([entry | {"seats": 3, "assigned": [who]}])
    capacity = {"units": "2", "capacity": str(term["capacity"]), "weights": {"input": "1"}, "step": "day"}
    return parse([entry | capacity | {"per": term["per"]}])


@settings(max_examples=60, deadline=None)
@given(TERMS, st.lists(ROWS, min_size=1, max_size=5))
def test_ar12_used_and_unused_of_any_term_cost_what_was_billed_and_usage_keeps_its_sums(term: Any, days: Any) -> None:
    (one,) = book_of(term).commitments
    billed = effective = D(0)
    for number in range(-1, term["length"] + 2):
        day = term["first"] + timedelta(days=number)
        work = Work(day, usage(days[number % len(days)]), [], {1: KEY})
        found = step._with_seats(work, one) if one.kind == SEATS else Covering().by(one, work, _Notes())
        found = found.having(found.usage, step._purchases(day, [one]))
        for name in ("quantity", "list_cost", "contracted_cost"):
            before, after = (
                [value or D(0) for value in table[name].to_pylist()] for table in (work.usage, found.usage)
            )
            assert sum(before) == sum(after)
        rows = found.usage.to_pylist()
        assert {row["commitment_status"] for row in rows} <= {"", "Used"}
        assert all(row["effective_cost"] == row["list_cost"] for row in rows if not row["commitment_status"])
        effective += sum(row["effective_cost"] for row in rows if row["commitment_status"])
        effective += sum(entry.effective_cost or D(0) for entry in found.entries)
        billed += sum(entry.billed_cost or D(0) for entry in found.entries)
        assert all(not entry.effective_cost for entry in found.entries if entry.charge_category == "Purchase")
        if not any(tokens < 0 for tokens, _ in days[number % len(days)]):
            assert all((entry.effective_cost or D(0)) >= 0 for entry in found.entries)
    assert effective == billed


class _Notes(dict[tuple[str, str], Decimal]):
    def __missing__(self, name: tuple[str, str]) -> Decimal:
        return D(0)
