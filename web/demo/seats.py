"""Use of the demo's coding seats, by person and day, as a vendor's export would tell it: made up, and marked so."""

import csv
from datetime import UTC, datetime, time
from pathlib import Path

from web.demo.window import Window

ACCOUNT, PROVIDER, MODEL = "example-coding-seats", "anthropic", "claude-sonnet-4-20250514"
BOUGHT = 12
# Who has a seat: name, cost centre, team, and how many calls of theirs a working day has (0: has it and never opens it).
HOLDERS = (
    ("ada", "CC-310", "developer-tools", 279), ("bela", "CC-310", "developer-tools", 162),
    ("chen", "CC-310", "coding-agents", 234), ("dara", "CC-310", "coding-agents", 36),
    ("efe", "CC-220", "retrieval", 81), ("fay", "CC-220", "answers", 18), ("gus", "CC-330", "claims-intake", 9),
    ("hana", "CC-410", "risk-research", 0), ("ines", "CC-410", "risk-research", 0),
)  # fmt: skip
COLUMNS = ("day", "account", "provider", "model", "who", "requests", "input_tokens", "cached_tokens", "output_tokens")
_PROMPT, _CACHED, _OUTPUT = 21_000, 18_000, 620  # tokens of a call


def principal(name: str) -> str:
    """The person's address."""
    return f"{name}@example.com"


def write_seats(window: Window, path: Path) -> Path:
    """One line per person and working day, read back by `mapping_seats.yaml`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for day in window.days():
            at = datetime.combine(day, time(12), UTC)
            if day.weekday() >= 5 or at >= window.now:
                continue
            for number, (name, _, _, calls) in enumerate(HOLDERS):
                made = calls and calls + (day.toordinal() + number) % 25
                if made:
                    counts = (made, made * _PROMPT, made * _CACHED, made * _OUTPUT)
                    writer.writerow((f"{at:%Y-%m-%dT%H:%M:%SZ}", ACCOUNT, PROVIDER, MODEL, principal(name), *counts))
    return path
