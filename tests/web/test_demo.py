"""The demo as a whole: loaded once with a pinned date, then looked at from all sides."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum
from django.test import Client

from allocation import assumptions
from allocation.attribution import monthly
from allocation.models import Charge, CostDaily, Grant, Invoice, Reconciliation, Runaway, TermsVersion, UsageDaily
from allocation.scope import EVERYTHING, roles_of
from allocation.selectors import CostQuery
from allocation.value import agents
from allocation.verification import verify
from finops.models import SiteMark, User
from finops.periods import Period
from ingest import facts
from ingest.models import DirtySlice, IngestRun, UsageKey
from ingest.services import Import
from tests.browser.crawl import views
from tests.browser.every_page import FIRST, walked
from tests.browser.site import chrome, listening
from tests.conftest import empty_ledger
from tests.web.auth_matrix import MATRIX
from web.demo import closes
from web.demo.agreements import USERS
from web.demo.calls import write_calls
from web.demo.load import NotADemo, load, write_files
from web.demo.plan import NOTES
from web.demo.seats import ACCOUNT as SEATS
from web.demo.window import Window

TODAY = date(2026, 11, 15)
MONTHS = ["2026-08", "2026-09", "2026-10", "2026-11"]
CHOSEN = (  # pages that a choice of the reader leads to: of a month, of two scenarios, of what there is none of in the demo
    "/reconciliation/?month=2026-10", "/forecast/scenarios/compare/?scenario=base&scenario=supply_shock",
    "/data-health/quarantine/",
)  # fmt: skip
ELSEWHERE = {"home", "dash"}  # what only leads on, and what is inside the Overview
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWN = ("ledger-llama-70b-ft", "ledger-qwen3-32b")  # models of the site's own: no book has their price
# Dollars per million tokens as the providers published them: input, output, cache read. Written down here by hand.
RATES = {
    "gpt-5.4-mini": ("0.75", "4.5", "0.075"), "gpt-5.6-luna": ("0.2", "1.2", "0.02"), "gpt-5.6-terra": ("2", "12", "0.2"),
    "claude-haiku-4-5": ("1", "5", "0.1"), "claude-haiku-5-5": ("0.1", "0.5", "0.01"),
    "gemini-2.5-flash": ("0.3", "2.5", "0.03"), "gemini-2.5-flash-preview-05-20": ("0.15", "0.6", "0.15"),
    "gpt-4.1": ("2", "8", "0.5"), "kimi-k2-0905-preview": ("0.6", "2.5", "0.15"),
    "claude-opus-4-20250514": ("15", "75", "1.5"), "claude-sonnet-4-20250514": ("3", "15", "0.3"),
}  # fmt: skip


def rates(model: str, at: datetime) -> tuple[str, str, str]:
    """The rates of a call or bucket; two models change theirs by date, one by the hour too."""
    if model == "gpt-5.6-sol":
        return ("5", "30", "0.5") if at.date() < date(2026, 8, 21) else ("4", "20", "0.4")
    if model == "deepseek-v4-pro":
        if 1 <= at.hour < 4 or 6 <= at.hour < 10:
            return ("1.32", "3.96", "0.044")
        return ("0.435", "0.87", "0.003625") if at.date() < date(2026, 8, 17) else ("0.66", "1.98", "0.022")
    return RATES[model]


def demo(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("demo", "--no-serve", "--json", f"--today={TODAY}", *arguments, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    with django_db_blocker.unblock():
        yield demo()
        empty_ledger()


def calls(files: list[Import], late: Path) -> Iterator[tuple[str, datetime, int, int, int]]:
    """(model, time, input, output, cached) of every record in the demo's files, read without the product's sources."""
    page = json.loads(files[0].path.read_text(encoding="utf-8"))
    for bucket in page["data"]:
        at = datetime.fromtimestamp(bucket["start_time"], UTC)
        for row in bucket["results"]:
            yield row["model"], at, row["input_tokens"], row["output_tokens"], row["input_cached_tokens"]
    with files[1].path.open(encoding="utf-8") as lines:
        for record in csv.DictReader(lines):
            at = datetime.fromisoformat(record["hour"])
            yield record["model"], at, int(record["input_tokens"]), int(record["output_tokens"]), 0
    for path in (files[2].path, late):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                call = json.loads(line)
                usage = call["metadata"]["usage_object"]
                cached = usage["prompt_tokens_details"]["cached_tokens"]
                at = datetime.fromisoformat(call["startTime"])
                yield call["model"], at, usage["prompt_tokens"], usage["completion_tokens"], cached
    with gzip.open(files[5].path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for span in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                said = {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}
                if said["gen_ai.operation.name"] == "chat":
                    at = datetime.fromtimestamp(int(span["startTimeUnixNano"]) / 1e9, UTC)
                    counts = ("input_tokens", "output_tokens", "cache_read.input_tokens")
                    entered, made, cached = (int(said[f"gen_ai.usage.{name}"]) for name in counts)
                    yield said["gen_ai.request.model"], at, entered, made, cached


def traces(path: Path) -> set[str]:
    """The queries that a file of calls names."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {json.loads(line)["trace_id"] for line in lines}


