"""The guarded cell writer: text is never a formula, numbers keep their digits, what no cell can hold is refused."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.exports.cells import EXACT_INT, CellError, clean, csv_field, xlsx_cell
from web.exports.sheets import SheetNames

_NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
PAYLOADS = [
    "=1+1", "=cmd|'/c calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "\uff1d1+1", "#N/A", "#REF!",
    "=HYPERLINK(\"http://x\")", "<b>&amp;</b>", "a\x1bb", "\ud800", "1e400", "0123", "2026-01-01", "TRUE",
]  # fmt: skip
names = st.text(st.characters(exclude_categories=()), max_size=40)


def written(*values: Any) -> tuple[list[Any], list[ET.Element]]:
    """Values as openpyxl reads them back, and the cells' XML."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("S")
    sheet.append([xlsx_cell(sheet, value) for value in values])
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        cells = ET.fromstring(archive.read("xl/worksheets/sheet1.xml")).findall(".//m:c", _NS)
    read = [cell.value for cell in openpyxl.load_workbook(file)["S"][1]] if cells else []
    return read, cells


def test_text_stays_text_whatever_it_begins_with() -> None:
    read, cells = written(*PAYLOADS)
    assert {cell.get("t") for cell in cells} == {"inlineStr"}
    assert not [cell for cell in cells if cell.find("m:f", _NS) is not None]
    assert read == [clean(text).replace("\r", "\n") for text in PAYLOADS]  # XML turns a bare CR into a line end


@given(st.lists(names.map(lambda text: f"={text}"), min_size=1, max_size=5))
def test_any_text_makes_a_workbook_without_formulas(texts: list[str]) -> None:
    _, cells = written(*texts)
    assert {cell.get("t") for cell in cells} <= {"inlineStr", "n", None}
    for text, cell in zip(texts, cells, strict=True):
        found = "".join(cell.itertext())
        assert found == clean(text).replace("\r\n", "\n").replace("\r", "\n")


@given(names)
def test_a_csv_field_is_never_run(text: str) -> None:
    line = io.StringIO()
    csv.writer(line).writerow([csv_field(text)])
    field = next(csv.reader(io.StringIO(line.getvalue(), newline="")), [""])[0]
    assert not field.startswith(tuple("=+-@\t\r\n")) or Decimal(field) < 0 or Decimal(field).is_zero()
    assert field.removeprefix("'") == clean(text).removeprefix("'")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**17), max_value=10**17))
def test_a_decimal_keeps_every_digit_in_the_file(amount: Decimal) -> None:
    _, [cell] = written(amount)
    assert cell.get("t") == "n"
    assert Decimal(cell.findtext("m:v", namespaces=_NS) or "") == amount
    assert Decimal(csv_field(amount)) == amount


@given(st.integers())
def test_whole_numbers_are_exact_or_text(number: int) -> None:
    read, [cell] = written(number)
    assert cell.get("t") == ("n" if abs(number) <= EXACT_INT else "inlineStr")
    assert str(read[0]) == str(number) == csv_field(number) or abs(number) > EXACT_INT


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), float("nan"), float("-inf"),
                                   Decimal("1E+400"), datetime(2026, 9, 1), object(), [1]])  # fmt: skip
def test_what_no_cell_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(CellError):
        written(value)
    with pytest.raises(CellError):
        csv_field(value)


def test_times_are_utc_and_dates_are_dates() -> None:
    at = datetime(2026, 9, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert written(at, date(2026, 9, 1))[0] == ["2026-08-31T23:30:00Z", datetime(2026, 9, 1)]
    assert csv_field(at) == "2026-08-31T23:30:00Z"
    assert csv_field(date(2026, 9, 1)) == "2026-09-01"
    assert csv_field(datetime(2026, 9, 1, tzinfo=UTC)) == "2026-09-01T00:00:00Z"


def test_negative_numbers_stay_numbers_and_nothing_stays_empty() -> None:
    assert [csv_field(value) for value in (-1, Decimal("-0.5"), None, "", "-1")] == ["-1", "-0.5", "", "", "-1"]
    assert written(None, "", -1)[0] == [None, None, -1]


def test_text_too_long_says_that_it_was_cut() -> None:
    [value], _ = written("x" * 40_000)
    assert len(value) == 32_767
    assert value.endswith("…")


@given(st.lists(names, max_size=30))
def test_sheet_names_are_taken_by_excel_and_unique(texts: list[str]) -> None:
    sheets = SheetNames(("Summary", "Detail", "Metadata"))
    found = [
        sheets.of(text) for text in [*texts, "Summary", "summary", "History", "x" * 40, "x" * 50, "a/b", "a:b", "'"]
    ]
    assert len({name.lower() for name in [*found, "Summary", "Detail", "Metadata"]}) == len(found) + 3
    for name in found:
        assert 0 < len(name) <= 31
        assert not set(name) & set("[]:*?/\\")
        assert not name.startswith("'")
        assert not name.endswith("'")
        assert name.lower() != "history"
