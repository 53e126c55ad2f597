"""What cost reports and invoices say of a month, and which of it they state whole."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Coalesce

from allocation.calc.reconcile_rows import Row
from allocation.completeness import LINES, USAGE, Completeness, Day
from allocation.models import InvoiceLine
from allocation.reconciliation_invoices import in_force
from allocation.reconciliation_naming import Naming, Place
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.models import BilledLine

_REACH = timedelta(days=62)  # how far from its billing period a line may lie
_BASIC = {
    "layer": "invoice",
    "source": "",
    "host": "",
    "region": "",
    "project": "",
    "api_key": "",
    "model_requested": "",
}
Whole = Callable[[str, str, str, date | None, str], bool]  # level, provider, account, day, scope


def of_cost_reports(period: Period) -> list[dict[str, Any]]:
    """Lines without an invoice: cost reports."""
    return [line | {"level": "cost_report"} for line in stated_lines(period, Q(invoice_id=""))]


def stated_lines(period: Period, which: Q) -> list[dict[str, Any]]:
    """Billed lines of a month and usage of the month that others bill, summed by all that tells them apart here."""
    near = {"charge_date__gte": period.start - _REACH, "charge_date__lt": period.end + _REACH}
    of_month = Q(billing_period=period.start) | Q(charge_date__gte=period.start, charge_date__lt=period.end)
    rows = BilledLine.objects.filter(which, of_month, **near).exclude(kind_of_cost="notional").order_by()
    fields = (
        "charge_date", "billing_period", "usage_key_id", "price_class", "consumed_unit", "scope", "charge_category",
        "charge_class", "billing_currency", "invoice_id",
    )  # fmt: skip
    cost = Coalesce("billed_cost", "effective_cost")
    found = rows.values(*fields).annotate(
        quantity=Sum("consumed_quantity"), missing=Count("line_id", filter=Q(consumed_quantity__isnull=True)),
        cost=Sum(cost), lines=Count("line_id"), text=Min("description"),
    )  # fmt: skip
    return [dict(row) | {"quantity": _counted(row)} for row in found]


def _counted(row: Mapping[str, Any]) -> Decimal | None:
    """The quantity in units of its class, if it is stated in them."""
    name = row["price_class"]
    unit = "tokens" if name in TOKEN_CLASSES else name
    known = name in (*TOKEN_CLASSES, *UNITS) and row["consumed_unit"] == unit and not row["missing"]
    return row["quantity"] if known else None


def of_invoices(period: Period) -> list[dict[str, Any]]:
    """Lines of the invoices in force of the month, and of others that bill its usage."""
    near = in_force(period.previous()) + in_force(period) + in_force(Period.month_of(period.end))
    found = []
    for line in InvoiceLine.objects.filter(invoice__in=near).select_related("invoice").order_by("invoice", "position"):
        bill = line.invoice
        elsewhere = bill.billing_period != period.start
        if elsewhere and (line.charge_date is None or line.charge_date not in period):
            continue
        of = _BASIC | {
            "provider": bill.provider, "billing_account": bill.billing_account, "model_served": line.model,
            "mode": line.mode, "service_tier_served": line.service_tier, "service_tier_requested": "",
        }  # fmt: skip
        found.append(
            {
                "level": "invoice", "charge_date": line.charge_date, "billing_period": bill.billing_period,
                "usage_key_id": line.usage_key_id or -line.pk, "of": of, "price_class": line.price_class,
                "scope": line.scope, "charge_category": line.charge_category, "charge_class": line.charge_class,
                "billing_currency": line.currency, "quantity": line.quantity, "cost": line.amount, "lines": line.lines,
                "rate": bill.exchange_rate,
            }
        )  # fmt: skip
    return found


def as_row(line: dict[str, Any], naming: Naming) -> Row:
    """A line as its level's row; one that names no class does not say under which treatment it bills."""
    key = line["usage_key_id"]
    found = naming.dimensions[key]
    mode, tier = found["mode"] or None, found["service_tier_served"]
    if key > 0:  # of a usage key '' is the ordinary tier, of a line by hand it may be untold
        mode, tier = mode or "sync", tier or found["service_tier_requested"]
    if not line["price_class"]:
        mode = tier = None
    return Row(
        line["level"], *naming.place(key), naming.model(key), line["price_class"], line["charge_date"], line["quantity"],
        line["cost"], line["billing_currency"], mode, tier, None,
        line["scope"], line["charge_category"], line["charge_class"] == "Correction", line.get("rate"), line["lines"],
    )  # fmt: skip


def coverage(lines: Iterable[dict[str, Any]], naming: Naming, period: Period) -> Whole:
    """Whether a level states a day and scope of an account whole.

    An invoice by hand does for the scopes of its lines. A cost report that has no line of a day is not known to speak of
    it, as in charging (allocation.calc.billed).
    """
    complete, days = Completeness(), dict[date, Day]()
    speaking: dict[tuple[str, Place], set[int]] = defaultdict(set)
    by_hand: dict[Place, set[str]] = defaultdict(set)
    reported: set[tuple[Place, date | None]] = set()
    for line in lines:
        place = naming.place(line["usage_key_id"])
        if line["usage_key_id"] < 0:
            by_hand[place].add(line["scope"])
        else:
            speaking[line["level"], place].add(line["usage_key_id"])
            reported.add((place, line["charge_date"]))

    def whole(level: str, provider: str, account: str, day: date | None, scope: str) -> bool:
        place = (provider, account)
        if level == "provider_usage":
            keys, what = set(naming.keys_of[place, "provider_usage"]), USAGE
        else:
            keys, what = speaking[level, place], LINES
        if level == "invoice" and by_hand[place] & {"", scope}:
            return True
        if level == "cost_report" and (place, day) not in reported:
            return False
        if day is None or day not in period or not scope:
            return level != "provider_usage"
        if day not in days:
            days[day] = complete.on(day)
        return bool(keys) and all(days[day].states(naming.dimensions[key], what, scope) for key in keys)

    return whole
