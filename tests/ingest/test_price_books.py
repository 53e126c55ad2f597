"""Price books in the database: dated versions that are never overwritten, changes that wait, histories that can be read."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from django.db import IntegrityError, transaction

from allocation.derived import refresh
from allocation.models import Charge, Rating
from allocation.verification import verify
from finops.approvals import ApprovalError, SelfApproval
from finops.models import Approval, AuditEvent
from ingest.calc.price_changes import HELD, changes
from ingest.calc.price_effects import Resolution, uses_of
from ingest.calc.price_files import read_prices
from ingest.calc.prices import PriceError
from ingest.models import HeldPrice, Price, PriceBookVersion, RateSlot
from ingest.price_approvals import approve, pending, propose, reject
from ingest.price_selectors import changes_of_file, last_changes, price_history
from ingest.prices import add_entries, load_prices
from ingest.selectors import price_book
from ingest.services import Import, ingest_file
from tests.ingest.calc.pricing import ROOT, cost
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
ALIASES = {
    "gpt-4": "openai gpt-4", "gpt-3.5-turbo": "openai gpt-3.5-turbo", "gpt-4o-mini": "openai gpt-4o-mini", "o1": "openai o1",
    "o3": "openai o3", "gpt-4o": "openai gpt-4o", "gemini/gemini-1.5-pro": "google gemini/gemini-1.5-pro",
    "mistral/mistral-small-latest": "mistral mistral/mistral-small-latest",
    "claude-3-haiku-20240307": "anthropic claude-3-haiku-20240307", "claude-instant-1.2": "anthropic claude-instant-1.2",
    "deepseek/deepseek-chat": "deepseek deepseek/deepseek-chat",
}  # fmt: skip
SNAPSHOTS = ROOT / "tests" / "samples" / "prices" / "llm_price_snapshots.parquet"
MILLION = 1_000_000
D = Decimal
BEFORE, AFTER = date(2026, 1, 1), date(2026, 3, 1)


@pytest.fixture(autouse=True)
def own_prices_only(ledger: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Without the 41,000 built-in prices, whose index takes seconds to build, but where the test asks for them."""
    if "builtin" not in request.fixturenames:
        PriceBookVersion.objects.update(live=False)
    yield
    HeldPrice.objects.all().delete()
    PriceBookVersion.objects.exclude(book="builtin").delete()
    PriceBookVersion.objects.update(live=True)


@pytest.fixture
def builtin() -> None:
    """The built-in book is in force."""


def catalogue(**rates: str) -> bytes:
    rows = [f"{model},selfhosted,chat,{rate}" for model, rate in rates.items()]
    return "\n".join(["model_key,provider,mode,input", *rows]).encode()


def load(day: date = BEFORE, actor: str = "ann", **rates: str) -> Any:
    return load_prices(catalogue(**rates), f"{day}.csv", day=day, actor=actor)[0]


