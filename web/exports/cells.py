"""The guarded way from a value to a cell; it lies in web.cells, for pages have CSV too."""

from web.cells import EXACT_INT, CellError, clean, csv_field, xlsx_cell

__all__ = ["EXACT_INT", "CellError", "clean", "csv_field", "xlsx_cell"]
