"""Reads of commitments: use, balances, commits, seats and what ends. Rows of allocation.calc.commitments_view."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from allocation.calc.commitments import CREDIT, Commitment, Commitments
from allocation.calc.commitments_credits import Balance, burn_down, pools
from allocation.calc.commitments_view import Commit, Expiry, SeatUse, Use, commits, expiries, seat_uses
from allocation.calc.contracts import Contracts
from allocation.costing import commitments, contracts, settled, terms
from allocation.costing.commitments_credits import DEMAND, SPEND
from allocation.costing.commitments_rows import EXPIRED, SHORTFALL, UNUSED, USED
from allocation.costing.work import ZERO
from allocation.models import AllocatedCost
from allocation.scope import Scope
from finops.periods import Period
from ingest.models import BilledLine
from ingest.selectors import key_dimensions


def in_force() -> Commitments:
    """The commitments in force, in their order."""
    book: Commitments = terms.in_force(commitments.KIND, commitments.parse)
    return book


def uses(scope: Scope, period: Period) -> list[Use]:
    """What each commitment was used for in a period, as far as the scope may see its charges."""
    book = in_force()
    if not book.commitments:
        return []
    rows = scope.of(AllocatedCost.objects.of_days(period))
    of_status: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    covered: dict[str, Decimal] = defaultdict(Decimal)
    billed: dict[str, Decimal] = defaultdict(Decimal)
    grouped = rows.filter(charge__subject__startswith="commitment ").values_list(
        "charge__subject", "charge__commitment_status", "charge__tier"
    )
    totals = grouped.annotate(Sum("effective_cost"), Sum("contracted_cost"), Sum("billed_cost")).order_by()
    for subject, status, tier, effective, contracted, paid in totals:
        code = subject.removeprefix("commitment ")
        of_status[code, status] += effective or ZERO
        covered[code] += (contracted or ZERO) if tier and status == USED else ZERO
        billed[code] += paid or ZERO
    open_usage = _open_usage(rows)
    return [
        Use(
            one.code, one.kind, one.currency, billed[one.code], of_status[one.code, USED], of_status[one.code, UNUSED],
            of_status[one.code, EXPIRED], of_status[one.code, SHORTFALL], covered[one.code], _uncovered(one, open_usage),
        )
        for one in book.commitments
    ]  # fmt: skip


def _open_usage(rows: Any) -> list[tuple[dict[str, Any], str, str, Decimal]]:
    """Usage that no commitment covers: (dimensions, class, currency, contracted cost)."""
    open_rows = rows.filter(charge__commitment_status="", charge__charge_category="Usage").exclude(charge__tier="")
    grouped = open_rows.values_list("charge__usage_key_id", "charge__price_class", "charge__billing_currency")
    found = list(grouped.annotate(Sum("contracted_cost")).order_by())
    dimensions = key_dimensions({key for key, *_ in found})
    return [(dimensions[key], name, currency, cost or ZERO) for key, name, currency, cost in found]


def _uncovered(one: Commitment, usage: Iterable[tuple[dict[str, Any], str, str, Decimal]]) -> Decimal:
    match = one.match if one.covers is None else one.covers
    return sum(
        (
            cost
            for found, price_class, currency, cost in usage
            if currency == one.currency
            and match.holds(found, price_class)
            and (one.capacity is None or price_class in one.capacity.weights)
        ),
        ZERO,
    )


def balances(until: date) -> list[Balance]:
    """How the prepaid credits burned down up to a day, included."""
    found: list[Balance] = []
    for pool in pools(in_force().of_kind(CREDIT)):
        noted = settled.noted(commitments.KIND, [pool[0].code])
        demands = {figure.day: value for figure, value in noted.items() if figure.name == DEMAND}
        found += burn_down(pool, demands, until)
    return found


def commits_as_of(today: date) -> list[Commit]:
    """The enterprise commits that have begun: what is missing, and what would be at their end at the pace so far."""
    book, spent = in_force(), defaultdict[str, Decimal](Decimal)
    for figure, value in settled.noted(commitments.KIND, [one.code for one in book.commitments]).items():
        if figure.name == SPEND and figure.day <= today:
            spent[figure.code] += value
    return commits(book.commitments, spent, today)


def expiry_calendar(today: date) -> list[Expiry]:
    """Commitments and contracts that end after ``today``; a page or a message warns where ``warning`` is not None."""
    agreed: Contracts = terms.in_force(contracts.KIND, contracts.parse)
    return expiries(in_force().commitments, agreed.contracts, today)


def seats(scope: Scope, period: Period) -> list[SeatUse]:
    """Each person's seat beside what their usage would have cost: what the provider reports, else what logs show.

    Only seats of cost centres that the scope may see; never summed with the spend of an API.
    """
    rows = scope.of(AllocatedCost.objects.of_days(period))
    worth = _logged(rows) | _reported(period)
    visible = set(rows.values_list("cost_centre__code", flat=True).distinct())
    return [
        row
        for row in seat_uses(in_force().commitments, list(period.days()), worth)
        if scope.everything or row.cost_centre in visible
    ]


def _logged(rows: Any) -> dict[tuple[str, str], Decimal]:
    covering = [one.subject for one in in_force().commitments if one.covers is not None]
    mine = rows.filter(charge__subject__in=covering, charge__commitment_status=USED).exclude(charge__tier="")
    grouped = mine.values_list("charge__usage_key_id", "charge__billing_currency")
    return _by_person(grouped.annotate(Sum("list_cost")).order_by())


def _reported(period: Period) -> dict[tuple[str, str], Decimal]:
    lines = BilledLine.objects.filter(
        kind_of_cost="notional", charge_date__gte=period.start, charge_date__lt=period.end
    )
    grouped = lines.values_list("usage_key_id", "billing_currency")
    return _by_person(grouped.annotate(Sum("list_cost")).order_by())


def _by_person(rows: Iterable[tuple[int, str, Decimal | None]]) -> dict[tuple[str, str], Decimal]:
    rows, found = list(rows), defaultdict[tuple[str, str], Decimal](Decimal)
    dimensions = key_dimensions({key for key, _, _ in rows})
    for key, currency, cost in rows:
        if who := dimensions[key]["principal"]:
            found[who, currency] += cost or ZERO
    return dict(found)
