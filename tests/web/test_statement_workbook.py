"""The monthly workbook, read back: it ties to the API, adds up, and nothing in it runs."""

import io
import os
import shutil
import subprocess
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.statement import rounded_to
from allocation.close import accruals
from allocation.models import AllocatedCost, CostCentre
from allocation.scope import EVERYTHING, Scope
from allocation.statement_selectors import lines
from finops.money import minor_digits, money, round_to_minor
from finops.periods import Period
from tests.web.ledger import NAMES, Usage, bearer, centre, load, person, realistic_month
from web.exports import statement
from web.exports.statement_detail import canonical

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
AT = datetime(2026, 9, 20, 12, tzinfo=UTC)


def made(folder: Path, scope: Scope = EVERYTHING) -> tuple[Any, statement.Written]:
    path = folder / "s.xlsx"
    result = statement.write(path, scope, SEPTEMBER, AT)
    return openpyxl.load_workbook(path), result


def table(sheet: Any, first: str) -> list[dict[str, Any]]:
    """Rows below the header row that begins with ``first``, down to a row that is empty."""
    rows, found = iter(sheet.iter_rows(values_only=True)), []
    header = next(row for row in rows if row and row[0] == first)
    for row in rows:
        if row[0] is None and not any(row):
            break
        found.append(dict(zip(header, row, strict=True)))
    return found


def cents(value: Any, places: int = 2) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places))


@pytest.fixture
def month() -> None:
    for number, name in enumerate(NAMES, start=1):
        centre(f"CC-{number}00", name=name)
    load(*realistic_month())


def test_totals_tie_to_the_api_to_the_cent(month: None, tmp_path: Path) -> None:
    book, result = made(tmp_path)
    answer = Client().get(
        "/api/v1/costs", {"month": "2026-09", "group_by": "x_CostCentre", "compare": "previous"}, **bearer(person("f", "finance"))
    ).json()  # fmt: skip
    by_owner = {row["x_CostCentre"] or "Unallocated": row for row in answer["results"]}
    *parts, total = table(book["Summary"], "Cost centre")
    assert result.ties
    assert {part["Cost centre"] for part in parts} == set(by_owner)
    for part in parts:
        assert abs(cents(part["Charged"]) - Decimal(by_owner[part["Cost centre"]]["EffectiveCost"])) < Decimal("0.01")
        assert abs(cents(part["Month before"]) - Decimal(by_owner[part["Cost centre"]]["Previous"])) < Decimal("0.01")
    assert cents(total["Charged"]) == Decimal(answer["totals"]["EffectiveCost"]).quantize(Decimal("0.01"))
    assert total["Queries"] == int(answer["totals"]["Queries"])
    unpriced = table(book["Summary"], "Unpriced")[0]
    assert unpriced["Tokens"] == int(answer["totals"]["unpriced"]["tokens"]) == 31_420_112
    assert cents(unpriced["Estimate"]) == Decimal("93.12")
    assert result.totals["USD"]["EffectiveCost"] == answer["totals"]["EffectiveCost"]


def test_every_table_adds_up_to_the_same_rounded_total(month: None, tmp_path: Path) -> None:
    book, result = made(tmp_path)
    charged = Decimal(result.totals["USD"]["Charged"])
    for first in ("Cost centre", "Tier", "Model"):
        *parts, total = table(book["Summary"], first)
        assert sum(cents(part["Charged"]) for part in parts) == cents(total["Charged"]) == charged
        assert sum(cents(part["Change"]) for part in parts) == cents(total["Change"])
    owners = {part["Cost centre"]: cents(part["Charged"]) for part in table(book["Summary"], "Cost centre")}
    for code in (f"CC-{n}00" for n in range(1, 9)):
        *parts, total = table(book[code], "Team")
        assert sum(cents(part["Charged"]) for part in parts if part["Charged"] is not None) == owners[code]
        assert cents(total["Charged"]) == owners[code]
        assert sum(part["Queries"] for part in parts) == total["Queries"]
    [unpriced] = [part for part in table(book["CC-300"], "Team") if part["Model"] == "house-finetune-7b"]
    assert unpriced["Charged"] is None
    assert unpriced["EffectiveCost"] is None