@pytest.mark.slow
def test_the_total_is_that_of_the_files_to_the_last_digit(loaded: dict[str, Any], tmp_path: Path) -> None:
    expected: dict[str, Decimal] = {}
    records: Counter[str] = Counter()
    window = Window.ending(TODAY, NOW)
    late = write_calls(window, tmp_path / "late.jsonl.gz", late=closes.late_day(window), only_late=True)
    for model, at, prompt, output, cached in calls(write_files(window, tmp_path), late):
        records[model] += 1
        if model not in OWN:
            fresh, made, read = map(Decimal, rates(model, at))
            cost = (prompt - cached) * fresh + output * made + cached * read
            expected[model] = expected.get(model, Decimal(0)) + cost
    usage = (
        Charge.objects.filter(provenance="computed", charge_category="Usage").exclude(tier="").exclude(list_cost=None)
    )
    listed: dict[str, Decimal] = {}
    for key, cost in usage.exclude(subject__contains="seats").values_list("usage_key_id").annotate(Sum("list_cost")):
        model = UsageKey.objects.get(pk=key).model_served or UsageKey.objects.get(pk=key).model_requested
        listed[model] = listed.get(model, Decimal(0)) + cost
    assert listed == {model: cost / 1_000_000 for model, cost in expected.items()}
    seats = UsageKey.objects.filter(billing_account=SEATS).values_list("id", flat=True)
    of_seats = UsageDaily.objects.filter(usage_key_id__in=list(seats)).aggregate(events=Sum("events"))["events"]
    assert loaded["events"] == records.total() + of_seats == facts.count_facts()
    assert loaded["unpriced"] == sum(records[model] for model in OWN)


@pytest.mark.slow
def test_a_cost_report_bills_two_per_cent_less_of_one_model_and_the_searches(loaded: dict[str, Any]) -> None:
    rebate = CostDaily.objects.filter(model="gpt-5.6-sol", provenance="billed").aggregate(cost=Sum("effective_cost"))[
        "cost"
    ]
    listed = CostDaily.objects.filter(model="gpt-5.6-sol", provenance="computed").aggregate(cost=Sum("list_cost"))[
        "cost"
    ]
    assert rebate == listed * Decimal("-0.02")
    # 1,200 searches a day at a cent each, which no usage shows; the last day of a month has its invoice's rest too
    others = CostDaily.objects.filter(model="", provider="openai", provenance="billed").exclude(charge_date__day__gt=28)
    assert others.aggregate(cost=Sum("effective_cost"))["cost"] == 12 * others.values("charge_date").distinct().count()


@pytest.mark.slow
def test_planted_variances_are_found_with_their_causes(loaded: dict[str, Any]) -> None:
    found = {
        (run.month.month, total["currency"]): set(total["causes"])
        for run in Reconciliation.objects.all() for total in run.totals
    }  # fmt: skip
    assert {"credit", "not_captured"} <= found[8, "USD"]
    assert {"tax", "not_captured"} <= found[9, "USD"], "a tax, and the day whose export never came"
    assert {"fx", "service_tier", "rounding"} <= found[10, "EUR"], (
        "a rate of exchange, and batch that was taken for sync"
    )
    assert not UsageDaily.objects.filter(
        charge_date=date(2026, 9, 17),
        usage_key_id__in=UsageKey.objects.filter(billing_account="anthropic-main").values("id"),
    ).exists()
    assert all(number.startswith("example-") for number in Invoice.objects.values_list("number", flat=True))
    assert set(TermsVersion.objects.filter(live=True).values_list("kind", flat=True)) >= set(monthly.DOCUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("path", [
    "/prices/", "/prices/answers/?month=2026-10", "/commitments/?month=2026-10", "/commitments/capacity/?month=2026-10",
    "/tiers/agents/?month=2026-10", "/approvals/", "/reconciliation/?month=2026-10",
    "/reconciliation/invoices/?month=2026-10", "/deliveries/",
])  # fmt: skip
def test_no_page_about_money_is_in_its_empty_state(loaded: dict[str, Any], path: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username="demo-finance-2"))
    markup = client.get(path).content.decode()
    assert 'class="panel empty"' not in markup
    assert "example" in markup or "answers" in path


