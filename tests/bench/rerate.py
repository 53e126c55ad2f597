"""Re-rating a month without per-request conditions, against the ingest of the same events in the same run.

``python -m tests.bench.rerate [--lines 1000000 --days 3]``: a slice of a month of 10 million events at about 2,000 cube rows
a day. Prints the seconds of ingest and of re-rating after every price changed, and their ratio. The result is checked first:
the cost doubles when every price does.
What is re-rated are cube rows and what is ingested are events: with ``--days 1``, thrice the events for each of the same cube
rows, the ratio is the better.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from tests.bench import payloads

PLAIN = [("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-5-mini")]
KEYS = 138  # x 4 models and their tiers: 2,000 cube rows a day
BOOK = '- {{provider: openai, model: "gpt-*", prices: {{input: "{}", cache_read: "{}", output: "{}"}}}}\n'


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), given.lines, given.days)


def _run(folder: Path, lines: int, days: int) -> None:
    from finops.database import embedded

    os.environ["FINOPS_DATA_DIR"] = str(folder / "data")
    os.environ["DATABASE_URL"] = embedded.ensure_running(folder / "data").url
    os.environ["DJANGO_SETTINGS_MODULE"] = "finops.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db.models import Sum

    from allocation import derived
    from allocation.models import Charge, UsageDaily
    from allocation.policies import load_default
    from ingest.prices import load_overrides
    from ingest.services import Import, ingest_file

    call_command("migrate", verbosity=0)
    load_default(actor="bench")
    book = folder / "prices.yaml"
    book.write_text(BOOK.format("1.25", "0.125", "10"))
    load_overrides(book, actor="bench")
    with mock.patch.object(payloads, "MODELS", PLAIN), mock.patch.object(payloads, "KEYS", KEYS):
        path = payloads.write(folder / "month.jsonl", lines, days=days)
    begin = time.perf_counter()
    ingest_file(Import(path, "litellm"))
    derived.refresh()
    ingest = time.perf_counter() - begin
    cost = Charge.objects.aggregate(cost=Sum("list_cost"))["cost"]

    book.write_text(BOOK.format("2.50", "0.250", "20"))
    load_overrides(book, actor="bench")
    begin = time.perf_counter()
    derived.refresh()
    total = time.perf_counter() - begin
    doubled = Charge.objects.aggregate(cost=Sum("list_cost"))["cost"]
    assert doubled == 2 * cost, (cost, doubled)
    print(f"{UsageDaily.objects.count() / days:,.0f} cube rows a day, {Charge.objects.count() / days:,.0f} charges")
    print(f"checked: {cost} USD, {doubled} at twice the prices")
    print(f"ingest of {lines:,} events over {days} days, with all that is derived {ingest:>8.2f} s")
    print(f"re-rating with all that is derived                        {total:>8.2f} s   {total / ingest:.1%}")


if __name__ == "__main__":
    main()