def test_detail_holds_every_line_and_sums_to_fifteen_digits(month: None, tmp_path: Path) -> None:
    book, result = made(tmp_path)
    rows = table(book["Detail"], "ChargeDate")
    september = AllocatedCost.objects.filter(charge_date__gte=SEPTEMBER.start, charge_date__lt=SEPTEMBER.end)
    assert len(rows) == september.count() == result.rows
    exact = sum((row.effective_cost for row in september if row.effective_cost is not None), Decimal(0))
    numbers = sum(Decimal(repr(row["EffectiveCost"])) for row in rows if row["EffectiveCost"] is not None)
    texts = sum(Decimal(row["x_EffectiveCostExact"]) for row in rows if row["x_EffectiveCostExact"])
    assert texts == exact == Decimal(result.totals["USD"]["EffectiveCost"])
    assert f"{numbers:.15g}" == f"{exact:.15g}"
    assert {type(row["ChargeDate"]) for row in rows} == {datetime}
    assert {type(row["ConsumedQuantity"]) for row in rows} == {int}
    [unpriced] = [row for row in rows if row["EffectiveCost"] is None]
    assert unpriced["x_UnpricedEstimate"] == 93.117
    assert unpriced["ListUnitPrice"] is None


def test_the_cause_of_a_charge_stands_in_detail_and_its_money_in_the_summary(tmp_path: Path) -> None:
    load(Usage("10", "CC-100"), Usage("-1.25", "CC-100", tier="", provenance="billed"), Usage("3", None, model="m2"))
    from allocation.models import Charge

    Charge.objects.filter(provenance="billed").update(cause="price_difference")
    Charge.objects.filter(sku_id__contains="m2").update(cause="not_seen_below")
    book, result = made(tmp_path)
    causes = {row["x_Cause"]: row["EffectiveCost"] for row in table(book["Detail"], "ChargeDate")}
    assert causes == {None: 10, "price_difference": -1.25, "not_seen_below": 3}
    rows = [
        (row["Cause"], row["Meaning"], row["EffectiveCost"], row["Lines"]) for row in table(book["Summary"], "Cause")
    ]
    assert rows == [
        ("not_seen_below", "no gateway or trace saw it", 3, 1), ("price_difference", "billed at another price", -1.25, 1),
    ]  # fmt: skip
    assert result.totals["USD"]["EffectiveCost"] == "11.750000000000"


def test_metadata_proves_the_detail(month: None, tmp_path: Path) -> None:
    book, result = made(tmp_path)
    facts = {row["Fact"]: row["Value"] for row in table(book["Metadata"], "Fact")}
    assert facts["Detail SHA-256"] == result.detail_sha256
    assert facts["Detail rows"] == result.rows
    assert facts["State"] == "open (DRAFT)"
    assert facts["Generated at"] == "2026-09-20T12:00:00Z"
    sums = {row["Column"]: row["Sum, 12 decimals"] for row in table(book["Metadata"], "Column")}
    assert sums["Detail, EffectiveCost, USD"] == result.totals["USD"]["EffectiveCost"]
    assert sums["Detail less Summary, EffectiveCost, USD"] == "0.000000000000"


def test_the_hash_depends_on_what_the_lines_say_not_on_ids(tmp_path: Path) -> None:
    usage = realistic_month(9)
    load(*usage)
    first = [canonical(line) for line in lines(EVERYTHING, SEPTEMBER)]
    from allocation.models import Charge, CostDaily

    AllocatedCost.objects.all().delete()
    Charge.objects.all().delete()
    CostDaily.objects.all().delete()
    load(*reversed(usage))
    assert [canonical(line) for line in lines(EVERYTHING, SEPTEMBER)] == first


def test_nothing_in_it_runs(tmp_path: Path) -> None:
    evil = [
        "=cmd|'/c calc'!A0",
        "@SUM(A1)",
        "+1",
        "-1",
        "\t=1",
        "#REF!",
        "[a]:*?/\\",
        "Summary",
        "detail",
        "History",
        "'x'",
    ]
    for code in evil:
        centre(code, name=f"={code}")
    load(*(Usage("1", code, team=code, model=f"={code}", provider="=p") for code in evil))
    book, result = made(tmp_path)
    assert result.cost_centres == len(evil) == len(set(book.sheetnames) - set(statement.OWN_SHEETS)) - 1
    with zipfile.ZipFile(tmp_path / "s.xlsx") as archive:
        own = [f"xl/worksheets/sheet{book.sheetnames.index(name) + 1}.xml" for name in ("Checks", "Controls")]
        for name in archive.namelist():
            if "worksheets/sheet" in name and name not in own:
                assert b"<f>" not in archive.read(name)
                assert b"<f " not in archive.read(name)
                assert b"hyperlink" not in archive.read(name)
    assert {cell.data_type for row in book["Detail"].iter_rows(min_row=2) for cell in row if cell.column == 6} == {"s"}
    assert table(book["Summary"], "Cost centre")[0]["Cost centre"] in evil


