"""``fx``: rates from files and by hand; what is charged in other currencies follows; what is missing is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocation import fx_changes
from allocation.costing import other_charges, terms
from allocation.derived import refresh
from allocation.models import Charge
from finops.models import Approval, AuditEvent, FxRate, SiteMark
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def licence(ledger: None) -> None:
    """100 EUR on 8 September, for which there is no rate."""
    SiteMark.objects.create(name="demo", value={"until": "2026-09-08"})
    entry = {"code": "tracing", "category": "licence", "amount": "100", "currency": "EUR", "from": "2026-09-08"}
    terms.load("other_charges", [entry], other_charges.parse, actor="test")
    refresh()
    for name in ("fin", "bob"):
        person(name, "finance")


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command("fx", *arguments, "--json")
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def accept() -> None:
    call_command("approvals", "accept", str(Approval.objects.get(kind="fx", state="proposed").pk), "--as", "bob")


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def cost() -> tuple[str, str]:
    charge = Charge.objects.get()
    return f"{charge.effective_cost:.2f}", charge.billing_currency


def test_a_missing_rate_names_day_and_pair_and_loading_it_converts_what_was_charged(
    tmp_path: Path, capsys: Any
) -> None:
    call_command("fx", "missing")
    assert "2026-09-08: no rate of EUR/USD, 1 charges of 100.000000000000 EUR" in capsys.readouterr().out
    file = write(tmp_path / "eurofxref-hist.csv", "Date,USD,JPY,\n2026-09-07,1.1,160.5,\n2026-09-04,1.0,N/A,\n")
    found = run(capsys, "load", file, "--as", "fin")
    asked = Approval.objects.get()
    assert (found["approval"], found["rates"], found["known"]) == (asked.pk, 3, 0)
    assert asked.details["rates"] == ["2026-09-04 EUR/USD 1", "2026-09-07 EUR/JPY 160.5", "2026-09-07 EUR/USD 1.1"]
    assert (cost(), FxRate.objects.count()) == (("100.00", "EUR"), 0), "it waits for another person"
    with pytest.raises(CommandError, match="fin prepared this: another person has to approve it") as own:
        call_command("approvals", "accept", str(asked.pk), "--as", "fin")
    assert own.value.returncode == 3
    accept()
    assert cost() == ("110.00", "USD")
    capsys.readouterr()
    assert run(capsys, "load", file) == {"approval": None, "rates": 0, "corrected": 0, "known": 3, "missing": []}
    assert set(FxRate.objects.values_list("source", flat=True)) == {"eurofxref-hist.csv"}
    assert AuditEvent.objects.get(action="fx.load").actor == "fin"


def test_a_rate_by_hand_holds_in_place_of_what_was_published(tmp_path: Path, capsys: Any) -> None:
    run(capsys, "load", write(tmp_path / "rates.csv", "day,base,quote,rate\n2026-09-08,EUR,USD,1.1\n"))
    accept()
    capsys.readouterr()
    assert run(capsys, "set", "2026-09-08", "EUR", "USD", "1.25")["corrected"] == 1
    accept()
    assert cost() == ("125.00", "USD")


def test_a_file_of_decades_is_asked_for_from_a_day_on(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fx_changes, "MOST", 2)
    rows = "".join(f"2026-09-0{day},1.{day}\n" for day in (7, 4, 3))
    file = write(tmp_path / "hist.csv", f"Date,USD\n{rows}")
    with pytest.raises(
        CommandError, match=r"hist\.csv: 3 new rates, of which one request holds 2: say --since 2026-09-04"
    ):
        run(capsys, "load", file)
    assert run(capsys, "load", file, "--since", "2026-09-04")["rates"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "8.9.2026", "EUR", "USD", "1"), "'8.9.2026' is no day: write YYYY-MM-DD"),
        (("set", "2026-09-08", "EUR", "usd", "1"), "'usd' is not an ISO 4217 currency code"),
        (("set", "2026-09-08", "EUR", "USD", "0"), "a rate is above 0"),
        (("load", "FILE"), "rates.csv: line 2: EUR/USD"),
        (("load", "no-such-file"), "there is no file"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_and_nothing_is_kept(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "rates.csv", "day,base,quote,rate\n2026-09-08,EUR,USD,x\n2026-09-09,EUR,USD,1\n")
    with pytest.raises(CommandError) as caught:
        call_command("fx", *(file if each == "FILE" else each for each in arguments))
    assert message in str(caught.value)
    assert caught.value.returncode == 2
    assert not FxRate.objects.exists()
