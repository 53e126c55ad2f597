"""The page Commitments: what was bought ahead, how much of it was used, what is left, what ends, and contracts' rates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation.calc.commitments import KINDS, SEATS, SUBSCRIPTION, Commitment
from allocation.calc.commitments_credits import Balance
from allocation.calc.commitments_view import SeatUse, Use
from allocation.costing import commitments_selectors, contracts, terms
from allocation.models import TermsVersion
from allocation.scope import EVERYTHING
from finops.periods import Period
from web import approving
from web.downloads import csv_file
from web.pages import charts
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

_CSV = (
    "code", "kind", "currency", "billed", "used", "unused", "expired", "shortfall", "covered", "uncovered", "utilisation",
    "coverage", "break_even", "saved",
)  # fmt: skip
_SUMS = ("billed", "used", "unused", "breakage", "covered", "saved")


@require_safe
@for_those_who_see_everything
@of_month("commitments")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Everything that is bought ahead, for a month; balances as of today, or the month's last day; what ends from today on."""
    today = timezone.now().date()
    period = chosen.period or Period.month_of(today)
    until = min(today, period.end - timedelta(days=1))
    agreed = TermsVersion.objects.filter(live=True, kind__in=("contracts", "commitments")).order_by("kind")
    versions = list(agreed)
    context: dict[str, Any] = {"tab": "commitments", "months": chosen.months, "period": period, "versions": versions}
    if versions:
        context |= _facts(period, until, today) | {
            "waiting": asked_for(request, {approving.AGREEMENTS}), "until": until,
            "csv": f"/commitments/commitments.csv?month={period}",
        } | deciding(request)  # fmt: skip
    return render(request, "web/commitments.html", context)


