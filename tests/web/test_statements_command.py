"""``manage.py statements``: drafts, issue, PDF, policy; refusals with their exit code."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from allocation.models import BillingPeriod, Statement, TermsVersion
from tests.web.ledger import Usage, load, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people() -> None:
    for name in ("ann", "bob"):
        person(name, "finance")


def run(*given: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("statements", *given, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def refused(*given: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as told:
        run(*given)
    return told.value.returncode, str(told.value)


def test_a_month_is_drafted_issued_and_written_as_pdf(tmp_path: Path) -> None:
    load(Usage("12.346", "CC-100"), Usage("7", "=1+1/.."))
    assert run("2026-09", "--draft", "--as", "ann")["drafted"] == 2
    code, told = refused("2026-09", "--issue", "--as", "ann")
    assert (code, told.split(":")[0]) == (3, "2026-09 is open")
    BillingPeriod.objects.create(month="2026-09-01", state="soft_closed")
    found = run("2026-09", "--issue", "--as", "ann", "--pdf", str(tmp_path / "out"))
    assert (found["issued"], [row["amount"] for row in found["statements"]]) == (2, ["7.00", "12.35"])  # by code
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["statement_2026-09_CC-100_USD.pdf", "statement_2026-09__1_1____USD.pdf"]
    assert all((tmp_path / "out" / name).read_bytes().startswith(b"%PDF") for name in names)


def test_nobody_posts_what_they_issued() -> None:
    load(Usage("12", "CC-100"))
    BillingPeriod.objects.create(month="2026-09-01", state="soft_closed")
    run("2026-09", "--issue", "--as", "ann")
    row = Statement.objects.get()
    Statement.objects.filter(pk=row.pk).update(state="accepted", accepted_at=row.issued_at)
    assert refused("2026-09", "--post", "--as", "ann")[0] == 3
    assert run("2026-09", "--post", "--as", "bob")["posted"] == 1


def test_a_policy_file_waits_for_another_person_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text('- {cost_centre: "*", kind: showback}\n')
    number = run("--policy", str(path), "--as", "ann")["approval"]
    assert not TermsVersion.objects.exists()
    with pytest.raises(CommandError, match="ann prepared this: another person has to approve it") as own:
        call_command("approvals", "accept", str(number), "--as", "ann")
    assert own.value.returncode == 3
    call_command("approvals", "accept", str(number), "--as", "bob")
    held = TermsVersion.objects.get(kind="statement_policy", live=True)
    assert (held.document, held.loaded_by) == ([{"cost_centre": "*", "kind": "showback"}], "ann")
    path.write_text("- {kind: showback}\n")
    assert refused("--policy", str(path), "--as", "ann") == (
        2, 'policy.yaml: entry 1: needs a cost_centre, a code or "*" for all',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["2026-13"], "a month is written YYYY-MM"),
        (["2026-09", "--draft"], "say who does it: --as USER"),
        ([], "name a month: statements YYYY-MM"),
        (["2026-09", "--cost-centre", "CC-9"], "CC-9 has no statement of 2026-09"),
    ],
)
def test_wrong_use_is_one_line(given: list[str], told: str) -> None:
    code, line = refused(*given)
    assert (code, line[: len(told)]) == (2, told)


def test_an_empty_month_says_what_to_do_and_silence_is_told() -> None:
    out = io.StringIO()
    call_command("statements", "2026-09", "--accept-silent", stdout=out)
    assert "0 accepted: nobody disputed them in time." in out.getvalue()
    assert "There are no statements of 2026-09: draft them with --draft --as USER." in out.getvalue()
