"""``close_month``, ``periods`` and ``reopen_month``: two people, exit codes, and what each says to do next."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocation.models import BillingPeriod
from finops.models import Approval
from tests.allocation.close.months import agreed, calls, month_of_calls
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def september(ledger: None, tmp_path: Path) -> None:
    for name, role in (("ann", "finance"), ("bob", "finance"), ("eve", "analyst")):
        person(name, role)
    month_of_calls(tmp_path)


def run(capsys: Any, *arguments: str) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    call_command(*arguments, "--json")
    said = capsys.readouterr().out
    return json.loads(said.strip().splitlines()[-1]), said


def refused(capsys: Any, *arguments: str) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, "--json")
    assert caught.value.returncode == 3, caught.value
    printed = capsys.readouterr().out.strip().splitlines()
    return json.loads(printed[-1]) if printed else {}, str(caught.value)


def test_two_people_close_a_month_and_each_step_says_what_comes_next(capsys: Any) -> None:
    found, said = run(capsys, "close_month", "2026-09", "--as", "ann")
    assert (found["state"], found["gates"]) == ("preliminary", [])
    assert "close_month 2026-09 --to soft_closed" in said
    found, said = run(capsys, "close_month", "2026-09", "--as", "bob")
    assert found["state"] == "soft_closed"
    assert len(found["manifest"]) == 64
    assert found["manifest"] in said
    assert "close_month 2026-09 --to closed" in said
    agreed()
    found, said = run(capsys, "close_month", "2026-09", "--to", "closed", "--as", "bob")
    assert (found["state"], found["self_approved"]) == ("closed", False)
    assert "closed" in run(capsys, "periods")[1]


def test_one_person_alone_neither_closes_nor_reopens_nor_waives(capsys: Any, tmp_path: Path) -> None:
    run(capsys, "close_month", "2026-09", "--as", "ann")
    for _ in range(2):
        assert "another person" in refused(capsys, "close_month", "2026-09", "--as", "ann")[1]
    run(capsys, "close_month", "2026-09", "--as", "bob")
    agreed()
    assert "another person" in refused(capsys, "close_month", "2026-09", "--as", "ann")[1]
    run(capsys, "reopen_month", "2026-09", "--reason", "wrong invoice", "--as", "ann")
    assert "another person" in refused(capsys, "reopen_month", "2026-09", "--as", "ann")[1]
    assert BillingPeriod.objects.get().state == "soft_closed"
    calls(tmp_path, "2026-10-01")
    waive = ("close_month", "2026-10", "--waive", "coverage=known", "--as", "ann")
    assert refused(capsys, *waive)[0]["waivers"][0]["state"] == "proposed"
    assert "another person" in refused(capsys, *waive)[1]
    assert not BillingPeriod.objects.filter(month="2026-10-01").exclude(state="open").exists()


def test_a_month_with_gaps_is_refused_with_the_gates_that_fail_until_two_people_have_waived_them(
    capsys: Any, tmp_path: Path
) -> None:
    run(capsys, "close_month", "2026-09", "--as", "ann")
    run(capsys, "close_month", "2026-09", "--as", "bob")
    calls(tmp_path, "2026-10-01")
    found, told = refused(capsys, "close_month", "2026-10")  # the gates are told also to nobody in particular
    assert [(gate["gate"], gate["value"]) for gate in found["gates"]] == [("coverage", "30")]
    assert "lacks 2026-10-02 to 2026-10-31" in told
    found, told = refused(capsys, "close_month", "2026-10", "--waive", "the office was shut", "--as", "ann")
    number = found["waivers"][0]["approval"]
    assert f"approvals accept {number} --as USER" in told
    found, _ = run(capsys, "close_month", "2026-10", "--waive", "agreed", "--waive", "coverage=agreed", "--as", "bob")
    assert (found["state"], found["waivers"][0]["state"]) == ("preliminary", "accepted")
    shown, said = run(capsys, "periods", "show", "2026-10")
    gate = next(gate for gate in shown["gates"] if gate["gate"] == "coverage")
    assert (gate["ok"], gate["waived"]["prepared_by"], gate["waived"]["decided_by"]) == (False, "ann", "bob")
    assert "waived" in said


def test_a_reopened_month_is_open_as_its_next_version(capsys: Any) -> None:
    run(capsys, "close_month", "2026-09", "--as", "ann")
    run(capsys, "close_month", "2026-09", "--as", "bob")
    _, said = run(capsys, "reopen_month", "2026-09", "--reason", "wrong invoice", "--as", "ann")
    assert "reopen_month 2026-09 --as USER" in said
    found, said = run(capsys, "reopen_month", "2026-09", "--as", "bob")
    assert found["state"] == "accepted"
    assert "close_month 2026-09 --to preliminary" in said
    shown, _ = run(capsys, "periods", "show", "2026-09")
    assert (shown["state"], shown["version"], len(shown["former"])) == ("open", 2, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("close_month", "2026-13", "--as", "ann"), 2, "YYYY-MM"),
        (("close_month", "2026-09"), 2, "--as USER"),
        (("close_month", "2026-09", "--as", "nobody"), 2, "there is no user nobody"),
        (("close_month", "2026-09", "--as", "eve"), 3, "has not the role finance"),
        (("close_month", "2026-09", "--to", "closed", "--as", "ann"), 3, "next comes preliminary"),
        (("close_month", "2026-09", "--waive", "colour=blue", "--as", "ann"), 2, "there is no gate 'colour'"),
        (("reopen_month", "2026-09", "--reason", "x", "--as", "ann"), 3, "nothing to open again"),
        (("periods", "done", "2026-09", "sources", "--as", "ann"), 3, "not done by hand"),
        (("periods", "done", "2026-09", "tea", "--as", "ann"), 3, "there are: sources"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments: tuple[str, ...], code: int, told: str) -> None:
    with pytest.raises(CommandError, match=told) as caught:
        call_command(*arguments)
    assert caught.value.returncode == code
    assert "\n" not in str(caught.value)
    assert not BillingPeriod.objects.exclude(state="open").exists()


def test_what_is_done_by_hand_is_ticked_with_who_and_when(capsys: Any) -> None:
    run(capsys, "periods", "done", "2026-09", "invoices", "--as", "ann")
    task = next(
        task for task in run(capsys, "periods", "show", "2026-09")[0]["checklist"] if task["task"] == "invoices"
    )
    assert (task["state"], task["done_by"], task["due"]) == ("done", "ann", "2026-10-05")  # Thu 1, Fri 2, Mon 5
    run(capsys, "periods", "done", "2026-09", "invoices", "--undo", "--as", "bob")
    task = next(
        task for task in run(capsys, "periods", "show", "2026-09")[0]["checklist"] if task["task"] == "invoices"
    )
    assert (task["state"], task["done_by"]) == ("open", "")


def test_a_close_policy_is_in_force_once_another_person_has_accepted_it(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        '- {gate: unallocated, limit: "0.5", from: closed}\n- {holidays: [2026-10-02]}\n- {task: rates, drop: true}\n'
    )
    found, _ = run(capsys, "periods", "policy", str(file), "--as", "ann")
    before = run(capsys, "periods", "show", "2026-09")[0]
    assert [task["due"] for task in before["checklist"] if task["task"] == "invoices"] == ["2026-10-05"]
    call_command("approvals", "accept", str(found["approval"]), "--as", "bob")
    shown = run(capsys, "periods", "show", "2026-09")[0]
    assert next(gate for gate in shown["gates"] if gate["gate"] == "unallocated")["limit"] == "0.5"
    assert [task["due"] for task in shown["checklist"] if task["task"] == "invoices"] == ["2026-10-06"]
    assert "rates" not in {task["task"] for task in shown["checklist"]}
    file.write_text("- {gate: colour, limit: 1}\n")
    with pytest.raises(CommandError, match=r"policy.yaml: entry 1: gate 'colour' is not known") as caught:
        call_command("periods", "policy", str(file), "--as", "ann")
    assert caught.value.returncode == 2
    assert Approval.objects.filter(kind="period.policy").count() == 1