@pytest.mark.slow
def test_tasks_of_agents_are_as_the_register_says_and_some_ran_away(loaded: dict[str, Any]) -> None:
    """The median calls of a task lie within the register's low and high; failed tasks cost more; who called whom is known."""
    found = {
        line.of.feature: line.found
        for line in agents.report(EVERYTHING, CostQuery(Period.month("2026-10"))).lines
        if line.of.feature.startswith("example-")
    }
    entries = assumptions.shipped().entries
    for feature, code in (("example-code-agent", "complex"), ("example-claims-triage", "moderate")):
        entry, calls = entries[f"calls_per_task.{code}"], found[feature].calls_per_task
        assert entry.low < calls.p50 < entry.high
        assert found[feature].failed_cost > 0
    assert (found["example-code-agent"].depth, found["example-deep-research"].depth) == (2, 3)
    assert set(Runaway.objects.filter(reason="loop").values_list("feature", flat=True)) == {"example-code-agent"}
    costs = {one.feature: one for one in agents.outcome_costs(EVERYTHING, CostQuery(Period.month("2026-10")))}
    assert (
        costs["example-code-agent"].attempts
        > costs["example-code-agent"].tasks
        > costs["example-code-agent"].resolved
        >= 30
    )


@pytest.mark.slow
def test_it_tells_the_story_of_two_diverging_ends(loaded: dict[str, Any], tmp_path: Path) -> None:
    assert loaded["months"] == MONTHS
    cost, queries = {}, {}
    usage = CostDaily.objects.exclude(provenance="billed").exclude(tier="")  # a bill and an agreement know no tier
    for row in usage.values("charge_date__month", "tier").annotate(cost=Sum("effective_cost"), count=Sum("queries")):
        place = (row["tier"], row["charge_date__month"])
        cost[place], queries[place] = row["cost"], row["count"]
    assert {tier for tier, _ in cost} == {"simple", "moderate", "complex", "research"}
    each = {place: cost[place] / queries[place] for place in cost}
    assert each["simple", 10] < each["simple", 8] / 2, "simple queries get cheaper"
    single = CostDaily.objects.filter(tier="research", tier_estimated=False).values("charge_date__month")
    of_month = {row["charge_date__month"]: row["cost"] / row["count"]
                for row in single.annotate(cost=Sum("effective_cost"), count=Sum("queries"))}  # fmt: skip
    assert of_month[10] > of_month[8] * Decimal("1.05"), "research gets dearer"
    assert cost["complex", 10] > cost["complex", 8] * Decimal("1.3")
    assert sum(queries[tier, 10] for tier in ("complex", "research")) < queries["simple", 10] / 100
    assert cost["complex", 10] > cost["simple", 10]
    tiers = UsageDaily.objects.filter(tier_estimated=False).values_list("tier", flat=True).distinct()
    assert set(tiers) == {"simple", "moderate", "complex", "research"}, "each tier has single requests too"
    window = Window.ending(TODAY, NOW)
    day = closes.late_day(window)
    in_time = traces(write_calls(window, tmp_path / "calls.jsonl.gz", late=day))
    late = traces(write_calls(window, tmp_path / "late.jsonl.gz", late=day, only_late=True)) - in_time
    assert late, "queries of a closed month: they are among the facts, and as money in the month that is open"
    assert loaded["queries"] == sum(queries.values()) + len(late)


