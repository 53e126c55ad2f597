"""The demo's users: one of each role, with one password."""

import secrets
from typing import NamedTuple

from django.contrib.auth.hashers import make_password
from django.db import transaction

from allocation.models import CostCentre, Grant
from finops import audit
from finops.models import User

OWN_COST_CENTRE = "CC-210"  # of the viewer and the owner


class Person(NamedTuple):
    """A log-in that is printed."""

    name: str
    role: str
    password: str


USERS = (
    ("demo-viewer", Grant.Role.VIEWER), ("demo-owner", Grant.Role.OWNER), ("demo-analyst", Grant.Role.ANALYST),
    ("demo-finance-1", Grant.Role.FINANCE), ("demo-finance-2", Grant.Role.FINANCE), ("demo-admin", Grant.Role.ADMIN),
)  # fmt: skip


def make() -> list[User]:
    """The demo's users in their order, made where they are missing; these cannot log in yet."""
    stored = make_password(None)
    return [User.objects.get_or_create(username=name, defaults={"password": stored})[0] for name, _ in USERS]


@transaction.atomic
def renew() -> list[Person]:
    """Make the demo's users where they are missing, and give all of them a new password."""
    password = secrets.token_urlsafe(9)
    stored = make_password(password)  # hashed once: a demo's users share it anyway
    own = CostCentre.objects.get(code=OWN_COST_CENTRE)
    for user, (_, role) in zip(make(), USERS, strict=True):
        user.password, user.is_active = stored, True
        user.save(update_fields=["password", "is_active"])
        bound = role in (Grant.Role.VIEWER, Grant.Role.OWNER)
        Grant.objects.get_or_create(user=user, role=role, cost_centre=own if bound else None)
    audit.record(
        action="demo.users", actor="demo", subject="new password", details={"users": [name for name, _ in USERS]}
    )
    return [Person(name, role.value, password) for name, role in USERS]
