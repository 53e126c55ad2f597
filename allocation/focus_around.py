"""What rows of a FOCUS export refer to: mappings, commitments and invoices, of a frozen month as they stood when it froze."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import Max, Min, Q, Sum

from allocation.calc.attribution import Mapped, attribute, parse_mappings
from allocation.calc.closing import CLOSED, FROZEN
from allocation.calc.commitments import CREDIT, ENTERPRISE, SEATS, Commitment
from allocation.calc.focus_datasets import Invoiced
from allocation.calc.focus_ledger import Terms
from allocation.costing import commitments, terms
from allocation.models import BillingPeriod, Invoice, InvoiceLine, TermsVersion
from allocation.rulebook import MAPPINGS
from finops.periods import Period
from ingest.models import BilledLine, IngestRun
from ingest.selectors import key_dimensions, price_book

ZERO = Decimal(0)
INVOICES = "invoices"  # name of what a frozen month keeps of them
_SUMMED = ("usage_key_id", "invoice_id", "billing_currency", "charge_category", "billing_period")


class Attributes:
    """Usage keys as cost_daily shows them: with the fields that the mappings of their charge's month set."""

    def __init__(self) -> None:
        self._mappings: dict[date, tuple[Mapped, ...]] = {}

    def of(
        self, stated: Mapping[int | None, Mapping[str, Any]], charged: Iterable[tuple[int | None, date]]
    ) -> dict[tuple[int | None, date], Mapping[str, Any]]:
        """(usage key, charge date) -> its dimensions. ``stated``: of each key, as its source states them."""
        days: dict[date, set[int]] = {}
        for key, day in charged:
            if key is not None:
                days.setdefault(day, set()).add(key)
        return {
            (key, day): seen
            for day, keys in days.items()
            for key, seen in attribute({key: stated[key] for key in keys}, self._of_month(day), day).dimensions.items()
        }

    def _of_month(self, day: date) -> tuple[Mapped, ...]:
        month = day.replace(day=1)
        if month not in self._mappings:
            version = _version(month, MAPPINGS)
            digest = version.content_hash if version else None
            self._mappings[month] = terms.of(MAPPINGS, digest, parse_mappings)
        return self._mappings[month]


def commitments_of(period: Period) -> dict[str, Terms]:
    """Subject of charges -> the commitment, of those whose term touches the period."""
    version = _version(period.start, commitments.KIND)
    if version is None:
        return {}
    book = terms.of(commitments.KIND, version.content_hash, commitments.parse)
    return {
        one.subject: _terms(one, version.loaded_at.replace(microsecond=0))
        for one in book.commitments
        if one.first < period.end and one.last >= period.start
    }


def invoiced(period: Period) -> list[Invoiced]:
    """The invoices in force whose charges the file of the month has, by billing account, currency and category.

    They are stated by lines of providers' files, those that were billed ahead in the month of their day, or entered by hand.
    Of a frozen month: those it froze with.
    """
    frozen = _frozen(period.start)
    if frozen is not None and INVOICES in frozen.frozen_versions:
        return [_restored(kept) for kept in frozen.frozen_versions[INVOICES]]
    return [*_stated(period), *_entered(period)]


def _stated(period: Period) -> list[Invoiced]:
    rows = list(_line_sums(period))
    keys = key_dimensions({row["usage_key_id"] for row in rows})
    runs = dict(IngestRun.objects.filter(id__in={row[name] for row in rows for name in ("first", "last")}).values_list(
        "id", "observed_at"))  # fmt: skip
    months = {row["billing_period"] for row in rows}
    dates = dict(
        Invoice.objects.filter(billing_period__in=months).order_by("revision").values_list("number", "issued_on")
    )
    found: dict[Any, Invoiced] = {}
    for row in rows:
        key, billed = keys[row["usage_key_id"]], row["billing_period"]
        place = (key["provider"], key["billing_account"], row["billing_currency"], row["charge_category"])
        first, last = (runs[row[name]].replace(microsecond=0) for name in ("first", "last"))
        old = found.get((row["invoice_id"], place, billed))
        cost = (row["cost"] or ZERO) + (old.billed_cost if old else ZERO)
        times = [first, last, *((old.first, old.last) if old else ())]
        found[row["invoice_id"], place, billed] = Invoiced(
            row["invoice_id"], place, cost, min(times), max(times), _issued(dates.get(row["invoice_id"])),
            f"{billed:%Y-%m}" if billed < period.start else "",
        )  # fmt: skip
    return list(found.values())


