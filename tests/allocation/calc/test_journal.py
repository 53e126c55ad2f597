"""The journal by itself: balanced, tied to statements, to accruals and to invoices."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.accruals import Accrual, Place, Posting
from allocation.calc.gl import GlError, parse
from allocation.calc.journal import Line, balances, journal
from allocation.calc.journal_cells import Centre, Month, Split, stated
from allocation.calc.journal_template import TemplateError, csv_bytes
from allocation.calc.journal_template import parse as parse_template
from allocation.calc.natures import Charged, Cost, postings
from allocation.calc.statement import rounded_by
from finops.periods import Period

D = Decimal
ZERO = D(0)
SEPTEMBER = Period.month("2026-09")
OPENAI = Place("openai", "acct", "USD", "US01")
NONE = Place("", "", "USD", "US01")
CENTRES = {
    "CC-1": Centre("640100", "US01"), "CC-2": Centre("", "DE01"), "CC-3": Centre("640300", None),
    "CC-SHOW": Centre("640400", "DE01", charged=False),
}  # fmt: skip
DEFAULT = parse([])
money = st.decimals("-1000", "100000", places=12)


def cost(amount: Any, centre: str = "CC-1", kind: str = "charge", **given: Any) -> Cost:
    place = given.pop("place", NONE if kind in ("other_charge", "gpu_depreciation") else OPENAI)
    month, category = given.pop("month", SEPTEMBER.start), given.pop("category", "Usage")
    owed = D(amount) if kind in ("charge", "prepaid_purchase") else ZERO
    expense = ZERO if kind == "prepaid_purchase" else D(amount)
    return Cost(place, month, centre, "openai", category, kind, "", bool(given.get("correction")), expense, owed, ZERO)


def month(
    costs: list[Cost], *, accruals: Any = (), posted: Any = (), splits: Any = (), period: Period = SEPTEMBER
) -> Month:
    return Month(period, costs, list(splits), list(accruals), list(posted), CENTRES, NONE, "CC-FIN")


def accrual(costs: list[Cost], estimate: Any = 0, reversed_: Any = 0) -> Accrual:
    owed = sum((row.owed for row in costs if row.place == OPENAI), ZERO)
    return Accrual(OPENAI, SEPTEMBER.start, owed, owed, ZERO, D(estimate), D(reversed_))


def net(lines: list[Line], *by: str) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        found[tuple(getattr(line, name) for name in by)] += line.debit - line.credit
    return {key: amount for key, amount in found.items() if amount}


costs_of = st.lists(
    st.builds(
        cost, money, st.sampled_from(["", *CENTRES]),
        st.sampled_from(["charge", "prepaid_purchase", "prepaid_amortisation", "breakage", "gpu_depreciation", "other_charge"]),
    ),
    max_size=12,
)  # fmt: skip


@given(costs_of, money, money, st.booleans(), st.lists(st.tuples(st.sampled_from(["", *CENTRES]), money), max_size=4))
def test_ar18_debits_are_credits_per_entity_and_currency_for_any_charges(
    costs: list[Cost], estimate: Decimal, before: Decimal, invoiced: bool, moved: list[tuple[str, Decimal]]
) -> None:
    splits = [Split(centre, "", "openai", False, "USD", amount) for centre, amount in moved]
    splits.append(Split("", "", "openai", False, "USD", -sum((amount for _, amount in moved), ZERO)))
    owed = sum((row.owed for row in costs), ZERO)
    open_ = accrual(costs, estimate, before)
    posted = Posting(OPENAI, SEPTEMBER.start, ("I1",), D(250), ZERO, owed, ())
    made = month(costs, accruals=[] if invoiced else [open_], posted=[posted] if invoiced else [], splits=splits)
    found = journal(made, DEFAULT)
    assert set(balances(found.lines).values()) <= {ZERO}
    assert all(line.debit >= 0 and line.credit >= 0 and not (line.debit and line.credit) for line in found.lines)
    # AR10: whole cents; the liability is the accrual (or invoice), to the cent
    assert all(line.debit == round(line.debit, 2) and line.credit == round(line.credit, 2) for line in found.lines)
    liabilities = net([line for line in found.lines if line.event != "accrual_reversal"], "account")
    account, amount = ("2000", D(250)) if invoiced else ("2110", round(open_.amount, 2))
    assert -liabilities.get((account,), ZERO) == amount


@given(costs_of)
def test_ar10_ar11_the_lines_of_a_cost_centre_add_up_to_its_statement(costs: list[Cost]) -> None:
    made = month(costs, accruals=[accrual(costs)])
    exact: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
    for row in costs:
        if row.kind != "prepaid_purchase":
            exact[row.cost_centre or None] += row.expense
    statements = rounded_by(exact, "USD")
    assert stated(made) == {(code or "", "USD"): amount for code, amount in statements.items()}
    found = net([line for line in journal(made, DEFAULT).lines if line.cost_centre], "cost_centre")
    assert found == {(code,): amount for code, amount in statements.items() if code and code != "CC-SHOW" and amount}


def test_a_month_without_an_invoice_is_expense_of_the_cost_centre_against_accrued_liabilities() -> None:
    costs = [cost("10.005"), cost("20.005", "CC-3")]
    found = journal(month(costs, accruals=[accrual(costs, "3")]), DEFAULT).lines
    assert net(found, "account", "cost_centre") == {
        # 30.01 in all: the first of two equal remainders gets the cent
        ("640100", "CC-1"): D("10.01"), ("640300", "CC-3"): D("20.00"), ("6090", ""): D("3.00"), ("2110", ""): D("-33.01"),
    }  # fmt: skip
    assert {line.reference for line in found} == {"PROV-2026-09-openai-acct-US01"}


def test_another_legal_entity_bears_what_one_pays_by_a_pair_between_them() -> None:
    costs = [cost("40", "CC-2")]
    found = journal(month(costs, accruals=[accrual(costs)]), DEFAULT).lines
    assert net(found, "legal_entity", "account") == {
        ("DE01", "6000"): D(40), ("DE01", "2310"): D(-40), ("US01", "1310"): D(40), ("US01", "2110"): D(-40),
    }  # fmt: skip


def test_a_cost_centre_that_is_shown_only_has_no_line_and_its_cost_stays_central() -> None:
    costs = [cost("40", "CC-SHOW"), cost("2", "CC-1")]
    found = journal(month(costs, accruals=[accrual(costs)]), DEFAULT).lines
    assert net(found, "cost_centre", "account") == {
        ("", "6000"): D(40), ("CC-1", "640100"): D(2), ("", "2110"): D(-42),
    }  # fmt: skip


def test_what_was_paid_ahead_is_an_asset_and_is_used_up() -> None:
    costs = [
        cost("720", "", "prepaid_purchase", category="Purchase"), cost("24", "CC-1", "prepaid_amortisation"),
        cost("6", "CC-1", "breakage"), cost("216", "CC-1", "gpu_depreciation"),
    ]  # fmt: skip
    found = journal(month(costs, accruals=[accrual(costs)]), DEFAULT).lines
    assert net(found, "account") == {
        ("1400",): D(720 - 24 - 6), ("2110",): D(-720), ("640100",): D(24 + 216), ("6080",): D(6), ("1690",): D(-216),
    }  # fmt: skip


def test_the_invoice_takes_the_place_of_the_accrual_and_the_true_up_is_what_is_left_of_the_expense() -> None:
    october = Period.month("2026-10")
    late = cost("3", "CC-1", month=SEPTEMBER.start, correction=True)
    posted = Posting(OPENAI, SEPTEMBER.start, ("I9",), D(33), D(31), D(3), (("estimate", D(-1)), ("unexplained", D(3))))
    found = journal(month([late], posted=[posted], period=october), DEFAULT).lines
    assert net(found, "account", "cost_centre", "posting_date") == {
        ("2110", "", date(2026, 10, 1)): D(31), ("6090", "", date(2026, 10, 1)): D(-31),
        ("6090", "", date(2026, 10, 31)): D(31), ("640100", "CC-1", date(2026, 10, 31)): D(3),
        ("6095", "", date(2026, 10, 31)): D(-1), ("2000", "", date(2026, 10, 31)): D(-33),
    }  # fmt: skip
    assert {line.reference for line in found if line.account == "2000"} == {"I9"}


def test_corrections_of_a_prior_year_stand_apart() -> None:
    january = Period.month("2027-01")
    costs = [cost("3", "CC-1", month=SEPTEMBER.start, correction=True), cost("4", "CC-1", month=january.start)]
    found = journal(month(costs, period=january), DEFAULT).lines
    assert net([line for line in found if line.debit], "event", "account") == {
        ("prior_year_correction", "6800"): D(3), ("charge", "640100"): D(4),
    }  # fmt: skip


def test_recoverable_tax_of_finance_is_no_expense() -> None:
    tax = cost("19", "CC-FIN", "charge", category="Tax")
    found = journal(month([tax], accruals=[accrual([tax])]), DEFAULT).lines
    assert net(found, "account") == {("1570",): D(19), ("2110",): D(-19)}


def test_a_standard_rate_above_cost_is_over_recovery_of_its_owner() -> None:
    splits = [Split("CC-1", "CC-1", "openai", True, "USD", D(5)), Split("CC-3", "CC-1", "openai", True, "USD", D(-5))]
    found = journal(month([], splits=splits), DEFAULT).lines
    assert {line.event for line in found if line.cost_centre} == {"over_recovery"}
    assert net(found, "account") == {("640100",): D(5), ("640300",): D(-5)}


def test_rounding_is_a_line_of_its_own() -> None:
    costs = [cost("0.004")]
    found = journal(month(costs, accruals=[accrual(costs, "0.004")]), DEFAULT).lines
    # 0.004 of charges and 0.004 of estimate are nothing each, the accrual of 0.008 is a cent
    assert net(found, "event", "account") == {("rounding", "6990"): D("0.01"), ("rounding", "2110"): D("-0.01")}
    costs = [cost("0.004", code) for code in ("CC-1", "CC-2", "CC-3")]
    posted = Posting(OPENAI, SEPTEMBER.start, ("I1",), D("0.02"), ZERO, D("0.012"), (("unexplained", D("0.008")),))
    found = journal(month(costs, posted=[posted]), DEFAULT).lines
    # 0.01 of charges and 0.01 of true-up are the invoice
    assert net(found, "account")[("2000",)] == D("-0.02")
    assert "rounding" not in {line.event for line in found}


def test_ar18_what_the_matrix_does_not_map_goes_to_suspense_with_its_amount() -> None:
    mapping = parse({"suspense": "1999", "entries": [
        {"event": "charge", "provider": "anthropic", "debit": "6000", "credit": "{liability}"},
        {"event": "gpu_depreciation", "debit": "{gl_account}", "credit": "1690"},
    ]})  # fmt: skip
    costs = [cost("10"), cost("7", "CC-2", "gpu_depreciation"), cost("5", "CC-1", "gpu_depreciation")]
    found = journal(month(costs, accruals=[accrual(costs)]), mapping)
    assert net(found.lines, "account") == {
        ("1999",): D(17), ("640100",): D(5), ("2110",): D(-10), ("1690",): D(-12), ("1310",): D(7), ("2310",): D(-7),
    }  # fmt: skip
    assert found.suspense == {"USD": (2, D(17))}


def test_the_first_entry_that_matches_counts_and_payers_are_found_by_pattern() -> None:
    mapping = parse({
        "payers": [{"issuer": "open*", "billing_account": "eu-*", "legal_entity": "DE01"}, {"legal_entity": "US01"}],
        "entries": [
            {"event": "charge", "legal_entity": "DE*", "category": "Tax", "debit": "1571", "credit": "{liability}"},
            {"event": "charge", "debit": "{provider}-{gl_account|none}", "credit": "{liability}"},
        ],
    })  # fmt: skip
    assert [mapping.payer(*of, date(2026, 9, 1)) for of in (("openai", "eu-1"), ("openai", "us"), ("aws", "eu-1"))] == [
        "DE01",
        "US01",
        "US01",
    ]
    about = {"provider": "openai", "category": "Tax", "cost_centre": "", "legal_entity": "DE01", "gl_account": ""}
    assert mapping.accounts("charge", about, "payable") == ("1571", "2000")
    assert mapping.accounts("charge", about | {"category": "Usage"}, "accrued") == ("openai-none", "2110")


def test_a_payer_counts_from_the_billed_month_it_is_dated_with() -> None:
    mapping = parse({
        "payers": [{"issuer": "openai", "legal_entity": "ZZ01", "valid_from": "2026-11"}, {"legal_entity": "US01"}],
    })  # fmt: skip
    months = [date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)]
    assert [mapping.payer("openai", "a", month) for month in months] == ["US01", "US01", "ZZ01", "ZZ01"]
    assert mapping.payer("aws", "a", months[2]) == "US01"


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        (
            {"payers": [{"legal_entity": "X", "valid_from": "2026-13"}]},
            "payers 1: valid_from: a month is written YYYY-MM",
        ),
        ({"payers": [{"legal_entity": "X", "valid_from": 2026}]}, "payers 1: valid_from: a month is written YYYY-MM"),
        ({"entries": [{"event": "charge", "debit": 6000, "credit": "1"}]}, "entries 1: debit: is an account in quotes"),
        ({"entries": [{"event": "sale", "debit": "1", "credit": "1"}]}, "entries 1: event is one of charge"),
        ({"entries": [{"event": "charge", "debit": "{centre}", "credit": "1"}]}, "unknown place {centre}"),
        ({"entries": [{"event": "charge", "debit": "{gl_account", "credit": "1"}]}, "a place is written"),
        ({"matrix": []}, "unknown field 'matrix'"),
        ({"payers": [{"issuer": "x"}]}, "payers 1: legal_entity is missing"),
        ({"liabilities": {"accrued": "1"}}, "liabilities names the accounts accrued, payable, other"),
        (["x"], "gl_map is a mapping"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused_with_its_place(document: Any, wrong: str) -> None:
    with pytest.raises(GlError) as error:
        parse(document)
    assert wrong in str(error.value)


def test_the_file_has_the_columns_of_its_template() -> None:
    columns = parse_template([
        {"name": "Konto", "source": "account"}, {"name": "Betrag", "source": "amount"}, {"name": "Ledger", "value": "0L"},
        {"name": "Nr", "source": "line"},
    ])  # fmt: skip
    costs = [cost("10")]
    lines = journal(month(costs, accruals=[accrual(costs)]), DEFAULT).lines
    written = csv_bytes(columns, lines, "IL-2026-09-1", "2026-09", str)
    assert written == b"Konto,Betrag,Ledger,Nr\r\n2110,-10.00,0L,1\r\n640100,10.00,0L,2\r\n"


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ([{"name": "A", "source": "amounts"}], "column 1: source is one of"),
        ([{"name": "A", "source": "account"}], "needs the account, and the amount or debit and credit"),
        ([{"name": "A"}], "column 1: has a name, and a source or a value"),
        ([{"name": "A", "source": "account"}, {"name": "A", "source": "amount"}], "two columns are named 'A'"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(document: Any, wrong: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse_template(document)
    assert wrong in str(error.value)


def charged(**given: Any) -> Charged:
    values = {
        "layer": "gateway", "about": "", "status": "", "category": "Usage", "price_class": "input_uncached",
        "provenance": "computed", "cause": "", "correction": "", "effective": ZERO, "billed": ZERO, "unbilled": ZERO,
    }  # fmt: skip
    return Charged(**values | {name: D(value) if isinstance(value, int) else value for name, value in given.items()})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (charged(effective=10, unbilled=10), [("charge", 10, 10, 10)]),
        (charged(effective=10, billed=10, provenance="billed"), [("charge", 10, 10, 0)]),
        # a bill that amortises: used 10 of what was paid ahead; a purchase of 720; 10 of which 4 are billed
        (charged(effective=10, provenance="billed"), [("prepaid_amortisation", 10, 0, 0)]),
        (charged(billed=720, category="Purchase", provenance="billed"), [("prepaid_purchase", 0, 720, 0)]),
        (
            charged(effective=10, billed=4, provenance="billed"),
            [("charge", 4, 4, 0), ("prepaid_amortisation", 6, 0, 0)],
        ),
        # agreements
        (
            charged(layer="commitment", about="commitment", billed=720, category="Purchase"),
            [("prepaid_purchase", 0, 720, 0)],
        ),
        (charged(about="commitment", status="Used", effective=24), [("prepaid_amortisation", 24, 0, 0)]),
        (charged(layer="commitment", about="commitment", status="Unused", effective=6), [("breakage", 6, 0, 0)]),
        (charged(layer="commitment", about="commitment", status="Shortfall", effective=9), [("charge", 9, 9, 0)]),
        (charged(layer="fleet", about="fleet", status="Idle", effective=5), [("gpu_depreciation", 5, 0, 0)]),
        (charged(layer="other", about="other", effective=5, billed=60), [("other_charge", 5, 0, 0)]),
        # what is agreed of an issuer's account, as its tax, stands on its invoice
        (
            charged(layer="other", about="other", category="Tax", effective=2, billed=2, of_account=True),
            [("charge", 2, 2, 2)],
        ),
        (charged(layer="invoice", about="invoice", effective=7, billed=11, provenance="billed"), [("charge", 7, 7, 0)]),
        (charged(), []),
    ],
)
def test_what_a_charge_is_in_the_books(row: Charged, expected: list[tuple[str, int, int, int]]) -> None:
    assert [tuple(part) for part in postings(row)] == expected