def test_one_sees_the_own_cost_centres_at_the_amounts_of_the_whole(month: None, tmp_path: Path) -> None:
    whole = {row["Cost centre"]: row["Charged"] for row in table(made(tmp_path)[0]["Summary"], "Cost centre")}
    client = Client()
    client.force_login(person("v", "viewer", "CC-500"))
    answer = client.get("/exports/statement-2026-09.xlsx")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="statement_2026-09.xlsx"'
    assert "no-store" in answer["Cache-Control"]
    content = b"".join(answer.streaming_content)
    book = openpyxl.load_workbook(io.BytesIO(content))
    of_a_part = [name for name in statement.AFTER_DETAIL if name not in statement.CENTRAL]
    assert book.sheetnames == ["Summary", "Charts", "CC-500", "Detail", *of_a_part]
    *parts, total = table(book["Summary"], "Cost centre")
    assert [(part["Cost centre"], part["Charged"]) for part in parts] == [("CC-500", whole["CC-500"])]
    assert total["Charged"] == whole["CC-500"]
    assert {row["x_CostCentre"] for row in table(book["Detail"], "ChargeDate")} == {"CC-500"}
    texts = " ".join(str(v) for sheet in book for row in sheet.iter_rows(values_only=True) for v in row)
    assert "CC-100" not in texts
    assert "Legal" not in texts
    assert client.get("/exports/statement-2026-13.xlsx").status_code == 404
    assert client.get("/exports/statement-0001-01.xlsx").status_code == 404
    assert client.post("/exports/statement-2026-09.xlsx").status_code == 405
    assert Client().get("/exports/statement-2026-09.xlsx").status_code == 302


def test_currencies_are_never_added(tmp_path: Path) -> None:
    load(
        Usage("1.005"), Usage("1.005", "CC-200"), Usage("100.4", currency="JPY"), Usage("0.6", "CC-200", currency="JPY")
    )
    book, result = made(tmp_path)
    assert {code: totals["Charged"] for code, totals in result.totals.items()} == {"USD": "2.01", "JPY": "101"}
    totals = [row for row in book["Summary"].iter_rows(values_only=True) if row and row[0] == "Total"]
    assert {row[2] for row in totals} == {"USD", "JPY"}


def test_it_is_stamped_and_prints(month: None, tmp_path: Path) -> None:
    book, _ = made(tmp_path)
    for sheet in book:
        assert "DRAFT" in sheet.oddHeader.right.text
        assert sheet.oddFooter.right.text == "Page &P of &N"
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.page_setup.fitToWidth == 1
    assert book["Detail"].freeze_panes == "A2"
    assert book["Detail"].print_title_rows == "$1:$1"
    assert dict(book["Detail"].tables.items()) == {"Detail": f"A1:V{book['Detail'].max_row}"}
    assert book["CC-100"].freeze_panes == "A5"
    assert book["Summary"]["A3"].value.startswith("DRAFT")


def test_the_command(month: None, tmp_path: Path) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        import json

        out = io.StringIO()
        call_command("export", *arguments, "--json", stdout=out)
        found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
        return found

    found = run("statement", "--month", "2026-09", "--format", "xlsx", "--out", str(tmp_path / "new") + "/")
    assert Path(found["files"][0]["path"]) == tmp_path / "new" / "statement_2026-09.xlsx"
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "statement_2026-09.xlsx"]
    assert found["ties"] is True
    one = run("statement", "--month", "2026-09", "--cost-centre", "CC-100", "--out", str(tmp_path))
    assert Path(one["files"][0]["path"]).name == "statement_2026-09_CC-100.xlsx"
    assert one["cost_centres"] == 1
    named = run("statement", "--month", "2026-09", "--out", str(tmp_path / "september.xlsx"))
    assert Path(named["files"][0]["path"]).name == "september.xlsx"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nothing", "--month", "2026-09"), 2),
        (("statement", "--month", "2026-13"), 2), (("statement", "--month", "0000-01"), 2),
        (("statement", "--month", "2026-09", "--format", "csv"), 2),
        (("statement", "--month", "2026-09", "--cost-centre", "CC-1"), 2), (("statement", "--month", "2031-01"), 3),
        (("statement", "--month", "2026-09", "--out", "x.csv"), 2),
        (("statement", "--month", "2026-09", "--out", "/proc/nowhere/"), 1),
    ],
)  # fmt: skip
def test_what_the_command_refuses(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    load(Usage("1"))
    out = () if "--out" in arguments else ("--out", str(tmp_path))
    with pytest.raises(CommandError) as refusal:
        call_command("export", *arguments, *out, stdout=io.StringIO())
    assert refusal.value.returncode == code
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(Usage("1"))
    path = tmp_path / "s.xlsx"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        statement.write(path, EVERYTHING, SEPTEMBER, AT)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("s.xlsx", b"old")]