def rate(model: str, day: date, **use: Any) -> Decimal | None:
    """What a million uncached input tokens cost at noon of that day."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    prices = price_book().book
    return cost(prices, provider="selfhosted", model_served=model, input_uncached=MILLION, at=at, **use)[
        "input_uncached"
    ]


def test_events_rated_on_the_day_of_every_snapshot_have_the_price_then_in_force() -> None:
    loaded = load_prices(SNAPSHOTS.read_bytes(), SNAPSHOTS.name, actor="ann")[0]
    for asked in pending():  # a person looks at each
        if asked["subject"].removeprefix("snapshot ") in ALIASES.values():
            approve(asked["id"], by="bob")
    table = pq.read_table(SNAPSHOTS).to_pylist()
    prices, compared, checked = price_book().book, 0, set()
    for row in table:
        if row["model_key"] not in ALIASES:
            continue
        at = datetime.fromisoformat(row["snapshot_date"]).replace(tzinfo=UTC)
        use = {"provider": row["provider"], "model_served": row["model_key"], "at": at}
        wanted = {"input_uncached": row["input"], "output_visible": row["output"]}
        wanted |= {"cache_read": row["cache_read"]} if row["cache_read"] is not None else {}
        found = cost(prices, **use, **dict.fromkeys(wanted, 100_000))
        assert found == {name: Decimal(repr(value)) / 10 for name, value in wanted.items()}, (row["snapshot_date"], use)
        if row["batch_input"] is not None:
            batch = cost(prices, **use, mode="batch", input_uncached=100_000)
            assert batch == {"input_uncached": Decimal(repr(row["batch_input"])) / 10}
        compared += 1
        checked.add(row["snapshot_date"])
    assert len(checked) == 14
    assert compared > 80
    assert loaded.version.report["dates"][0] == "2023-11-01T00:00:00+00:00"
    assert PriceBookVersion.objects.filter(book="snapshot", live=True).count() == 1


def test_a_catalogue_holds_until_the_next_one_and_what_it_drops_ends() -> None:
    load(BEFORE, a="1", b="2")
    load(AFTER, a="1.5")
    assert [rate("a", day) for day in (BEFORE, AFTER - timedelta(days=1), AFTER)] == [1, 1, Decimal("1.5")]
    assert (rate("b", BEFORE), rate("b", AFTER)) == (2, None)


def test_a_catalogue_loaded_late_takes_its_place_in_time() -> None:
    load(AFTER, a="1.5")
    load(BEFORE, a="1")
    assert [rate("a", day) for day in (BEFORE, AFTER)] == [1, Decimal("1.5")]


def test_a_jump_waits_while_everything_else_is_in_force() -> None:
    load(BEFORE, a="1", b="2")
    loaded = load(AFTER, a="10", b="3", c="7")
    assert [rate(name, AFTER) for name in "abc"] == [1, 3, 7]
    (asked,) = pending()
    assert (asked["subject"], asked["prepared_by"]) == ("snapshot selfhosted a", "ann")
    assert "x10: a decimal place" in asked["prices"][0]["reason"]
    assert loaded.version.report["changes"] == {"added": 1, "removed": 0, "changed": 2, "reported": 0, "held": 1}


def test_approving_puts_the_price_in_force_from_its_date_and_is_audited() -> None:
    load(BEFORE, a="1", b="1")
    load(AFTER, a="10", b="10")
    first, second = pending()
    with pytest.raises(SelfApproval, match="ann prepared this"):
        approve(first["id"], by="ann")
    assert rate("a", AFTER) == 1
    approve(first["id"], by="bob", reason="seen on the provider's page")
    assert [rate("a", day) for day in (BEFORE, AFTER)] == [1, 10]
    assert rate("b", AFTER) == 1
    assert [asked["id"] for asked in pending()] == [second["id"]]
    event = AuditEvent.objects.get(action="price.approve")
    assert (event.actor, event.subject, event.details["prepared_by"]) == ("bob", "snapshot selfhosted a", "ann")
    with pytest.raises(ApprovalError, match="was accepted by bob already"):
        approve(first["id"], by="cid")


def test_a_rejected_price_keeps_the_former_one_and_is_not_asked_for_again() -> None:
    load(BEFORE, a="1")
    load(AFTER, a="10")
    reject(pending()[0]["id"], by="bob", reason="a slip")
    later = load(AFTER + timedelta(days=9), a="10")
    assert rate("a", AFTER + timedelta(days=9)) == 1
    assert (pending(), later.version.report["rejected_before"]) == ([], 1)


def test_a_later_load_that_says_otherwise_closes_the_request() -> None:
    load(BEFORE, a="1")
    load(AFTER, a="10")
    asked = Approval.objects.get()
    load(AFTER, a="1.2")
    asked.refresh_from_db()
    assert (pending(), asked.state) == ([], "superseded")
    assert asked.reason.startswith("another version")
    assert rate("a", AFTER) == Decimal("1.2")
    load(AFTER, a="10")  # nobody rejected it: it is asked for again
    assert len(pending()) == 1


def test_a_request_stays_the_same_one_while_its_prices_do() -> None:
    load(BEFORE, a="1", b="1")
    load(AFTER, a="10", b="1")
    asked = pending()[0]["id"]
    load(AFTER, a="10", b="1.5")
    assert [found["id"] for found in pending()] == [asked]
    approve(asked, by="bob")
    assert [rate(name, AFTER) for name in "ab"] == [10, Decimal("1.5")]


def test_the_same_file_twice_is_one_version() -> None:
    first, second = load(BEFORE, a="1"), load(BEFORE, a="1")
    assert (second.version, second.fresh) == (first.version, False)


def test_versions_are_never_overwritten() -> None:
    first = load(BEFORE, a="1").version
    kept = list(first.prices.values())
    second = load(AFTER, a="1.5").version
    load_prices(b"- {provider: selfhosted, model: a, prices: {input: '1.4'}}", "o.yaml", actor="ann")
    first.refresh_from_db()
    assert list(first.prices.values()) == kept
    assert (first.live, second.live) == (False, True)
    (change,) = [change for change in last_changes() if change.verdict.state == HELD] or [None]
    assert change is None


def test_a_file_can_be_compared_before_it_is_loaded() -> None:
    load(BEFORE, a="1", b="1", c="1")
    raw = catalogue(a="10", b="2", d="1")
    found = changes_of_file(raw, "x", kind="", book="", day=AFTER)
    told = {change.any_row["model"]: (change.kind, change.verdict.state) for change in found}
    assert told == {"a": ("changed", "held"), "b": ("changed", "reported"), "c": ("removed", ""), "d": ("added", "")}
    assert rate("a", AFTER) == 1  # nothing was written
    load(AFTER, a="1.1", b="1")
    assert {change.kind for change in last_changes()} == {"changed", "removed"}


def test_an_override_that_jumps_from_the_price_below_it_waits(builtin: None) -> None:
    entry = b"- {provider: openai, model: gpt-5, prices: {input: '1250', output: '9'}}"
    load_prices(entry, "o.yaml", actor="ann")
    use = {"provider": "openai", "model_served": "gpt-5", "at": datetime(2026, 9, 8, tzinfo=UTC)}
    assert cost(price_book().book, **use, input_uncached=MILLION) == {"input_uncached": Decimal("1.25")}
    assert cost(price_book().book, **use, output_visible=MILLION) == {"output_visible": 9}
    (asked,) = pending()
    assert "x1,000: per 1k for per 1M tokens" in asked["prices"][0]["reason"]
    approve(asked["id"], by="bob")
    assert cost(price_book().book, **use, input_uncached=MILLION) == {"input_uncached": 1250}


USED = {"provider": "openai", "at": datetime(2026, 9, 8, tzinfo=UTC)}


def held() -> list[str]:
    return [
        f"{price['model']} {price['change']}: {price['reason']}" for asked in pending() for price in asked["prices"]
    ]


@pytest.mark.parametrize(
    "names", ["{provider: openai, model: 'gpt-4o*'}", "{provider: '*', model: 'gpt-4o'}", "{provider: '*', model: '*'}"]
)
def test_a_pattern_waits_that_makes_any_known_model_three_times_as_dear(builtin: None, names: str) -> None:
    entry = f"- {names[:-1]}, prices: {{input: '250'}}}}".encode()
    (loaded,) = load_prices(entry, "o.yaml", actor="ann")
    assert [change.verdict.state for change in loaded.changes] == [HELD]
    assert cost(price_book().book, **USED, model_served="gpt-4o", input_uncached=MILLION) == {
        "input_uncached": D("2.5")
    }
    (told,) = held()
    assert "x more" in told or "from free to a price" in told
    approve(pending()[0]["id"], by="bob")
    assert cost(price_book().book, **USED, model_served="gpt-4o", input_uncached=MILLION) == {"input_uncached": 250}


def test_a_pattern_passes_where_every_model_that_it_prices_costs_about_the_same(builtin: None) -> None:
    entry = b"""
