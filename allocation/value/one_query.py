"""One query through the house: its calls, what each used at which price, its tier, what was charged and who bears it.

Its calls are those that the distribution of cost per query counts for it: of the day it begins, and of the days after within
the look-back on which it does not begin anew. They are found by the index of days and traces.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import pyarrow as pa

from allocation import rulebook
from allocation.calc.distribution import bin_of
from allocation.calc.query_rows import evidence
from allocation.models import Outcome, Prediction, TierRule
from allocation.query_costs import rates_of
from allocation.scope import Scope
from allocation.value.query_parts import Part, cell_of, parts_of
from allocation.value.query_rows import Owner, lookback, owners_of, sees
from finops.tokens import TOKEN_CLASSES
from ingest import facts
from ingest.calc.identity import query_ids
from ingest.facts.one_query import Call, began_on, calls_of_query, units_of_calls
from ingest.models import FactDay, IngestRun, UsageKey
from ingest.selectors import KnownKeys

_PRECISION = 60
_ZERO = Decimal(0)
_MOST_PAIRS = 1_000  # sources and accounts in which a trace is looked for


class Single(NamedTuple):
    """One call. ``run``: None for readers who see no imports; ``cost`` at list prices; ``units``: beside tokens, apart."""

    call: Call
    run: IngestRun | None
    provider: str
    model: str
    cost: Decimal
    priced: bool
    units: dict[str, Decimal]


class Query(NamedTuple):
    """A query with all that is made of it. ``day``: on which it begins; ``bin``: of the distribution, None: it is in none.

    ``evidence``: what the tier's rules look at. ``pending``: facts of its days wait to be derived again.
    """

    number: int
    day: date
    owner: Owner
    way: TierRule
    calls: list[Single]
    tokens: dict[str, int]
    cost: Decimal
    priced: bool
    bin: int | None
    evidence: dict[str, int]
    parts: list[Part]
    prediction: Prediction | None
    outcomes: list[Outcome]
    pending: bool

    @property
    def currency(self) -> str:
        """Of its list cost; several are joined, as the distribution adds them."""
        return "+".join(dict.fromkeys(part.currency for part in self.parts if part.currency))


def one(scope: Scope, number: int, day: date | None = None) -> Query | None:
    """The query with this hash of its trace that begins on a day (None: on the last one it begins on); None where there is
    none, or its owner is not in scope."""
    days = list(FactDay.objects.values_list("charge_date", flat=True)) if day is None else [day]
    began = began_on([number], days).get(number)
    if began is None:
        return None
    calls = calls_of_query(number, lookback(began))
    anew = {call.charge_date for call in calls if call.begins and call.charge_date != began}
    calls = [call for call in calls if call.charge_date not in anew]
    first = next(call for call in calls if call.begins)
    book, known = rulebook.holding_on(began), KnownKeys()
    owner = owners_of(book, book.on(began, known.of([first.usage_key_id])))[first.usage_key_id]
    if not sees(scope, book, owner):
        return None
    ways = {rule.pk: rule for rule in TierRule.objects.select_related("policy")}
    with localcontext(prec=_PRECISION):
        return _made(scope, number, calls, (first, owner), ways, known)


def _made(
    scope: Scope, number: int, calls: list[Call], begins: tuple[Call, Owner], ways: Mapping[int, TierRule], known: KnownKeys
) -> Query:  # fmt: skip
    first, owner = begins
    days = sorted({call.charge_date for call in calls})
    rates = {
        day: rates_of(day, sorted({call.usage_key_id for call in calls if call.charge_date == day})) for day in days
    }
    parts = [part for day in days for part in parts_of(scope, day, calls, ways, known, rates[day])]
    runs = IngestRun.objects.in_bulk({call.run_id for call in calls}) if scope.everything else {}
    units = units_of_calls(days, [call.event_id for call in calls])
    keys = known.of({call.usage_key_id for call in calls})
    singles = [_single(call, runs.get(call.run_id), keys, rates[call.charge_date], units) for call in calls]
    cost, priced = sum((each.cost for each in singles), _ZERO), all(each.priced for each in singles)
    features = {name: [call.tokens.get(name, 0) for call in calls] for name in TOKEN_CLASSES}
    features |= {"agent": [call.agent for call in calls], "tool_calls": [call.tool_calls for call in calls]}
    tokens = {name: total for name in TOKEN_CLASSES if (total := sum(features[name]))}
    return Query(
        number, first.charge_date, owner, ways[first.tier_rule], singles, tokens, cost, priced,
        bin_of(cost) if priced and cost > 0 else None, evidence(features), parts,
        Prediction.objects.select_related("cost_centre").filter(query_id=number).first(), _outcomes(scope, number),
        bool(set(days) & set(facts.dirty_days())),
    )  # fmt: skip


def numbers_of_trace(trace: str, source: str = "", account: str = "") -> dict[int, date]:
    """Query (hash) -> the last day it begins on, of what has this trace at its caller, in any source and account that is
    known, or in these."""
    runs = IngestRun.objects.order_by().values_list("source", "account").distinct()
    keys = UsageKey.objects.order_by().values_list("source", "billing_account").distinct()
    pairs = sorted({*runs[:_MOST_PAIRS], *keys[:_MOST_PAIRS]})
    pairs = [pair for pair in pairs if source in ("", pair[0]) and account in ("", pair[1])]
    if source and account:
        pairs = [(source, account)]
    found = [int(query_ids(kind, pa.array([name]), pa.array([trace]))[0][0]) for kind, name in pairs] if trace else []
    return began_on(found, list(FactDay.objects.values_list("charge_date", flat=True))) if found else {}


def _single(
    call: Call, run: IngestRun | None, keys: Mapping[int, Mapping[str, Any]], rates: Any, units: Mapping[Any, Decimal]
) -> Single:  # fmt: skip
    of, prices = keys[call.usage_key_id], rates.get(cell_of(call), {})
    lines = [(tokens, prices.get(name)) for name, tokens in call.tokens.items()]
    cost = sum((tokens * price for tokens, price in lines if price is not None), _ZERO)
    used = {unit: quantity for (event, unit), quantity in units.items() if event == call.event_id}
    model = of["model_served"] or of["model_requested"]
    return Single(call, run, of["provider"], model, cost, all(price is not None for _, price in lines), used)


def _outcomes(scope: Scope, number: int) -> list[Outcome]:
    rows = Outcome.objects.select_related("cost_centre").filter(query_id=number)
    return list(scope.of(rows).order_by("at", "source", "number"))