def test_a_detail_that_does_not_add_up_is_said(tmp_path: Path) -> None:
    load(Usage("1"), Usage("2", day=date(2026, 9, 2)))
    AllocatedCost.objects.filter(charge_date=date(2026, 9, 2)).delete()
    book, result = made(tmp_path)
    assert not result.ties
    assert "does not add up" in book["Summary"]["A4"].value


def test_a_cost_centre_without_cost_has_no_sheet(tmp_path: Path) -> None:
    centre("CC-900")
    load(Usage("1"))
    book, _ = made(tmp_path)
    assert "CC-900" not in book.sheetnames
    assert CostCentre.objects.count() == 2


_amounts = st.lists(st.decimals(places=12, min_value=-(10**9), max_value=10**9), min_size=1, max_size=40)


@given(_amounts, st.sampled_from(["USD", "JPY", "KWD"]))
def test_rounded_parts_add_up_and_hardly_move(amounts: list[Decimal], currency: str) -> None:
    step = Decimal(1).scaleb(-minor_digits(currency))
    whole = round_to_minor(money([sum(amounts)]), currency).to_pylist()[0]
    parts = rounded_to(amounts, whole, currency)
    assert sum(parts) == whole
    assert all(abs(part - amount) < step for part, amount in zip(parts, amounts, strict=True))
    assert sum(rounded_to(amounts, whole + 7 * step, currency)) == whole + 7 * step
    assert parts == round_to_minor(money(amounts), currency).to_pylist()


@pytest.mark.slow
def test_it_opens_in_libreoffice(month: None, tmp_path: Path) -> None:
    office, to_png = shutil.which("soffice"), shutil.which("pdftoppm")
    if not office or not to_png:
        message = "needs soffice and pdftoppm (apt-get install libreoffice-calc poppler-utils)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    made(tmp_path)
    home = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    subprocess.run([office, home, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, tmp_path / "s.xlsx"], check=True,
                   capture_output=True, timeout=120)  # fmt: skip
    import pypdf

    pages = [page.extract_text() for page in pypdf.PdfReader(tmp_path / "s.pdf").pages]
    assert "Statement of AI inference cost, September 2026" in pages[0]
    assert "1,073,410.45" in pages[0]
    assert "Metadata" in pages[-1]
    assert all("DRAFT" in page and "Page" in page for page in pages)
    assert "#REF" not in "".join(pages)
    assert "###" not in "".join(pages)  # a column too narrow for its figures
    subprocess.run(
        [to_png, "-r", "50", "-png", "-f", "1", "-l", "1", tmp_path / "s.pdf", tmp_path / "page"], check=True
    )
    assert [file.stat().st_size > 5_000 for file in tmp_path.glob("page*.png")] == [True]


def test_while_the_month_before_is_not_accrued_journal_and_proof_say_so_and_their_checks_do_not_hold(
    month: None, tmp_path: Path
) -> None:
    load(Usage("3", "CC-100", day=date(2026, 7, 2)))
    accruals.run(Period.month("2026-07"), "ann")
    load(Usage("4", "CC-100", day=date(2026, 8, 2)))
    book, _ = made(tmp_path)
    for name in ("Journal", "Proof"):
        told = [row[0] for row in book[name].iter_rows(values_only=True) if row[0]]
        assert told[0] == name
        assert told[-1].startswith(
            f"{name} cannot be made yet: 2026-08 has cost and no accruals: close months in their order"
        )
    held = {row["Check"]: row["Held when written"] for row in table(book["Checks"], "Check")}
    assert {what for what, word in held.items() if word == "FALSE"} == {
        f"{name} is made (0: a month before was not accrued)" for name in ("Journal", "Proof")
    }
    (all_of_them,) = [row for row in book["Checks"].iter_rows(values_only=True) if row[0] == "All checks hold"]
    assert all_of_them[3] == "FALSE"


def test_a_cost_centre_that_sees_its_own_is_not_told_that_nothing_was_split(month: None, tmp_path: Path) -> None:
    own = Scope(cost_centres=frozenset({CostCentre.objects.get(code="CC-100").pk}))
    told = [row[0] for row in made(tmp_path, own)[0]["Allocation"].iter_rows(values_only=True) if row[0]]
    assert not [words for words in told if "No split" in words]
    assert "What a pool found and moved in all is about every cost centre; what concerns yours stands below" in told
    whole = [row[0] for row in made(tmp_path)[0]["Allocation"].iter_rows(values_only=True) if row[0]]
    assert "No split and no rate card was run over this month" in whole
