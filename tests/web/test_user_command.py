"""``user``: people, their roles, and what they then see."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from allocation.models import CostCentre
from allocation.scope import scope_of
from finops.models import AuditEvent, User

pytestmark = pytest.mark.django_db


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command("user", *arguments, "--json")
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_user_logs_in_with_the_password_shown_once_and_sees_what_the_role_allows(capsys: Any) -> None:
    centre = CostCentre.objects.create(code="CC-1")
    made = run(capsys, "create", "ann", "--role", "viewer", "--cost-centre", "CC-1")
    assert Client().login(username="ann", password=made["password"])
    ann = User.objects.get(username="ann")
    assert scope_of(ann).cost_centres == {centre.pk}
    run(capsys, "grant", "ann", "--role", "analyst")
    assert scope_of(ann).everything
    run(capsys, "revoke", "ann", "--role", "analyst")
    assert not scope_of(ann).everything
    assert run(capsys, "list")["users"] == [{"name": "ann", "active": True, "roles": ["viewer:CC-1"]}]
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["user.create", "grant.create", "grant.create", "grant.delete"]
    assert made["password"] not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "ann"], "already"),
        (["grant", "bob", "--role", "admin"], "no user 'bob'"),
        (["grant", "ann", "--role", "viewer"], "name it"),
        (["grant", "ann", "--role", "admin", "--cost-centre", "CC-1"], "all cost centres"),
        (["grant", "ann", "--role", "owner", "--cost-centre", "CC-9"], "no cost centre 'CC-9'"),
        (["revoke", "ann", "--role", "finance"], "ann is not finance"),
    ],
)
def test_what_cannot_be_done_is_said_and_exits_with_2(arguments: list[str], message: str) -> None:
    User.objects.create_user("ann", password="x")
    with pytest.raises(CommandError, match=message) as caught:
        call_command("user", *arguments)
    assert caught.value.returncode == 2
    assert not AuditEvent.objects.filter(action__startswith="grant").exists()
