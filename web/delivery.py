"""Sends what is to be delivered: once, with retries, each try noted. A worker sends; whoever asks only writes it down.

A file in a folder or an object store has a name of its own, so writing it again is harmless. A mail or a webhook is not sent
again by itself where a worker died while it sent it: whether it left is *unsure*, and a person decides.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.core.mail import EmailMessage
from django.db.models import F
from django.utils import timezone

from ingest.network import AddressRefused
from ingest.stores import open_store
from web.exports.files import replacing
from web.models import Delivery

log = logging.getLogger(__name__)
Channel, State = Delivery.Channel, Delivery.State
TRIES = 8
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
_DEAD_AFTER = timedelta(minutes=15)  # of a try without an end; longer than any may take
MAIL_MOST = 20_000_000  # bytes of an attachment
_REPEATABLE = (Channel.FOLDER, Channel.OBJECT_STORAGE)


class DeliveryError(ValueError):
    """It could not be sent; the message says why, and trying again may help."""


class Payload(NamedTuple):
    """A file and the words of the mail that brings it."""

    name: str
    content: bytes
    content_type: str
    subject: str
    words: str


Builder = Callable[[Delivery], Payload]
Sender = Callable[[Delivery, datetime], None]
_BUILDERS: dict[str, Builder] = {}
_SENDERS: dict[str, Sender] = {}


def builds(kind: str) -> Callable[[Builder], Builder]:
    """Name the function that makes the payload of a kind, at each try anew: the same bytes each time."""

    def named(builder: Builder) -> Builder:
        _BUILDERS[kind] = builder
        return builder

    return named


def sends(kind: str) -> Callable[[Sender], Sender]:
    """Name the function that sends a kind by itself, whatever the channel; raises DeliveryError."""

    def named(sender: Sender) -> Sender:
        _SENDERS[kind] = sender
        return sender

    return named


def deliver(kind: str, subject: str, channel: str, address: str, *, occasion: str, **more: Any) -> Delivery:
    """Write down that something is to go to an address; the same occasion again is the delivery that was.

    ``kind`` has a function that ``builds`` or ``sends`` it; ``more``: other columns of Delivery.
    """
    given = {"occasion": occasion, "kind": kind, "subject": subject, "channel": channel, "address": address}
    made, _ = Delivery.objects.get_or_create(**given, defaults={"next_at": timezone.now(), **more})
    return made


def send_due(now: datetime | None = None, *, limit: int = 50) -> int:
    """Send what is due, the longest waiting first; returns how many were sent. A failure is noted and never raised."""
    moment = now or timezone.now()
    _bury(moment)
    due = Delivery.objects.filter(state=State.WAITING, next_at__lte=moment).order_by("next_at", "pk")
    return sum(send(each, moment) for each in due[:limit])


def send(delivery: Delivery, now: datetime | None = None) -> bool:
    """Try once, if nobody else does; whether it was sent."""
    moment = now or timezone.now()
    mine = Delivery.objects.filter(pk=delivery.pk, state=State.WAITING)
    if not mine.update(state=State.SENDING, claimed_at=moment, attempts=F("attempts") + 1):
        return False
    delivery.refresh_from_db()
    held = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, claimed_at=delivery.claimed_at)
    try:
        digest = _carry(delivery, moment)
    except (DeliveryError, AddressRefused, OSError) as error:
        _failed(held, delivery, " ".join(str(error).split())[:500], moment)
        return False
    except Exception:
        log.exception("delivery %s", delivery.pk)
        _failed(held, delivery, "a fault of ours; the worker's log has it", moment)
        return False
    held.update(state=State.SENT, sent_at=timezone.now(), sha256=digest, error="", next_at=None)
    return True


def _bury(now: datetime) -> None:
    """Tries of workers that died: what is harmless is tried again, of the rest nobody knows whether it left."""
    dead = Delivery.objects.filter(state=State.SENDING, claimed_at__lt=now - _DEAD_AFTER)
    dead.filter(channel__in=_REPEATABLE).update(state=State.WAITING, next_at=now)
    dead.exclude(channel__in=_REPEATABLE).update(
        state=State.UNSURE,
        error="the worker ended while it sent this: look whether it arrived, then try again",
        next_at=None,
    )


def _failed(held: Any, delivery: Delivery, error: str, now: datetime) -> None:
    over = delivery.attempts >= TRIES
    pause = min(_FIRST_PAUSE * 4 ** (delivery.attempts - 1), _LONGEST_PAUSE)
    held.update(state=State.FAILED if over else State.WAITING, error=error, next_at=None if over else now + pause)


def _carry(delivery: Delivery, now: datetime) -> str:
    if (sender := _SENDERS.get(delivery.kind)) is not None:
        sender(delivery, now)
        return ""
    payload = _BUILDERS[delivery.kind](delivery)
    _CHANNELS[delivery.channel](delivery.address, payload)
    return hashlib.sha256(payload.content).hexdigest()


def _email(address: str, payload: Payload) -> None:
    if len(payload.content) > MAIL_MOST:
        raise DeliveryError(f"{payload.name} has {len(payload.content):,} bytes: more than {MAIL_MOST:,} go by no mail")
    told = EmailMessage(payload.subject, payload.words, to=[address])
    told.attach(payload.name, payload.content, payload.content_type)
    try:
        told.send()
    except OSError as error:  # also every error of smtplib
        raise DeliveryError(f"the mail could not be sent: {error}") from error


def _folder(address: str, payload: Payload) -> None:
    with replacing(Path(address) / payload.name) as temporary:
        temporary.write_bytes(payload.content)


def _object_storage(address: str, payload: Payload) -> None:
    store, root = open_store(address)
    with store.open_output_stream(f"{root.rstrip('/')}/{payload.name}", compression=None) as stream:
        stream.write(payload.content)


def _webhook(_address: str, payload: Payload) -> None:
    raise DeliveryError(f"{payload.name}: a file goes by mail, into a folder or to an object store, not to a webhook")


_CHANNELS: dict[str, Callable[[str, Payload], None]] = {
    Channel.EMAIL: _email, Channel.FOLDER: _folder, Channel.OBJECT_STORAGE: _object_storage, Channel.WEBHOOK: _webhook,
}  # fmt: skip
