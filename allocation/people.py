"""Who may log in and what they may do: users and their grants, every change audited."""

import secrets

from django.db import transaction

from allocation.models import CostCentre, Grant
from finops import audit
from finops.models import User

_HELD_FOR_A_CENTRE = {Grant.Role.VIEWER, Grant.Role.OWNER}


class PeopleError(ValueError):
    """A user or grant cannot be made or found; the message says why."""


@transaction.atomic
def create_user(*, name: str, actor: str) -> str:
    """A user without any role; returns the random password. Raises PeopleError."""
    if not name or User.objects.filter(username=name).exists():
        raise PeopleError(f"there is a user {name!r} already" if name else "a user needs a name")
    password = secrets.token_urlsafe(12)
    User.objects.create_user(name, password=password)
    audit.record(action="user.create", actor=actor, subject=name)
    return password


@transaction.atomic
def grant(*, name: str, role: str, cost_centre: str | None, actor: str) -> None:
    """Give a role; viewer and owner are held for one cost centre, the others for all. Raises PeopleError."""
    user, centre = _user(name), _centre(role, cost_centre)
    Grant.objects.get_or_create(user=user, role=role, cost_centre=centre)
    audit.record(action="grant.create", actor=actor, subject=name, details={"role": role, "cost_centre": cost_centre})


@transaction.atomic
def revoke(*, name: str, role: str, cost_centre: str | None, actor: str) -> None:
    """Take a role away; it ends with the next request. Raises PeopleError."""
    gone, _ = Grant.objects.filter(user=_user(name), role=role, cost_centre=_centre(role, cost_centre)).delete()
    if not gone:
        raise PeopleError(f"{name} is not {role}{f' of {cost_centre}' if cost_centre else ''}")
    audit.record(action="grant.delete", actor=actor, subject=name, details={"role": role, "cost_centre": cost_centre})


@transaction.atomic
def switch(*, name: str, active: bool, actor: str) -> None:
    """Close an account, or open it again; a closed one has no session and its tokens open nothing. Raises PeopleError."""
    user = _user(name)
    if user.is_active == active:
        raise PeopleError(f"{name} is {'open' if active else 'closed'} already")
    user.is_active = active
    user.save(update_fields=["is_active"])
    audit.record(action="user.open" if active else "user.close", actor=actor, subject=name)


def people() -> list[dict[str, object]]:
    """Users with their roles, by name; a role held for a cost centre is written role:CODE."""
    roles: dict[int, list[str]] = {}
    for held in Grant.objects.select_related("cost_centre").order_by("role", "cost_centre__code"):
        roles.setdefault(held.user_id, []).append(f"{held.role}:{held.cost_centre}" if held.cost_centre else held.role)
    return [
        {"name": user.username, "active": user.is_active, "roles": roles.get(user.pk, [])}
        for user in User.objects.order_by("username")
    ]


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise PeopleError(f"there is no user {name!r}")
    return user


def _centre(role: str, code: str | None) -> CostCentre | None:
    if role not in Grant.Role.values:
        raise PeopleError(f"{role!r} is not a role; there are: {', '.join(Grant.Role.values)}")
    if (role in _HELD_FOR_A_CENTRE) != (code is not None):
        raise PeopleError(f"{role} is held for {'one cost centre: name it' if code is None else 'all cost centres'}")
    centre = CostCentre.objects.filter(code=code).first() if code else None
    if code and centre is None:
        raise PeopleError(f"there is no cost centre {code!r}; rules make those they name")
    return centre
