"""What a site needs before it serves: tables, queues, a price book, a tier policy, and somebody who may log in."""

import secrets

from django.core.management import call_command
from django.db import transaction

from allocation import assumptions, derived, policies
from allocation.models import Grant
from finops import audit, broker
from finops.models import User
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin


def prepare(actor: str) -> str:
    """Bring the database up to date; safe to repeat. Returns the password of `admin` when it has just been made."""
    call_command("migrate", verbosity=0)
    broker.install()
    if not PriceBookVersion.objects.filter(live=True).exists():
        load_builtin(actor=actor)
    policies.load_default(actor=actor)
    assumptions.load_default()
    derived.fill()
    return first_admin(actor)


@transaction.atomic
def first_admin(actor: str) -> str:
    """Make the user `admin` where there is no user at all; returns its password, or nothing."""
    if User.objects.exists():
        return ""
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user("admin", password=password)
    Grant.objects.create(user=user, role=Grant.Role.ADMIN)
    audit.record(action="user.create", actor=actor, subject="admin", details={"role": Grant.Role.ADMIN.value})
    return password


def greeting(password: str) -> str:
    """How the first password is told."""
    return f"First start: log in as admin with the password {password} (shown only now)."
