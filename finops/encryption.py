"""Secrets at rest: AES-256-GCM under a data key of its own, which a key of the ring wraps.

The ring is FINOPS_ENCRYPTION_KEYS (32 bytes each in base64, newest first), else a file in the data folder, made at
random on first use. Every seal is bound to what it belongs to: moved elsewhere it does not open. A key that is missing
or wrong is an error; nothing ever falls back to what is stored.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

KEY_BYTES, NONCE_BYTES = 32, 12
SETTING, FILE = "FINOPS_ENCRYPTION_KEYS", "encryption_keys"


class EncryptionError(Exception):
    """The ring cannot be read, or a seal not opened. The message holds no key and no secret."""


class Sealed(NamedTuple):
    """What is stored of a secret."""

    ring_key: str  # fingerprint of the key that wraps
    wrapped_key: bytes
    sealed: bytes


class RingFromEnvironment(EncryptionError):
    """The ring is the environment's, so whoever sets that puts a new key first."""


def ring() -> dict[str, bytes]:
    """The keys by fingerprint, newest first; read anew every time. Raises EncryptionError."""
    text = settings.ENCRYPTION_KEYS or _file().read_text(encoding="utf-8")
    keys = [_key(part, number) for number, part in enumerate(text.replace(",", " ").split(), start=1)]
    if not keys:
        raise EncryptionError(f"{SETTING} holds no key")
    return {fingerprint(key): key for key in keys}


def newest(keys: dict[str, bytes]) -> str:
    """The fingerprint of the key that wraps."""
    return next(iter(keys))


def add_key() -> str:
    """Put a new random key first in the ring's file; its fingerprint. Raises RingFromEnvironment."""
    if settings.ENCRYPTION_KEYS:
        raise RingFromEnvironment(f"the keys are those of {SETTING}: put a new one before them there")
    path, key = _file(), os.urandom(KEY_BYTES)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{FILE}.", delete=False) as file:  # 0600
        file.write(f"{base64.b64encode(key).decode()}\n{path.read_text(encoding='utf-8')}")
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
    return fingerprint(key)


def fingerprint(key: bytes) -> str:
    """16 hex digits that tell a random key from others and say nothing else of it."""
    return hashlib.sha256(key).hexdigest()[:16]


def seal(secret: str, bound_to: str) -> Sealed:
    """Seal under the newest key of the ring. Raises EncryptionError."""
    keys, data_key = ring(), AESGCM.generate_key(256)
    name = newest(keys)
    return Sealed(name, _lock(keys[name], data_key, bound_to), _lock(data_key, secret.encode(), bound_to))


def unseal(sealed: Sealed, bound_to: str) -> str:
    """The secret. Raises EncryptionError."""
    return _unlock(_data_key(ring(), sealed, bound_to), sealed.sealed, bound_to).decode()


def rewrap(sealed: Sealed, bound_to: str) -> Sealed:
    """The same seal, its data key wrapped by the newest key; the secret stays closed. Raises EncryptionError."""
    keys = ring()
    name = newest(keys)
    return Sealed(name, _lock(keys[name], _data_key(keys, sealed, bound_to), bound_to), sealed.sealed)


def _data_key(keys: dict[str, bytes], sealed: Sealed, bound_to: str) -> bytes:
    if sealed.ring_key not in keys:
        raise EncryptionError(
            f"the secret is sealed by key {sealed.ring_key or '(none)'}, which the ring does not hold"
        )
    return _unlock(keys[sealed.ring_key], sealed.wrapped_key, bound_to)


def _lock(key: bytes, content: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound_to.encode())


def _unlock(key: bytes, locked: bytes, bound_to: str) -> bytes:
    try:
        return AESGCM(key).decrypt(locked[:NONCE_BYTES], locked[NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise EncryptionError("the secret does not open: another key sealed it, or its row was changed") from None


def _key(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text, altchars=b"-_" if {"-", "_"} & set(text) else None, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise EncryptionError(f"key {number} of {SETTING} is not {KEY_BYTES} bytes in base64 (openssl rand -base64 32)")
    return key


def _file() -> Path:
    """The ring's own file (0600), with a first key when it was not there."""
    folder = Path(settings.DATA_DIR)
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f"{FILE}.", delete=False) as file:  # 0600
            file.write(f"{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n")
            file.flush()
            os.fsync(file.fileno())  # what it seals outlives a power cut, so it must too
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)  # whole or not at all: another process may be making one too
        os.unlink(file.name)
    return path