- {provider: openai, model: 'gpt-5-chat*', prices: {input: '1.5'}}
- {provider: openai, model: 'my-own-*', prices: {input: '900'}}
"""
    load_prices(entry, "o.yaml", actor="ann")
    assert pending() == []
    assert cost(price_book().book, **USED, model_served="gpt-5-chat-latest", input_uncached=MILLION) == {
        "input_uncached": D("1.5")
    }


def test_a_pattern_is_judged_by_how_usage_really_came(builtin: None) -> None:
    # 2.5 -> 4 passes; but calls in batch cost 1.25 so far, and an override has one price for all.
    entry = b"- {provider: openai, model: 'gpt-4o*', valid_from: 2026-01-01, prices: {input: '4'}}"
    uses = uses_of([("openai", "gpt-4o", "", "", "batch", "", "")])
    rows = read_prices(entry, day=BEFORE, origin="o").rows
    (judged,) = Resolution(price_book().book, "override", uses)([], rows, changes([], rows))
    assert (judged.verdict.state, judged.verdict.reason) == (HELD, "gpt-4o: 3.2x more")


def test_taking_prices_away_waits_where_usage_then_costs_three_times_as_much_or_nothing_is_known(
    builtin: None, tmp_path: Path
) -> None:
    ingest_file(
        Import(
            write_lines(tmp_path / "u.jsonl", [payload(1) | {"model": "house-model", "model_group": "house-model"}]),
            "litellm",
        )
    )
    both = b"""
