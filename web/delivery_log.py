"""What people do with the log of deliveries; sending is web.delivery's."""

from django.utils import timezone

from finops import audit
from web.models import Delivery

State = Delivery.State


def retry(delivery: Delivery, by: str) -> bool:
    """Have another try of what failed or is unsure; whether it was."""
    again = Delivery.objects.filter(pk=delivery.pk, state__in=(State.FAILED, State.UNSURE))
    if not again.update(state=State.WAITING, attempts=0, next_at=timezone.now()):
        return False
    audit.record(action="delivery.retry", actor=by, subject=str(delivery.pk), details={"address": delivery.address})
    return True
