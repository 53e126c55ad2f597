"""Tells webhooks what happened: the one place from which events go out, a sweep over what was written since the last one.

Events of the audit trail and corrections get their ids in the order in which they are committed (one writer at a time), so
that a sweep which has seen an id has seen all before it. What was written down twice is one delivery (its occasion).
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from allocation.models import Correction
from finops.locks import try_lock
from finops.models import AuditEvent
from ingest import credentials
from ingest.credentials import CredentialError
from web import signed_posts
from web.delivery import DeliveryError, deliver, sends
from web.models import Delivery, Webhook
from web.webhooks import ACTIONS, CORRECTION, KIND, occasion

_LOCK = 0x484F4F4B  # "HOOK": one sweep at a time
_NAMES = {action: name for name, action in ACTIONS.items()}
_AUDIT, _CORRECTION = "audit", "correction"
EVENT, DELIVERY = "X-Ledger-Event", "X-Ledger-Delivery"


class _Happened(NamedTuple):
    """One event of one webhook."""

    name: str
    id: str  # audit-17, correction-4: the same for every webhook and every try
    subject: str


def emit() -> int:
    """Write down what webhooks have not been told of yet; returns how many. Sending is web.delivery's."""
    with try_lock(_LOCK) as mine:
        return sum(_emit(hook.pk) for hook in Webhook.objects.order_by("pk")) if mine else 0


@transaction.atomic
def _emit(number: int) -> int:
    hook = Webhook.objects.select_for_update().filter(pk=number).first()
    if hook is None:
        return 0
    acts = AuditEvent.objects.filter(pk__gt=hook.after_event)
    postings = Correction.objects.filter(pk__gt=hook.after_correction)
    newest, last = acts.aggregate(n=Max("pk"))["n"], postings.aggregate(n=Max("pk"))["n"]
    found = []
    if newest:
        actions = [ACTIONS[name] for name in hook.events if name in ACTIONS]
        rows = acts.filter(pk__lte=newest, action__in=actions).order_by("pk").values_list("pk", "action", "subject")
        found += [_Happened(_NAMES[action], f"{_AUDIT}-{pk}", subject) for pk, action, subject in rows]
        hook.after_event = newest
    if last:
        if CORRECTION in hook.events:
            days = postings.filter(pk__lte=last).order_by("pk").values_list("pk", "charge_date", "posted_on")
            found += [_Happened(CORRECTION, f"{_CORRECTION}-{pk}", f"{day} on {on}") for pk, day, on in days]
        hook.after_correction = last
    if newest or last:
        hook.save(update_fields=["after_event", "after_correction"])
    for one in found:
        told = f"{one.name} {one.subject}"[:200]
        deliver(KIND, told, Delivery.Channel.WEBHOOK, hook.url, occasion=occasion(hook.pk, f"{one.name}:{one.id}"))
    return len(found)


@sends(KIND)
def _send(delivery: Delivery, now: datetime) -> None:
    _, number, name, what = delivery.occasion.split(":")
    hook = Webhook.objects.select_related("credential").filter(pk=int(number)).first()
    if hook is None:
        raise DeliveryError("the webhook was removed")
    content = json.dumps(body(name, what), ensure_ascii=False, sort_keys=True).encode()
    try:
        signed = signed_posts.signature(credentials.open_secret(hook.credential), content, now)
        signed_posts.post(hook.url, content, {EVENT: name, DELIVERY: str(delivery.pk), **signed})
    except (CredentialError, signed_posts.PostFailed) as error:
        raise DeliveryError(str(error)) from None


def body(name: str, what: str) -> dict[str, Any]:
    """What is sent, every try the same: ``id`` tells what was told already."""
    source, _, number = what.partition("-")
    told: dict[str, Any] = {"event": name, "id": what, "url": settings.SITE_URL}
    if source == _AUDIT:
        event = AuditEvent.objects.get(pk=int(number))
        return told | {
            "at": event.at.isoformat(), "subject": event.subject, "month": _month(event.subject), "actor": event.actor,
            "details": event.details,
        }  # fmt: skip
    posting = Correction.objects.get(pk=int(number))
    return told | {
        "at": posting.posted_at.isoformat(), "subject": f"{posting.charge_date}", "month": f"{posting.charge_date:%Y-%m}",
        "actor": "refresh",
        "details": {
            "correction": posting.pk, "charge_date": f"{posting.charge_date}", "posted_on": f"{posting.posted_on}",
            "cause": posting.cause,
        },
    }  # fmt: skip


def _month(subject: str) -> str | None:
    """Of a subject that begins with one, as those of months, statements and journals do."""
    found = subject[:7]
    return found if len(found) == 7 and found[4] == "-" and (found[:4] + found[5:]).isdigit() else None
