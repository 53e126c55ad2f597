"""Load the demo: books, policy and rules, then its files through the pipeline that every import takes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction
from django.db.models import Exists, OuterRef, Sum

from allocation import policies, rulebook
from allocation.derived import refresh
from allocation.models import CostCentre, Rating, UsageDaily
from finops.models import SiteMark
from ingest import facts, prices
from ingest.calc.mapping import load_mapping
from ingest.models import FactDay
from ingest.services import Import, ingest_file
from web import verified
from web.demo import agreements, invoices
from web.demo.buckets import buckets, write_csv, write_openai
from web.demo.calls import write_calls
from web.demo.cost_report import ACCOUNT, write_cost_report
from web.demo.drop import watch
from web.demo.plan import NOTES
from web.demo.seats import write_seats
from web.demo.window import Window

MARK, ACTOR = "demo", "demo"
FOLDER = Path(__file__).parent
COST_CENTRES = {
    "CC-210": "Customer support", "CC-220": "Search & RAG", "CC-310": "Code assistant", "CC-330": "Claims & vision",
    "CC-410": "Risk research",
}  # fmt: skip
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
        _invoice(window, show)
        _mark(window, complete=True)
        show("Checking the invariants", 0, 0)
        verified.check()
    return summary(loaded=window is not None)


def _invoice(window: Window, show: Show) -> None:
    """Invoices of what was charged, what they charge beyond it, and where the two differ."""
    whole = Window(window.first, window.first, window.until, window.now)
    if invoices.load(whole):
        _refresh(show)
        invoices.propose_correction(whole)
    show("Reconciling invoices", 0, 0)
    invoices.reconcile(whole)


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
    rulebook.load(yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8")), actor=ACTOR)
    for code, name in COST_CENTRES.items():
        CostCentre.objects.filter(code=code, name="").update(name=name)
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
    calls = write_calls(window, folder / "gateway.jsonl.gz")
    mapping, of_seats = (
        load_mapping((FOLDER / name).read_text(encoding="utf-8")) for name in ("mapping.yaml", "mapping_seats.yaml")
    )
    report = write_cost_report(rows, window, folder / "openai_costs.json")
    return [
        Import(openai, "openai", account=ACCOUNT),
        Import(others, "generic", account="exports", mapping=mapping),
        Import(calls, "litellm", account="gateway"),
        Import(used, "generic", account="seats", mapping=of_seats),
        Import(report, "openai", account=ACCOUNT),
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
