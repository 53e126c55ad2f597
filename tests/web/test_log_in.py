"""Who gets in by password, for how long, and what ends it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from allocation import people
from allocation.costing.steps import DEMO
from allocation.models import Grant
from finops.models import AuditEvent, SiteMark, User
from tests.web.ledger import Usage, centre, load, person
from web.models import ApiToken, Session

pytestmark = pytest.mark.django_db
GOOD, BAD = {"username": "ann", "password": "x"}, {"username": "ann", "password": "wrong"}


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def inside(name: str, role: str = "finance", code: str = "", **headers: str) -> Client:
    """Somebody who came through the form."""
    person(name, role, code)
    client = Client(**headers)
    client.post("/login/", {"username": name, "password": "x"})
    assert logged_in(client)
    return client


def test_after_six_wrong_passwords_the_right_one_is_refused_and_the_page_says_until_when() -> None:
    person("ann", "finance")
    client = Client()
    with time_machine.travel("2026-09-10T10:00:00Z", tick=False):
        answers = [client.post("/login/", BAD) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]  # the sixth closes the door
        refused = client.post("/login/", GOOD)
        assert refused.status_code == 429
        assert not logged_in(client)
        text = refused.content.decode()
        assert "Try again in 15 minutes" in text
        assert "10:15 UTC" in text
        assert refused["Retry-After"] == str(15 * 60)
    with time_machine.travel("2026-09-10T10:14:59Z", tick=False):
        assert client.post("/login/", GOOD).status_code == 429  # tries in between did not move the end
        assert not logged_in(client)
    with time_machine.travel("2026-09-10T10:15:01Z", tick=False):
        client.post("/login/", GOOD)
        assert logged_in(client)


def test_nobody_locks_a_colleague_out_from_another_address() -> None:
    person("ann", "finance")
    attacker, owner = Client(REMOTE_ADDR="10.0.0.66"), Client(REMOTE_ADDR="10.0.0.7")
    for _ in range(8):
        attacker.post("/login/", BAD)
    assert attacker.post("/login/", GOOD).status_code == 429
    owner.post("/login/", GOOD)
    assert logged_in(owner)


def test_an_address_that_the_caller_made_up_does_not_open_the_lock(settings: Any) -> None:
    person("ann", "finance")
    for attempt in range(6):
        Client(HTTP_X_FORWARDED_FOR=f"10.1.1.{attempt}").post("/login/", BAD)
    assert Client(HTTP_X_FORWARDED_FOR="10.9.9.9").post("/login/", GOOD).status_code == 429
    settings.PROXIES = 1  # now the last station is the proxy's word, and what stands before it still the caller's
    for attempt in range(6):
        Client(HTTP_X_FORWARDED_FOR=f"10.1.1.{attempt}, 192.0.2.8").post("/login/", BAD)
    assert Client(HTTP_X_FORWARDED_FOR="10.7.7.7, 192.0.2.8").post("/login/", GOOD).status_code == 429
    elsewhere = Client(HTTP_X_FORWARDED_FOR="192.0.2.8, 192.0.2.9")
    elsewhere.post("/login/", GOOD)
    assert logged_in(elsewhere)


def test_a_wrong_name_is_answered_as_a_wrong_password_is() -> None:
    person("ann", "finance")
    wrong, unknown = Client().post("/login/", BAD), Client().post("/login/", BAD | {"username": "bob"})
    said = "User name and password do not match"
    assert said in wrong.content.decode()
    assert said in unknown.content.decode()
    assert wrong.status_code == unknown.status_code


def test_success_forgets_the_wrong_tries_before_it() -> None:
    person("ann", "finance")
    client = Client()
    for _ in range(2):
        for _ in range(5):
            client.post("/login/", BAD)
        client.post("/login/", GOOD)
        assert logged_in(client)
        client.post("/logout/")


def test_an_admin_unlocks() -> None:
    admin, client = inside("root", "admin"), Client()
    ann = person("ann", "finance")
    for _ in range(6):
        client.post("/login/", BAD)
    admin.post(f"/people/{ann.pk}/log-out")
    client.post("/login/", GOOD)
    assert logged_in(client)


@pytest.mark.parametrize("password", ["short", "password123", "ann.archer1"])
def test_weak_passwords_are_not_taken(password: str) -> None:
    client = inside("ann.archer")
    said = {"old_password": "x", "new_password1": password, "new_password2": password}
    assert client.post("/account/password", said).status_code == 422
    assert User.objects.get().check_password("x")


def test_a_session_ends_by_its_age_whatever_is_done_in_it(settings: Any) -> None:
    person("ann", "finance")
    client = Client()
    with time_machine.travel("2026-09-10T08:00:00Z", tick=False):
        client.post("/login/", GOOD)
    with time_machine.travel("2026-09-10T19:59:00Z", tick=False):
        assert client.get("/account/").status_code == 200
    with time_machine.travel("2026-09-10T20:00:01Z", tick=False):
        assert client.get("/account/").status_code == 302


def taken_by_hand() -> None:
    people.revoke(name="ann", role="finance", cost_centre=None, actor="test")


def all_deleted() -> None:
    Grant.objects.all().delete()


def made_less() -> None:
    held = Grant.objects.get()
    held.role = Grant.Role.AUDITOR
    held.save()


def closed() -> None:
    people.switch(name="ann", active=False, actor="test")


def closed_by_sql() -> None:
    User.objects.filter(username="ann").update(is_active=False)


def user_deleted() -> None:
    User.objects.filter(username="ann").delete()


@pytest.mark.parametrize("demote", [taken_by_hand, all_deleted, made_less, closed, closed_by_sql, user_deleted])
def test_demotion_ends_callback_rest_call_and_page_at_once(demote: Any) -> None:
    load(Usage("1", "CC-100"))
    client = inside("ann")
    callback = {
        "output": "page.children", "outputs": {"id": "page", "property": "children"},
        "inputs": [{"id": "address", "property": "pathname", "value": "/overview/"},
                   {"id": "address", "property": "search", "value": "?month=2026-09"}],
        "changedPropIds": ["address.search"],
    }  # fmt: skip

    def asked() -> list[int]:
        return [
            client.post("/dash/_dash-update-component", callback, content_type="application/json").status_code,
            client.get("/api/v1/costs?month=2026-09").status_code,
            client.get("/overview/").status_code,
            client.get("/explore/explore.csv?month=2026-09").status_code,
            client.get("/exports/statement-2026-09.xlsx").status_code,
        ]

    assert asked() == [200, 200, 200, 200, 200]
    demote()
    assert asked() == [302, 401, 302, 302, 302]


def test_a_right_that_is_given_needs_no_new_log_in() -> None:
    client = inside("ann", "auditor")
    assert client.get("/api/v1/sources").status_code == 200
    people.grant(name="ann", role="admin", cost_centre=None, actor="test")
    assert client.get("/people/").status_code == 200


def test_only_the_sessions_of_whom_it_was_taken_from_end() -> None:
    ann, bob = inside("ann"), inside("bob")
    taken_by_hand()
    assert (ann.get("/account/").status_code, bob.get("/account/").status_code) == (302, 200)


def test_a_download_link_ends_with_the_right_it_was_made_with(tmp_path: Any, settings: Any) -> None:
    from web import export_building, export_jobs

    settings.DATA_DIR = tmp_path
    load(Usage("1", "CC-100"))
    client = inside("ann")
    client.post("/api/v1/exports", {"kind": "charges", "month": "2026-09"}, content_type="application/json")
    export_building.build_waiting()
    file = export_jobs.mine(User.objects.get(username="ann")).get()
    link = export_jobs.link(file)
    assert Client().get(link).status_code == 200
    taken_by_hand()
    assert Client().get(link).status_code == 403


def test_the_account_page_shows_own_sessions_and_ends_the_others() -> None:
    here = inside("ann", HTTP_USER_AGENT="Firefox <b>", REMOTE_ADDR="192.0.2.1")
    there = Client(HTTP_USER_AGENT="Chromium", REMOTE_ADDR="192.0.2.2")
    there.post("/login/", GOOD)
    inside("bob", REMOTE_ADDR="192.0.2.3")
    text = here.get("/account/").content.decode()
    assert "Firefox &lt;b&gt;" in text
    assert "192.0.2.2" in text
    assert "192.0.2.3" not in text
    assert Session.objects.count() == 3
    here.post("/account/sessions/end")
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert Session.objects.count() == 2


def test_a_new_password_ends_sessions_elsewhere() -> None:
    here, there = inside("ann"), Client()
    there.post("/login/", GOOD)
    new = {"old_password": "x", "new_password1": "seven lean cows 7", "new_password2": "seven lean cows 7"}
    assert here.post("/account/password", new).status_code == 302
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert AuditEvent.objects.filter(action="user.password", actor="ann").count() == 1


def test_own_tokens_are_made_shown_once_and_revoked() -> None:
    client = inside("ann", "auditor")
    made = client.post("/account/tokens", {"scope": "read", "days": "30"})
    [secret] = [
        word for word in made.content.decode().replace("<", " ").replace(">", " ").split() if word.startswith("il_")
    ][:1]
    assert made["Cache-Control"].startswith("max-age=0")
    assert Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION=f"Bearer {secret}").status_code == 200
    assert secret not in client.get("/account/").content.decode()
    token = ApiToken.objects.get()
    assert token.expires_at - timezone.now() > timedelta(days=29)
    client.post(f"/account/tokens/{token.pk}/revoke")
    assert Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION=f"Bearer {secret}").status_code == 401
    assert set(AuditEvent.objects.filter(actor="ann").values_list("action", flat=True)) >= {
        "token.create",
        "token.revoke",
    }


def test_tokens_of_others_are_not_there_and_ingest_is_for_admins() -> None:
    ann, bob = inside("ann", "auditor"), inside("bob", "admin")
    bob.post("/account/tokens", {"scope": "ingest", "days": "30"})
    token = ApiToken.objects.get()
    assert token.scope == "ingest"
    assert ann.post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert ann.post("/account/tokens", {"scope": "ingest", "days": "30"}).status_code == 422
    assert ann.post("/account/tokens", {"scope": "read", "days": "0"}).status_code == 422
    assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_an_admin_makes_users_gives_and_takes_roles_and_revokes_tokens() -> None:
    admin = inside("root", "admin")
    centre("CC-100")
    made = admin.post("/people/create", {"name": "cleo"})
    cleo = User.objects.get(username="cleo")
    assert "shown this once" in made.content.decode()
    admin.post("/people/grant", {"user": "cleo", "role": "owner", "cost_centre": "CC-100"})
    admin.post("/people/grant", {"user": "cleo", "role": "finance"})
    assert sorted(Grant.objects.filter(user=cleo).values_list("role", flat=True)) == ["finance", "owner"]
    admin.post("/people/revoke", {"user": "cleo", "role": "finance", "cost_centre": ""})
    assert list(Grant.objects.filter(user=cleo).values_list("role", flat=True)) == ["owner"]
    admin.post(f"/people/{cleo.pk}/switch", {"active": "no"})
    cleo.refresh_from_db()
    assert not cleo.is_active
    made_by = set(AuditEvent.objects.filter(actor="root").values_list("action", flat=True))
    assert made_by == {"user.create", "grant.create", "grant.delete", "user.close"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"user": "nobody", "role": "finance"}, "no user"),
        ({"user": "ann", "role": "owner"}, "name it"),
        ({"user": "ann", "role": "owner", "cost_centre": "CC-999"}, "no cost centre"),
        ({"user": "root", "role": "finance"}, "themselves"),
    ],
)
def test_a_role_that_cannot_be_given_says_why(said: dict[str, str], told: str) -> None:
    admin = inside("root", "admin")
    person("ann", "auditor")
    answer = admin.post("/people/grant", said)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert Grant.objects.count() == 2


def test_an_admin_does_not_lock_everybody_out_by_closing_themselves() -> None:
    admin = inside("root", "admin")
    admin.post(f"/people/{User.objects.get(username='root').pk}/switch", {"active": "no"})
    assert User.objects.get(username="root").is_active


def test_the_page_tells_of_the_demos_log_in_only_where_there_is_a_demo() -> None:
    told = "manage.py demo"
    assert told not in Client().get("/login/").content.decode()
    SiteMark.objects.create(name=DEMO, value={})
    assert told in Client().get("/login/").content.decode()
