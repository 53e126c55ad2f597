"""``reconcile`` and ``invoices``: the waterfall, the share explained, and what is wrong in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocation.derived import refresh
from allocation.models import Invoice
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")
INVOICE = """\
- issuer: OpenAI
  number: INV-7
  billing_period: 2026-09
  currency: USD
  total: '0.01'
  tax: '0.002'
"""


def run(capsys: Any, *arguments: str) -> tuple[dict[str, Any], str]:
    call_command(*arguments, "--json")
    out = capsys.readouterr().out.strip()
    return json.loads(out.splitlines()[-1]), out


@pytest.fixture
def usage(ledger: None, tmp_path: Path) -> None:
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]), "litellm"))
    refresh()


def written(tmp_path: Path, text: str = INVOICE) -> str:
    path = tmp_path / "invoices.yaml"
    path.write_text(text)
    return str(path)


def test_the_waterfall_goes_from_computed_to_the_invoice(usage: None, tmp_path: Path, capsys: Any) -> None:
    person("ann", "finance")
    # 10 calls of 100 + 10 tokens of gpt-5 at 1.25 and 10 dollars a million
    loaded, _ = run(capsys, "invoices", "load", written(tmp_path), "--as", "ann")
    assert [(found["number"], found["revision"]) for found in loaded["invoices"]] == [("INV-7", "1")]
    found, shown = run(capsys, "reconcile", "2026-09")
    [total] = found["currencies"]
    assert (found["month"], found["run"], total["computed"], total["invoice"], total["causes"], total["unexplained"]) == (
        "2026-09", 1, "0.002250000000", "0.010000000000", {"tax": "0.002000000000"}, "0.005750000000",
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert [line for line in lines if line.startswith(("computed", "tax", "unexplained", "invoice"))] == [
        "computed 0.002250", "tax +0.002000", "unexplained +0.005750", "invoice 0.010000", "unexplained +0.005750 openai",
    ]  # fmt: skip
    # 0.002 of 0.00775
    assert any(line.startswith("explained 25.81% of the differences") for line in lines)
    again, _ = run(capsys, "reconcile", "2026-09")
    assert (again["hash"], again["run"]) == (found["hash"], 1)
    tighter, _ = run(capsys, "reconcile", "2026-09", "--absolute", "0", "--relative", "0")
    assert (tighter["run"], tighter["inputs"]["tolerance"]) == (2, ["0", "0"])


def test_a_month_of_which_nothing_is_known_says_so(ledger: None, capsys: Any) -> None:
    found, shown = run(capsys, "reconcile", "2026-07")
    assert (found["lines"], found["currencies"]) == (0, [])
    assert "Nothing is known of 2026-07." in shown
    assert run(capsys, "invoices", "list", "--month", "2026-07")[0] == {"invoices": []}


@pytest.mark.parametrize("arguments", [("2026-13",), ("2026-09", "--absolute", "-1"), ("2026-09", "--relative", "NaN")])
def test_what_is_no_month_and_no_tolerance_is_wrong_use(ledger: None, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", *arguments)
    assert getattr(caught.value, "returncode", 2) == 2


def test_a_missing_exchange_rate_fails_and_names_the_day(usage: None, tmp_path: Path) -> None:
    call_command("invoices", "load", written(tmp_path, INVOICE.replace("USD", "EUR")))
    with pytest.raises(CommandError, match="no exchange rate of USD to EUR for 2026-09") as caught:
        call_command("reconcile", "2026-09")
    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (INVOICE.replace("'0.002'", "0.002"), "invoices.yaml: invoice INV-7: tax is a number in quotes"),
        (INVOICE.replace("number: INV-7", ""), "number is missing"), ("- a", "an invoice is a mapping"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_keeps_nothing(ledger: None, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CommandError, match=said) as caught:
        call_command("invoices", "load", written(tmp_path, INVOICE.replace("INV-7", "INV-6") + text))
    assert caught.value.returncode == 2
    assert not Invoice.objects.exists()
