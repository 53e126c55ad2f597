"""/api/v1/exports: asked for, built by a worker as far as the asker sees, opened by a signed link for a while."""

import csv
import hashlib
import io
import os
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.test import Client
from django.utils import timezone

from allocation.close import statements
from allocation.models import CostCentre, Grant
from finops.models import AuditEvent, User
from finops.periods import Period
from tests.web.ledger import Usage, bearer, freeze, load, person
from web import export_building, export_jobs
from web.models import BuiltFile

pytestmark = pytest.mark.django_db
URL = "/api/v1/exports"
SEPTEMBER = Period.month("2026-09")


@pytest.fixture(autouse=True)
def data(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    load(Usage("10", "CC-100"), Usage("20", "CC-200"), Usage("3", None))
    return tmp_path


@pytest.fixture
def finance() -> User:
    return person("fin", "finance")


def ask(user: User, **body: Any) -> Any:
    given = {"kind": "charges", "month": "2026-09"} | body
    return Client().post(URL, given, content_type="application/json", **bearer(user, "write"))


def read(user: User, number: int) -> Any:
    return Client().get(f"{URL}/{number}", **bearer(user))


def built(user: User, **body: Any) -> tuple[Any, bytes]:
    """What the API says of a file that was built, and its bytes through the link."""
    asked = ask(user, **body)
    assert asked.status_code == 202, asked.content
    assert export_building.build_waiting() == 1, BuiltFile.objects.latest("pk").error
    told = read(user, asked.json()["id"]).json()
    answer = Client().get(told["url"])
    assert answer.status_code == 200, answer.content
    return told, b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_an_export_waits_is_built_and_is_opened_without_a_log_in(finance: User, data: Path) -> None:
    asked = ask(finance)
    assert (asked.status_code, asked.json()["state"], asked.json()["url"]) == (202, "waiting", None)
    assert export_building.build_waiting() == 1
    told = read(finance, asked.json()["id"]).json()
    assert (told["state"], told["name"], told["url_lasts_seconds"]) == ("done", "charges_2026-09.csv", 900)
    answer = Client().get(told["url"])
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert 'filename="charges_2026-09.csv"' in answer["Content-Disposition"]
    assert (len(content), hashlib.sha256(content).hexdigest()) == (told["bytes"], told["sha256"])
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert sum(float(row["EffectiveCost"]) for row in rows) == 33  # 10 + 20 + 3 that nobody owns
    assert [path.parent for path in data.rglob("*.csv")] == [data / "exports"]
    assert AuditEvent.objects.get(action="export.ask").details["kind"] == "charges"
    assert export_building.build_waiting() == 0


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("workbook", "statement_2026-09.xlsx"),
        ("focus", "focus_2026-09_csv.zip"),
        ("journal", "journal_2026-09_preview.csv"),
    ],
)
def test_every_kind_is_built(kind: str, name: str, finance: User) -> None:
    told, content = built(finance, kind=kind)
    assert told["name"] == name
    if kind == "workbook":
        assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames[0] == "Summary"
    if kind == "focus":
        assert "focus-1.2_2026-09.csv" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    if kind == "journal":
        assert content.startswith(b"state,")


def test_statements_are_pdfs_in_a_zip_and_there_must_be_some(finance: User) -> None:
    number = ask(finance, kind="statement").json()["id"]
    assert export_building.build_waiting() == 0
    told = read(finance, number).json()
    assert (told["state"], told["error"], told["url"]) == ("failed", "there are no statements of 2026-09 yet", None)
    freeze()
    statements.issue(SEPTEMBER, "fin")
    _, content = built(finance, kind="statement", cost_centre="CC-100")
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert [name.startswith("statement_2026-09_CC-100") for name in archive.namelist()] == [True]
    assert archive.read(archive.namelist()[0]).startswith(b"%PDF")


def test_who_sees_one_cost_centre_gets_that_one_and_no_other() -> None:
    owner = person("own", "owner", "CC-100")
    _, content = built(owner)
    assert sum(float(row["EffectiveCost"]) for row in csv.DictReader(io.StringIO(content.decode()))) == 10
    assert ask(owner, cost_centre="CC-200").status_code == 400
    assert ask(owner, kind="journal").status_code == 403


