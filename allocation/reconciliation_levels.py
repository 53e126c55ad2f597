"""What each level says of one month, read from ratings, billed lines and invoices, under one set of names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from allocation.calc.charges import scope_of
from allocation.calc.reconcile_rows import ZERO, Row, money
from allocation.costing.commitments_rows import SHORTFALL
from allocation.models import Charge, LayerShare, Rating
from allocation.reconciliation_lines import Whole, as_row, coverage, of_cost_reports, of_invoices
from allocation.reconciliation_naming import Naming, Place
from finops.periods import Period
from ingest.models import RateSlot
from ingest.selectors import key_dimensions

_ELSEWHERE = (LayerShare.Part.BY_ID, LayerShare.Part.BY_HOUR)  # the same calls are another layer's
_AGREEMENTS = ("commitment", "other")


class Levels(NamedTuple):
    """The rows of all levels of a month, by the names of ``naming``. ``late``: usage of it that other months bill."""

    rows: list[Row]
    late: list[Row]
    naming: Naming
    whole: Whole


def levels(period: Period) -> Levels:
    """All that is known of a month. Reads ratings and lines, no facts."""
    lines = [*of_cost_reports(period), *of_invoices(period)]
    rated = list(_rated(period))
    charged = _agreements(period)
    keys = {row[1] for row in rated} | {row["usage_key_id"] for row in (*lines, *charged) if row["usage_key_id"] > 0}
    dimensions = key_dimensions(keys) | {row["usage_key_id"]: row["of"] for row in lines if row["usage_key_id"] < 0}
    naming = Naming(dimensions)
    rows, late = _of_usage(rated, naming, _factors(period)), []
    for line in lines:
        row = as_row(line, naming)
        if line["billing_period"] == period.start:
            rows.append(row)
        elif row.category == "Usage" and row.day is not None and row.day in period:
            late.append(row)
    rows += _expected(charged, naming, rows)
    return Levels(rows, late, naming, coverage(lines, naming, period))


def _rated(period: Period) -> Iterator[tuple[date, int, int, str, Decimal, Decimal | None, str]]:
    """(day, usage key, slot, class, quantity, list cost, currency) less what another layer knows as the same calls."""
    days = {"charge_date__gte": period.start, "charge_date__lt": period.end}
    place = ("charge_date", "usage_key_id", "rate_slot_id", "price_class")
    shares = LayerShare.objects.filter(**days, part__in=_ELSEWHERE).order_by().values_list(*place)
    taken = {row[:4]: row[4:] for row in shares.annotate(q=Sum("quantity"), c=Sum("list_cost"))}
    ratings = Rating.objects.filter(**days).order_by().values_list(*place, "currency")
    for *key, currency, quantity, cost, unpriced in ratings.annotate(
        q=Sum("quantity"), c=Sum("list_cost"), n=Count("usage_key_id", filter=Q(list_cost__isnull=True))
    ):
        less, less_cost = taken.get(tuple(key), (ZERO, ZERO))
        if quantity != less:
            known = None if unpriced or cost is None else cost - (less_cost or ZERO)
            yield key[0], key[1], key[2], key[3], quantity - less, known, currency


def _factors(period: Period) -> dict[tuple[date, int, str], tuple[Decimal, Decimal]]:
    """(day, usage key, class) -> what is expected to be billed of its charges, and their list cost; where they differ.

    Corrections are of no bill of this month: they are about a month before, and so here and in ``_agreements``.
    """
    rows = (
        Charge.objects.filter(
            charge_date__gte=period.start, charge_date__lt=period.end, provenance="computed", list_cost__isnull=False,
            charge_category="Usage", original_currency="", correction=None,
        )
        .order_by()
        .values_list("charge_date", "usage_key_id", "price_class")
        .annotate(b=Sum(Coalesce("billed_cost", "contracted_cost", "list_cost")), c=Sum("list_cost"))
        .exclude(b=F("c"))
    )  # fmt: skip
    return {tuple(row[:3]): (row[3], row[4]) for row in rows if row[4]}


def _of_usage(rated: list[Any], naming: Naming, factors: Mapping[Any, tuple[Decimal, Decimal]]) -> list[Row]:
    bands = dict(RateSlot.objects.values_list("id", "context_over"))
    banded = {(naming.place(row[1]), naming.dimensions[row[1]]["source"]) for row in rated if bands[row[2]]}
    leading = _leading(rated, naming)
    sums: dict[Any, list[Any]] = {}
    for day, key, slot, price_class, quantity, cost, currency in rated:
        found, place = naming.dimensions[key], naming.place(key)
        usage = found["layer"] == "provider_usage"
        if usage and leading[place, day] != found["source"]:
            continue
        level = "provider_usage" if usage else "computed"
        band = None if usage and (place, found["source"]) not in banded else bands[slot]
        tier = found["service_tier_served"] or found["service_tier_requested"]
        at = (
            level, *place, naming.model(key), price_class, day, found["mode"], tier, band, scope_of(found, price_class),
            currency,
        )  # fmt: skip
        if cost is not None and (day, key, price_class) in factors:
            billed, listed = factors[day, key, price_class]
            cost = money(cost * billed / listed)
        total = sums.setdefault(at, [ZERO, ZERO, False])
        total[0] += quantity
        total[1] += cost or ZERO
        total[2] |= cost is None
    rows = [
        Row(
            at[0], at[1], at[2], at[3], at[4], at[5], quantity, None if unpriced else cost, at[10], at[6], at[7], at[8],
            at[9],
        )
        for at, (quantity, cost, unpriced) in sums.items()
    ]  # fmt: skip
    witnessed = {(row.provider, row.account) for row in rows if row.level == "computed"}
    alone = [row for row in rows if (row.provider, row.account) not in witnessed]
    # without a gateway what we compute is the price of the provider's own usage
    return [*rows, *(row._replace(level="computed", band=row.band or 0) for row in alone)]


def _leading(rated: Iterable[Any], naming: Naming) -> dict[tuple[Place, date], str]:
    """Of several sources of provider usage of an account and day the one that states more."""
    stated: dict[tuple[Place, date], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for day, key, _, _, quantity, _, _ in rated:
        if naming.dimensions[key]["layer"] == "provider_usage":
            stated[naming.place(key), day][naming.dimensions[key]["source"]] += quantity
    return {place: max(found, key=lambda source: (found[source], source)) for place, found in stated.items()}


def _agreements(period: Period) -> list[dict[str, Any]]:
    """What is expected to be billed of commitments and other charges: no usage, by category and day."""
    rows = Charge.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, provenance="computed", subject__gt="",
        billed_cost__isnull=False, correction=None,
    ).exclude(charge_category="Usage").exclude(billed_cost=0)  # fmt: skip
    fields = ("charge_date", "usage_key_id", "charge_category", "billing_currency", "commitment_status")
    found = [dict(row) for row in rows.order_by().values(*fields).annotate(cost=Sum("billed_cost"))]
    layers = {key: of["layer"] for key, of in key_dimensions({row["usage_key_id"] for row in found}).items()}
    return [row for row in found if layers.get(row["usage_key_id"]) in _AGREEMENTS]


def _expected(charged: list[dict[str, Any]], naming: Naming, stated: list[Row]) -> list[Row]:
    """What bills of the month should state of agreements.

    A shortfall is known when the term is over, and as a rule billed later: a bill of the month is expected to state it only
    where it states an adjustment. It is charged either way, and what bills charge beyond knows it.
    """
    adjusted = {
        (row.provider, row.account) for row in stated if row.level != "computed" and row.category == "Adjustment"
    }
    found = [(row, _of_agreement(row, naming)) for row in charged]
    return [
        each for row, each in found
        if row["commitment_status"] != SHORTFALL or (each.provider, each.account) in adjusted
    ]  # fmt: skip


def _of_agreement(row: dict[str, Any], naming: Naming) -> Row:
    provider, account = naming.place(row["usage_key_id"])
    return Row(
        "computed", provider, account, "", "", row["charge_date"], None, row["cost"], row["billing_currency"],
        category=row["charge_category"],
    )  # fmt: skip
