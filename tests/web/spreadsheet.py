"""A real spreadsheet program for tests: recalculates workbooks, a batch at a time, and prints them."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest


def require(*programs: str) -> None:
    """Skip, or in CI fail, without the programs."""
    if any(shutil.which(program) is None for program in programs):
        message = f"needs {' and '.join(programs)} (apt-get install libreoffice-calc poppler-utils)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def convert(files: Iterable[Path], to: str, folder: Path) -> list[Path]:
    """The files as the spreadsheet program saves them, formulas calculated."""
    require("soffice")
    files, out = list(files), folder / to
    home = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = ["soffice", home, "--headless", "--convert-to", to, "--outdir", str(out), *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    made = [out / f"{file.stem}.{to}" for file in files]
    assert all(file.exists() for file in made), done.stderr
    return made


def checks(path: Path) -> dict[str, Any]:
    """Check -> what its formula says, of a recalculated workbook; '' is whether all hold."""
    sheet = openpyxl.load_workbook(path, data_only=True, read_only=True)["Checks"]
    rows = list(sheet.iter_rows(values_only=True, max_col=2))
    start = next(number for number, row in enumerate(rows) if row[0] == "Check")
    everything = next(row[1] for row in rows if row[0] == "All checks hold")
    found = {"": everything} | {row[0]: row[1] for row in rows[start + 1 :] if row[0]}
    return {what: bool(value) if value in (0, 1) else value for what, value in found.items()}  # saved as 1 by some