def _entered(period: Period) -> Iterator[Invoiced]:
    """Invoices by hand, by category of their lines. One that was withdrawn has none."""
    revisions = Invoice.objects.filter(billing_period=period.start, source=Invoice.Source.MANUAL).order_by("revision")
    first: dict[tuple[str, str], datetime] = {}
    newest: dict[tuple[str, str], Invoice] = {}
    for one in revisions:
        first.setdefault((one.issuer, one.number), one.entered_at.replace(microsecond=0))
        newest[one.issuer, one.number] = one
    in_force = {one.pk: one for one in newest.values()}
    sums = InvoiceLine.objects.filter(invoice__in=in_force).values_list("invoice_id", "currency", "charge_category")
    book = price_book().book
    for pk, currency, category, cost in sums.annotate(Sum("amount")).order_by(
        "invoice_id", "currency", "charge_category"
    ):
        one = in_force[pk]
        named = one.provider or one.issuer
        place = (
            book.resolve_one(named, None, None, None)[1] or named,
            one.billing_account,
            currency,
            category,
        )
        begun, last = first[one.issuer, one.number], one.entered_at.replace(microsecond=0)
        yield Invoiced(one.number, place, cost, begun, last, _issued(one.issued_on), "", True)


def _issued(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def to_keep(period: Period) -> list[list[Any]]:
    """The invoices of a month as JSON, kept with it when it is frozen: lines that are stated again lose their first run."""
    return [
        [
            one.invoice, list(one.place), str(one.billed_cost), *(at and at.isoformat() for at in one[3:6]), one.ahead,
            one.entered,
        ]
        for one in sorted(invoiced(period), key=lambda one: (*one[:2], one.ahead))
    ]  # fmt: skip


def _restored(kept: list[Any]) -> Invoiced:
    invoice, place, cost, first, last, issued, *more = kept
    at = datetime.fromisoformat
    return Invoiced(invoice, tuple(place), Decimal(cost), at(first), at(last), issued and at(issued), *more)


def in_file(period: Period, charge: str = "") -> Q:
    """What the FOCUS files of a month hold: what is billed in it, and what is charged in it and was billed before.

    A charge of a later day is in the files of its own month, however early it is billed, so that nothing in the files of a
    frozen month can change. ``charge``: prefix of the fields.
    """
    billed, day = f"{charge}billing_period", f"{charge}charge_date"
    now = Q(**{billed: period.start, f"{day}__lt": period.end})
    return now | Q(**{f"{billed}__lt": period.start, f"{day}__gte": period.start, f"{day}__lt": period.end})


def updated_at(period: Period, as_of: datetime | None) -> datetime | None:
    """When what is exported of a period last changed: of a frozen one its last step, else the last import (``as_of``)."""
    frozen = _frozen(period.start)
    stepped = frozen and (frozen.closed_at if frozen.state == CLOSED else frozen.soft_closed_at)
    last = stepped or as_of
    return last and last.replace(microsecond=0)


def _frozen(month: date) -> BillingPeriod | None:
    return BillingPeriod.objects.filter(month=month, state__in=FROZEN).first()


def _version(month: date, kind: str) -> TermsVersion | None:
    """The document that a month's figures stand on: that it was frozen with, else that in force."""
    frozen, versions = _frozen(month), TermsVersion.objects.filter(kind=kind)
    if frozen is None:
        return versions.filter(live=True).first()
    noted = (frozen.frozen_versions.get("terms") or {}).get(kind)
    return versions.filter(number=noted["number"]).first() if noted else None


def _line_sums(period: Period) -> Iterator[dict[str, Any]]:
    lines = BilledLine.objects.filter(in_file(period)).exclude(invoice_id="").exclude(kind_of_cost="notional")
    yield from (
        lines.values(*_SUMMED).annotate(cost=Sum("billed_cost"), first=Min("run_id"), last=Max("run_id")).order_by()
    )


def _terms(one: Commitment, loaded_at: datetime) -> Terms:
    fixed = one.match.exact()
    goes_on = one.end.year >= 2100
    upfront = len(one.instalments) == 1 and not one.as_consumed and not goes_on
    spend = one.kind in (CREDIT, ENTERPRISE)
    quantity, unit = (Decimal(one.bought), "Seats") if one.kind == SEATS else (None, "")
    if one.capacity is not None:
        quantity, unit = one.capacity.per_hour, "GPUs" if one.kind == "reserved_gpu" else "Tokens/Hour"
    wanted = [name for name, _ in one.match.wanted]
    return Terms(
        one.code, one.commitment_id, one.kind, "Spend" if spend else "Usage", fixed.get("provider", ""), one.currency,
        one.start, one.end, one.ended, goes_on, one.step == "hour", upfront, one.as_consumed,
        one.amount if spend else None if goes_on else one.price, quantity, unit, not wanted and one.covers is None,
        wanted == ["provider"] and "provider" in fixed, loaded_at,
    )  # fmt: skip