@pytest.mark.slow
@pytest.mark.parametrize("month", [8, 9, 10, 11])
def test_a_realistic_part_is_unallocated_and_unpriced(loaded: dict[str, Any], month: int) -> None:
    rows = CostDaily.objects.filter(charge_date__month=month)
    total = rows.aggregate(total=Sum("effective_cost"))["total"]
    unallocated = rows.filter(cost_centre=None).aggregate(total=Sum("effective_cost"))["total"]
    estimate = rows.aggregate(total=Sum("unpriced_estimate"))["total"]
    assert Decimal("0.02") <= unallocated / total <= Decimal("0.05")
    assert 0 < estimate < total / 100
    assert set(rows.values_list("cost_centre__code", flat=True)) == {*USERS, "CC-390", None}, (
        "CC-390 bears the variance"
    )
    days = {31: (8, 10), 30: (9,), 15: (11,)}
    expected = set(range(1, next(last for last, months in days.items() if month in months) + 1))
    usage = rows.filter(requests__gt=0)  # what is corrected or owed by the day stands on the day of the clock too
    assert set(usage.values_list("charge_date__day", flat=True)) == expected, "days with calls are those of the data"


@pytest.mark.slow
def test_nothing_is_lost_and_every_invariant_holds(loaded: dict[str, Any]) -> None:
    assert {check.id: check.examples for check in verify() if not check.ok} == {}
    assert not DirtySlice.objects.exists()
    assert set(IngestRun.objects.values_list("state", "quarantined", "duplicate")) == {("done", 0, 0)}
    assert UsageKey.objects.filter(tags__team="platform").exists()
    assert {"prod", "dev"} <= set(UsageKey.objects.values_list("environment", flat=True))


@pytest.mark.slow
@pytest.mark.browser
def test_every_page_is_whole_in_every_light_and_width_and_accessible(loaded: dict[str, Any]) -> None:
    assert CostDaily.objects.count() > 1_000
    passwords = {user["name"]: user["password"] for user in loaded["users"]}
    with listening() as url, chrome() as browser:
        walk = walked(browser, url, passwords, "full", (*FIRST, *CHOSEN))
    assert not walk.wrong, "\n".join(sorted(set(walk.wrong)))
    pages = {name for name in views() if name in MATRIX.by_name and MATRIX.by_name[name].get}
    assert pages - set(walk.seen) - ELSEWHERE == set(), "no link leads there"


@pytest.mark.slow
def test_a_second_run_imports_nothing_and_renews_the_password(loaded: dict[str, Any]) -> None:
    runs, before = IngestRun.objects.count(), loaded["users"][0]["password"]
    again = demo()
    assert IngestRun.objects.count() == runs
    assert {name: again[name] for name in ("months", "events", "queries", "unpriced")} == {
        name: loaded[name] for name in ("months", "events", "queries", "unpriced")
    }
    assert again["seconds"] < loaded["seconds"] / 3
    roles = {
        "demo-viewer": "viewer", "demo-owner": "owner", "demo-analyst": "analyst", "demo-finance-1": "finance",
        "demo-finance-2": "finance", "demo-admin": "admin",
    }  # fmt: skip
    assert {user["name"]: user["role"] for user in again["users"]} == roles
    for user in again["users"]:
        client = Client()
        assert not client.login(username=user["name"], password=before)
        assert client.login(username=user["name"], password=user["password"])
        assert roles_of(User.objects.get(username=user["name"])) == {user["role"]}
    bound = Grant.objects.filter(role__in=("viewer", "owner")).values_list("cost_centre__code", flat=True)
    assert list(bound) == ["CC-210", "CC-210"]
    assert [note["figure"] for note in SiteMark.objects.get(name="demo").value["notes"]] == list(NOTES)


@pytest.mark.slow
def test_a_later_day_adds_its_days_and_an_earlier_one_is_refused(loaded: dict[str, Any]) -> None:
    with pytest.raises(NotADemo, match="up to 2026-11-15 already"):
        load(date(2026, 11, 14), NOW, lambda *_: None)
    before = dict(CostDaily.objects.values_list("charge_date").annotate(Sum("effective_cost")))
    summary = load(date(2026, 11, 16), NOW, lambda *_: None)
    after = dict(CostDaily.objects.values_list("charge_date").annotate(Sum("effective_cost")))
    assert set(after) - set(before) == {date(2026, 11, 16)}
    assert {day: after[day] for day in before} == before
    assert summary.events > loaded["events"]
    assert SiteMark.objects.get(name="demo").value["until"] == "2026-11-16"
