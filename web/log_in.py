"""What a log-in notes in its session, and what ends sessions: a right or an account that is taken away.

By signals, so that it holds whoever takes it: a page, a command, single sign-on.
"""

from typing import Any

from axes.backends import AxesStandaloneBackend
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from allocation.models import Grant
from finops.models import User
from finops.requests import client_address
from web.sessions import LOGIN, end_sessions


class Lock(AxesStandaloneBackend):  # type: ignore[misc]
    """Refuses who is locked out before any password is looked at. Without a request there is no address to lock out."""

    def authenticate(self, request: HttpRequest | None, *given: Any, **named: Any) -> None:
        """None: not locked, others look at the password. Raises PermissionDenied."""
        if request is not None:
            super().authenticate(request, *given, **named)


@receiver(user_logged_in)
def note(request: HttpRequest, **_: Any) -> None:
    """When, from where and how."""
    agent = "".join(letter for letter in request.META.get("HTTP_USER_AGENT", "") if letter.isprintable())[:200]
    request.session[LOGIN] = {
        "at": timezone.now().isoformat(), "address": client_address(request), "agent": agent,
        "way": getattr(request, "log_in_way", "password"),
    }  # fmt: skip


@receiver(post_delete, sender=Grant)
def right_taken(instance: Grant, **_: Any) -> None:
    """Whoever lost a right logs in again, and sees what is left."""
    end_sessions(instance.user_id)


@receiver(post_save, sender=Grant)
def right_changed(instance: Grant, *, created: bool, **_: Any) -> None:
    """A right that became another one was taken too; one that was given needs no new log-in."""
    if not created:
        end_sessions(instance.user_id)


@receiver(post_save, sender=User)
def account_closed(instance: User, **_: Any) -> None:
    """Who may not log in any more has no session either."""
    if not instance.is_active:
        end_sessions(instance.pk)
