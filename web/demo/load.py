"""Load the demo: books, policy and rules, then its files through the pipeline that every import takes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum

from allocation import assumptions, policies, rulebook
from allocation.attribution import cost_centres
from allocation.calc.attribution import parse_mappings
from allocation.close.periods import posting_day
from allocation.costing import terms
from allocation.derived import refresh
from allocation.models import Rating, UsageDaily
from allocation.reallocating import reallocate
from allocation.value import agent_tasks
from finops.documents import read_yaml
from finops.models import SiteMark
from forecasting import anomalies
from ingest import facts, prices
from ingest.calc.mapping import load_mapping
from ingest.models import FactDay
from ingest.services import Import, ingest_file
from web import verified
from web.demo import (
    agreements,
    budget,
    closes,
    deliveries,
    forecasts,
    invoices,
    outcomes,
    people,
    predictions,
    scenarios,
    traces,
)
from web.demo import watch as watching
from web.demo.buckets import buckets, write_csv, write_openai
from web.demo.calls import write_calls
from web.demo.cost_report import ACCOUNT, write_cost_report
from web.demo.drop import watch
from web.demo.plan import NOTES
from web.demo.seats import write_seats
from web.demo.traces import write_traces
from web.demo.window import Window

MARK, ACTOR = "demo", "demo"
FOLDER = Path(__file__).parent
Show = Callable[[str, int, int], None]  # stage, done, of how many


class NotADemo(Exception):
    """The database holds something else, or another span of days; nothing was done."""


@dataclass(frozen=True)
class Summary:
    """What a demo database holds."""

    months: list[str]
    events: int
    queries: int
    unpriced: int  # events without a price
    loaded: bool  # by this call


def marked() -> dict[str, Any] | None:
    """What the demo's mark says; None for a database that is no demo."""
    found = SiteMark.objects.filter(name=MARK).first()
    return None if found is None else dict(found.value)


def load(today: date, now: datetime, show: Show) -> Summary:
    """Fill the database up to ``today``, or only what is missing since the last time. Raises NotADemo.

    A run that was broken off is completed by the next one: every record is known by its id.
    """
    window = _window(today, now)
    if window is not None:
        _prepare(window)
        with tempfile.TemporaryDirectory(prefix="finops-demo-") as folder:
            for job in write_files(window, Path(folder), show):
                job.progress = partial(_reading, show, job.path.name)
                ingest_file(job)
        watch("gateway")
    _refresh(show)
    if window is not None:
        show("Sharing by the month's queries", 0, 0)
        reallocate()
        _invoice(window, show)
        budget.load(window)
        show("Sending outcomes", 0, 0)
        outcomes.load(window)
        show("Deriving tasks of agents", 0, 0)
        agent_tasks.refresh()
        show("Learning from the queries", 0, 0)
        predictions.load(window)
        closes.close(window, lambda period: show(f"Closing {period}", 0, 0))
        _late(window, show)
        show("Forecasting", 0, 0)
        forecasts.load(window)
        show("Judging days", 0, 0)
        anomalies.run(before=window.until)
        show("Running scenarios", 0, 0)
        scenarios.load(window)
        show("Watching budgets and queries", 0, 0)
        watching.load(window)
        show("Delivering a workbook", 0, 0)
        deliveries.load(window)
        _mark(window, complete=True)
        show("Checking the invariants", 0, 0)
        verified.check()
    return summary(loaded=window is not None)


def _invoice(window: Window, show: Show) -> None:
    """Invoices of what was charged, what they charge beyond it, and where the two differ."""
    whole = Window(window.first, window.first, window.until, window.now)
    if invoices.load(whole):
        _refresh(show)
    show("Reconciling invoices", 0, 0)
    invoices.reconcile(whole)


def _late(window: Window, show: Show) -> None:
    """What reaches closed months afterwards: calls, and an invoice that somebody wants to correct."""
    day = closes.late_day(window)
    if day is not None:
        with tempfile.TemporaryDirectory(prefix="finops-demo-") as folder:
            calls = write_calls(window, Path(folder) / "gateway_late.jsonl.gz", late=day, only_late=True)
            agreements.load_rates(window.first, max(window.until, posting_day(day)))
            ingest_file(Import(calls, "litellm", account="gateway"))
        _refresh(show)
    if window.since == window.first:
        invoices.propose_correction(window)


def _refresh(show: Show) -> None:
    refresh(lambda done, total: show("Costing and allocating days", done, total))


