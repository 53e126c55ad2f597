"""Files appear whole or not at all, readable as the umask says; headers that Excel takes."""

import os
import stat
from pathlib import Path

import openpyxl
import pytest

from web.exports.book import Page
from web.exports.files import replacing
from web.exports.sheets import Layout


def test_a_file_gets_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a.xlsx") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.xlsx").stat().st_mode) == 0o640


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text(f"half {1 // 0}")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.xlsx", "old")]


def test_a_footer_never_has_more_characters_than_excel_takes() -> None:
    sheet = openpyxl.Workbook(write_only=True).create_sheet("S")
    Page(sheet, Layout([10], f"Statement 2026-09: {'&' * 260}", "D" * 300))
    for part in (sheet.HeaderFooter.oddFooter, sheet.HeaderFooter.oddHeader):
        assert sum(len(side.text or "") + 10 for side in (part.left, part.center, part.right)) <= 255
