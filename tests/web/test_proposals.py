"""Proposals of money: what they would do is said, who may decide is checked everywhere, and nothing old overwrites new."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from allocation.derived import refresh
from allocation.models import Charge, Invoice, TermsVersion
from finops.models import Approval, AuditEvent
from ingest.models import DirtySlice, PriceBookVersion
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import bearer, person
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
FRAME = {"code": "frame", "provider": "openai", "discount": "10"}
OTHER = {"code": "other", "provider": "anthropic", "discount": "5"}
INVOICE = "issuer: OpenAI\nnumber: I-1\nbilling_period: 2026-09\ncurrency: USD\ntotal: '100'\n"


@pytest.fixture
def people(ledger: None) -> None:
    for name, role in (("ann", "finance"), ("bob", "finance"), ("ana", "analyst")):
        person(name, role)
    person("vic", "viewer", "CC-1")


def run(capsys: Any, *arguments: str) -> tuple[dict[str, Any], str]:
    call_command(*arguments, "--json")
    out = capsys.readouterr().out.strip()
    return json.loads(out.splitlines()[-1]), out


def refused(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)
    return caught.value.returncode, str(caught.value)


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "file.yaml").write_text(text)
    return str(tmp_path / "file.yaml")


def test_only_a_person_of_finance_decides_or_puts_in_force_on_the_command_line(people: None, tmp_path: Path) -> None:
    asked = approving.propose_agreements("contracts", [FRAME], by="ana")
    file, invoice = written(tmp_path, json.dumps([FRAME])), tmp_path / "invoice.yaml"
    invoice.write_text(INVOICE)
    prices = tmp_path / "prices.yaml"
    prices.write_text("- {provider: selfhosted, model: a, prices: {input: '1'}}")
    for command in (
        ("approvals", "accept", str(asked.pk)), ("approvals", "reject", str(asked.pk)), ("prices", "load", str(prices)),
        ("terms", "load", "contracts", file), ("invoices", "load", str(invoice)), ("prices", "approve", "1"),
        ("invoices", "withdraw", "OpenAI", "I-1", "--reason", "x"),
    ):  # fmt: skip
        assert refused(*command, "--as", "nobody") == (
            2,
            "--as: there is no user nobody; `manage.py user list` shows those there are",
        )
        for name in ("vic", "ana"):
            code, told = refused(*command, "--as", name)
            assert (code, told.startswith(f"{name} has not the role finance")) == (3, True)
    asked.refresh_from_db()
    assert (asked.state, TermsVersion.objects.exists(), Invoice.objects.exists()) == ("proposed", False, False)
    assert not PriceBookVersion.objects.filter(book="override").exists()


def test_what_is_accepted_by_command_is_in_the_figures_when_it_ends(people: None, tmp_path: Path, capsys: Any) -> None:
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]), "litellm"))
    refresh()
    before = sum(Charge.objects.values_list("effective_cost", flat=True))
    asked = approving.propose_agreements("contracts", [FRAME], by="ana")
    call_command("approvals", "accept", str(asked.pk), "--as", "bob")
    assert sum(Charge.objects.values_list("effective_cost", flat=True)) == before * Decimal("0.9")
    assert not DirtySlice.objects.exists()


def test_a_proposal_says_what_it_adds_changes_and_deletes(people: None, capsys: Any) -> None:
    approving.decide(approving.propose_agreements("contracts", [FRAME, OTHER], by="ana"), by="ann", accept=True)
    third = FRAME | {"code": "third", "provider": "google"}
    asked = approving.propose_agreements("contracts", [FRAME | {"discount": "20"}, third], by="ana")
    assert {name: asked.details[name] for name in ("adds", "changes", "deletes", "in_force")} == {
        "adds": ["third"], "changes": ["frame"], "deletes": ["other"], "in_force": 1,
    }  # fmt: skip
    assert "adds third; changes frame; deletes other" in run(capsys, "approvals", "list")[1]
    client = Client()
    client.login(username="ann", password="x")
    assert (
        "Against what is in force: adds third; changes frame; deletes other"
        in client.get("/approvals/").content.decode()
    )


def test_an_old_proposal_does_not_overwrite_what_came_in_force_after_it(people: None) -> None:
    old = approving.propose_agreements("contracts", [FRAME], by="ana")
    new = approving.propose_agreements("contracts", [OTHER], by="ana")
    call_command("approvals", "accept", str(new.pk), "--as", "bob")
    code, told = refused("approvals", "accept", str(old.pk), "--as", "bob")
    assert (code, "version 1 by ana of contracts came in force since this was asked for" in told) == (3, True)
    answer = Client().post(
        f"/api/v1/approvals/{old.pk}/decision", json.dumps({"accept": True}), content_type="application/json",
        **bearer(person("eve", "finance"), "write"),
    )  # fmt: skip
    assert (answer.status_code, "propose again" in answer.json()["detail"]) == (409, True)
    old.refresh_from_db()
    assert (old.state, TermsVersion.objects.get(live=True).document) == ("proposed", [OTHER])
    again = approving.propose_agreements("contracts", [OTHER], by="ana")  # what is in force already may be accepted
    approving.decide(again, by="bob", accept=True)
    assert TermsVersion.objects.count() == 1


def test_prices_and_invoices_that_others_have_changed_meanwhile_are_stale_too(people: None, tmp_path: Path) -> None:
    from allocation import reconciliation_invoices as invoices
    from ingest import price_approvals
    from ingest.prices import load_prices

    document = {"issuer": "OpenAI", "number": "I-1", "billing_period": "2026-09", "currency": "USD", "total": "100"}
    asked = invoices.propose(document, by="ana")
    invoices.enter(document | {"total": "90"}, by="ann")
    with pytest.raises(ValueError, match="revision 1 of OpenAI I-1 was entered since this was asked"):
        approving.decide(asked, by="bob", accept=True)
    entry = {"provider": "selfhosted", "model": "a", "prices": {"input": "2"}}
    load_prices(b"- {provider: selfhosted, model: a, prices: {input: '1'}}", "o.yaml", actor="ann")
    priced = price_approvals.propose([entry], by="ana")
    load_prices(b"- {provider: selfhosted, model: a, prices: {input: '1.5'}}", "o.yaml", actor="ann")
    with pytest.raises(ValueError, match="the prices in force have changed since this was asked"):
        approving.decide(priced, by="bob", accept=True)
    PriceBookVersion.objects.filter(book="override").delete()


def test_what_cannot_be_carried_out_is_refused_when_it_is_proposed(people: None) -> None:
    far = {
        "code": "far",
        "kind": "prepaid_credit",
        "provider": "openai",
        "from": "0001-01-01",
        "to": "9999-12-31",
        "face": "10",
    }
    client, headers = Client(raise_request_exception=False), bearer(person("eva", "analyst"), "write")
    for path, entry, said in (
        ("commitments", far, "far: from lies outside 2000-01-01 to 2100-12-31"),
        ("contracts", {"code": "c", "markup": "99999999999999"}, "c: markup must be at least 0, below 1,000,000"),
        ("contracts", {"code": "a\x00b", "discount": "1"}, "U+0000 cannot be stored"),
        ("contracts", {"code": "c", "model": "\ud800", "discount": "1"}, "U+D800 cannot be stored"),
        ("other-charges", {"code": "l", "category": "licence", "amount": "1", "from": "2026-02-30"}, "from must be a date"),
    ):  # fmt: skip
        answer = client.post(
            f"/api/v1/{path}", json.dumps({"entries": [entry]}), content_type="application/json", **headers
        )
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), (path, answer.json())
    price = {"provider": "openai", "model": "a\x00b", "prices": {"input": "1"}}
    answer = client.post("/api/v1/prices", json.dumps({"entries": [price]}), content_type="application/json", **headers)
    assert (answer.status_code, "U+0000 cannot be stored" in answer.json()["detail"]) == (400, True)
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        (("prices", "load"), "- {provider: a, model: b, prices: {input: '1'}, valid_from: 2026-02-30}",
         "file.yaml: line 1, column 61: '2026-02-30' is none"),
        (("prices", "load"), "- {provider: a, model: b, prices: {input: '1'}, valid_to: 9999-12-31T23:59:59-12:00}",
         "file.yaml: entry 1: valid_to lies outside"),
        (("prices", "load"), '- {provider: a, model: "b\\0", prices: {input: "1"}}', "file.yaml: 1.model: the sign U"),
        (("prices", "load"), "- {provider: a, model: b, model: c, prices: {input: '1'}}", "'model' stands twice"),
        (("invoices", "load"), INVOICE + "issued_on: 2026-02-30\n", "file.yaml: line 6, column 12: '2026-02-30' is none"),
        (("invoices", "load"), INVOICE + "total: '1'\n", "file.yaml: line 6, column 1: 'total' stands twice"),
        (("terms", "load", "contracts"), "- {code: a, discount: '1', discount: '2'}", "'discount' stands twice"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_meant_are_refused_in_one_line(
    ledger: None, tmp_path: Path, command: tuple[str, ...], text: str, said: str
) -> None:
    code, told = refused(*command, written(tmp_path, text))
    assert (code, said in told, "\n" in told) == (2, True, False), told


def test_an_invoice_by_hand_can_be_withdrawn_with_a_reason(people: None, tmp_path: Path, capsys: Any) -> None:
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", [payload(n) for n in range(10)]), "litellm"))
    refresh()
    before = sum(Charge.objects.values_list("effective_cost", flat=True))
    call_command("invoices", "load", written(tmp_path, INVOICE), "--as", "ann")
    assert sum(Charge.objects.values_list("effective_cost", flat=True)) == 100
    found, _ = run(capsys, "invoices", "withdraw", "OpenAI", "I-1", "--reason", "sent twice", "--as", "bob")
    assert [(row["revision"], Decimal(row["total"])) for row in found["invoices"]] == [("2", 0)]
    assert sum(Charge.objects.values_list("effective_cost", flat=True)) == before
    assert "withdrawn" in run(capsys, "invoices", "list")[1]
    event = AuditEvent.objects.get(action="invoice.withdraw")
    assert (event.actor, event.details["reason"]) == ("bob", "sent twice")
    assert refused("invoices", "withdraw", "OpenAI", "I-1", "--reason", "again")[0] == 3
    assert refused("invoices", "withdraw", "OpenAI", "I-2", "--reason", "x") == (3, "there is no invoice I-2 of OpenAI")
    call_command("invoices", "load", written(tmp_path, INVOICE))  # it may come again
    assert sum(Charge.objects.values_list("effective_cost", flat=True)) == 100


def test_over_the_api_a_withdrawal_waits_for_another_person(people: None, tmp_path: Path) -> None:
    call_command("invoices", "load", written(tmp_path, INVOICE))
    number, path = Invoice.objects.get().pk, "/api/v1/invoices/%d/withdrawal"
    client, headers = Client(raise_request_exception=False), bearer(person("eva", "finance"), "write")

    def post(url: str, body: dict[str, Any]) -> Any:
        return client.post(url, json.dumps(body), content_type="application/json", **headers)

    assert post(path % number, {"reason": ""}).status_code == 400
    assert post(path % 999_999, {"reason": "x"}).status_code == 404
    asked = post(path % number, {"reason": "sent twice"})
    assert (asked.status_code, asked.json()["subject"]) == (202, "withdraw OpenAI I-1")
    assert Invoice.objects.count() == 1
    call_command("approvals", "accept", str(asked.json()["id"]), "--as", "bob")
    newest = Invoice.objects.latest("revision")
    assert (newest.withdrawn, newest.total, newest.approval_id) == (True, 0, asked.json()["id"])
    assert post(path % number, {"reason": "x"}).status_code == 409


def test_commitments_above_the_limit_wait_too_by_what_is_new_in_them(
    people: None, tmp_path: Path, settings: Any, capsys: Any
) -> None:
    settings.APPROVAL_LIMITS = {"agreements": {"ann": Decimal(1_000), "bob": Decimal(10_000)}}
    small = {
        "code": "c",
        "kind": "prepaid_credit",
        "provider": "openai",
        "from": "2026-09-01",
        "to": "2027-01-01",
        "face": "900",
    }
    # 10 seats at 30 a month: 3,600 in their first year, of however many
    seats = {"code": "s", "kind": "seats", "from": "2026-09-01", "price": "30", "seats": 10}
    assert (
        run(capsys, "terms", "load", "commitments", written(tmp_path, json.dumps([small])), "--as", "ann")[0]["version"]
        == 1
    )
    found, told = run(
        capsys, "terms", "load", "commitments", written(tmp_path, json.dumps([small, seats])), "--as", "ann"
    )
    assert "commitments: 2 entries (adds s) wait for another person" in told
    asked = Approval.objects.get(pk=found["approval"])
    assert asked.details["worth"] == {"amount": "3600", "currency": "USD"}
    assert refused("approvals", "accept", str(asked.pk), "--as", "ann")[0] == 3
    call_command("approvals", "accept", str(asked.pk), "--as", "bob")
    assert TermsVersion.objects.get(live=True).number == 2
    assert (
        run(capsys, "terms", "load", "commitments", written(tmp_path, json.dumps([seats])), "--as", "ann")[0]["version"]
        == 3
    )


def test_above_the_limit_of_who_loads_it_an_invoice_waits(
    people: None, tmp_path: Path, settings: Any, capsys: Any
) -> None:
    settings.APPROVAL_LIMITS = {"invoice": {"ann": Decimal(50), "bob": Decimal(1000)}}
    odd = INVOICE + "issued_on: 2026-08-01\n"
    found, told = run(capsys, "invoices", "load", written(tmp_path, odd), "--as", "ann")
    assert (found["invoices"], len(found["approvals"]), Invoice.objects.exists()) == ([], 1, False)
    assert "note: invoice I-1: issued on 2026-08-01, before its billing period 2026-09 begins" in told
    call_command("approvals", "accept", str(found["approvals"][0]), "--as", "bob")
    assert Invoice.objects.get().total == 100