def test_nobody_sees_exports_of_others(finance: User) -> None:
    number, other = ask(finance).json()["id"], person("other", "finance")
    assert read(other, number).status_code == 404
    assert Client().get(URL, **bearer(other)).json()["results"] == []
    assert [each["id"] for each in Client().get(URL, **bearer(finance)).json()["results"]] == [number]
    assert Client().get(f"{URL}/{number}").status_code == 401


def test_a_link_that_expired_or_was_changed_opens_nothing(finance: User, settings: Any) -> None:
    told, _ = built(finance)
    for wrong in (
        told["url"][:-1] + ("a" if told["url"][-1] != "a" else "b"),
        "/exports/files/x",
        "/exports/files/a:b:c",
    ):
        answer = Client().get(wrong)
        assert (answer.status_code, answer.content) == (403, b"this is no link of ours\n")
    settings.EXPORT_LINK_SECONDS = -1
    assert b"this link has expired" in Client().get(told["url"]).content
    settings.EXPORT_LINK_SECONDS = 900
    assert Client().get(read(finance, told["id"]).json()["url"]).status_code == 200
    assert Client().post(told["url"]).status_code == 405


def test_a_link_dies_with_the_rights_that_it_was_built_with(finance: User) -> None:
    told, _ = built(finance)
    Grant.objects.filter(user=finance).delete()
    answer = Client().get(told["url"])
    assert (answer.status_code, b"may not see any more" in answer.content) == (403, True)
    Grant.objects.create(user=finance, role="finance")
    assert Client().get(told["url"]).status_code == 200
    User.objects.filter(pk=finance.pk).update(is_active=False)
    assert Client().get(told["url"]).status_code == 403


def test_rights_that_were_taken_before_it_is_built_hold(finance: User) -> None:
    ask(finance)
    Grant.objects.filter(user=finance).delete()
    Grant.objects.create(user=finance, role="viewer", cost_centre_id=_centre("CC-200"))
    assert export_building.build_waiting() == 1
    file = BuiltFile.objects.get()
    assert file.scope == {"everything": False, "cost_centres": [_centre("CC-200")]}


def _centre(code: str) -> int:
    return CostCentre.objects.get(code=code).pk


def test_files_are_removed_when_their_time_is_over(finance: User, data: Path) -> None:
    told, _ = built(finance)
    [path] = (data / "exports").iterdir()
    stray = data / "exports" / "99.csv"
    stray.write_text("left by a worker that died")
    os.utime(stray, (0, 0))
    assert export_building.remove_expired() == 0
    assert list((data / "exports").iterdir()) == [path]
    assert export_building.remove_expired(timezone.now() + timedelta(days=8)) == 1
    assert list((data / "exports").iterdir()) == []
    assert Client().get(told["url"]).status_code == 403
    assert read(finance, told["id"]).status_code == 404


def test_what_a_dead_worker_began_is_begun_again_and_by_one_only(finance: User) -> None:
    ask(finance)
    now = timezone.now()
    assert export_building._claim(now) is not None
    assert export_building._claim(now) is None, "another worker has it"
    assert export_building.build_waiting() == 0
    BuiltFile.objects.update(begun_at=now - timedelta(hours=2))
    assert export_building.build_waiting() == 1


def test_a_fault_is_noted_and_says_nothing_of_itself(finance: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("secret path")

    monkeypatch.setitem(export_building._WRITERS, "charges", broken)
    number = ask(finance).json()["id"]
    assert export_building.build_waiting() == 0
    told = read(finance, number).json()
    assert (told["state"], told["error"]) == ("failed", "a fault of ours; the worker's log has it")


@pytest.mark.parametrize(
    "body",
    [{"kind": "x"}, {"month": "2026-13"}, {"format": "xlsx"}, {"cost_centre": "NONE"}, {"more": 1}, {"month": None},
     {"kind": ["charges"]}],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(body: dict[str, Any], finance: User) -> None:
    assert ask(finance, **body).status_code == 400
    assert not BuiltFile.objects.exists()


def test_nobody_floods_the_workers(finance: User) -> None:
    for _ in range(export_jobs.AT_ONCE):
        assert ask(finance).status_code == 202
    assert ask(finance).status_code == 409
    assert ask(person("other", "finance")).status_code == 202


def test_a_read_token_asks_for_nothing(finance: User) -> None:
    answer = Client().post(
        URL, {"kind": "charges", "month": "2026-09"}, content_type="application/json", **bearer(finance)
    )
    assert answer.status_code == 403
