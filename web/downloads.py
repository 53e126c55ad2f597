"""Tables that leave as files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from django.http import HttpResponse
from openpyxl import Workbook

from web.cells import csv_field, xlsx_cell

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def csv_file(name: str, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> HttpResponse:
    """A CSV file of exact amounts, its text guarded against being run by a spreadsheet."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    writer = csv.writer(response)
    writer.writerow(header)
    writer.writerows(map(csv_field, row) for row in rows)
    return response


def xlsx_file(name: str, sheets: Mapping[str, tuple[Sequence[str], Iterable[Iterable[Any]]]]) -> HttpResponse:
    """A workbook with one plain sheet per table: name -> (header, rows)."""
    book = Workbook(write_only=True)
    for title, (header, rows) in sheets.items():
        sheet = book.create_sheet(title)
        for row in (header, *rows):
            sheet.append([xlsx_cell(sheet, value) for value in row])
    out = BytesIO()
    book.save(out)
    response = HttpResponse(out.getvalue(), content_type=XLSX)
    response["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
    return response