- {provider: openai, model: gpt-5, prices: {input: '0.4'}}
- {provider: openai, model: house-model, prices: {input: '3'}}
- {provider: openai, model: nobody-uses-it, prices: {input: '3'}}
"""
    load_prices(both, "o.yaml", actor="ann")
    approve(pending()[0]["id"], by="bob")  # 1.25 -> 0.4
    load_prices(b"[]", "o.yaml", actor="ann")
    assert held() == ["gpt-5 removed: 3.12x more", "house-model removed: used, and without a price then"]
    for name, rate_ in (("gpt-5", "0.4"), ("house-model", "3")):
        assert cost(price_book().book, **USED, model_served=name, input_uncached=MILLION) == {
            "input_uncached": D(rate_)
        }
    assert cost(price_book().book, **USED, model_served="nobody-uses-it", input_uncached=MILLION) == {
        "input_uncached": None
    }
    first, second = pending()
    approve(first["id"], by="bob")
    assert cost(price_book().book, **USED, model_served="gpt-5", input_uncached=MILLION) == {
        "input_uncached": D("1.25")
    }
    assert [asked["id"] for asked in pending()] == [second["id"]]
    reject(second["id"], by="bob")
    assert cost(price_book().book, **USED, model_served="house-model", input_uncached=MILLION) == {"input_uncached": 3}


def test_a_price_that_another_entry_of_the_file_goes_on_with_may_go(builtin: None) -> None:
    load_prices(b"- {provider: openai, model: gpt-5, prices: {input: '1.3'}}", "o.yaml", actor="ann")
    load_prices(
        b"- {provider: openai, model: 'gpt-5*', context_over: 0, prices: {input: '1.2'}}", "p.yaml", actor="ann"
    )
    assert all("gpt-5 " not in told for told in held())


def test_what_a_person_wrote_is_asked_for_again_after_a_rejection_and_a_catalogue_only_where_that_is_said() -> None:
    load_prices(b"- {provider: selfhosted, model: a, prices: {input: '1'}}", "o.yaml", actor="ann")
    dearer = b"- {provider: selfhosted, model: a, prices: {input: '10'}}"
    load_prices(dearer, "o.yaml", actor="ann")
    reject(pending()[0]["id"], by="bob")
    load_prices(dearer, "o.yaml", actor="ann")
    (asked,) = pending()
    approve(asked["id"], by="bob")
    assert rate("a", AFTER) == 10
    load(BEFORE, c="1")
    load(AFTER, c="10")
    reject(pending()[0]["id"], by="bob")
    again = load(AFTER, c="10", b="1")
    assert (pending(), [change.any_row["model"] for change in again.rejected]) == ([], ["c"])
    load_prices(catalogue(c="10", b="1"), "again.csv", day=AFTER, actor="ann", again=True)
    assert len(pending()) == 1


def test_proposed_entries_wait_whole_and_leave_the_other_prices_alone() -> None:
    load_prices(b"- {provider: selfhosted, model: a, prices: {input: '1'}}", "o.yaml", actor="ann")
    asked = propose([{"provider": "selfhosted", "model": "b", "prices": {"input": "2"}}], by="ann")
    assert (rate("a", AFTER), rate("b", AFTER)) == (1, None)
    with pytest.raises(SelfApproval):
        approve(asked.pk, by="ann")
    approve(asked.pk, by="bob")
    assert (rate("a", AFTER), rate("b", AFTER)) == (1, 2)
    with pytest.raises(PriceError, match="there is no entry"):
        propose([], by="ann")


def test_approved_entries_need_no_second_approval(builtin: None) -> None:
    add_entries([{"provider": "openai", "model": "gpt-5", "prices": {"input": "0"}}], origin="test", actor="bob")
    assert pending() == []
    assert price_book().book.version
    found = price_history("openai", "gpt-5", at=datetime(2026, 9, 8, tzinfo=UTC))
    ours = [row for row in found if row["book"] == "override"]
    assert [(row["rate"], row["in_force"]) for row in ours] == [(0, True)]


def test_a_history_holds_every_book_and_version_and_says_what_is_in_force() -> None:
    load(BEFORE, a="1")
    load(AFTER, a="1.5")
    load_prices(
        b"- {provider: selfhosted, model: a, prices: {input: '1.2'}, valid_from: 2026-04-01}", "o.yaml", actor="cid"
    )
    rows = price_history("selfhosted", "a", at=datetime(2026, 3, 15, tzinfo=UTC))
    told = [(row["book"], row["rate"], row["valid_from"].date(), row["live"], row["in_force"]) for row in rows]
    april = date(2026, 4, 1)
    assert told == [
        ("override", Decimal("1.2"), april, True, False), ("snapshot", 1, BEFORE, True, False),
        ("snapshot", Decimal("1.5"), AFTER, True, True), ("snapshot", 1, BEFORE, False, False),
    ]  # fmt: skip
    assert {row["loaded_by"] for row in rows} == {"ann", "cid"}
    assert [
        row["book"] for row in price_history("selfhosted", "a", at=datetime(2026, 5, 1, tzinfo=UTC)) if row["in_force"]
    ] == ["override"]


@pytest.mark.parametrize(
    ("change", "clash"),
    [
        ({}, True), ({"mode": "batch"}, False), ({"context_over": 200_000}, False), ({"region": "eu"}, False),
        ({"service_tier": "flex"}, False), ({"variant": "speed=fast"}, False), ({"currency": "EUR"}, True),
        ({"reprices_whole": False, "context_over": 0}, True), ({"price_class": "cache_write_1h"}, False),
        ({"window_start": "08:00", "window_end": "12:00"}, False),
        ({"valid_from": datetime(2027, 1, 1, tzinfo=UTC)}, True),
    ],
)  # fmt: skip
def test_the_database_refuses_two_prices_for_one_use(change: dict[str, Any], clash: bool) -> None:
    version = load(BEFORE, a="1").version
    copy = {**version.prices.values().get(), "id": None} | change
    if not clash:
        Price.objects.create(**copy)
        return
    with pytest.raises(IntegrityError, match="price_do_not_overlap"), transaction.atomic():
        Price.objects.create(**copy)


@pytest.mark.parametrize(
    ("window", "clash"), [(("11:00", "13:00"), True), (("23:00", "09:00"), True), (("12:00", "08:00"), False)]
)
def test_the_database_refuses_windows_that_overlap(window: tuple[str, str], clash: bool) -> None:
    version = load(BEFORE, a="1").version
    price = {**version.prices.values().get(), "id": None, "window_start": "08:00", "window_end": "12:00"}
    Price.objects.create(**price)
    other = price | {"window_start": window[0], "window_end": window[1]}
    if not clash:
        Price.objects.create(**other)
        return
    with pytest.raises(IntegrityError, match="price_do_not_overlap"), transaction.atomic():
        Price.objects.create(**other)


def test_an_excess_band_that_comes_later_rebuilds_the_slots_and_is_exact_on_the_cube(tmp_path: Path) -> None:
    prompts = (100, 1_000, 1_001, 5_000, 7_000)
    records = [payload(n, prompt=prompt, output=0) for n, prompt in enumerate(prompts)]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", records), "litellm"))
    refresh()
    book = b"""
