"""Secrets of providers: stored sealed, replaced as a whole, opened only to ask with; never shown again.

A text ``env:NAME`` is kept as a reference, and the secret stays where the environment (or the file NAME_FILE) has it.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from django.db import transaction
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from finops import audit, encryption, redaction
from finops.env import MissingSetting, env
from finops.models import User
from ingest.models import Credential
from ingest.pull import PullFailed

T = TypeVar("T")
COMMAND_LINE = "command line"
_LONGEST = 8_192
_SHOWN_FROM = 12  # of a shorter secret four characters, or eight digits of its hash, would say too much
# Variables that hold this site's own secrets: a connection must not be a way to send them somewhere.
_OWN = re.compile(r"(FINOPS|DATABASE|DJANGO|CELERY|PG|POSTGRES)", re.IGNORECASE)


class CredentialError(PullFailed):
    """A secret cannot be stored or opened. The message holds nothing of it."""


class Rotated(NamedTuple):
    """What a rotation did."""

    ring_key: str  # fingerprint of the key that now wraps all
    rewrapped: int
    current: int  # were wrapped by it already
    failed: dict[str, str]  # id -> why it could not be opened


@sensitive_variables("secret")
@transaction.atomic
def seal(kind: str, secret: str, by: User | None) -> Credential:
    """Store a secret. ``by`` None: the command line. Raises CredentialError."""
    credential = Credential(kind=kind, created_by=by)
    _put(credential, secret)
    credential.save(force_insert=True)
    _audit("credential.create", credential, by)
    return credential


@sensitive_variables("secret")
@transaction.atomic
def replace(credential: Credential, secret: str, by: User | None) -> Credential:
    """Put another secret in place of the stored one. Raises CredentialError."""
    credential = Credential.objects.select_for_update().get(pk=credential.pk)
    credential.version += 1
    _put(credential, secret)
    credential.save()
    _audit("credential.replace", credential, by)
    return credential


@sensitive_variables("secret")
def open_secret(credential: Credential) -> str:
    """The secret, for the one request it is needed for; the use is noted. Raises CredentialError before any request."""
    if credential.reference:
        secret = from_environment(credential.reference.removeprefix("env:"))
    else:
        secret = _guarded(lambda: encryption.unseal(_sealed(credential), _bound_to(credential)))
    redaction.hide(secret)
    Credential.objects.filter(pk=credential.pk).update(last_used_at=Now())
    return secret


def rotate(by: User | None = None, *, actor: str = COMMAND_LINE) -> Rotated:
    """Wrap every data key with the newest key of the ring; no secret is opened. Raises CredentialError."""
    name = _guarded(lambda: encryption.newest(encryption.ring()))
    done, current, failed = 0, 0, dict[str, str]()
    for key in Credential.objects.filter(reference="").order_by("created_at", "id").values_list("pk", flat=True):
        with transaction.atomic():
            credential = Credential.objects.select_for_update().get(pk=key)
            if credential.ring_key == name:
                current += 1
                continue
            try:
                sealed = encryption.rewrap(_sealed(credential), _bound_to(credential))
            except encryption.EncryptionError as error:
                failed[str(key)] = str(error)
                continue
            credential.ring_key, credential.wrapped_key, _ = sealed
            credential.save(update_fields=["ring_key", "wrapped_key"])
            done += 1
    details = {"rewrapped": done, "current": current, "failed": sorted(failed)}
    who = by.get_username() if by else actor
    audit.record(action="credential.rotate", actor=who, subject=f"ring key {name}", details=details)
    return Rotated(name, done, current, failed)


def credentials() -> list[Credential]:
    """All, oldest first."""
    return list(Credential.objects.select_related("created_by").order_by("created_at", "id"))


@sensitive_variables("secret")
def _put(credential: Credential, secret: str) -> None:
    secret = secret.strip()
    if not secret or len(secret) > _LONGEST or "\x00" in secret:
        raise CredentialError(f"a secret has 1 to {_LONGEST:,} characters, and no NUL")
    if secret.startswith("env:"):
        credential.reference = f"env:{allowed_name(secret.removeprefix('env:'))}"
        sealed = encryption.Sealed("", b"", b"")
        credential.last_four = credential.fingerprint = ""
    else:
        credential.reference = ""
        sealed = _guarded(lambda: encryption.seal(secret, _bound_to(credential)))
        told = len(secret) >= _SHOWN_FROM
        credential.last_four = secret[-4:] if told else ""
        credential.fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:8] if told else ""
    credential.ring_key, credential.wrapped_key, credential.sealed = sealed


def _sealed(credential: Credential) -> encryption.Sealed:
    return encryption.Sealed(credential.ring_key, bytes(credential.wrapped_key), bytes(credential.sealed))


def _bound_to(credential: Credential) -> str:
    return f"{credential.pk}|{credential.kind}|{credential.version}"


def allowed_name(name: str) -> str:
    """The name of an environment variable that may hold a secret: no setting of this site. Raises CredentialError."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,90}", name):
        raise CredentialError("env: is followed by the name of an environment variable")
    if _OWN.match(name):
        raise CredentialError(f"{name} is a setting of this site, and no provider's secret")
    return name


def from_environment(name: str) -> str:
    """The secret in an environment variable, or in the file NAME_FILE. Raises CredentialError."""
    try:
        secret = env(allowed_name(name)).strip()
    except (MissingSetting, OSError, UnicodeDecodeError):
        raise CredentialError(f"the environment variable {name} (or {name}_FILE) cannot be read here") from None
    if not secret:
        raise CredentialError(f"the environment variable {name} is empty")
    return secret


def _guarded(do: Callable[[], T]) -> T:
    try:
        return do()
    except encryption.EncryptionError as error:
        raise CredentialError(str(error)) from None


def _audit(action: str, credential: Credential, by: User | None) -> None:
    audit.record(
        action=action,
        actor=by.get_username() if by else COMMAND_LINE,
        subject=f"credential {credential.pk} of {credential.kind}",
        details={
            "version": credential.version, "reference": credential.reference, "last_four": credential.last_four,
            "fingerprint": credential.fingerprint,
        },
    )  # fmt: skip
