"""Tells people of alerts: what was noted to be told goes to mails and Slack by the routes, each notice to each address once.

Retries, and what became of each, are web.delivery's; webhooks of the site hear of alerts from the audit trail.
"""

import json
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone

from finops.locks import try_lock
from forecasting.models import AlertNotice
from web import formats, signed_posts, watch_routes
from web.delivery import DeliveryError, deliver, sends
from web.models import Delivery

KIND = "alert"
_LOCK = 0x414C4552  # "ALER": one sweep at a time
_BATCH = 500
_WORDS = {"opened": "New", "worse": "Worse", "unanswered": "Nobody has answered", "ended": "Over"}


def emit(now: datetime | None = None) -> int:
    """Give out what was noted to be told and not routed yet; returns how many deliveries that makes."""
    moment = now or timezone.now()
    with try_lock(_LOCK) as mine:
        if not mine:
            return 0
        routes, made = watch_routes.in_force(), 0
        rows = AlertNotice.objects.filter(routed_at=None).select_related("alert__cost_centre").order_by("pk")
        for notice in rows[:_BATCH]:
            made += sum(_route(notice, route) for route in routes if route.hears(notice))
            AlertNotice.objects.filter(pk=notice.pk).update(routed_at=moment)
        return made


def _route(notice: AlertNotice, route: watch_routes.Route) -> int:
    """A delivery that is there already, of a sweep that was broken off, is the same one."""
    channel = Delivery.Channel.EMAIL if route.channel == watch_routes.EMAIL else Delivery.Channel.WEBHOOK
    found = watch_routes.addresses(route, notice.alert)
    for address in found:
        deliver(KIND, subject(notice)[:200], channel, address, occasion=notice.occasion)
    return len(found)


@sends(KIND)
def _send(delivery: Delivery, now: datetime) -> None:  # noqa: ARG001 - a sender is given the time
    notice = AlertNotice.objects.select_related("alert").filter(pk=int(delivery.occasion.partition(":")[2])).first()
    if notice is None:
        raise DeliveryError("the alert is gone")
    try:
        if delivery.channel == Delivery.Channel.EMAIL:
            EmailMessage(subject(notice), text(notice), to=[delivery.address]).send()
            return
        code = delivery.address.partition(":")[2]
        content = json.dumps({"text": f"*{subject(notice)}*\n{text(notice)}"}, ensure_ascii=False).encode()
        signed_posts.post(watch_routes.slack_url(code), content, {})
    except OSError as error:  # also every error of smtplib
        raise DeliveryError(f"the mail could not be sent: {' '.join(str(error).split())[:200]}") from error
    except (signed_posts.PostFailed, watch_routes.RouteError) as error:
        raise DeliveryError(str(error)) from None


def subject(notice: AlertNotice) -> str:
    """The line by which people tell alerts apart; what a source named may hold no line break."""
    return " ".join(f"[{notice.severity}] {_WORDS[notice.kind]}: {notice.alert.label}".split())


def text(notice: AlertNotice) -> str:
    """All of it in plain words: why, what is at stake, since when, and where to answer."""
    alert = notice.alert
    lines = [
        " ".join(notice.why.split()),
        f"At stake: {formats.money(notice.money, alert.currency)}. Since {alert.opened_at:%Y-%m-%d %H:%M} UTC.",
    ]
    if settings.SITE_URL:
        lines.append(f"{settings.SITE_URL}{reverse('budgets-alerts')}#alert-{alert.pk}")
    return "\n".join(lines) + "\n"
