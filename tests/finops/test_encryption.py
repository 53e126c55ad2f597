"""Seals: bound to what they belong to, under a ring whose newest key wraps, and closed when anything is wrong."""

import base64
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from finops import encryption
from finops.encryption import EncryptionError, RingFromEnvironment, Sealed, rewrap, seal, unseal

SECRET = "sk-ant-admin01-0123456789"
OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(DATA_DIR=tmp_path / "data", ENCRYPTION_KEYS=""):
        yield tmp_path / "data"


def test_what_is_sealed_opens_and_holds_nothing_of_the_secret(folder: Path) -> None:
    sealed = seal(SECRET, "id|openai|1")
    assert unseal(sealed, "id|openai|1") == SECRET
    stored = sealed.ring_key.encode() + sealed.wrapped_key + sealed.sealed
    assert SECRET.encode() not in stored
    assert len(sealed.wrapped_key) == 12 + 32 + 16  # nonce, data key, tag
    assert len(sealed.sealed) == 12 + len(SECRET) + 16


def test_every_seal_has_a_data_key_and_nonces_of_its_own(folder: Path) -> None:
    seals = [seal(SECRET, "id|openai|1") for _ in range(20)]
    assert len({one.sealed for one in seals}) == len({one.sealed[:12] for one in seals}) == 20
    assert len({one.wrapped_key[:12] for one in seals}) == 20


@pytest.mark.parametrize("bound_to", ["other|openai|1", "id|anthropic|1", "id|openai|2", ""])
def test_a_copied_row_does_not_open_elsewhere(folder: Path, bound_to: str) -> None:
    sealed = seal(SECRET, "id|openai|1")
    with pytest.raises(EncryptionError):
        unseal(sealed, bound_to)
    with pytest.raises(EncryptionError):
        rewrap(sealed, bound_to)


def test_a_data_key_does_not_open_another_secret(folder: Path) -> None:
    one, other = seal("first secret", "a|openai|1"), seal("second secret", "b|openai|1")
    with pytest.raises(EncryptionError):
        unseal(Sealed(one.ring_key, one.wrapped_key, other.sealed), "a|openai|1")


def test_any_changed_byte_closes_it(folder: Path) -> None:
    sealed = seal(SECRET, "x")
    for field in ("wrapped_key", "sealed"):
        stored = getattr(sealed, field)
        for place in range(len(stored)):
            changed = stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :]
            with pytest.raises(EncryptionError):
                unseal(sealed._replace(**{field: changed}), "x")
        for cut in (b"", stored[:5], stored[:12], stored[:-1]):
            with pytest.raises(EncryptionError):
                unseal(sealed._replace(**{field: cut}), "x")


def test_without_its_key_a_seal_stays_closed_and_the_stored_text_is_never_the_answer() -> None:
    with override_settings(ENCRYPTION_KEYS=OLD):
        sealed = seal(SECRET, "x")
    with (
        override_settings(ENCRYPTION_KEYS=NEW),
        pytest.raises(EncryptionError, match=f"sealed by key {sealed.ring_key}"),
    ):
        unseal(sealed, "x")
    with override_settings(ENCRYPTION_KEYS=NEW):  # a wrong key under the right name
        pretended = sealed._replace(ring_key=encryption.newest(encryption.ring()))
        with pytest.raises(EncryptionError, match="does not open"):
            unseal(pretended, "x")


def test_the_newest_key_wraps_and_older_ones_still_open() -> None:
    with override_settings(ENCRYPTION_KEYS=OLD):
        old = seal(SECRET, "x")
    with override_settings(ENCRYPTION_KEYS=f"{NEW},{OLD}"):
        assert unseal(old, "x") == SECRET
        new = rewrap(old, "x")
        assert new.ring_key != old.ring_key
        assert new.sealed == old.sealed  # the secret was not opened
        assert seal(SECRET, "x").ring_key == new.ring_key
    with override_settings(ENCRYPTION_KEYS=f"{NEW}\n"):  # the old key is retired
        assert unseal(new, "x") == SECRET
        with pytest.raises(EncryptionError):
            unseal(old, "x")


@pytest.mark.parametrize(
    "text",
    [
        "short",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        "!" * 44,
        f"{OLD},x",
        ",",
        "é" * 44,
    ],
)
def test_a_key_that_is_none_is_named_by_its_place_and_not_shown(text: str) -> None:
    with (
        override_settings(ENCRYPTION_KEYS=text),
        pytest.raises(EncryptionError, match="FINOPS_ENCRYPTION_KEYS") as refused,
    ):
        encryption.ring()
    if len(text) > 1:
        assert text.split(",")[-1] not in str(refused.value).replace("openssl rand -base64 32", "")


def test_keys_may_be_url_safe_base64() -> None:
    key = b"\xfb\xff" * 16
    with override_settings(ENCRYPTION_KEYS=base64.urlsafe_b64encode(key).decode()):
        assert list(encryption.ring().values()) == [key]


def test_the_ring_of_the_data_folder_is_made_once_and_is_nobody_elses(folder: Path) -> None:
    first = encryption.ring()
    path = folder / "encryption_keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert encryption.ring() == first
    assert [item.name for item in folder.iterdir()] == ["encryption_keys"]  # no half-made file is left


def test_many_processes_that_make_the_ring_at_once_agree(folder: Path) -> None:
    found, barrier = list[str](), threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        found.append(encryption.newest(encryption.ring()))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_new_key_comes_first_in_the_folders_ring_and_keeps_the_others(folder: Path) -> None:
    before = encryption.ring()
    sealed = seal(SECRET, "x")
    name = encryption.add_key()
    assert list(encryption.ring()) == [name, *before]
    assert unseal(sealed, "x") == SECRET
    assert stat.S_IMODE((folder / "encryption_keys").stat().st_mode) == 0o600
    with override_settings(ENCRYPTION_KEYS=OLD), pytest.raises(RingFromEnvironment):
        encryption.add_key()


def test_the_settings_are_checked_before_anything_runs() -> None:
    def found() -> set[str | None]:
        return {message.id for message in run_checks(tags=["security"])} & {"finops.E004", "finops.E005"}

    assert found() == set()
    with override_settings(ENCRYPTION_KEYS="short", ALLOWED_NETWORKS=["10.0.0.0/33"]):
        assert found() == {"finops.E004", "finops.E005"}


@given(secret=st.text(st.characters(codec="utf-8"), min_size=1), bound_to=st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_as_it_was(secret: str, bound_to: str) -> None:
    with override_settings(ENCRYPTION_KEYS=base64.b64encode(os.urandom(32)).decode()):
        assert unseal(seal(secret, bound_to), bound_to) == secret
