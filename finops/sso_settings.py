"""What the environment says of single sign-on by OpenID Connect: FINOPS_OIDC_*. Read once, by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import yaml

from finops.env import MissingSetting, env

ROLES = ("viewer", "owner", "analyst", "finance", "admin", "auditor")  # as allocation.models.Grant.Role has them
FOR_A_COST_CENTRE = ("viewer", "owner")
Held = tuple[str, str | None]  # a role, and the code of the cost centre that it is held for


@dataclass(frozen=True)
class Oidc:
    """One provider. ``roles``: name of a group there -> what its members hold here."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)  # empty: a public client, by PKCE alone
    label: str
    scopes: str
    groups_claim: str
    user_claim: str
    roles: tuple[tuple[str, tuple[Held, ...]], ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port of the provider."""
        place = urlsplit(self.issuer)
        return f"{place.scheme}://{place.netloc}"

    def held_by(self, groups: set[str]) -> frozenset[Held]:
        """What members of these groups hold."""
        return frozenset(held for group, all_of_it in self.roles if group in groups for held in all_of_it)


def read() -> Oidc | None:
    """The provider; None where FINOPS_OIDC_ISSUER is not set. Raises MissingSetting for what cannot be used."""
    issuer = env("FINOPS_OIDC_ISSUER", "").strip()
    if not issuer:
        return None
    return Oidc(
        issuer=_checked(issuer),
        client_id=_needed("FINOPS_OIDC_CLIENT_ID"),
        client_secret=env("FINOPS_OIDC_CLIENT_SECRET", ""),
        label=env("FINOPS_OIDC_LABEL", "single sign-on"),
        scopes=_with_openid(env("FINOPS_OIDC_SCOPES", "openid profile email")),
        groups_claim=env("FINOPS_OIDC_GROUPS_CLAIM", "groups"),
        user_claim=env("FINOPS_OIDC_USER_CLAIM", "preferred_username"),
        roles=roles_of(env("FINOPS_OIDC_ROLES")),
    )


def _needed(name: str) -> str:
    text = env(name).strip()
    if not text:
        raise MissingSetting(f"{name} is empty: single sign-on needs it")
    return text


def roles_of(text: str) -> tuple[tuple[str, tuple[Held, ...]], ...]:
    """YAML ``{group: role}`` or ``{group: [role, "owner:CODE"]}``. Raises MissingSetting."""
    name = "FINOPS_OIDC_ROLES"
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError:
        raise MissingSetting(f"{name} is no YAML") from None
    if not isinstance(given, Mapping) or not given:
        raise MissingSetting(f"{name} is written {{group: role}}, such as {{ledger-finance: finance}}")
    return tuple(
        (str(group), tuple(_held(name, str(group), one) for one in _listed(held))) for group, held in given.items()
    )


def _listed(held: Any) -> list[Any]:
    return held if isinstance(held, list) else [held]


def _held(name: str, group: str, text: Any) -> Held:
    role, colon, code = str(text).partition(":")
    if role not in ROLES:
        raise MissingSetting(f"{name}: {group}: {text!r} is no role; there are: {', '.join(ROLES)}")
    if bool(colon and code) != (role in FOR_A_COST_CENTRE):
        form = f"{role}:CODE, for one cost centre" if role in FOR_A_COST_CENTRE else role
        raise MissingSetting(f"{name}: {group}: {role} is written {form}")
    return role, code or None


def _checked(issuer: str) -> str:
    place = urlsplit(issuer)
    if place.scheme == "https" and place.hostname and not place.query and not place.fragment:
        return issuer
    if place.scheme == "http" and _is_loopback(place.hostname or ""):
        return issuer
    raise MissingSetting(f"FINOPS_OIDC_ISSUER must be an https:// address without a query, not {issuer!r}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_openid(scopes: str) -> str:
    words = scopes.split()
    return " ".join(words if "openid" in words else ["openid", *words])
