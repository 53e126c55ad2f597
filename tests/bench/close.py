"""Allocating a month anew and its statements, against the ingest of the same events in the same run.

``python -m tests.bench.close [--lines 1000000 --days 3]``: a slice of a month of 10 million events at 2,000 cube rows
a day, borne by 200 cost centres. Prints the seconds of ingest, of allocating the slice after one of 138 rules changed, after
all of them did, and of drafting 200 statements, their ratios, and the queries of each, which must not depend on the number of
events. Statements are made once a month: their share of the whole month's ingest is the slice's times its part of the month.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from tests.bench import payloads
from tests.bench.rerate import BOOK, PLAIN

KEYS, CENTRES, MONTH = 138, 200, 10_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), given.lines, given.days)


def rules(turn: int, *, of: range = range(KEYS)) -> list[dict[str, Any]]:
    """Each key's cost goes to one or two of the cost centres; ``turn`` moves those of some keys on."""
    found = [] if of == range(KEYS) else rules(0)
    for key in of:
        centres = [f"CC-{(key + turn) % CENTRES:03}", f"CC-{(key + turn + KEYS) % CENTRES:03}"]
        to = (
            {"shares": dict(zip(centres, ("0.6", "0.4"), strict=True))}
            if key < CENTRES - KEYS
            else {"cost_centre": centres[0]}
        )
        found[key : key + 1] = [{"id": f"r{key:03}", "priority": key, "when": {"api_key": f"key-{key:03d}"}, "to": to}]
    return found


def _run(folder: Path, lines: int, days: int) -> None:
    from finops.database import embedded

    os.environ["FINOPS_DATA_DIR"] = str(folder / "data")
    os.environ["DATABASE_URL"] = embedded.ensure_running(folder / "data").url
    os.environ["DJANGO_SETTINGS_MODULE"] = "finops.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from allocation import derived, rulebook
    from allocation.close import statements
    from allocation.models import CostDaily, Statement, UsageDaily
    from allocation.policies import load_default
    from allocation.reallocating import reallocate
    from finops.periods import Period
    from ingest.prices import load_overrides
    from ingest.services import Import, ingest_file

    call_command("migrate", verbosity=0)
    load_default(actor="bench")
    rulebook.load(rules(0), actor="bench")
    book = folder / "prices.yaml"
    book.write_text(BOOK.format("1.25", "0.125", "10"))
    load_overrides(book, actor="bench")
    with mock.patch.object(payloads, "MODELS", PLAIN), mock.patch.object(payloads, "KEYS", KEYS):
        path = payloads.write(folder / "month.jsonl", lines, days=days)
    begin = time.perf_counter()
    ingest_file(Import(path, "litellm"))
    derived.refresh()
    ingest = time.perf_counter() - begin

    moved = {}
    for said, changed in (("one of the rules", rules(1, of=range(7, 8))), ("all of the rules", rules(2))):
        rulebook.load(changed, actor="bench")
        with CaptureQueriesContext(connection) as asked:
            begin = time.perf_counter()
            reallocate()
            moved[said] = time.perf_counter() - begin, len(asked)
    assert set(CostDaily.objects.values_list("cost_centre__code", flat=True)) <= {f"CC-{n:03}" for n in range(CENTRES)}
    period = Period.month("2026-09")
    with CaptureQueriesContext(connection) as told:
        begin = time.perf_counter()
        statements.draft(period)
        drafted = time.perf_counter() - begin
    count = Statement.objects.count()
    month = ingest * MONTH / lines
    print(f"{UsageDaily.objects.count() / days:,.0f} cube rows a day, {count} statements")
    print(f"ingest of {lines:,} events over {days} days, with all that is derived {ingest:>8.2f} s")
    for said, (seconds, queries) in moved.items():
        print(f"allocating after {said} changed {seconds:>8.2f} s   {seconds / ingest:.1%}   {queries} queries")
    print(f"drafting {count} statements               {drafted:>8.2f} s   {drafted / ingest:.1%}   {len(told)} queries")
    print(f"  of the ingest of a month of {MONTH:,}                    {drafted / month:.1%}")


if __name__ == "__main__":
    main()
