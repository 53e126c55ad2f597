"""Single sign-on against a provider that speaks OpenID Connect over HTTP."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from joserfc.jwk import RSAKey

from allocation.models import Grant
from finops.env import MissingSetting
from finops.models import AuditEvent, User
from finops.sso_settings import ROLES, Oidc, read, roles_of
from tests.web.ledger import centre, person
from tests.web.oidc_provider import CALLBACK, Provider, serving
from web import sso
from web.models import Session, SsoIdentity

GROUPS = "{ledger-finance: finance, ledger-search: ['owner:CC-100', 'viewer:CC-200'], ledger-audit: auditor}"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Provider]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # of the provider's own side: it is on loopback
    settings.OIDC = configured(running)
    running.forge, running.key, running.algorithm = lambda claims: claims, None, "RS256"
    running.asked.clear()
    running.ended.clear()
    sso._registered.cache_clear()
    centre("CC-100")
    centre("CC-200")
    yield running
    sso._registered.cache_clear()


def configured(provider: Provider, **changes: Any) -> Oidc:
    values: dict[str, Any] = {
        "issuer": provider.issuer, "client_id": provider.client_id, "client_secret": provider.client_secret,
        "label": "Acme ID", "scopes": "openid profile email", "groups_claim": "groups", "user_claim": "preferred_username",
        "roles": roles_of(GROUPS),
    }  # fmt: skip
    return Oidc(**values | changes)


def signed_on(provider: Provider, subject: str, client: Client | None = None, to: str = "") -> tuple[Client, Any]:
    """As a person does: our button, the provider, and back."""
    client = client or Client()
    begun = client.get(f"/login/sso/{to}")
    assert begun.status_code == 302, begun.content
    return client, client.get(provider.sign_in(begun["Location"], subject).removeprefix("http://testserver"))


def ann(provider: Provider, *groups: str, **claims: Any) -> None:
    provider.person("u-1", preferred_username="ann", groups=list(groups), **claims)


def held(name: str = "ann") -> set[tuple[str, str | None]]:
    return set(Grant.objects.filter(user__username=name).values_list("role", "cost_centre__code"))


def test_the_first_log_in_makes_a_user_with_the_roles_of_their_groups(provider: Provider) -> None:
    ann(provider, "ledger-search", "staff")
    client, back = signed_on(provider, "u-1", to="?next=/account/")
    assert (back.status_code, back["Location"]) == (302, "/account/")
    assert held() == {("owner", "CC-100"), ("viewer", "CC-200")}
    assert client.get("/account/").status_code == 200
    user = User.objects.get()
    assert not user.has_usable_password()
    assert (SsoIdentity.objects.get().subject, Session.objects.get().way) == ("u-1", "sso")
    assert AuditEvent.objects.filter(action="user.create", actor="sso", subject="ann").count() == 1
    [asked] = provider.asked[-1:]
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20
    assert asked["redirect_uri"] == CALLBACK


def test_roles_follow_the_groups_at_each_log_in_and_older_sessions_end_with_what_was_taken(provider: Provider) -> None:
    ann(provider, "ledger-finance", "ledger-audit")
    first, _ = signed_on(provider, "u-1")
    assert held() == {("finance", None), ("auditor", None)}
    ann(provider, "ledger-audit")
    signed_on(provider, "u-1")
    assert held() == {("auditor", None)}
    assert first.get("/account/").status_code == 302
    taken = AuditEvent.objects.get(action="grant.delete")
    assert (taken.actor, taken.subject, taken.details["role"]) == ("sso", "ann", "finance")
    assert User.objects.count() == 1


def test_without_any_group_left_nobody_is_let_in_and_the_roles_are_gone(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    signed_on(provider, "u-1")
    ann(provider, "staff")
    client, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403
    assert "None of your groups gives a role" in refused.content.decode()
    assert held() == set()
    assert client.get("/account/").status_code == 302


def test_a_stranger_without_a_group_leaves_no_user_behind(provider: Provider) -> None:
    ann(provider)
    _, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403
    assert not User.objects.exists()


def test_somebody_who_takes_over_a_name_is_not_the_user_of_that_name(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    signed_on(provider, "u-1")
    provider.person("u-2", preferred_username="ann", groups=["ledger-finance"])
    _, refused = signed_on(provider, "u-2")
    assert refused.status_code == 403
    assert "There is an account ann here" in refused.content.decode()
    provider.person("u-1", preferred_username="ann.archer", groups=["ledger-finance"])
    _, renamed = signed_on(provider, "u-1")
    assert renamed.status_code == 302
    assert list(User.objects.values_list("username", flat=True)) == ["ann"]


def test_a_local_account_is_not_taken_over(provider: Provider) -> None:
    person("ann", "admin")
    ann(provider, "ledger-search")
    _, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403
    assert held() == {("admin", None)}


def test_a_closed_account_stays_closed(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    signed_on(provider, "u-1")
    User.objects.update(is_active=False)
    _, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403
    assert "closed" in refused.content.decode()


def test_a_cost_centre_that_is_not_there_keeps_nobody_out(provider: Provider, settings: Any) -> None:
    settings.OIDC = configured(provider, roles=roles_of("{ledger-search: ['owner:CC-100', 'viewer:CC-999']}"))
    ann(provider, "ledger-search")
    _, back = signed_on(provider, "u-1")
    assert back.status_code == 302
    assert held() == {("owner", "CC-100")}


def test_groups_that_only_userinfo_says_count(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    provider.forge = lambda claims: {name: value for name, value in claims.items() if name != "groups"}
    _, back = signed_on(provider, "u-1")
    assert back.status_code == 302
    assert held() == {("finance", None)}


@pytest.mark.parametrize(
    ("wrong", "changes"),
    [
        ("another issuer", {"iss": "https://evil.example"}),
        ("no issuer", {"iss": None}),
        ("another audience", {"aud": "somebody-else"}),
        ("no audience", {"aud": None}),
        ("expired", {"exp": 1_600_000_000}),
        ("issued in the future", {"iat": 4_000_000_000}),
        ("not valid yet", {"nbf": 4_000_000_000}),
        ("another nonce", {"nonce": "replayed"}),
        ("no nonce", {"nonce": None}),
        ("another authorised party", {"azp": "somebody-else"}),
        ("no subject", {"sub": None}),
    ],
)
def test_an_id_token_that_is_not_for_us_now_is_refused(provider: Provider, wrong: str, changes: dict[str, Any]) -> None:
    ann(provider, "ledger-finance")
    provider.forge = lambda claims: {n: v for n, v in (claims | changes).items() if v is not None}
    client, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403, wrong
    assert "could not be verified" in refused.content.decode()
    assert not User.objects.exists()
    assert "_auth_user_id" not in client.session


def test_a_token_that_another_key_signed_is_refused(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    provider.key = RSAKey.generate_key(2048)
    _, refused = signed_on(provider, "u-1")
    assert refused.status_code == 403
    assert not User.objects.exists()


def test_state_is_of_the_session_that_began_and_serves_once(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    begun = Client().get("/login/sso/")
    back = provider.sign_in(begun["Location"], "u-1").removeprefix("http://testserver")
    victim = Client()
    assert victim.get(back).status_code == 403  # somebody else's link logs nobody in
    assert "_auth_user_id" not in victim.session
    client, _ = signed_on(provider, "u-1")
    assert client.get("/login/sso/callback/?code=x&state=y").status_code == 403
    assert Client().get("/login/sso/callback/").status_code == 403


def test_a_code_without_the_verifier_of_its_session_is_refused(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    client = Client()
    begun = client.get("/login/sso/")
    back = provider.sign_in(begun["Location"], "u-1").removeprefix("http://testserver")
    session = client.session
    [key] = [name for name in session.keys() if name.startswith("_state_oidc_")]  # noqa: SIM118  no iterator
    session[key]["data"]["code_verifier"] = "x" * 48
    session.save()
    before = provider.refusals
    assert client.get(back).status_code == 403
    assert provider.refusals == before + 1


def test_whoever_says_no_at_the_provider_is_told_so_here(provider: Provider) -> None:
    client = Client()
    begun = client.get("/login/sso/")
    answer = requests.post(begun["Location"], data={"action": "deny"}, allow_redirects=False, timeout=10)
    refused = client.get(answer.headers["Location"].removeprefix("http://testserver"))
    assert refused.status_code == 403


def test_log_out_ends_the_providers_session_too(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    client, _ = signed_on(provider, "u-1")
    out = client.post("/logout/")
    asked = parse_qs(urlsplit(out["Location"]).query)
    assert out["Location"].startswith(f"{provider.issuer}/oauth2/end_session")
    assert asked["post_logout_redirect_uri"] == ["http://testserver/login/"]
    assert asked["client_id"] == [provider.client_id]
    assert len(asked["id_token_hint"][0].split(".")) == 3
    assert requests.get(out["Location"], timeout=10).status_code == 200
    assert len(provider.ended) == 1
    assert client.get("/account/").status_code == 302


def test_whoever_came_by_password_logs_out_here_alone(provider: Provider) -> None:
    person("bob", "finance")
    client = Client()
    client.post("/login/", {"username": "bob", "password": "x"})
    assert client.post("/logout/")["Location"] == "/login/"


def test_a_target_elsewhere_is_not_gone_to(provider: Provider) -> None:
    ann(provider, "ledger-finance")
    _, back = signed_on(provider, "u-1", to="?next=https://evil.example/")
    assert back["Location"] == "/"


def test_the_button_is_there_when_it_is_set_up_and_only_then(provider: Provider, settings: Any) -> None:
    assert "Log in with Acme ID" in Client().get("/login/?next=/explore/").content.decode()
    settings.OIDC = None
    assert "/login/sso/" not in Client().get("/login/").content.decode()
    assert Client().get("/login/sso/").status_code == 404
    assert Client().get("/login/sso/callback/").status_code == 404


def test_a_provider_that_does_not_answer_or_is_another_is_told_as_that(provider: Provider, settings: Any) -> None:
    settings.OIDC = configured(provider, issuer="http://127.0.0.1:9")
    refused = Client().get("/login/sso/")
    assert refused.status_code == 403
    assert "does not answer" in refused.content.decode()
    settings.OIDC = configured(provider, issuer=f"{provider.issuer}/")
    assert "is not the one that is set here" in Client().get("/login/sso/").content.decode()


def test_no_secret_of_the_provider_reaches_log_or_audit(provider: Provider, capsys: Any, caplog: Any) -> None:
    ann(provider, "ledger-finance")
    caplog.set_level("DEBUG")
    client, _ = signed_on(provider, "u-1")
    client.post("/logout/")
    told = caplog.text + str(list(AuditEvent.objects.values_list())) + "".join(capsys.readouterr())
    assert provider.client_secret not in told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FINOPS_OIDC_ISSUER", "http://id.example.com", "must be an https"),
        ("FINOPS_OIDC_ISSUER", "https://id.example.com/?x=1", "must be an https"),
        ("FINOPS_OIDC_CLIENT_ID", " ", "is empty"),
        ("FINOPS_OIDC_ROLES", "finance", "is written"),
        ("FINOPS_OIDC_ROLES", "{a: boss}", "is no role"),
        ("FINOPS_OIDC_ROLES", "{a: owner}", "owner:CODE"),
        ("FINOPS_OIDC_ROLES", "{a: 'finance:CC-1'}", "is written finance"),
        ("FINOPS_OIDC_ROLES", "{a: [", "no YAML"),
    ],
)
def test_a_setting_that_cannot_be_used_says_which(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    for key, good in (("ISSUER", "https://id.example.com"), ("CLIENT_ID", "c"), ("ROLES", "{a: finance}")):
        monkeypatch.setenv(f"FINOPS_OIDC_{key}", good)
    assert read() is not None
    monkeypatch.setenv(name, value)
    with pytest.raises(MissingSetting, match=told) as wrong:
        read()
    assert name in str(wrong.value)


def test_the_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    for key, value in (("ISSUER", "https://id.example.com/tenant"), ("CLIENT_ID", "c"), ("ROLES", "{a: finance}"),
                       ("CLIENT_SECRET_FILE", str(tmp_path / "secret"))):  # fmt: skip
        monkeypatch.setenv(f"FINOPS_OIDC_{key}", value)
    found = read()
    assert found is not None
    assert (found.client_secret, found.origin) == ("s3cret", "https://id.example.com")
    monkeypatch.delenv("FINOPS_OIDC_ISSUER")
    assert read() is None


def test_roles_of_the_settings_are_those_of_grants() -> None:
    assert set(ROLES) == set(Grant.Role.values)
