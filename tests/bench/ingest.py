"""Ingest, end to end: JSON lines -> facts, queries with tiers, cube, ratings, charges; against raw COPY of the same rows.

``python -m tests.bench.ingest [--lines 1000000] [--file-mb N]``. Prints rows/s, the ratio to (a) raw text-CSV COPY (the middle
of three runs) of the same rows, encoded beforehand, in one transaction, into the same partitioned table with the same indexes,
and (b) staging COPY + ON CONFLICT alone; peak RSS over an idle import; bytes per event. The result is checked first: counts,
and cost against a computation that shares no code with the product.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.bench import payloads

CLASSES = ("input", "cache_read", "output")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=2)
    options.add_argument("--child", choices=["import", "refresh"])
    options.add_argument("--path", type=Path)
    given = options.parse_args()
    if given.child:
        _child(given.child, given.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), given.lines, given.days)


def _run(folder: Path, lines: int, days: int) -> None:
    from finops.database import embedded

    os.environ["FINOPS_DATA_DIR"] = str(folder / "data")
    server = embedded.ensure_running(folder / "data")
    os.environ["DATABASE_URL"] = server.url
    os.environ["DJANGO_SETTINGS_MODULE"] = "finops.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from allocation.policies import load_default
    from ingest.prices import load_builtin

    call_command("migrate", verbosity=0)
    load_builtin(actor="bench")
    load_default(actor="bench")
    idle, big = folder / "idle.jsonl", folder / "big.jsonl"
    payloads.write(idle, 1, seed=1)
    payloads.write(big, lines, days=days)
    print(f"{lines:,} lines, {big.stat().st_size / lines:,.0f} bytes each, {days} days")
    _, idle_rss, _ = _spawn("import", idle)
    seconds, rss, _ = _spawn("import", big)
    refresh_seconds, _, later = _spawn("refresh", big)
    _check(big, lines)
    total = seconds + refresh_seconds - later
    print(
        f"import    {lines / seconds:>10,.0f} rows/s  ({seconds:.2f} s), peak RSS {rss:.0f} MB, idle {idle_rss:.0f} MB, "
        f"over idle {rss - idle_rss:.0f} MB"
    )
    print(
        f"refresh   cube and ratings {refresh_seconds - later:.2f} s, charges, allocation and distributions {later:.2f} s"
    )
    print(
        f"end to end{lines / total:>10,.0f} rows/s to facts, tiers, cube and ratings; "
        f"{lines / (total + later):,.0f} rows/s with all that is derived"
    )
    raw, (staged, *_) = _baselines(lines)
    middle = sorted(raw)[1]
    rates = ", ".join(f"{lines / each:,.0f}" for each in raw)
    print(
        f"(a) raw CSV COPY, one transaction, same table and indexes {lines / middle:>10,.0f} rows/s   "
        f"ratio {middle / total:.2f}; three runs: {rates}"
    )
    print(
        f"(b) staging COPY + ON CONFLICT in batches of 50,000       {lines / staged:>10,.0f} rows/s   ratio {staged / total:.2f}"
    )
    _sizes()


def _spawn(what: str, path: Path) -> tuple[float, ...]:
    command = [sys.executable, "-m", "tests.bench.ingest", "--child", what, "--path", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return tuple(map(float, answer.stdout.split()))


def _child(what: str, path: Path) -> None:
    import django

    django.setup()
    from allocation.derived import refresh
    from ingest.selectors import price_book
    from ingest.services import Import, ingest_file

    price_book()
    after_ratings = _timed(
        "posting.forget", "posting.usage_charges", "allocating.allocate_day", "day_calls.replace", "query_costs.replace"
    )
    begin = time.perf_counter()
    if what == "import":
        ingest_file(Import(path, "litellm"))
    else:
        refresh()
    seconds = time.perf_counter() - begin
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(seconds, peak / 1024, sum(after_ratings))


def _timed(*names: str) -> list[float]:
    """Time the later steps of the refresher, so that those up to the ratings can be told apart."""
    from allocation import derived

    taken: list[float] = []

    def wrap(step: Any) -> Any:
        def timed(*args: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            answer = step(*args, **named)
            taken.append(time.perf_counter() - begin)
            return answer

        return timed

    for name in names:
        module, _, step = name.rpartition(".")
        place = getattr(derived, module)
        setattr(place, step, wrap(getattr(place, step)))
    return taken


def _check(path: Path, lines: int) -> None:
    """Counts, queries and cost, from the lines themselves and the prices of another library."""
    from django.db import connection
    from genai_prices import Usage, calc_price

    # per half hour, because one provider has night prices
    sums: dict[tuple[str, str, datetime], list[int]] = defaultdict(lambda: [0, 0, 0])
    traces = set()
    with path.open() as file:
        for line in file:
            row = json.loads(line)
            usage = row["metadata"]["usage_object"]
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            at = datetime.fromisoformat(row["startTime"])
            half_hour = at.replace(minute=at.minute // 30 * 30, second=0, microsecond=0)
            place = sums[row["custom_llm_provider"], row["model"], half_hour]
            place[0] += usage["prompt_tokens"] - cached
            place[1] += cached
            place[2] += usage["completion_tokens"]
            traces.add(row["trace_id"])
    million = 1_000_000
    expected = Decimal(0)
    for (provider, model, at), (fresh, cached, output) in sums.items():
        seller = {"gemini": "google"}.get(provider, provider)

        def rate(seller: str = seller, model: str = model, at: datetime = at, **usage: int) -> Decimal:
            return calc_price(Usage(**usage), model, provider_id=seller, genai_request_timestamp=at).total_price

        tenth = million // 10  # below every context band
        expected += fresh * rate(input_tokens=tenth) / tenth
        expected += cached * rate(input_tokens=tenth, cache_read_tokens=tenth) / tenth
        expected += output * rate(output_tokens=tenth) / tenth
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_event")
        events = cursor.fetchone()[0] - 1  # the idle import's
        cursor.execute(
            "SELECT sum(list_cost), sum(coalesce(list_cost, 'NaN')) FROM charge WHERE charge_date >= %s",
            [payloads.START],
        )
        cost, strict = cursor.fetchone()
        cursor.execute("SELECT sum(queries) FROM usage_daily")
        queries = cursor.fetchone()[0] - 1
    one = _idle_cost()
    assert events == lines, (events, lines)
    assert queries == len(traces), (queries, len(traces))
    assert cost - one == expected, (cost - one, expected)
    assert cost == strict
    print(f"checked: {events:,} events, {queries:,} queries, {cost - one} USD")


def _idle_cost() -> Decimal:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT totals FROM ingest_ingestrun ORDER BY id LIMIT 1")
        return Decimal(json.loads(cursor.fetchone()[0])["list_cost"])


def _baselines(lines: int) -> tuple[list[float], list[float]]:
    """Seconds of (a), three times as disks vary, and of (b), for the rows as they lie in the table."""
    from django.db import connection, transaction

    from ingest.models import FACT_COLUMNS

    names = ", ".join(FACT_COLUMNS)
    with connection.cursor() as cursor:
        with cursor.cursor.copy(f"COPY (SELECT {names} FROM usage_event) TO STDOUT (FORMAT csv)") as copy:
            data = b"".join(bytes(piece) for piece in copy)
        cursor.execute(
            "SELECT date_trunc('month', min(charge_date))::date, (date_trunc('month', max(charge_date)) + "
            "interval '1 month')::date FROM usage_event"
        )
        first, last = cursor.fetchone()
    seconds: dict[str, list[float]] = {"a": [], "b": []}
    for way in ("a", "b", "a", "a"):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench (LIKE usage_event INCLUDING DEFAULTS) PARTITION BY RANGE (charge_date)")
            cursor.execute(f"CREATE TABLE bench_1 PARTITION OF bench FOR VALUES FROM ('{first}') TO ('{last}')")
            cursor.execute("ALTER TABLE bench ADD PRIMARY KEY (charge_date, event_id)")
            cursor.execute("CREATE INDEX ON bench (charge_date, query_id) WHERE query_id IS NOT NULL")
            cursor.execute("CHECKPOINT")
        begin = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            if way == "a":
                with cursor.cursor.copy(f"COPY bench ({names}) FROM STDIN (FORMAT csv)") as copy:
                    for start in range(0, len(data), 1 << 20):
                        copy.write(data[start : start + (1 << 20)])
            else:
                cursor.execute("CREATE TEMP TABLE bench_stage (LIKE bench) ON COMMIT DROP")
                rows = data.splitlines(keepends=True)
                for start in range(0, len(rows), 50_000):
                    cursor.execute("TRUNCATE bench_stage")
                    with cursor.cursor.copy(f"COPY bench_stage ({names}) FROM STDIN (FORMAT csv)") as copy:
                        copy.write(b"".join(rows[start : start + 50_000]))
                    cursor.execute(
                        f"INSERT INTO bench ({names}) SELECT {names} FROM bench_stage ON CONFLICT DO NOTHING"
                    )
        seconds[way].append(time.perf_counter() - begin)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench")
            assert cursor.fetchone()[0] == lines + 1
            cursor.execute("DROP TABLE bench")
    return seconds["a"], seconds["b"]


def _sizes() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_relation_size(c.oid), (SELECT count(*) FROM usage_event) FROM pg_class c "
            "WHERE c.relname LIKE 'usage_event_2%' AND c.relname NOT LIKE 'usage_event_unit%' AND c.relkind IN ('r', 'i')"
        )
        parts: dict[str, float] = defaultdict(float)
        for name, size, events in cursor.fetchall():
            kind = "primary key" if name.endswith("pkey") else "trace index" if "query_id" in name else "heap"
            parts[kind] += size / events
        cursor.execute("SELECT pg_total_relation_size('day_calls')::float8 / (SELECT count(*) FROM usage_event)")
        beside = cursor.fetchone()[0]
    items = ", ".join(f"{name} {size:.0f}" for name, size in sorted(parts.items()))
    print(f"bytes per event: {sum(parts.values()):.0f} ({items}); beside them, for distributions of cost {beside:.0f}")


if __name__ == "__main__":
    main()
