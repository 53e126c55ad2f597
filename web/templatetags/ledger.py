"""What templates may call: figures as everywhere else, instants as a reader says them, strips of days."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from allocation.models import Grant
from allocation.scope import ROLES_THAT_SEE_ALL, roles_of
from ingest.source_status import Day
from web import formats, kpi_labels, styles
from web.audit_log import READ_AUDIT

register = template.Library()
STATES = {"ok": "On time", "late": "Late", "failing": "Failing", "disabled": "Disabled", "never": "Never pulled"}
DAYS = {
    "complete": "complete", "partial": "partly covered", "missing": "missing", "outside": "before its beginning",
    "arrived": "records came", "none": "nothing came",
}  # fmt: skip
_OF_A_MONTH = (  # of the pages in the menu and in tabs
    "overview", "explore", "tiers", "budgets", "roi", "allocation", "reconciliation", "data-health", "kpis", "statements",
    "tiers-agents", "tiers-policy", "anomalies", "price-vendors", "commitments", "capacity",
)  # fmt: skip
_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"))

register.filter("count", formats.count)
register.filter("whole", formats.whole)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Exact to the minor unit."""
    return formats.money(amount, currency)


@register.filter
def money_short(amount: Decimal, currency: str) -> str:
    """For cards."""
    return formats.money_short(amount, currency)


@register.filter
def percent(share: Decimal | None) -> str:
    """A share."""
    return formats.percent(share)


@register.filter
def words(name: str) -> str:
    """A name of ours as words: ``cached_exceeds_input`` -> ``cached exceeds input``."""
    return name.replace("_", " ")


@register.filter
def span(length: timedelta) -> str:
    """A length of time in its largest unit: ``45 s``, ``12 min``, ``3 h``, ``2 days``."""
    seconds = abs(round(length.total_seconds()))
    for size, unit in _UNITS:
        if seconds >= size * (2 if size == 86_400 else 1):
            number = round(seconds / size)
            return f"{number}\u00a0{unit}{'s' if unit == 'day' else ''}"
    return f"{seconds}\u00a0s"


@register.filter
def when(instant: datetime | None) -> str | SafeString:
    """An instant as how long ago it was, or will be; exact on hover."""
    if instant is None:
        return formats.NONE
    length = timezone.now() - instant
    text = "just now" if abs(length) < timedelta(seconds=10) else span(length)
    if text != "just now":
        text = f"{text} ago" if length > timedelta(0) else f"in {text}"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', instant.isoformat(), _utc(instant), text)


@register.filter
def month_before(months: list[str], period: object) -> str:
    """Of months, the newest before this one; '' where it is the oldest."""
    return max((month for month in months if month < f"{period}"), default="")


@register.filter
def utc(instant: datetime | None) -> str | SafeString:
    """An instant to the minute, in UTC."""
    if instant is None:
        return formats.NONE
    return format_html('<time datetime="{}">{}</time>', instant.isoformat(), _utc(instant)[:16])


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@register.inclusion_tag("web/parts/state.html")
def state(status: Any) -> dict[str, Any]:
    """A dot and a word."""
    return {"state": status.state, "word": STATES[status.state], "running": status.is_running}


@register.filter
def ticked(text: str) -> SafeString:
    """Text in which `this` is code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in enumerate(parts))
    )


@register.inclusion_tag("web/parts/strip.html")
def strip(days: Sequence[Day], state: str = "") -> dict[str, Any]:
    """Days as a row of small marks; shape and colour say the same. What nobody pulls yet, or any more, is no alarm."""
    told = {name: sum(day.state == name for day in days) for name in DAYS}
    text = ", ".join(f"{number} {DAYS[name]}" for name, number in told.items() if number)
    marks = [(day.state, f"{day.day:%a} {day.day.day} {day.day:%b %Y}: {DAYS[day.state]}") for day in days]
    return {"marks": marks, "quiet": state in ("never", "disabled"), "label": f"Last {len(days)} days: {text}"}


@register.simple_tag
def kpi(label: str, code: str = "") -> SafeString:
    """A label that is a key figure: on hover and focus its definition from the registry, and the way to it.

    ``code``: where the label alone does not say which figure. Raises KeyError for a label that is none.
    """
    found = code or kpi_labels.code_of(label)
    if not found:
        raise KeyError(label)
    return format_html(
        '<a class="defined" data-kpi="{}" href="{}" title="{}">{}</a>',
        found, kpi_labels.address(found), kpi_labels.told(found), label,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def to_page(context: dict[str, Any], address: str, page: str) -> SafeString:
    """Where a link of the menu or a tab leads: the month which the reader chose stays chosen, on pages that show one.

    Only a month that the page with the link lists among those with cost. ``data-month``: app.js keeps it in step where a
    dashboard changes its view without a new page.
    """
    if page not in _OF_A_MONTH:
        return format_html('href="{}"', address)
    return format_html('data-month href="{}{}"', address, _chosen(context))


def _chosen(context: dict[str, Any]) -> str:
    month = context["request"].GET.get("month", "") if "request" in context else ""
    if not month:
        return ""
    listed = context.get("month_links") or context.get("months") or ()
    known = {each[0] if isinstance(each, tuple) else str(each) for each in listed}
    return f"?month={month}" if month in known else ""


@register.simple_tag(takes_context=True)
def inline_styles(context: dict[str, Any]) -> str:
    """Said by every template that places marks by style attributes: the page's security policy then lets it."""
    if request := context.get("request"):
        styles.allow_attributes(request)
    return ""


@register.simple_tag
def may_see_sources(request: HttpRequest) -> bool:
    """Whether the reader's roles open Sources and Data health (CONTRACTS 7)."""
    return bool(_roles(request) & ROLES_THAT_SEE_ALL)


@register.simple_tag
def may_read_audit(request: HttpRequest) -> bool:
    """Whether the reader's roles open Audit (CONTRACTS 7)."""
    return bool(_roles(request) & READ_AUDIT)


@register.simple_tag
def may_see_books(request: HttpRequest) -> bool:
    """Whether the reader's roles open Periods & statements (CONTRACTS 7)."""
    return bool(_roles(request) & {Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.AUDITOR})


def _roles(request: HttpRequest) -> frozenset[str]:
    """The reader's roles, asked for once a page."""
    held: Any = request
    if not hasattr(held, "roles_of_reader"):
        held.roles_of_reader = roles_of(request.user)
    found: frozenset[str] = held.roles_of_reader
    return found
