"""Property tests of the invariants of the design that no other file states for all inputs."""

import random
from decimal import Context as DecimalContext
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.domains import DOMAINS
from finops.tokens import TOKEN_CLASSES
from ingest.calc.batch import make_batch
from ingest.calc.book import PriceBook
from ingest.calc.prices import read_builtin
from ingest.calc.records import fit
from ingest.calc.usage import usage_table
from ingest.source import Context
from ingest.sources.litellm import SOURCE
from tests.records import payload

tokens = st.integers(-2, 50)


@settings(max_examples=300)
@given(prompt=tokens, output=tokens, cached=tokens, reasoning=tokens, off=st.sampled_from([0, 0, 0, 1, -1]))
def test_invariant_1_classes_add_up_to_the_reported_total_or_the_record_is_rejected_whole(
    prompt: int, output: int, cached: int, reasoning: int, off: int
) -> None:
    record = payload(
        1, prompt=max(prompt, 0), output=max(output, 0), cached=max(cached, 0), reasoning=max(reasoning, 0)
    )
    record["prompt_tokens"], record["total_tokens"] = prompt, prompt + output + off
    usage = record["metadata"]["usage_object"]
    usage["prompt_tokens_details"]["cached_tokens"] = cached
    usage["completion_tokens_details"]["reasoning_tokens"] = reasoning
    record["completion_tokens"] = output
    sound = min(prompt, output, cached, reasoning) >= 0 and cached <= prompt and reasoning <= output and off == 0
    try:
        row = fit(record, SOURCE.schemas[0])
    except Exception:  # noqa: BLE001  the strict reader may refuse first; what matters is that nothing gets through
        assert not sound
        return
    parsed = SOURCE.usage(pa.Table.from_pylist([row], schema=SOURCE.schemas[0]), Context())
    assert len(parsed.usage) + len(parsed.rejects) == 1
    assert (len(parsed.usage) == 1) == sound
    if sound:
        stored = parsed.usage.to_pylist()[0]
        assert sum(stored[name] or 0 for name in TOKEN_CLASSES) == record["total_tokens"]
        assert all((stored[name] or 0) >= 0 for name in TOKEN_CLASSES)


BUILTIN = read_builtin((Path(__file__).resolve().parents[1] / "ingest/price_book/builtin.json.gz").read_bytes())
BOOK = PriceBook(BUILTIN.rows, BUILTIN.providers)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["openai", "anthropic", "nobody"]),
            st.sampled_from(["gpt-5", "claude-sonnet-4-5", "no-such-model"]),
            st.lists(st.integers(0, 10**12), min_size=len(TOKEN_CLASSES), max_size=len(TOKEN_CLASSES)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_invariant_4_usage_has_a_price_and_a_cost_or_neither_and_no_quantity_is_lost(lines: list[Any]) -> None:
    columns: dict[str, Any] = {
        "charge_date": pa.array([20_000] * len(lines), pa.int32()).cast(pa.date32()),
        "provider": [line[0] for line in lines], "model_served": [line[1] for line in lines],
        "model_requested": pa.nulls(len(lines), pa.string()), "host": pa.nulls(len(lines), pa.string()),
        "mode": ["sync"] * len(lines),
    }  # fmt: skip
    columns |= {name: np.array([line[2][n] for line in lines]) for n, name in enumerate(TOKEN_CLASSES)}
    rated = BOOK.rate(pa.table(columns))
    assert sum(rated["quantity"].to_pylist()) == sum(sum(line[2]) for line in lines)
    rates = BUILTIN.rows["rate"].to_pylist()
    for row in rated.to_pylist():
        assert (row["price_id"] is None) == (row["list_cost"] is None)
        if row["price_id"] is not None:
            exact = Decimal(row["quantity"]) * rates[row["price_id"]] / BUILTIN.rows["per"][row["price_id"]].as_py()
            assert abs(row["list_cost"] - exact) <= Decimal("0.0000000000005")


facts = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(1, 3), st.sampled_from(["a", "b"])),
    min_size=1,
    max_size=20,
)


@given(facts, st.randoms(use_true_random=False))
def test_invariant_5_a_batch_is_the_same_in_any_order_and_with_any_repetition(
    rows: list[Any], chance: random.Random
) -> None:
    def batch(of: list[Any]) -> list[Any]:
        table = usage_table(
            len(of),
            {
                "native_id": pa.array([str(row[0]) for row in of]),
                "occurred_at": pa.array([1_700_000_000_000_000 + row[1] * 86_400_000_000 for row in of]).cast(
                    pa.timestamp("us", tz="UTC")
                ),
                "provider": "openai", "model_served": pa.array([row[3] for row in of]),
                "output_visible": pa.array([row[2] for row in of]),
            },
        )  # fmt: skip
        made = make_batch("k", "a", table)
        keys = [made.keys[number] for number in made.key]
        outputs = made.usage["output_visible"].to_pylist()
        return [
            (int(day), bytes(event), key, output)
            for day, event, key, output in zip(made.charge_date, made.event_id, keys, outputs, strict=True)
        ]

    shuffled = rows * 2
    chance.shuffle(shuffled)
    assert batch(shuffled) == batch(rows)


numbers = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True), st.integers(-(10**19), 10**19).map(Decimal),
    st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal(0), Decimal(-1)]),
)  # fmt: skip


def inside(domain: str, value: Decimal) -> bool:
    if not value.is_finite():
        return False
    if domain in {"money_nonnegative", "unit_rate"}:
        return 0 <= value.quantize(Decimal("1e-12"), context=_WIDE) < 10**12 if abs(value) < 10**13 else False
    if domain == "money_amount":
        return abs(value.quantize(Decimal("1e-12"), context=_WIDE)) < 10**12 if abs(value) < 10**13 else False
    if domain == "quantity_amount":
        return abs(value.quantize(Decimal("1e-12"), context=_WIDE)) < 10**18 if abs(value) < 10**19 else False
    if domain == "share_of_one":
        return 0 <= value.quantize(Decimal("1e-6"), context=_WIDE) <= 1 if abs(value) < 10**13 else False
    limit = 10**18 if domain == "token_count" else 2**31 - 1
    return 0 <= int(value) <= limit


_WIDE = DecimalContext(prec=60)


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(domain=st.sampled_from(sorted(DOMAINS)), value=numbers)
def test_invariant_9_a_domain_holds_what_lies_inside_its_bounds_and_nothing_else(domain: str, value: Decimal) -> None:
    if domain in {"token_count", "small_count"}:
        value = value.to_integral_value() if value.is_finite() else value
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT %s::text::numeric::{domain}", [str(value)])
            taken = True
    except DatabaseError:
        taken = False
    assert taken == inside(domain, value)
