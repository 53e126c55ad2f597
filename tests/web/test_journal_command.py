"""journal: shown, built, posted, exported once and numbered, with the exit codes that scripts rely on."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from allocation.close import accruals
from allocation.models import BillingPeriod, JournalEntry
from finops.periods import Period
from tests.web.ledger import Usage, load, person

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")


@pytest.fixture(autouse=True)
def people() -> None:
    for name in ("ann", "bob"):
        person(name, "finance")
    person("ana", "analyst")
    load(Usage("12.346", "CC-100"), Usage("7", "CC-200"), Usage("2", None))


def run(capsys: Any, *words: str) -> Any:
    capsys.readouterr()
    call_command("journal", *words, "--json")
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(*words: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as error:
        call_command("journal", *words)
    return error.value.returncode, str(error.value)


def close() -> None:
    accruals.run(SEPTEMBER, "ann")
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="closed")


def test_from_preview_to_document_number(capsys: Any, tmp_path: Path) -> None:
    shown = run(capsys, "show", "2026-09")
    assert shown["state"] == "preview"
    assert {(line["account"], line["cost_centre"], line["debit"]) for line in shown["lines"] if line["cost_centre"]} == {
        ("6000", "CC-100", "12.35"), ("6000", "CC-200", "7.00"),
    }  # fmt: skip
    assert refused("build", "2026-09", "--as", "ann")[0] == 3
    close()
    assert run(capsys, "build", "2026-09", "--as", "ann")["state"] == "built"
    assert refused("post", "2026-09", "--as", "ann") == (3, "ann built 2026-09 journal 1: another person posts it")
    assert run(capsys, "post", "2026-09", "--as", "bob")["state"] == "posted"
    out = tmp_path / "j.csv"
    run(capsys, "export", "2026-09", "--out", str(out), "--as", "ann")
    assert out.read_text().count("\n") == 1 + len(shown["lines"])
    code, told = refused("export", "2026-09", "--out", str(tmp_path / "again.csv"), "--as", "ann")
    assert (code, "two files would be booked twice" in told, (tmp_path / "again.csv").exists()) == (3, True, False)
    run(capsys, "export", "2026-09", "--out", str(tmp_path / "copy.csv"), "--as", "ann", "--copy")
    assert (tmp_path / "copy.csv").read_bytes() == out.read_bytes()
    assert run(capsys, "number", "2026-09", "FI-4711", "--as", "ann")["document_number"] == "FI-4711"
    assert run(capsys, "show", "2026-09")["state"] == "numbered"


def test_a_folder_that_is_not_there_exports_nothing(tmp_path: Path) -> None:
    close()
    call_command("journal", "build", "2026-09", "--as", "ann")
    call_command("journal", "post", "2026-09", "--as", "bob")
    assert refused("export", "2026-09", "--out", str(tmp_path / "no" / "j.csv"), "--as", "ann")[0] == 1
    assert JournalEntry.objects.get().exported_at is None


def test_it_takes_a_person_of_finance() -> None:
    assert refused("post", "2026-09")[0] == 2
    assert refused("post", "2026-09", "--as", "nobody")[0] == 2
    assert refused("post", "2026-09", "--as", "ana")[0] == 3


def test_the_proof_holds_and_accruals_are_told(capsys: Any) -> None:
    [row] = run(capsys, "proof", "2026-09")["rows"]
    assert (row["statements"], row["central"], row["accrual_movement"], row["difference"]) == (
        "19.346000000000", "2.000000000000", "21.346000000000", "0.000000000000",
    )  # fmt: skip
    assert run(capsys, "accruals", "2026-09")["accruals"] == []
    accruals.run(SEPTEMBER, "ann")
    [found] = run(capsys, "accruals", "2026-09")["accruals"]
    assert found["amount"] == "21.346000000000"


def test_matrix_and_template_come_from_files(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text('entries: [{event: charge, debit: "4711", credit: "{liability}"}]')
    number = run(capsys, "matrix", str(path), "--as", "ann")["approval"]
    assert "4711" not in {line["account"] for line in run(capsys, "show", "2026-09")["lines"]}, "it waits"
    with pytest.raises(CommandError, match="ann prepared this: another person has to approve it"):
        call_command("approvals", "accept", str(number), "--as", "ann")
    call_command("approvals", "accept", str(number), "--as", "bob")
    assert "4711" in {line["account"] for line in run(capsys, "show", "2026-09")["lines"]}
    path.write_text("entries: [{event: sale}]")
    code, told = refused("matrix", str(path), "--as", "ann")
    assert (code, "m.yaml" in told, "entries 1: event is one of" in told) == (2, True, True)
