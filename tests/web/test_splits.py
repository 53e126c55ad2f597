"""Splits, rate cards and adjustments as people meet them: REST, commands and the page say what the database holds."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from allocation import rulebook
from allocation.attribution import adjustments, monthly
from allocation.models import Adjustment, CostDaily, TermsVersion
from finops.models import Approval
from tests.allocation.attribution.test_splits import PLATFORM, RULES, borne, settle, share_out, three
from tests.allocation.calc.test_adjustments import ASKED
from tests.allocation.stated import KINDS
from tests.web.ledger import bearer, person
from tests.web.money_pages import BLIND, READERS, client_of, page, row, text
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
MOVED = ASKED | {"parts": [{"cost_centre": "CC-A", "amount": "2"}, {"cost_centre": "CC-B", "amount": "-2"}]}
CARD = {"code": "chat", "cost_centre": "CC-A", "owner": {"cost_centre": "CC-P"}, "unit": "tokens", "rate": "2"}
MONTH = "?month=2026-09"


@pytest.fixture(autouse=True)
def ruled(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    rulebook.load(RULES, actor="test")


def api(who: tuple[str, str], method: str, path: str, body: Any = None) -> Any:
    data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(Client(), method)(f"/api/v1/{path}", **data, **bearer(person(*who), "write"))


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def test_the_api_says_what_the_pools_moved_and_costs_are_after_the_splits() -> None:
    three()
    share_out(PLATFORM)
    told = api(("fin", "finance"), "get", f"splits{MONTH}").json()
    assert (told["version"], told["entries"]) == (1, [PLATFORM])
    (moved,) = told["moved"]
    assert (moved["code"], D(moved["found"]), D(moved["moved"]), moved["note"]) == ("platform", D(10), D(10), "")
    assert {each["x_CostCentre"]: D(each["EffectiveCost"]) for each in moved["cost_centres"]} == {
        "CC-A": D("2.5"), "CC-B": D("7.5"), "CC-P": -10,
    }  # fmt: skip
    rows = api(("ana", "analyst"), "get", f"costs{MONTH}&group_by=x_CostCentre").json()["results"]
    shown = {each["x_CostCentre"]: D(each["EffectiveCost"]) for each in rows if D(each["EffectiveCost"])}
    assert shown == borne() == {"CC-A": D("7.5"), "CC-B": D("22.5")}
    assert api(("fin2", "finance"), "get", "splits?month=2026").status_code == 400


def test_splits_are_proposed_over_the_api_and_in_force_after_another_person_accepted_them() -> None:
    three()
    asked = api(("ann", "analyst"), "post", "splits", {"entries": [PLATFORM]})
    assert asked.status_code == 202
    wrong = api(("ana", "analyst"), "post", "splits", {"entries": [PLATFORM | {"over": ["CC-P"]}]})
    assert (wrong.status_code, "gives to CC-P, which it empties" in wrong.content.decode()) == (400, True)
    assert (
        api(("fin", "finance"), "post", f"approvals/{asked.json()['id']}/decision", {"accept": True}).status_code == 200
    )
    settle()
    assert borne(basis="shared")["CC-P"] == -10


def test_nobody_puts_a_rate_in_force_alone_not_even_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    three()
    path = tmp_path / "cards.yaml"
    path.write_text(json.dumps([CARD]))
    dry = run(capsys, "terms", "load", "rate_cards", str(path), "--dry-run")
    assert {each["cost_centre"]: D(each["difference"]) for each in dry["cost_centres"] if D(each["difference"])} == {
        "CC-A": 3, "CC-P": -3,
    }  # fmt: skip
    for name in ("ann", "bob"):
        person(name, "finance")
    number = run(capsys, "terms", "load", "rate_cards", str(path), "--as", "ann")["approval"]
    assert not TermsVersion.objects.filter(kind="rate_cards").exists()
    with pytest.raises(CommandError) as own:
        call_command("approvals", "accept", str(number), "--as", "ann")
    assert own.value.returncode == 3
    call_command("approvals", "accept", str(number), "--as", "bob")
    settle()
    assert borne(basis="variance") == {"CC-A": 3, "CC-P": -3}
    told = api(("fin", "finance"), "get", f"rate-cards{MONTH}").json()
    assert [(D(each["found"]), D(each["moved"])) for each in told["moved"]] == [(D(5), D(-3))]


def test_terms_load_splits_shows_who_pays_what_more_and_the_dry_run_says_what_will_happen(
    tmp_path: Path, capsys: Any
) -> None:
    three()
    path = tmp_path / "splits.yaml"
    path.write_text(json.dumps([PLATFORM]))
    dry = run(capsys, "terms", "load", "splits", str(path), "--dry-run")
    assert not CostDaily.objects.filter(basis="shared").exists()
    assert run(capsys, "terms", "load", "splits", str(path))["cost_centres"] == dry["cost_centres"]
    assert borne(basis="shared") == {each["cost_centre"]: D(each["difference"]) for each in dry["cost_centres"]}
    path.write_text(json.dumps([PLATFORM | {"over": ["CC-P"]}]))
    with pytest.raises(CommandError, match=r"splits.yaml: platform: gives to CC-P") as wrong:
        call_command("terms", "load", "splits", str(path))
    assert wrong.value.returncode == 2


def test_an_adjustment_is_prepared_by_finance_and_decided_by_another_of_finance() -> None:
    three()
    assert api(("ana", "analyst"), "post", "adjustments", MOVED).status_code == 403
    asked = api(("ann", "finance"), "post", "adjustments", MOVED)
    assert asked.status_code == 202
    assert api(("ann2", "finance"), "post", "adjustments", MOVED | {"reason": ""}).status_code == 400
    before = api(("ann3", "finance"), "post", "adjustments", MOVED | {"month": "2019-01"})
    assert before.status_code == 400
    assert "2019-01 lies before the books, which begin with 2026-09" in before.content.decode()
    decision = f"approvals/{asked.json()['id']}/decision"
    (waiting,) = api(("ana2", "analyst"), "get", f"adjustments{MONTH}").json()["results"]
    assert (waiting["state"], waiting["adjustment"], waiting["charge_date"]) == ("proposed", None, None)
    assert api(("bob", "finance"), "post", decision, {"accept": True}).status_code == 200
    settle()
    (posted,) = api(("ana3", "analyst"), "get", f"adjustments{MONTH}").json()["results"]
    assert (posted["state"], posted["charge_date"], posted["decided_by"]) == ("accepted", "2026-09-30", "bob")
    assert {part["cost_centre"]: D(part["amount"]) for part in posted["parts"]} == borne(basis="adjustment")
    assert api(("ana4", "analyst"), "get", "adjustments?month=2026-08").json()["results"] == []


def test_adjust_asks_and_lists(tmp_path: Path, capsys: Any) -> None:
    three()
    person("ann", "finance")
    path = tmp_path / "adjustment.yaml"
    path.write_text(json.dumps(MOVED))
    asked = run(capsys, "adjust", "propose", str(path), "--as", "ann")
    assert asked["subject"] == "2026-09: 2 USD"
    approving.decide(Approval.objects.get(pk=asked["approval"]), by="bob", accept=True)
    (listed,) = run(capsys, "adjust", "list")["adjustments"]
    assert (listed["state"], listed["charge_date"]) == ("accepted", "2026-09-30")
    path.write_text(json.dumps(MOVED | {"month": "2050-01"}))
    with pytest.raises(CommandError, match="month 2050-01 has not begun") as early:
        call_command("adjust", "propose", str(path), "--as", "ann")
    assert early.value.returncode == 2
    path.write_text(json.dumps(MOVED | {"parts": []}))
    with pytest.raises(CommandError, match=r"adjustment.yaml: adjustment: parts are") as wrong:
        call_command("adjust", "propose", str(path), "--as", "ann")
    assert wrong.value.returncode == 2


def test_the_page_tells_each_pool_in_plain_words_with_its_amounts() -> None:
    three()
    assert "Nothing is split in September 2026" in page(client_of("auditor"), f"/allocation/splits/{MONTH}")
    share_out(
        PLATFORM, {"code": "rest", "source": {"unallocated": True}, "method": "proportional", "driver": "headcount"},
        {"code": "hard", "source": {"cost_centre": "CC-Q", "model": "gpt*"}, "method": "tier_weight",
         "weights": {"complex": "10"}},
    )  # fmt: skip
    monthly.load("rate_cards", [CARD], actor="ann")
    asked = adjustments.propose(MOVED, by="ann")
    approving.decide(asked, by="bob", accept=True)
    settle()
    shown = page(client_of("analyst"), f"/allocation/splits/{MONTH}")
    told = text(shown)
    assert "All that CC-P bears, given away by tokens." in told
    assert "What no rule gives to anybody, given away by headcount. There was nothing to give away." in told
    assert "All that CC-Q bears (model gpt*), given away by queries, a complex one counts 10." in told
    assert "2.50" in row(shown, "CC-A")
    for word in ("Adjusted by hand", "mail of 2 September", "approved by bob", "2 USD a million tokens"):
        assert word in told, word
    lines = list(
        csv.DictReader(io.StringIO(client_of("auditor", "au").get(f"/allocation/splits.csv{MONTH}").content.decode()))
    )
    assert sum(D(line["effective_cost"]) for line in lines) == 0
    assert {line["pool"] for line in lines} == {"platform", "chat"}
    assert Adjustment.objects.count() == 1


@pytest.mark.parametrize("role", [*READERS, *BLIND])
def test_who_sees_everything_sees_splits(role: str) -> None:
    client = client_of(role)
    for path in ("/allocation/splits/", "/allocation/splits.csv"):
        assert client.get(path).status_code == (200 if role in READERS else 403), path


def test_what_waits_is_shown_with_its_parts_and_decided_there() -> None:
    three()
    asked = adjustments.propose(MOVED, by="ann")
    approving.propose_agreements("rate_cards", [CARD], by="ann")
    shown = text(page(client_of("finance"), f"/allocation/splits/{MONTH}"))
    for word in ("the evaluation ran on the wrong key", "CC-A: 2 USD", "CC-B: -2 USD", "rate 2"):
        assert word in shown, word
    client = client_of("finance", "fin2")
    client.post(f"/approvals/{asked.pk}/decide", {"decision": "accept", "next": f"/allocation/splits/{MONTH}"})
    assert Adjustment.objects.get().approved_by == "fin2"
