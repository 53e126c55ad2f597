"""The gates of a month, measured: what has to be right before its figures are frozen."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Sum

from allocation import selectors
from allocation.calc.closing import CLOSED, FROZEN, WORDS, reached
from allocation.calc.gates import BY_CODE, Gate, Measured, judged, share
from allocation.close import gates_sources, policy, statement_rates, waivers
from allocation.close.periods import state_of
from allocation.costing import fx, steps
from allocation.failed_days import failed_days
from allocation.models import CostDaily, Reconciliation, ReconciliationLine, Statement
from allocation.scope import EVERYTHING
from finops.models import Approval
from finops.periods import Period
from ingest.models import DirtySlice

NONE = Measured(Decimal(0))
_LATER = (
    "period.reopen",
    policy.APPROVAL,
    waivers.KIND,
    "deliveries",
    "tier_policy",
)  # requests that bear on no figure of a month
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def of(period: Period, to: str, version: int = 1) -> list[Gate]:
    """Every gate of a month on its way to a step, in order. Reads only."""
    rules = {code: (rule.begins, rule.limit) for code, rule in policy.in_force().rules.items()}
    return judged(_measured(period, to), rules, waivers.given(period, version))


def _measured(period: Period, to: str) -> dict[str, Measured]:
    sources = gates_sources.statuses(_now())
    return {
        "ended": _ended(period), "earlier": _earlier(period, to), "coverage": gates_sources.coverage(period, sources),
        "freshness": gates_sources.freshness(sources), "recomputed": _recomputed(period), "verified": _verified(period),
        "rates": _rates(period), **_shares(period), **_reconciled(period), "approvals": _approvals(period),
        **({"disputes": _disputes(period)} if to == CLOSED else {}),
    }  # fmt: skip


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def _ended(period: Period) -> Measured:
    left = (period.end - steps._today()).days
    return Measured(Decimal(max(left, 0)), f"{period} goes on until {period.end}")


def _earlier(period: Period, to: str) -> Measured:
    """Months before it that have cost and are not as far: what is posted late of them belongs into this one."""
    before = [Period.month(month) for month in selectors.months(EVERYTHING) if month < str(period)]
    behind = [each for each in before if not reached(state_of(each.start), to)]
    names = ", ".join(str(each) for each in sorted(behind)[:6])
    return Measured(Decimal(len(behind)), f"not {WORDS[to]} yet: {names}")


def _recomputed(period: Period) -> Measured:
    marks = DirtySlice.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    days = marks.aggregate(days=Count("charge_date", distinct=True))["days"]
    failed = [f"{day} could not be charged: {why}" for day, why in failed_days() if day in period]
    return Measured(Decimal(days), failed[0] if failed else f"{days} days wait; a step recomputes them first")


_SUMS = "list_cost", "contracted_cost", "effective_cost", "billed_cost"
_UNEQUAL = (
    "SELECT coalesce(a.day, b.day), '{what}' FROM (SELECT {one_day} AS day, {one_currency} AS currency, {one_sums} "
    "FROM {one} WHERE {one_day} >= %(start)s AND {one_day} < %(end)s GROUP BY 1, 2) a FULL JOIN "
    "(SELECT {two_day} AS day, {two_currency} AS currency, {two_sums} FROM {two} "
    "WHERE {two_day} >= %(start)s AND {two_day} < %(end)s GROUP BY 1, 2) b USING (day, currency) WHERE {unequal}"
)


def _sums(alias: str) -> str:
    return ", ".join(f"coalesce(sum({alias}.{name}), 0) AS {name}" for name in _SUMS)


_CHARGE = {"": "charge c", "_day": "c.charge_date", "_currency": "c.billing_currency", "_sums": _sums("c")}
_SHARES = {
    "": "allocated_cost s JOIN charge h ON h.id = s.charge_id", "_day": "s.charge_date", "_currency": "h.billing_currency",
    "_sums": _sums("s"),
}  # fmt: skip
_DAILY = {"": "cost_daily d", "_day": "d.charge_date", "_currency": "d.billing_currency", "_sums": _sums("d")}


def _verified(period: Period) -> Measured:
    """Per day and currency: what is charged is what is allocated is what pages show; no price, no cost (invariants 3, 4)."""
    unequal = " OR ".join(f"coalesce(a.{name}, 0) <> coalesce(b.{name}, 0)" for name in _SUMS)
    found: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for what, one, two in (
            ("charges are not allocated", _CHARGE, _SHARES),
            ("cost_daily is not what is allocated", _SHARES, _DAILY),
        ):
            names = {f"one{k}": v for k, v in one.items()} | {f"two{k}": v for k, v in two.items()}
            cursor.execute(
                _UNEQUAL.format(what=what, unequal=unequal, **names) + " ORDER BY 1",
                {"start": period.start, "end": period.end},
            )
            found += cursor.fetchall()
        cursor.execute(
            "SELECT charge_date, 'usage without a price has a cost' FROM charge WHERE charge_category = 'Usage' "
            "AND provenance = 'computed' AND tier <> '' AND charge_date >= %s AND charge_date < %s "
            "AND (sku_price_id = '') <> (list_cost IS NULL) ORDER BY 1",
            [period.start, period.end],
        )
        found += cursor.fetchall()
    told = "; ".join(f"{day}: {what}" for day, what in found[:3])
    return Measured(Decimal(len(found)), told)


def _rates(period: Period) -> Measured:
    lacking = [one for one in fx.missing_rates() if one.day in period]
    told = [str(one) for one in lacking]
    told += [f"no rate of {pair}: its statement cannot be converted" for pair in statement_rates.missing(period)]
    return Measured(Decimal(len(told)), told[0] if told else "")


def _shares(period: Period) -> dict[str, Measured]:
    """Unpriced of all cost with its estimate, and unallocated of all cost: of the worst currency."""
    rows = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by()
    names = ("effective_cost", "unpriced_estimate", "tokens", "unpriced_tokens", "bill_priced_tokens")
    all_ = rows.values("billing_currency").annotate(**{f"sum_{name}": Sum(name) for name in names})
    nobodys = dict(rows.filter(cost_centre=None).values_list("billing_currency").annotate(Sum("effective_cost")))
    unpriced, unallocated = [NONE], [NONE]
    columns = [f"sum_{name}" for name in names]
    found: Any = all_.order_by("billing_currency").values_list("billing_currency", *columns)
    for currency, *sums in found:
        cost, estimate, tokens, without, billed = (Decimal(value or 0) for value in sums)
        lacking = share(estimate, cost + estimate)
        if not estimate:  # no comparable price either: as a share of tokens, or it would look like none
            lacking = share(max(without - billed, Decimal(0)), tokens)
        unpriced.append(Measured(lacking, f"{without:,f} tokens have no price, about {estimate:,.2f} {currency}"))
        free = nobodys.get(currency) or Decimal(0)
        unallocated.append(Measured(share(free, cost), f"{free:,.2f} of {cost:,.2f} {currency} has no owner"))
    return {"unpriced": _worst(unpriced), "unallocated": _worst(unallocated)}


def _worst(found: Sequence[Measured]) -> Measured:
    return max(found, key=lambda one: one.value)


def _reconciled(period: Period) -> dict[str, Measured]:
    run = Reconciliation.objects.filter(month=period.start).order_by("-number").first()
    if run is None:
        none = Measured(Decimal(0), f"{period} was never reconciled: `manage.py reconcile {period}`", lacks=True)
        return {"unexplained": NONE, "reconciled": none}
    found: dict[tuple[str, str, str], list[Decimal]] = {}
    for line in run.lines.exclude(invoice=None).order_by("pk"):
        sums = found.setdefault((line.provider, line.billing_account, line.currency), [Decimal(0), Decimal(0)])
        sums[0] += line.unexplained
        sums[1] += line.invoice or 0
    shares = [
        Measured(share(part, whole), f"{abs(part):,.2f} of {whole:,.2f} {currency} of {provider} {account}".strip())
        for (provider, account, currency), (part, whole) in sorted(found.items())
    ]
    worst = _worst([NONE, *shares])._replace(note=_not_invoiced(run))
    return {"unexplained": worst, "reconciled": _without_owner(run)}


def _not_invoiced(run: Reconciliation) -> str:
    """What lower levels leave unexplained of accounts whose invoice has not come: the gate judges it then."""
    sums: dict[str, Decimal] = {}
    for line in run.lines.filter(invoice=None).exclude(unexplained=0).order_by("currency", "pk"):
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.unexplained
    told = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sums.items() if amount)
    return f"{told} of accounts without an invoice is not explained yet, and judged when theirs comes" if told else ""


def _without_owner(run: Reconciliation) -> Measured:
    rows = run.lines.filter(state="variance", owner="").exclude(unexplained=0)
    lines: list[ReconciliationLine] = sorted(rows, key=lambda line: (-abs(line.unexplained), line.pk))
    if not lines:
        return NONE
    first = lines[0]
    place = " ".join(str(part) for part in (first.provider, first.model, first.charge_date) if part)
    more = f", {len(lines) - 1} more" if len(lines) > 1 else ""
    return Measured(
        abs(first.unexplained), f"{abs(first.unexplained):,.2f} {first.currency} of {place} has no owner{more}"
    )


def _approvals(period: Period) -> Measured:
    waiting = Approval.objects.filter(state=Approval.State.PROPOSED).exclude(kind__in=_LATER).order_by("pk")
    found = [asked for asked in waiting if bears_on(asked, period)]
    names = "; ".join(f"{asked.kind} {asked.subject}" for asked in found[:3])
    return Measured(Decimal(len(found)), f"{names} {'waits' if len(found) == 1 else 'wait'} for another person")


def bears_on(asked: Approval, period: Period) -> bool:
    """Whether a request may change figures of a month: it names that month, or else no day, or one before its end."""
    named = {text[:7] for text in _texts(asked.details, {"month", "billing_period"})}
    if named:
        return str(period) in named
    days = [date.fromisoformat(text) for text in _texts(asked.details, None) if _is_day(text)]
    return not days or min(days) < period.end


def _texts(value: Any, names: set[str] | None, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, names, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, names, name)
    elif isinstance(value, str) and (names is None or name in names):
        yield value[:10]


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _disputes(period: Period) -> Measured:
    """Statements that are not agreed: in dispute, or still within the days in which they may be."""
    if state_of(period.start) not in FROZEN:
        return NONE
    rows = Statement.objects.filter(month=period.start, state__in=("issued", "disputed"), kind="chargeback")
    names = list(rows.order_by("pk").values_list("cost_centre__code", "state"))
    return Measured(Decimal(len(names)), "; ".join(f"{code} is {state}" for code, state in names[:6]))


def title(code: str) -> str:
    """What a gate is called."""
    return BY_CODE[code].title
