"""What people state lies in bounds that dates and columns of money hold: refused with entry and field, never later."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from allocation.calc import capacity, commitments_entries, contracts, other_charges
from allocation.calc.contracts_fields import AgreementError
from allocation.calc.reconcile_invoices import InvoiceError, oddities, parse_invoice
from finops.documents import read_yaml
from finops.fx_files import FxFileError, published

CREDIT = {
    "code": "far",
    "kind": "prepaid_credit",
    "provider": "openai",
    "from": "2026-01-01",
    "to": "2027-01-01",
    "face": "10",
}
PTU = {"code": "ptu", "kind": "provisioned_throughput", "from": "2026-01-01", "to": "2027-01-01", "units": "10",
       "unit_price": "5", "capacity": "1000"}  # fmt: skip
SEATS = {"code": "s", "kind": "seats", "from": "2026-01-01", "price": "30", "seats": 10}
FLEET = {"code": "f", "gpu": "H100", "count": "8", "valid_from": "2026-01-01", "rent": "2"}
LICENCE = {"code": "l", "category": "licence", "amount": "12", "from": "2026-01-01"}
FRAME = {"code": "c", "provider": "openai", "discount": "10"}


@pytest.mark.parametrize(
    ("parse", "entry", "said"),
    [
        (commitments_entries.parse, CREDIT | {"from": "0001-01-01", "to": "9999-12-31"}, "far: from lies outside 2000"),
        (commitments_entries.parse, CREDIT | {"to": "9999-12-31"}, "far: to lies outside"),
        (commitments_entries.parse, CREDIT | {"to": "9999-12-31T23:59:59-12:00"}, "far: to lies outside"),
        (commitments_entries.parse, CREDIT | {"face": "1000000000000"}, "far: face must be at least 0, below 1,000,000,000,000"),
        (commitments_entries.parse, PTU | {"terminated": "9999-01-01"}, "ptu: terminated lies outside"),
        (commitments_entries.parse, PTU | {"unit_price": "900000000000"}, "ptu: unit_price comes to 9000000000000 with"),
        (commitments_entries.parse, SEATS | {"seats": 10**9, "price": "10000"}, "s: price comes to 10000000000000 with"),
        (commitments_entries.parse, SEATS | {"seats": 10**30}, "s: seats must be a whole number of at most"),
        (commitments_entries.parse, CREDIT | {"currency": "XXQ"}, "far: currency is wrong: 'XXQ' is not an ISO 4217"),
        (contracts.parse, FRAME | {"valid_to": "9999-12-31"}, "c: valid_to lies outside"),
        (contracts.parse, {"code": "c", "markup": "99999999999999"}, "c: markup must be at least 0, below 1,000,000"),
        (contracts.parse, FRAME | {"tiers": [{"over": "1", "markup": "1000000"}]}, "c: tiers 1: markup must"),
        (capacity.parse, FLEET | {"valid_from": "0001-01-01"}, "f: valid_from lies outside"),
        (capacity.parse, FLEET | {"purchase": {"price": "9", "months": 99_999}}, "f: purchase: months must be a whole number"),
        (capacity.parse, FLEET | {"rent": "99999999999"}, "f: rent comes to"),
        (other_charges.parse, LICENCE | {"to": "9999-12-31"}, "l: to lies outside"),
        (other_charges.parse, LICENCE | {"amount": "9999999999999"}, "l: amount must"),
    ],
)  # fmt: skip
def test_entries_out_of_bounds_are_refused_by_entry_and_field(parse: Any, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(AgreementError, match=re.escape(said)):
        parse([entry])
    written = yaml.safe_load(yaml.safe_dump([entry]))
    with pytest.raises(AgreementError, match=re.escape(said)):
        parse(written)


def test_what_lies_within_is_taken() -> None:
    for parse, entry in (
        (commitments_entries.parse, CREDIT), (commitments_entries.parse, PTU), (commitments_entries.parse, SEATS),
        (contracts.parse, FRAME | {"markup": "900000", "discount": None}), (capacity.parse, FLEET),
        (other_charges.parse, LICENCE), (commitments_entries.parse, CREDIT | {"to": "2100-12-31", "face": "999999999999"}),
    ):  # fmt: skip
        assert parse([entry])


INVOICE: dict[str, Any] = {
    "issuer": "OpenAI",
    "number": "I-1",
    "billing_period": "2026-09",
    "currency": "USD",
    "total": "5",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issued_on": "2026-02-30"}, "invoice I-1: issued_on is a date, YYYY-MM-DD, not '2026-02-30'"),
        ({"issued_on": "0001-01-01"}, "invoice I-1: issued_on lies outside 2000-01-01"),
        ({"currency": "XXQ"}, "invoice I-1: currency: 'XXQ' is not an ISO 4217"),
        ({"lines": [{"amount": "5", "day": "2026-07-31"}]},
         "invoice I-1 line 1: day 2026-07-31 lies more than 31 days outside the billing period 2026-09"),
        ({"lines": [{"amount": "5", "day": "2026-11-01"}]}, "lies more than 31 days outside"),
    ],
)  # fmt: skip
def test_an_invoice_out_of_bounds_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvoiceError, match=re.escape(said)):
        parse_invoice(INVOICE | change)


def test_what_is_unusual_in_an_invoice_is_said_and_taken() -> None:
    assert oddities(parse_invoice(INVOICE | {"issued_on": "2026-10-02"})) == []
    odd = {"issued_on": "2026-08-15", "total": "-5", "lines": [{"amount": "-5", "day": "2026-10-31"}]}
    assert oddities(parse_invoice(INVOICE | odd)) == [
        "issued on 2026-08-15, before its billing period 2026-09 begins",
        "1 line of days outside its billing period 2026-09: 2026-10-31 to 2026-10-31", "its total is negative: a credit note",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("0001-01-01", "EUR", "USD", "1.1"), "0001-01-01 lies outside 1990"),
        (("2026-09-08", "EUR", "XXQ", "1"), "ISO 4217"),
    ],
)
def test_a_rate_out_of_bounds_is_refused_and_those_since_1999_are_not(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(FxFileError, match=said):
        published(*given)
    assert published("1999-01-04", "EUR", "USD", "1.1789").day.year == 1999


def test_the_invoice_of_the_documentation_is_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "invoices.md").read_text(encoding="utf-8")
    [document] = read_yaml(text.split("```yaml\n")[1].split("```")[0])
    found = parse_invoice(document)
    assert (found.total, found.tax, len(found.lines), oddities(found)) == (1212, 202, 5, [])
