"""``rules``, ``cost_centres`` and ``drivers``: what they change is shown, what they cannot use is said."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocation import rulebook
from allocation.derived import refresh
from allocation.models import BillingPeriod, CostDaily
from finops.models import Approval
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")
CALL = Decimal("0.000225")  # gpt-5: 100 input at 1.25 and 10 output at 10 per million
RULES = """
- {id: r1, priority: 1, when: {tag.team: search}, to: {proportional: {driver: headcount}}}
- {id: r2, priority: 2, when: {tag.team: chat}, to: {cost_centre: CC-1}}
"""


@pytest.fixture(autouse=True)
def usage(ledger: None, tmp_path: Path) -> None:
    rows = [payload(n, team=team) for n, team in enumerate(("search", "search", "search", "search", "chat"))]
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", rows), "litellm"))
    refresh()


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    return str(folder / name)


def differences(found: dict[str, Any]) -> dict[str, Decimal]:
    return {row["cost_centre"]: Decimal(row["difference"]) for row in found["cost_centres"]}


def test_rules_are_previewed_then_loaded_into_the_open_months_and_both_say_the_same(
    tmp_path: Path, capsys: Any
) -> None:
    path, before = written(tmp_path, "rules.yaml", RULES), dump()
    dry = run(capsys, "rules", "load", path, "--dry-run")
    assert dump() == before
    assert rulebook.in_force().number == 0
    found = run(capsys, "rules", "load", path)
    assert (found["version"], found["rules"]) == (1, 2)
    assert differences(found) == differences(dry) == {"(unallocated)": -CALL, "CC-1": CALL}
    covered = run(capsys, "rules", "coverage", "2026-09")
    assert covered["owned_share"] == "0.200000"
    assert [(gap["reason"], gap["about"]) for gap in covered["gaps"]] == [("no_driver", "r1")]


def test_a_metric_is_loaded_from_a_csv_file_and_shared_by(tmp_path: Path, capsys: Any) -> None:
    run(capsys, "rules", "load", written(tmp_path, "rules.yaml", RULES))
    tree = written(
        tmp_path, "tree.yaml", "- {code: CC, name: All}\n- {code: CC-1, parent: CC}\n- {code: CC-2, parent: CC}"
    )
    assert run(capsys, "cost_centres", "load", tree)["cost_centres"] == 3
    people = written(
        tmp_path, "d.csv", "month,name,cost_centre,value\n2026-09,headcount,CC-1,1\n2026-09,headcount,CC-2,3\n"
    )
    found = run(capsys, "drivers", "load", people)
    assert found["values"] == 2
    assert differences(found) == {"(unallocated)": -4 * CALL, "CC-1": CALL, "CC-2": 3 * CALL}
    shown = run(capsys, "drivers", "show", "2026-09")["drivers"]
    assert {name: Decimal(value) for name, value in shown["headcount"].items()} == {"CC-1": 1, "CC-2": 3}
    assert {name: Decimal(value) for name, value in shown["queries"].items()} == {"CC-1": 1}
    assert run(capsys, "cost_centres", "show")["cost_centres"]["CC-1"]["parent"] == "CC"


def test_a_mapping_is_loaded_beside_the_rules(tmp_path: Path, capsys: Any) -> None:
    run(capsys, "rules", "load", written(tmp_path, "rules.yaml", RULES))
    mappings = written(
        tmp_path, "m.yaml", "- {id: m1, when: {tag.team: search}, set: {tag.team: chat, environment: test}}"
    )
    assert differences(run(capsys, "rules", "load", mappings, "--mappings")) == {
        "(unallocated)": -4 * CALL,
        "CC-1": 4 * CALL,
    }
    assert set(CostDaily.objects.values_list("environment", flat=True)) == {"test", ""}


def test_proposed_rules_wait_for_another_person(tmp_path: Path, capsys: Any) -> None:
    person("ann", "finance")
    found = run(capsys, "rules", "propose", written(tmp_path, "rules.yaml", RULES), "--as", "ann")
    assert Approval.objects.get(pk=found["approval"]).prepared_by == "ann"
    with pytest.raises(CommandError, match="another person") as refused:
        call_command("approvals", "accept", str(found["approval"]), "--as", "ann")
    assert refused.value.returncode == 3
    assert rulebook.in_force().number == 0


def test_a_month_that_is_closed_says_which_month_bears_what_the_rules_move(capsys: Any) -> None:
    BillingPeriod.objects.create(month="2026-09-01", state="closed")
    call_command("allocate", "2026-09", "--dry-run")
    assert "2026-09 is closed and stays as it is: 2026-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "name", "content", "message"),
    [
        (
            ["rules", "load"],
            "f.yaml",
            "- {id: a, priority: 1, when: {}, to: {cost_centre: A}}",
            "f.yaml: a: when must name",
        ),
        (["rules", "propose"], "f.yaml", "- {id: a, priority: 1, when: {model: x}}", "f.yaml: a: to must be"),
        (["rules", "load", "--mappings"], "f.yaml", "- {id: a, when: {model: x}}", "f.yaml: a: set must name"),
        (["drivers", "load"], "f.csv", "month,name,value\n2026-09,x,1\n", "f.csv: driver 1: an entry has month"),
        (
            ["drivers", "load"],
            "f.csv",
            "month,name,cost_centre,value\n2026-09,x,CC-9,1\n",
            "there is no cost centre CC-9",
        ),
        (["drivers", "load"], "f.csv", "month,name,cost_centre,value\n2026-09,x,CC-9\n", "driver 1"),
        (["cost_centres", "load"], "f.yaml", "- {code: A, parent: B}", "f.yaml: A: parent: there is no cost centre B"),
        (
            ["cost_centres", "load", "--dry-run"],
            "f.yaml",
            "- {code: A, owner: x}",
            "f.yaml: A: owner: there is no user 'x'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_use_and_changes_nothing(
    tmp_path: Path, command: list[str], name: str, content: str, message: str
) -> None:
    before = dump()
    with pytest.raises(CommandError, match=message) as refused:
        call_command(*command, written(tmp_path, name, content))
    assert refused.value.returncode == 2
    assert dump() == before
