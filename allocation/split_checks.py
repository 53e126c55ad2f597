"""What ``verify`` finds wrong with splits and rate cards: money that did not only move."""

from typing import Any

from django.db import connection

_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_SLICE = (
    "charge_date", "basis", "billing_currency", "provider", "model", "tier", "tier_estimated", "environment", "feature",
    "provenance",
)  # fmt: skip


def split_violations() -> list[tuple[Any, ...]]:
    """Slices in which what is moved does not sum to zero, and rows of cost_daily that are not the sums of split_cost."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in _COSTS)
    own = ", ".join((*_SLICE, "cost_centre_id", "team_id"))
    unequal = " OR ".join(f"coalesce(s.{name}, 0) <> coalesce(d.{name}, 0)" for name in _COSTS)
    nonzero = " OR ".join(f"sum({name}) <> 0" for name in _COSTS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT charge_date, 'split_cost', pool FROM split_cost GROUP BY {', '.join(_SLICE)}, pool "
            f"HAVING {nonzero} ORDER BY 1, 3"
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.execute(
            f"WITH s AS (SELECT {own}, {sums} FROM split_cost GROUP BY {own}), "
            f"d AS (SELECT {own}, {sums} FROM cost_daily WHERE basis IN ('shared', 'variance') GROUP BY {own}) "
            "SELECT coalesce(s.charge_date, d.charge_date), 'split_cost', coalesce(s.basis, d.basis) FROM s "
            f"FULL JOIN d ON ({_text('s')}) = ({_text('d')}) WHERE {unequal} ORDER BY 1, 3"
        )
        found += cursor.fetchall()
        return found


def _text(table: str) -> str:
    """Columns that a FULL JOIN can compare: it needs an equality, which NULL in a key is none of."""
    owners = [f"coalesce({table}.{name}, 0)" for name in ("cost_centre_id", "team_id")]
    return ", ".join([*(f"{table}.{name}" for name in _SLICE), *owners])
