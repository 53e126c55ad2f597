"""Re-rating: usage costs what pricing every event from scratch costs, whatever prices were in force before."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation.comparison import compare
from allocation.costing.terms import rate_anew
from allocation.derived import refresh
from allocation.models import Charge
from allocation.verification import verify
from finops.periods import Period
from ingest import price_approvals
from ingest.models import FactDay, PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
FIRST = datetime(2026, 9, 7, tzinfo=UTC)
MODELS = ("banded", "timed", "stepped", "plain", "late")
MILLION = 1_000_000


@pytest.fixture(autouse=True)
def builtin_prices_only(ledger: None) -> object:
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


class Call(NamedTuple):
    model: str
    at: datetime
    prompt: int
    output: int


class Price(NamedTuple):
    """One price of input and output per million; it holds for calls of its model that pass all its conditions."""

    model: str
    input: str
    output: str
    over: int = 0
    window: tuple[str, str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, call: Call) -> bool:
        clock = f"{call.at:%H:%M}"
        return (
            call.model == self.model
            and (not self.over or call.prompt > self.over)
            and (self.window is None or self.window[0] <= clock < self.window[1])
            and (self.since is None or call.at >= self.since)
            and (self.until is None or call.at < self.until)
        )


def calls(dice: random.Random) -> list[Call]:
    return [
        Call(dice.choice(MODELS), FIRST + timedelta(seconds=dice.randrange(3 * 86_400)), dice.randrange(1, 9_000),
             dice.randrange(0, 900))
        for _ in range(120)
    ]  # fmt: skip


def book(dice: random.Random, *, late: bool) -> list[Price]:
    """A book with a band, a window of the day, a step inside a day, and with or without a price of "late"."""

    def rates() -> tuple[str, str]:
        return f"{dice.randrange(1, 10_000) / 1000:.3f}", f"{dice.randrange(1, 90_000) / 1000:.3f}"

    step = FIRST + timedelta(minutes=dice.randrange(1, 3 * 1440))
    hour = dice.randrange(0, 20)
    window = (f"{hour:02}:{dice.randrange(60):02}", f"{hour + dice.randrange(1, 4):02}:00")
    found = [
        Price("banded", *rates()), Price("banded", *rates(), over=dice.randrange(1_000, 8_000)),
        Price("timed", *rates()), Price("timed", *rates(), window=window),
        Price("stepped", *rates(), until=step), Price("stepped", *rates(), since=step), Price("plain", *rates()),
    ]  # fmt: skip
    return [*found, Price("late", *rates())] if late else found


def loaded(path: Path, prices: Sequence[Price]) -> None:
    entries: list[dict[str, Any]] = []
    for price in prices:
        entry = {"provider": "acme", "model": price.model, "prices": {"input": price.input, "output": price.output}}
        named = {
            "context_over": price.over, "window": list(price.window or ()), "valid_from": price.since,
            "valid_to": price.until,
        }  # fmt: skip
        entries.append(entry | {name: value for name, value in named.items() if value})
    path.write_text(yaml.safe_dump(entries))
    load_overrides(path, actor="test")
    for asked in price_approvals.pending():  # the dice know no change guard
        price_approvals.approve(asked["id"], by="another")


def from_scratch(found: Sequence[Call], prices: Sequence[Price]) -> dict[Any, Decimal | None]:
    """(day, model) -> cost of its calls one by one; None: no price. The price with conditions goes before that without."""
    total: dict[Any, Decimal | None] = defaultdict(Decimal)
    for call in found:
        fitting = [price for price in prices if price.holds(call)]
        place = (call.at.date(), call.model)
        if not fitting:
            total[place] = None
            continue
        best = max(fitting, key=lambda price: bool(price.over or price.window))
        cost = (call.prompt * Decimal(best.input) + call.output * Decimal(best.output)) / MILLION
        total[place] = (total[place] or Decimal(0)) + cost
    return dict(total)


def charged() -> dict[Any, Decimal | None]:
    total: dict[Any, Decimal | None] = defaultdict(Decimal)
    for day, sku, cost in Charge.objects.values_list("charge_date", "sku_id", "effective_cost"):
        place = (day, sku.split("/")[1])
        total[place] = None if cost is None else (total[place] or Decimal(0)) + cost
    return dict(total)


def imported(folder: Path, found: Sequence[Call]) -> None:
    records = [
        payload(n, model=call.model, model_group=call.model, custom_llm_provider="acme", prompt=call.prompt,
                output=call.output, at=call.at.isoformat())
        for n, call in enumerate(found)
    ]  # fmt: skip
    ingest_file(Import(write_lines(folder / "calls.jsonl", records), "litellm"))
    refresh()


@pytest.mark.parametrize("seed", range(6))
def test_after_any_other_book_usage_costs_what_pricing_every_call_from_scratch_costs(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    found, before, after = calls(dice), book(dice, late=False), book(dice, late=True)
    loaded(tmp_path / "before.yaml", before)
    imported(tmp_path, found)
    assert charged() == from_scratch(found, before)
    loaded(tmp_path / "after.yaml", after)
    refresh()
    assert charged() == from_scratch(found, after)
    assert all(check.ok for check in verify())


def test_a_dry_run_says_by_cause_what_the_real_run_then_does_and_twice_is_once(tmp_path: Path) -> None:
    at = FIRST + timedelta(hours=1)
    imported(tmp_path, [Call("plain", at, 1_000, 0), Call("late", at, 2_000, 0)])
    september, state = Period.month("2026-09"), dump()

    def change() -> None:
        loaded(tmp_path / "b.yaml", [Price("plain", "3", "9"), Price("late", "5", "9")])
        refresh()

    loaded(tmp_path / "a.yaml", [Price("plain", "2", "9")])
    refresh()
    state = dump()
    dry = compare(september, change, dry_run=True)
    assert dump() == state
    # plain: 1,000 tokens, 3 instead of 2 per million; late: 2,000 tokens at 5 that had no price.
    assert dry[0]["causes"] == {"newly_priced": "0.010000000000", "price": "0.001000000000"}
    assert dry[0]["difference"] == "0.011000000000"
    assert compare(september, change, dry_run=False) == dry
    once = dump()
    call_command("rerate", "--from", "2026-09-01", "--to", "2026-09-30")
    assert dump() == once


def test_rating_a_month_anew_does_not_read_its_facts(tmp_path: Path) -> None:
    imported(tmp_path, [Call("plain", FIRST + timedelta(hours=n), 1_000, 5) for n in range(40)])
    rate_anew(FactDay.objects.values_list("charge_date", flat=True))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        refresh()
    reading = [query["sql"] for query in queries if "usage_event" in query["sql"]]
    assert all("usage_key_id = ANY('{}')" in sql or "WITH priced" in sql for sql in reading), reading