def _reading(show: Show, name: str, count: int) -> None:
    show(f"Reading {name}", count, 0)


def _window(today: date, now: datetime) -> Window | None:
    """The days to load; None when that day has been loaded."""
    mark = marked()
    if mark is None:
        if FactDay.objects.exists():
            raise NotADemo("this database holds data and is no demo; the demo is never mixed with it")
        return Window.ending(today, now)
    first = date.fromisoformat(mark["first"])
    until = date.fromisoformat(mark["until"] or mark["first"])
    if not mark.get("complete", mark["until"]):
        return Window(first, first, max(today, until), now)
    if today < until:
        raise NotADemo(f"this demo goes up to {until} already; empty it with --reset")
    return None if today == until else Window(first, until, today, now)


def _prepare(window: Window) -> None:
    """Mark first: a load that is broken off leaves a demo, not somebody's database."""
    with transaction.atomic():
        _mark(window, complete=False)
    prices.load_builtin(actor=ACTOR)
    policies.load_default(actor=ACTOR)
    assumptions.load_default()
    rulebook.load(read_yaml((FOLDER / "rules.yaml").read_text(encoding="utf-8")), actor=ACTOR)
    mappings = read_yaml((FOLDER / "mappings.yaml").read_text(encoding="utf-8"))
    terms.load(rulebook.MAPPINGS, mappings, parse_mappings, actor=ACTOR, charged=False)
    people.make()  # some of them answer for cost centres
    tree = read_yaml((FOLDER / "cost_centres.yaml").read_text(encoding="utf-8"))
    cost_centres.load(tree, actor=ACTOR, today=window.until)
    if window.since == window.first:
        agreements.load(window)
    else:
        agreements.load_rates(window.first, window.until)


def _mark(window: Window, *, complete: bool) -> None:
    """``until`` is said from the beginning: agreements are charged up to there."""
    notes = [{"figure": figure, "kind": kind, "text": text} for figure, (kind, text) in NOTES.items()]
    value = {
        "first": window.first.isoformat(), "until": window.until.isoformat(), "complete": complete, "notes": notes,
    }  # fmt: skip
    SiteMark.objects.update_or_create(name=MARK, defaults={"value": value})


def write_files(window: Window, folder: Path, show: Show = lambda *_: None) -> list[Import]:
    """The demo's files in the sources' own formats, and how each is imported."""
    show("Writing the demo's files", 0, 3)
    rows = buckets(window)
    openai = write_openai(rows, folder / "openai_usage.json")
    show("Writing the demo's files", 1, 3)
    others = write_csv(rows, folder / "provider_usage.csv")
    show("Writing the demo's files", 2, 3)
    used = write_seats(window, folder / "seats.csv")
    calls = write_calls(window, folder / "gateway.jsonl.gz", late=closes.late_day(window))
    mapping, of_seats = (
        load_mapping((FOLDER / name).read_text(encoding="utf-8")) for name in ("mapping.yaml", "mapping_seats.yaml")
    )
    report = write_cost_report(rows, window, folder / "openai_costs.json")
    agents = write_traces(window, folder / "agents.otlp.jsonl.gz")
    return [
        Import(openai, "openai", account=ACCOUNT),
        Import(others, "generic", account="exports", mapping=mapping),
        Import(calls, "litellm", account="gateway"),
        Import(used, "generic", account="seats", mapping=of_seats),
        Import(report, "openai", account=ACCOUNT),
        Import(agents, traces.KIND, account=traces.ACCOUNT),
    ]


def summary(*, loaded: bool) -> Summary:
    """Counts of the demo as it is in the database."""
    months = sorted({f"{day:%Y-%m}" for day in FactDay.objects.values_list("charge_date", flat=True)})
    unpriced = Rating.objects.filter(
        charge_date=OuterRef("charge_date"), usage_key_id=OuterRef("usage_key_id"), tier=OuterRef("tier"),
        tier_estimated=OuterRef("tier_estimated"), rate_slot_id=OuterRef("rate_slot_id"), list_cost=None,
    )  # fmt: skip
    without_price = UsageDaily.objects.filter(Exists(unpriced)).aggregate(events=Sum("events"))["events"] or 0
    queries = UsageDaily.objects.aggregate(queries=Sum("queries"))["queries"] or 0
    return Summary(months, facts.count_facts(), queries, without_price, loaded)
