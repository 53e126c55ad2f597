"""How commands show who pays what more or less."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any


def say(out: Any, rows: Sequence[dict[str, Any]], *, dry_run: bool) -> None:
    """One line per cost centre: before, after, difference; or that there is nothing."""
    if not rows:
        out.write("There is no cost in these days.")
        return
    out.write(f"{'cost centre':<24} {'before':>20} {'after':>20} {'difference':>20}")
    for row in rows:
        before, after, difference = (Decimal(row[name]) for name in ("before", "after", "difference"))
        out.write(f"{row['cost_centre']:<24} {before:>20,.6f} {after:>20,.6f} {difference:>+20,.6f} {row['currency']}")
        for cause, amount in row["causes"].items():
            out.write(f"  {cause.replace('_', ' '):<22} {'':>20} {'':>20} {Decimal(amount):>+20,.6f}")
    if dry_run:
        out.write("Nothing was changed.")
