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
        ("prices", "- {provider: openai}", "model|prices"),
        ("rules", "- {id: a, priority: 1, when: {tag.colour: red}, to: {cost_centre: A}}", "FINOPS_TAG_KEYS"),
        ("rules", "- {id: a, priority: 1", "line 1"),
        ("tier_policy", "- a\n- b", "a tier policy is a mapping"),
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
