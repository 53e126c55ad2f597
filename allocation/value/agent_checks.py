"""Whether tasks of agents cost what the ledger says of their calls: of facts and ratings, apart from how they are made."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from allocation.models import AgentTask
from allocation.value import agent_tasks
from finops.tokens import TOKEN_CLASSES
from ingest import facts

_RATES = (
    "SELECT charge_date, usage_key_id, rate_slot_id, price_class, currency, "
    "coalesce(max(list_rate) / max(per), sum(list_cost) / nullif(sum(quantity), 0)) FROM rating "
    "WHERE charge_date BETWEEN %s AND %s GROUP BY 1, 2, 3, 4, 5"
)
_WIDE = Context(prec=60)
_UNIT = Decimal(1).scaleb(-12)  # a call is rounded by class, so that as many units are no difference


def checked() -> int:
    """How many tasks there are to look at."""
    return AgentTask.objects.count()


def violations() -> Iterator[str]:
    """Tasks that cost something else than their calls, of days that are not waiting to be derived; unpriced ones aside."""
    days = set(AgentTask.objects.values_list("charge_date", flat=True).distinct()) - set(agent_tasks.stale_days())
    dirty = set(facts.dirty_days())
    for day in sorted(days):
        last = day + timedelta(days=settings.TRACE_LOOK_BACK_DAYS)
        if not any(day <= on <= last for on in dirty):
            yield from _of_day(day, last)


def _of_day(day: date, last: date) -> Iterator[str]:
    tasks = AgentTask.objects.filter(charge_date=day, unpriced=0).order_by("query_id")
    kept = {query: (cost, currency) for query, cost, currency in tasks.values_list("query_id", "cost", "currency")}
    rates, sums, parts = _rates(day, last), dict.fromkeys(kept, Decimal(0)), dict.fromkeys(kept, 0)
    for query, on, key, slot, calls, *tokens in facts.tokens_of_queries(day, last, list(kept)):
        for name, amount in zip(TOKEN_CLASSES, tokens, strict=True):
            rate = rates.get((on, key, slot, name, kept[query][1]))
            if amount and rate:
                sums[query] = _WIDE.add(sums[query], _WIDE.multiply(Decimal(amount), rate))
            parts[query] += calls
    for query, (cost, _) in kept.items():
        if abs(cost - sums[query]) > _UNIT * max(parts[query], 1):
            yield f"task {day} {query} costs {cost:f}, its calls {sums[query].quantize(_UNIT, context=_WIDE):f}"


def _rates(day: date, last: date) -> dict[tuple[Any, ...], Decimal]:
    """(day, usage key, rate slot, class, currency) -> price of a token."""
    with connection.cursor() as cursor:
        cursor.execute(_RATES, [day, last])
        return {tuple(place): rate for *place, rate in cursor.fetchall() if rate is not None}
