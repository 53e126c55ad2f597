"""The workbook proves itself: recalculated by a spreadsheet program its checks hold, and any changed amount breaks one."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.db import connection
from django.test import Client

from allocation.models import (
    Accrual,
    AccrualRun,
    Charge,
    Correction,
    CostCentre,
    CostDaily,
    Invoice,
    Reconciliation,
    ReconciliationLine,
    SplitCost,
    SplitOutcome,
    TrueUp,
)
from allocation.scope import EVERYTHING
from finops.periods import Period
from tests.web import spreadsheet
from tests.web.ledger import Usage, bearer, load, person
from web.exports import statement

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
WITHOUT_AMOUNTS = {"Definitions"}
MODELS = ("gpt-5", "claude-opus-4-5", "gemini-3-pro")
SEPTEMBER = Period.month("2026-09")
AT = datetime(2026, 9, 20, 12, tzinfo=UTC)


def month_of(centres: int) -> list[Usage]:
    """Two months of so many cost centres, with odd cents, unallocated and unpriced."""
    rows = [
        Usage(f"{(number * 7919 + day * 104_729) % 999_983 / 1000:.3f}{number:03d}", f"CC-{number:03d}",
              ("search", None)[day % 2], date(2026, month, day), MODELS[number % 3], tier=tier)
        for number in range(1, centres + 1)
        for month in (8, 9)
        for day, tier in ((3, "simple"), (17, "complex"))
    ]  # fmt: skip
    return [
        *rows,
        Usage("812.505", None),
        Usage(None, "CC-001", model="house-7b", provider="selfhosted", estimate="93.117"),
    ]


def busy_month() -> None:
    """A month that has something on every sheet."""
    load(*month_of(2), Usage("1234.5", "CC-001", currency="JPY"))
    centre, other = CostCentre.objects.get(code="CC-001"), CostCentre.objects.get(code="CC-002")
    for code, amount in ((centre, Decimal("-12.345")), (other, Decimal("12.345"))):
        costs = dict.fromkeys(("list_cost", "contracted_cost", "effective_cost"), amount) | {"billed_cost": 0}
        place = {"provider": "openai", "model": "gpt-5", "tier": "simple", "tier_estimated": False, "environment": "prod",
                 "provenance": "computed", "billing_currency": "USD", "charge_date": date(2026, 9, 3),
                 "cost_centre": code}  # fmt: skip
        SplitCost.objects.create(
            **place,
            **costs,
            basis="shared",
            pool="platform",
            step=1,
            kind="direct",
            source=centre if code == other else None,
        )
        counts = dict.fromkeys(("requests", "queries", "tokens", "unpriced_tokens", "unpriced_estimate"), 0)
        CostDaily.objects.create(**place, **costs, **counts, basis="shared")
    SplitOutcome.objects.create(month=date(2026, 9, 1), basis="shared", code="platform", step=1, version=1, currency="USD",
                                found=Decimal("12.345"), moved=Decimal("12.345"))  # fmt: skip
    _corrected(centre)
    _reconciled()
    _accrued()


def _corrected(centre: CostCentre) -> None:
    charge = Charge.objects.filter(charge_date__month=9, billing_currency="USD").first()
    assert charge is not None
    charge.original_currency, charge.original_cost, charge.fx_rate = "EUR", Decimal("1.5"), Decimal("1.1")
    charge.fx_day, charge.fx_source = date(2026, 9, 3), "ecb"
    charge.save()
    posting = Correction.objects.create(charge_date=date(2026, 8, 3), posted_on=date(2026, 9, 3), cause="rerate")
    for reversal, amount in ((True, "-5.25"), (False, "6.5")):
        load(Usage(amount, "CC-001", model=f"corrected-{reversal}"))
        Charge.objects.filter(sku_id__contains=f"corrected-{reversal}").update(
            correction=posting,
            corrects_date=date(2026, 8, 3),
            reversal=reversal,
            owner=centre,
            charge_class="Correction",
        )


def _reconciled() -> None:
    run = Reconciliation.objects.create(month=date(2026, 9, 1), number=1, made_by="ann", hash="0" * 64)
    ReconciliationLine.objects.create(
        reconciliation=run, provider="openai", charge_category="Usage", currency="USD", state="variance", computed=100,
        invoice=97, causes={"credit": "-5.000000000000"}, unexplained=2,
    )  # fmt: skip
    Invoice.objects.create(issuer="openai", number="INV-1", billing_period=date(2026, 9, 1), currency="USD", total=97, tax=7,
                           issued_on=date(2026, 10, 2), source="manual", content_hash="x", entered_by="ann")  # fmt: skip


def _accrued() -> None:
    AccrualRun.objects.create(
        month=date(2026, 8, 1), version=1, content_hash="x", made_by="ann"
    )  # the books' first month
    run = AccrualRun.objects.create(month=date(2026, 9, 1), version=1, content_hash="x", made_by="ann")
    place = {
        "run": run,
        "issuer": "openai",
        "billing_account": "a",
        "currency": "USD",
        "billed_month": date(2026, 9, 1),
    }
    Accrual.objects.create(
        **place, invoice_id="PROV-1", cost=50, computed=40, share=Decimal("0.1"), estimate=4, amount=54, reversed=3
    )
    TrueUp.objects.create(**place, numbers=["INV-0"], invoiced=11, accrued=10, charged=0, amount=1)


def written(folder: Path, name: str = "s.xlsx") -> Path:
    result = statement.write(folder / name, EVERYTHING, SEPTEMBER, AT)
    assert result.ties
    return folder / name


@pytest.mark.parametrize("centres", [1, 17, 200])
def test_checks_hold_and_totals_are_those_of_api_and_sql_to_the_cent(centres: int, tmp_path: Path) -> None:
    load(*month_of(centres))
    [path] = spreadsheet.convert([written(tmp_path)], "xlsx", tmp_path)
    found = spreadsheet.checks(path)
    assert [what for what, holds in found.items() if holds is not True] == []
    assert len(found) > 2 * centres
    rows = openpyxl.load_workbook(path, data_only=True)["Summary"].iter_rows(values_only=True)
    shown = {
        row[0]: Decimal(str(row[3])) for row in rows if row[2] == "USD" and row[0] and isinstance(row[3], (int, float))
    }
    answer = Client().get(
        "/api/v1/costs", {"month": "2026-09", "group_by": "x_CostCentre", "limit": "1000"}, **bearer(person("f", "finance"))
    ).json()  # fmt: skip
    for row in answer["results"]:
        code = row["x_CostCentre"] or "Unallocated"
        assert abs(shown[code] - Decimal(row["EffectiveCost"])) < Decimal("0.01"), code
    cent = Decimal("0.01")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(effective_cost) FROM allocated_cost WHERE charge_date BETWEEN '2026-09-01' AND '2026-09-30'"
        )
        [total] = cursor.fetchone()
    assert (
        shown["Total"].quantize(cent)
        == Decimal(answer["totals"]["EffectiveCost"]).quantize(cent)
        == total.quantize(cent)
    )


def test_names_that_a_formula_could_run_or_confuse_tie_exactly(tmp_path: Path) -> None:
    codes = ('"&1+1&"', "cc-1", "CC-1", "MAR-1", "=1", "a*", "ab", "100", "0100", "x\x01y", "o'neil")
    load(*(Usage(f"{number}.25", code) for number, code in enumerate(codes, start=1)))
    [path] = spreadsheet.convert([written(tmp_path)], "xlsx", tmp_path)
    found = spreadsheet.checks(path)
    assert [what for what, holds in found.items() if holds is not True] == []


def amounts(sheet: Any) -> Iterator[Any]:
    """Cells that hold a number, or an amount as text."""
    for row in sheet.iter_rows():
        for cell in row:
            plain = isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool)
            if plain or (isinstance(cell.value, str) and cell.style.startswith("digits")):
                yield cell


def sampled(cells: list[Any], rng: random.Random) -> list[Any]:
    """The first, the last and two others, each of a column of its own as far as there are."""
    columns = list({cell.column: [other for other in cells if other.column == cell.column] for cell in cells}.values())
    chosen = [*cells[:1], *cells[-1:], *(rng.choice(each) for each in rng.sample(columns, min(len(columns), 2)))]
    return list({cell.coordinate: cell for cell in chosen}.values())


def changed(cell: Any) -> Any:
    """A cent more."""
    if isinstance(cell.value, str):
        return f"{Decimal(cell.value) + Decimal('0.01'):f}"
    return float(Decimal(repr(cell.value)) + Decimal("0.01")) if isinstance(cell.value, float) else cell.value + 1


def test_changing_any_one_amount_on_any_sheet_turns_a_check_false(tmp_path: Path) -> None:
    busy_month()
    original, rng = written(tmp_path), random.Random(7)
    book = openpyxl.load_workbook(original)
    places = [(sheet.title, cell.coordinate) for sheet in book for cell in sampled(list(amounts(sheet)), rng)]
    assert {name for name, _ in places} == set(book.sheetnames) - WITHOUT_AMOUNTS
    files = [original]
    for number, (name, place) in enumerate(places):
        cell = book[name][place]
        before, cell.value = cell.value, changed(cell)
        files.append(tmp_path / f"c{number}.xlsx")
        book.save(files[-1])
        cell.value = before
    untouched, *tampered = spreadsheet.convert(files, "xlsx", tmp_path)
    assert all(spreadsheet.checks(untouched).values())
    unnoticed = [
        place for place, path in zip(places, tampered, strict=True) if spreadsheet.checks(path)[""] is not False
    ]
    assert unnoticed == []