- {provider: openai, model: gpt-5, prices: {input: "2"}}
- {provider: openai, model: gpt-5, context_over: 1000, excess: true, prices: {input: "3"}}
"""
    load_prices(book, "o.yaml", actor="ann")
    refresh()
    assert all(check.ok for check in verify()), [check for check in verify() if not check.ok]
    expected = sum(min(n, 1_000) * Decimal(2) + max(n - 1_000, 0) * Decimal(3) for n in prompts) / MILLION
    assert sum(Charge.objects.values_list("list_cost", flat=True)) == expected
    above = Rating.objects.filter(rate_slot_id__in=RateSlot.objects.exclude(crossing=0).values("id"))
    assert {(rating.list_rate, rating.quantity) for rating in above} == {(None, 1_001), (None, 12_000)}


def test_units_go_from_the_sample_to_exact_cost(tmp_path: Path) -> None:
    quantities = {"image": "3", "audio_second": "90.5", "video_second": "8", "web_search": "12", "storage_search": "7",
                  "session": "2", "page": "11", "character": "1234", "cache_storage_token_hour": "2500000.5"}  # fmt: skip
    rates = {"image": "0.04", "audio_second": "0.0001", "video_second": "0.1", "web_search": "0.01", "storage_search": "0.0025",
             "session": "0.03", "page": "0.001", "character": "0.000015", "cache_storage_token_hour": "0.0000045"}  # fmt: skip
    mapping = (
        "layer: gateway\nprovider: {constant: selfhosted}\nid: [id]\ntime: {column: at, formats: [rfc3339]}\nmodel: model\n"
        "units: {" + ", ".join(f"{name}: {name}" for name in quantities) + "}\n"
    )
    usage = tmp_path / "usage.csv"
    usage.write_text(f"id,at,model,{','.join(quantities)}\n1,2026-09-08T10:00:00Z,m,{','.join(quantities.values())}\n")
    entry = ", ".join(f"{name}: '{rate}'" for name, rate in rates.items())
    load_prices(
        f"- {{provider: selfhosted, model: m, prices: {{{entry}, request: '0.5'}}}}".encode(), "o.yaml", actor="ann"
    )
    ingest_file(Import(usage, "generic", mapping=yaml.safe_load(mapping)))
    refresh()
    found = dict(Charge.objects.values_list("price_class", "list_cost"))
    assert found == {name: Decimal(quantities[name]) * Decimal(rates[name]) for name in quantities} | {
        "request": Decimal("0.5")
    }
