"""Webhooks: addresses that are told of what happens in the ledger. Made and removed here; web.webhook_sending tells them.

The secret is kept as those of connections are (ingest.credentials): sealed, wrapped anew when the ring of keys turns, never
shown. Only what happens after a webhook was made is told to it.
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.views.decorators.debug import sensitive_variables

from allocation.models import Correction
from finops import audit
from finops.models import AuditEvent
from ingest import credentials
from ingest.credentials import CredentialError
from ingest.network import AddressRefused, check_url
from web.models import Delivery, Webhook

# What is told -> the action in the audit trail that tells it. Corrections are no act of a person: they have rows of their own.
ACTIONS = {
    "statement.issued": "statements.issue", "statement.disputed": "statement.dispute",
    "period.soft_closed": "period.soft_close", "period.closed": "period.close", "period.reopened": "period.reopen",
    "journal.exported": "journal.export",
    "alert.opened": "alert.opened", "alert.worse": "alert.worse", "alert.unanswered": "alert.unanswered",
    "alert.ended": "alert.ended",
}  # fmt: skip
CORRECTION = "correction.posted"
EVENTS = (*ACTIONS, CORRECTION)
KIND, CREDENTIAL = "event", "webhook"
SECRET_LEAST, SECRET_MOST, URL_MOST = 16, 200, 500


class WebhookError(ValueError):
    """There can be no such webhook; the message names the field."""


@sensitive_variables("secret")
@transaction.atomic
def create(*, url: str, events: Iterable[str], secret: str, by: Any) -> Webhook:
    """Tell an address from now on. ``secret``: what signs, or ``env:NAME``. Raises WebhookError."""
    wanted = sorted(set(events), key=lambda name: EVENTS.index(name) if name in EVENTS else -1)
    if not wanted or wanted[0] not in EVENTS:
        raise WebhookError(f"events: a list of {', '.join(EVENTS)}")
    if not secret.startswith("env:") and not SECRET_LEAST <= len(secret) <= SECRET_MOST:
        raise WebhookError(f"secret: {SECRET_LEAST} to {SECRET_MOST} characters, or env:NAME")
    try:
        check_url(url)
        sealed = credentials.seal(CREDENTIAL, secret, by)
    except AddressRefused as wrong:
        raise WebhookError(f"url: {wrong}") from None
    except CredentialError as wrong:
        raise WebhookError(f"secret: {wrong}") from None
    made = Webhook.objects.create(
        url=url, events=wanted, credential=sealed, created_by=by,
        after_event=AuditEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0,
        after_correction=Correction.objects.aggregate(newest=Max("pk"))["newest"] or 0,
    )  # fmt: skip
    details = {"url": url, "events": wanted}
    audit.record(action="webhook.create", actor=by.get_username(), subject=f"webhook {made.pk}", details=details)
    return made


@transaction.atomic
def remove(webhook: Webhook, *, by: Any) -> None:
    """Tell it nothing more; what waits for it is given up. The log stays."""
    waiting = of(webhook.pk).filter(state=Delivery.State.WAITING)
    waiting.update(state=Delivery.State.FAILED, error="the webhook was removed", next_at=None)
    details = {"url": webhook.url, "events": webhook.events}
    audit.record(action="webhook.remove", actor=by.get_username(), subject=f"webhook {webhook.pk}", details=details)
    credential = webhook.credential
    webhook.delete()
    credential.delete()


def of(number: int) -> "QuerySet[Delivery]":
    """What a webhook was told, or is to be."""
    return Delivery.objects.filter(Q(kind=KIND) & Q(occasion__startswith=occasion(number, "")))


def occasion(number: int, what: str) -> str:
    """By which a delivery is known: of this webhook, about this."""
    return f"webhook:{number}:{what}"
