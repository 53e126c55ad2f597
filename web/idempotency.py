"""POSTs that may be repeated: the first with a key does the work, others get its answer or are told to wait."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from web.models import IdempotencyKey

KEPT = timedelta(hours=24)
_DEAD_AFTER = timedelta(minutes=10)  # a try without an answer; longer than any request may take


class UnderWay(Exception):
    """The first request with this key has no answer yet."""


class OtherRequest(Exception):
    """The key belongs to another request."""


def digest(*parts: bytes) -> str:
    """What tells requests apart; keyed, because a body may hold a secret."""
    value = b"".join(b"%d:%s" % (len(part), part) for part in parts)
    return salted_hmac("web.idempotency", value, algorithm="sha256").hexdigest()


def begin(user: Any, key: str, request: str) -> IdempotencyKey:
    """Claim a key, or the row with the saved answer (``status`` set). Raises UnderWay, OtherRequest."""
    now = timezone.now()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, request=request, begun_at=now)
    except IntegrityError:
        return _known(user, key, request, now)


def _known(user: Any, key: str, request: str, now: datetime) -> IdempotencyKey:
    row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row is None:
        raise UnderWay  # given up between our two looks: the sender tries again
    over = row.created_at < now - KEPT or (row.status is None and row.begun_at < now - _DEAD_AFTER)
    if over:
        mine = IdempotencyKey.objects.filter(pk=row.pk, begun_at=row.begun_at)
        if not mine.update(request=request, status=None, answer="", created_at=now, begun_at=now):
            raise UnderWay
        row.refresh_from_db()
        return row
    if row.request != request:
        raise OtherRequest
    if row.status is None:
        raise UnderWay
    return row


def keep(row: IdempotencyKey, status: int, answer: str) -> None:
    """Save the answer, unless another try has taken over."""
    IdempotencyKey.objects.filter(pk=row.pk, begun_at=row.begun_at).update(status=status, answer=answer)


def give_up(row: IdempotencyKey) -> None:
    """Nothing was done: the key is free again."""
    IdempotencyKey.objects.filter(pk=row.pk, begun_at=row.begun_at, status=None).delete()


def prune() -> int:
    """Forget keys after a day."""
    return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
