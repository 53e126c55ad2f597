"""The page Upload: what a file says is shown before anything is stored, and each user's files are their own."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from finops.models import AuditEvent
from ingest.models import IngestRun, UsageEvent, UsageKey
from tests.web.connected import PAYLOAD
from tests.web.money_pages import client_of, page, text
from web import uploading

pytestmark = pytest.mark.usefixtures("ledger")
KNOWN = (
    b"timestamp,model,input_tokens,cached_tokens,output_tokens,team\n2026-09-08T13:00:00Z,gpt-5,1000,400,10,search\n"
)
OTHER = (
    b'{"t": 1788872400000, "m": "claude-opus-4-5", "u": {"in": 10, "kept": 5}}\n{"t": "?", "m": "x", "u": {"in": 1}}\n'
)
MEND = {
    "time": "t",
    "times": "ms",
    "model": "m",
    "input": "u.in",
    "cache_read": "u.kept",
    "cached": "beside",
    "numbers": "1234.56",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "uploads"


def given(client: Client, content: bytes, name: str = "calls.csv") -> str:
    """The preview of a file."""
    answer = client.post("/upload/", {"file": SimpleUploadedFile(name, content), "account": "acme"})
    markup: str = answer.content.decode()
    assert answer.status_code == 200, text(markup)
    return markup


def kept(markup: str) -> dict[str, str]:
    """What the form of the preview says."""
    found = re.findall(r'<select name="(\w+)".*?</select>', markup, re.S)
    chosen = {}
    for name in found:
        select = markup[markup.index(f'<select name="{name}"') :].split("</select>")[0]
        value = re.search(r'<option value="([^"]*)" selected', select)
        chosen[name] = value[1] if value else ""
    token = re.search(r'name="kept" value="(\w+)"', markup)
    assert token
    return {**chosen, "kept": token[1], "account": "acme"}


def test_columns_with_known_names_are_guessed_and_imported_as_they_are(folder: Path) -> None:
    admin = client_of("admin")
    markup = given(admin, KNOWN)
    assert "1 of the first 1 records can be read" in text(markup)
    assert "600" in text(markup), "1,000 of input, of which 400 came from the cache"
    said = kept(markup)
    assert (said["time"], said["cache_read"], said["team"], said["cached"]) == (
        "timestamp",
        "cached_tokens",
        "team",
        "part",
    )
    answer = admin.post("/upload/mapped", {**said, "do": "import"})
    run = IngestRun.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/runs/{run.pk}/")
    assert (run.account, run.input_name, run.stored) == ("acme", "calls.csv", 1)
    assert UsageKey.objects.get().tags == {"team": "search"}
    told = AuditEvent.objects.get(action="usage.upload")
    assert (told.actor, told.subject, told.details["stored"]) == ("admin", "acme", 1)
    assert list(folder.iterdir()) == []


def test_a_preview_stores_nothing_and_says_what_is_wrong_where_until_it_is_mended() -> None:
    admin = client_of("admin")
    markup = given(admin, OTHER, "x.jsonl")
    assert text(markup).count("Choose its column.") == 3
    assert "u.in: 10" in markup, "columns stand with their first value"
    said = {**kept(markup), **MEND}
    seen = admin.post("/upload/mapped", {**said, "do": "preview"}).content.decode()
    assert "1 of the first 2 records can be read, 1 cannot" in text(seen)
    assert "line 2 bad time" in text(seen)
    assert "anthropic" in text(seen), "by the model's prefix"
    assert (UsageEvent.objects.count(), IngestRun.objects.count()) == (0, 0)
    admin.post("/upload/mapped", {**said, "do": "import"})
    assert (UsageEvent.objects.count(), IngestRun.objects.get().quarantined) == (1, 1)


def test_many_bad_records_are_taken_only_where_that_is_said() -> None:
    admin = client_of("admin")
    content = KNOWN + b"yesterday,gpt-5,1,0,1,search\n" * 8
    said = kept(given(admin, content))
    refused = admin.post("/upload/mapped", {**said, "do": "import"})
    assert "Nothing was imported" in text(refused.content.decode())
    assert "the box below takes the rest" in text(refused.content.decode())
    assert UsageEvent.objects.count() == 0
    assert admin.post("/upload/mapped", {**said, "do": "import", "accept": "yes"}).status_code == 302
    assert UsageEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "The submitted file is empty."), ("a.csv", b"\n\n", "The CSV has no headings."),
        ("a.csv", b"a,b\n", "No record of it can be read."), ("a.parquet", b"PAR1 broken", "Not readable as Parquet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_at_all_is_refused_in_words(name: str, content: bytes, told: str) -> None:
    answer = client_of("admin").post("/upload/", {"file": SimpleUploadedFile(name, content), "account": "a"})
    assert answer.status_code == 422
    assert told in text(answer.content.decode())


def test_a_file_that_is_too_large_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "BYTES_MAX", 10)
    answer = client_of("admin").post("/upload/", {"file": SimpleUploadedFile("a.csv", KNOWN), "account": "a"})
    assert (answer.status_code, folder.exists()) == (422, False)


def test_a_kept_file_is_its_user_s_alone_and_goes_after_a_day(folder: Path) -> None:
    said = kept(given(client_of("admin"), KNOWN))
    other = client_of("admin", "other")
    for token in (said["kept"], "../../secret_key", "0" * 32):
        answer = other.post("/upload/mapped", {**said, "kept": token, "do": "import"}, follow=True)
        assert "the file is not kept any more" in text(answer.content.decode())
    (old,) = folder.iterdir()
    os.utime(old, (time.time() - 90_000,) * 2)
    given(other, KNOWN)
    assert not old.exists()


def test_names_of_files_and_columns_stay_text(folder: Path) -> None:
    admin = client_of("admin")
    markup = given(admin, KNOWN.replace(b"team", PAYLOAD.encode()), f"{PAYLOAD}/../../x.csv")
    assert "<img" not in markup
    (file,) = (path for one in folder.iterdir() for path in one.iterdir())
    assert re.fullmatch(r"[\w.-]+", file.name)


@pytest.mark.parametrize("role", ["viewer", "owner", "analyst", "finance", "auditor"])
def test_only_an_admin_uploads(role: str) -> None:
    client = client_of(role)
    assert [client.get("/upload/").status_code, client.post("/upload/mapped").status_code] == [403, 403]
    assert "Upload a file" in page(client_of("admin"), "/connect/generic/")