@require_safe
@for_those_who_see_everything
@of_month("commitments")
def as_csv(_request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The table of the very view: exact amounts, one row per commitment, no total."""
    uses = commitments_selectors.uses(EVERYTHING, chosen.period) if chosen.period else ()
    rows = ([getattr(use, name) for name in _CSV] for use in uses)
    return csv_file(f"commitments_{chosen.period or 'empty'}", _CSV, rows)


def _facts(period: Period, until: date, today: date) -> dict[str, Any]:
    book = {one.code: one for one in commitments_selectors.in_force().commitments}
    uses = [use for use in commitments_selectors.uses(EVERYTHING, period) if _matters(use, book[use.code], period)]
    balances = commitments_selectors.balances(until)
    seats = commitments_selectors.seats(EVERYTHING, period)
    expiries = commitments_selectors.expiry_calendar(today)
    return {
        "uses": [_use(use, book[use.code]) for use in uses], "totals": _totals(uses),
        "credits": _credits(balances, book, until), "burning": _burning(balances, book, until),
        "commits": commitments_selectors.commits_as_of(until), "expiries": expiries,
        "near": [one for one in expiries if one.warning is not None], "seats": _seats(seats),
        "contracts": _contracts(period, today),
    }  # fmt: skip


def _matters(use: Use, one: Commitment, period: Period) -> bool:
    """Whether it was in force in the period, or charged in it."""
    return (one.first < period.end and one.last > period.start) or any((use.billed, use.used, use.breakage))


def _use(use: Use, one: Commitment) -> dict[str, Any]:
    return {
        "use": use, "one": one, "order": KINDS.index(use.kind), "at": use.covered + use.uncovered,
        "goes_on": one.last.year >= 2100, "by_seat": one.kind in (SEATS, SUBSCRIPTION),
    }  # fmt: skip


def _totals(uses: Sequence[Use]) -> list[dict[str, Any]]:
    """Sums by currency; of what is used of what was due, and of what was covered, as one figure."""
    found: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        found[use.currency].append(use)
    totals = []
    for currency, rows in sorted(found.items()):
        sums: dict[str, Any] = {name: sum((getattr(row, name) for row in rows), Decimal(0)) for name in _SUMS}
        # what seats save hangs on usage that is notional: it stands with the seats
        sums["saved"] = sum((row.saved for row in rows if row.kind not in (SEATS, SUBSCRIPTION)), Decimal(0))
        due, meant = (
            sums["used"] + sums["unused"],
            sums["covered"] + sum((row.uncovered for row in rows if row.covers), Decimal(0)),
        )
        totals.append(
            sums | {
                "lost": sums["breakage"] - sums["unused"],
                "currency": currency, "utilisation": sums["used"] / due if due else None,
                "coverage": sums["covered"] / meant if meant else None,
            }
        )  # fmt: skip
    return totals


def _credits(balances: Iterable[Balance], book: dict[str, Commitment], until: date) -> list[dict[str, Any]]:
    """Each prepaid credit with what was consumed, what expired, what is left, and when it would be used up at this pace."""
    rows: dict[str, list[Balance]] = defaultdict(list)
    for balance in balances:
        rows[balance.code].append(balance)
    found = []
    for code, days in rows.items():
        one, consumed = book[code], sum((day.consumed for day in days), Decimal(0))
        left = days[-1].closing if until < one.last else Decimal(0)
        recent = sum((day.consumed for day in days if day.day > until - timedelta(days=28)), Decimal(0)) / 28
        days_left = int(left / recent) if recent and left else None
        empty_on = until + timedelta(days=days_left) if days_left is not None and days_left < 3_650 else None
        found.append(
            {
                "one": one, "consumed": consumed, "expired": sum((day.expired for day in days), Decimal(0)), "left": left,
                "part": consumed / one.amount, "empty_on": empty_on,
                "over": until >= one.last,
                "wasted": days_left is not None and (empty_on is None or empty_on >= one.last),
            }
        )  # fmt: skip
    return sorted(found, key=lambda row: (row["one"].first, row["one"].code))


def _burning(balances: Sequence[Balance], book: dict[str, Commitment], until: date) -> list[dict[str, Any]]:
    """A chart per currency: what is left of each credit, by day."""
    found = []
    for currency in sorted({book[row.code].currency for row in balances}):
        series = []
        for code in sorted({row.code for row in balances if book[row.code].currency == currency}):
            points: list[tuple[date, Decimal | None]] = [(row.day, row.closing) for row in balances if row.code == code]
            if points and points[-1][0] >= book[code].last:
                points[-1] = (points[-1][0], None)
            series.append((code.removeprefix("example-"), points))
        start = min(points[0][0] for _, points in series)
        if (until - start).days > 1:
            found.append({"currency": currency, "lines": charts.stepped(series, start, until, log=False)})
    return found


def _seats(seats: Sequence[SeatUse]) -> list[dict[str, Any]]:
    """By agreement: the seats, those nobody has as one, and what the month of them costs."""
    found: dict[str, list[SeatUse]] = defaultdict(list)
    for seat in seats:
        found[seat.code].append(seat)
    return [
        {
            "code": code, "currency": rows[0].currency, "unused": next((row for row in rows if not row.who), None),
            "held": sorted((row for row in rows if row.who), key=lambda row: (-(row.worth or 0), row.who)),
            "idle": sum(1 for row in rows if row.who and not row.worth),
            "cost": sum((row.cost for row in rows), Decimal(0)),
            "worth": sum((row.worth or Decimal(0) for row in rows), Decimal(0)),
            "cheaper": sum(1 for row in rows if row.cheaper == "seat"),
        }
        for code, rows in sorted(found.items())
    ]  # fmt: skip


def _contracts(period: Period, today: date) -> list[dict[str, Any]]:
    """Each contract in force with the discount that the month's volume leads to; provisional until the month is over."""
    agreed = terms.in_force(contracts.KIND, contracts.parse).contracts
    months = {row["code"]: row for row in contracts.months(period, today) if row["basis"]}
    found = []
    for one in agreed:
        if (one.valid_from or date.min) >= period.end or (one.valid_to or date.max) <= period.start:
            continue
        month = months.get(one.code)
        factor = month["factor"] * month["paid"] if month else one.tiers[0].factor
        found.append(
            {
                "one": one, "month": month, "discount": _share(1 - factor), "tiers": _tiers(one, month),
                "match": ", ".join(f"{name} {' or '.join(patterns)}" for name, patterns in one.match.wanted),
                "currency": one.currency or settings.REPORT_CURRENCY,
            }
        )  # fmt: skip
    return found


def _tiers(one: Any, month: dict[str, Any] | None) -> list[dict[str, Any]]:
    reached = month["total"] if month else Decimal(0)
    return [
        {"over": tier.over, "discount": _share(1 - tier.factor), "reached": reached > tier.over or tier.over == 0}
        for tier in one.tiers
    ]


def _share(part: Fraction) -> Decimal:
    return Decimal(part.numerator) / Decimal(part.denominator)
