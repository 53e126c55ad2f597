"""``prices``, ``rerate``, ``rules`` and ``tier_policy``: what they change is shown, what they cannot use is said."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocation.derived import refresh
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def usage(ledger: None, tmp_path: Path) -> Any:
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]), "litellm"))
    refresh()
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_price_file_is_previewed_then_put_in_force_and_both_say_the_same(tmp_path: Path, capsys: Any) -> None:
    book = tmp_path / "prices.yaml"
    book.write_text('- {provider: openai, model: gpt-5, prices: {input: "2.25"}}\n')
    before = dump()
    dry = run(capsys, "prices", "load", str(book), "--dry-run")
    assert dump() == before
    assert not PriceBookVersion.objects.filter(book="override").exists()
    # 1,000 uncached input tokens at 1 USD per million more.
    assert [Decimal(row["difference"]) for row in dry["cost_centres"]] == [Decimal("0.001")]
    assert run(capsys, "prices", "load", str(book))["cost_centres"] == dry["cost_centres"]
    after = run(capsys, "rerate", "--from", "2026-09-01", "--to", "2026-09-30", "--dry-run")
    assert [Decimal(row["difference"]) for row in after["cost_centres"]] == [Decimal(0)]


@pytest.mark.parametrize(
    ("command", "content", "message"),
    [
        ("prices", "- {provider: openai}", "file.yaml: entry 1: (model|prices)"),
        ("prices", "- {provider: openai", 'in "file.yaml", line 1|file.yaml: .*line 1'),
        (
            "rules",
            "- {id: a, priority: 1, when: {tag.colour: red}, to: {cost_centre: A}}",
            "file.yaml.*FINOPS_TAG_KEYS",
        ),
        ("rules", "- {id: a, priority: 1", "line 1"),
        ("tier_policy", "- a\n- b", "file.yaml: a tier policy is a mapping"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line_and_exits_with_2(
    tmp_path: Path, command: str, content: str, message: str
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(content)
    with pytest.raises(CommandError, match=message) as caught:
        call_command(command, "load", str(path))
    assert caught.value.returncode == 2


@pytest.mark.parametrize("command", ["prices", "rules", "tier_policy"])
def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path, command: str) -> None:
    with pytest.raises(CommandError, match="there is no file") as caught:
        call_command(command, "load", str(tmp_path / "none.yaml"))
    assert caught.value.returncode == 2


@pytest.mark.parametrize("command", ["rerate", "rebuild_cube"])
def test_days_in_the_wrong_order_are_said_as_they_were_given(command: str) -> None:
    with pytest.raises(CommandError, match="the last day, 2026-09-01, lies before the first, 2026-09-30") as caught:
        call_command(command, "--from", "2026-09-30", "--to", "2026-09-01")
    assert caught.value.returncode == 2


def test_days_up_to_the_end_of_the_calendar_are_all_days(capsys: Any) -> None:
    assert run(capsys, "rerate", "--from", "0001-01-01", "--to", "9999-12-31", "--dry-run")["cost_centres"]


@pytest.mark.parametrize("month", ["0000-01", "9999-12", "2026-13", "\u0662\u0660\u0662\u0666-\u0660\u0669"])
def test_a_month_that_is_none_is_wrong_use(month: str) -> None:
    with pytest.raises(CommandError, match="a month is written YYYY-MM") as caught:
        call_command("allocate", month)
    assert caught.value.returncode == 2
