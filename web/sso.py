"""Single sign-on by OpenID Connect: who somebody is, by the provider's word, and the roles that their groups give here.

Authlib does the protocol: authorisation code with PKCE, state and nonce of the session, signature by the provider's keys,
issuer, audience and times. Imported when somebody first signs on, not by every command.
"""

import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError

from allocation import people
from allocation.models import Grant
from finops import audit
from finops.models import User
from finops.sso_settings import Held, Oidc
from web.models import SsoIdentity

ACTOR = "sso"
TIMEOUT, LEEWAY, METADATA_LIVES = 10, 60, 86_400  # seconds
_DISCOVERY = "/.well-known/openid-configuration"
_SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_WRONG = (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError, AttributeError)
_log = logging.getLogger(__name__)


class SsoError(Exception):
    """Nobody is let in; the message says why, to them."""


class NotAnswering(SsoError):
    """The provider does not answer, or not as one."""


def redirect_to_provider(oidc: Oidc, request: HttpRequest, back: str) -> HttpResponse:
    """Send the browser there; state, nonce and PKCE verifier stay in the session. Raises SsoError."""
    try:
        found: HttpResponse = _client(oidc).authorize_redirect(request, back)
    except requests.RequestException as wrong:
        raise _not_answering(wrong) from None
    return found


def identify(oidc: Oidc, request: HttpRequest) -> tuple[dict[str, Any], str]:
    """Claims of whom the provider sent back, checked, and the ID token that says them. Raises SsoError."""
    client = _client(oidc)
    options = {
        name: {"essential": True, "value": value} for name, value in (("iss", oidc.issuer), ("aud", oidc.client_id))
    }
    try:
        token = client.authorize_access_token(request, claims_options=options, leeway=LEEWAY)
        claims = dict(token["userinfo"])
        wanting = {oidc.groups_claim, oidc.user_claim} - claims.keys()
        if wanting and client.server_metadata.get("userinfo_endpoint"):
            claims = _completed(claims, client.userinfo(token=token))
        return claims, str(token["id_token"])
    except requests.RequestException as wrong:
        raise _not_answering(wrong) from None
    except _WRONG as wrong:
        _log.warning("single sign-on refused: %s: %s", type(wrong).__name__, wrong)
        raise SsoError("The answer of the provider could not be verified. Start again from the log-in page.") from None


def user_of(oidc: Oidc, claims: Mapping[str, Any]) -> User:
    """The user of these claims, with the roles of their groups and no others; made at the first time. Raises SsoError."""
    held = oidc.held_by(_groups(claims.get(oidc.groups_claim)))
    user = _followed(oidc, claims, held)  # commits: roles are taken also from whom we then refuse
    if user is None or not Grant.objects.filter(user=user).exists():
        raise SsoError("None of your groups gives a role here. An administrator says which groups do.")
    if not user.is_active:
        raise SsoError("Your account here is closed. An administrator can open it again.")
    return user


def log_out_address(oidc: Oidc, id_token: str, back: str) -> str | None:
    """Where the provider ends its own session; None where it offers that nowhere, or does not answer."""
    try:
        client = _client(oidc)
        if not client.server_metadata.get("end_session_endpoint"):
            return None
        told = client.create_logout_url(post_logout_redirect_uri=back, id_token_hint=id_token, client_id=oidc.client_id)
    except (SsoError, *_WRONG):
        return None
    return str(told["url"])


@transaction.atomic
def _followed(oidc: Oidc, claims: Mapping[str, Any], held: frozenset[Held]) -> User | None:
    """None: somebody new without a role, of whom nothing is kept."""
    subject = str(claims["sub"])
    known = SsoIdentity.objects.select_for_update(of=("self",)).select_related("user")
    identity = known.filter(issuer=oidc.issuer, subject=subject).first()
    if identity is None and not held:
        return None
    user = identity.user if identity is not None else _new(oidc, claims, subject)
    _give(user, held)
    return user


def _new(oidc: Oidc, claims: Mapping[str, Any], subject: str) -> User:
    name = str(claims.get(oidc.user_claim) or "").strip()
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        name = ""
    if not name or len(name) > 150 or len(subject) > 255:
        raise SsoError(
            f"The provider says no usable name of yours ({oidc.user_claim}). An administrator has to look at it."
        )
    if User.objects.filter(username=name).exists():
        raise SsoError(
            f"There is an account {name} here that is not of single sign-on. An administrator has to rename or close it."
        )
    user = User.objects.create_user(name)  # no password opens it
    SsoIdentity.objects.create(user=user, issuer=oidc.issuer, subject=subject)
    told = {"issuer": oidc.issuer, "subject": subject}
    audit.record(action="user.create", actor=ACTOR, subject=name, details=told)
    return user


def _give(user: User, held: frozenset[Held]) -> None:
    has = frozenset(Grant.objects.filter(user=user).values_list("role", "cost_centre__code"))
    for role, code in sorted(has - held, key=str):
        people.revoke(name=user.username, role=role, cost_centre=code, actor=ACTOR)
    for given, centre in sorted(held - has, key=str):
        try:
            people.grant(name=user.username, role=given, cost_centre=centre, actor=ACTOR)
        except people.PeopleError as wrong:  # a cost centre that is not there (yet) must not keep everybody out
            _log.warning("single sign-on: %s gets no %s: %s", user.username, given, wrong)


def _groups(said: Any) -> set[str]:
    if isinstance(said, str):
        return {said}
    return {str(group) for group in said} if isinstance(said, (list, tuple)) else set()


def _completed(claims: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """With what the userinfo endpoint says of the same person."""
    if more.get("sub") != claims["sub"]:
        raise ValueError("userinfo is of another subject")
    return {**more, **claims}


def _client(oidc: Oidc) -> Any:
    """The client, its metadata read and checked. Raises SsoError."""
    client = _registered(oidc, int(time.time()) // METADATA_LIVES)
    try:
        metadata = client.load_server_metadata()
        issuer = metadata.get("issuer")
    except (requests.RequestException, *_WRONG) as wrong:
        raise _not_answering(wrong) from None
    if issuer != oidc.issuer:
        _registered.cache_clear()
        _log.error(
            "single sign-on: FINOPS_OIDC_ISSUER is %s, and the provider there calls itself %s", oidc.issuer, issuer
        )
        raise NotAnswering("The provider of single sign-on is not the one that is set here.")
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    metadata["id_token_signing_alg_values_supported"] = [
        name for name in offered if name in _SIGNED
    ]  # never none or HS
    return client


@lru_cache(maxsize=2)
def _registered(oidc: Oidc, _day: int) -> Any:
    how = {} if oidc.client_secret else {"token_endpoint_auth_method": "none"}
    return OAuth().register(
        "oidc", client_id=oidc.client_id, client_secret=oidc.client_secret or None,
        server_metadata_url=oidc.issuer.rstrip("/") + _DISCOVERY,
        client_kwargs={"scope": oidc.scopes, "code_challenge_method": "S256", "default_timeout": TIMEOUT, **how},
    )  # fmt: skip


def _not_answering(wrong: Exception) -> NotAnswering:
    _log.error("single sign-on: the provider does not answer: %s: %s", type(wrong).__name__, wrong)
    return NotAnswering(
        "The provider of single sign-on does not answer. Try again in a moment, or log in with a password."
    )
