"""``focus_lint FILE``: anybody's FOCUS file, with its breaks by row and column."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

SAMPLES = Path(__file__).parents[1] / "samples" / "focus"


def run(capsys: Any, *arguments: str) -> tuple[int, dict[str, Any], list[str]]:
    code = 0
    try:
        call_command("focus_lint", *arguments, "--json")
    except CommandError as error:
        code = error.returncode
    *lines, last = capsys.readouterr().out.splitlines()
    return code, json.loads(last), lines


def test_a_sound_file_is_sound(capsys: Any) -> None:
    code, answer, lines = run(capsys, str(SAMPLES / "focus_1_4_ai_full.csv"))
    assert (code, answer["errors"], answer["focus_version"], answer["dataset"]) == (0, 0, "1.4", "Cost and Usage")
    assert lines == ["focus_1_4_ai_full.csv: FOCUS 1.4 Cost and Usage, 0 breaks"]


def test_real_files_break_what_the_specification_says_and_are_named(capsys: Any) -> None:
    code, answer, lines = run(capsys, str(SAMPLES / "focus10_real_sample.csv"))
    assert code == 1
    assert answer["rules"]["time_format"] > 100
    assert lines[0] == (
        "focus10_real_sample.csv: header, Id: is no column of FOCUS and does not begin with x_ [custom_column_prefix]"
    )
    assert len(lines) == 50 < answer["errors"]


def test_a_break_in_parquet_has_the_same_place_as_in_csv(tmp_path: Path, capsys: Any) -> None:
    with (SAMPLES / "focus_1_2_ai_full.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[2]["ListUnitPrice"] = ""
    columns = {name: [row[name] or None for row in rows] for name in rows[0]}
    pq.write_table(pa.table(columns), tmp_path / "broken.parquet")
    code, answer, _ = run(capsys, str(tmp_path / "broken.parquet"))
    assert code == 1
    assert [(one["row"], one["column"]) for one in answer["findings"]] == [(3, "ListUnitPrice")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no FOCUS file"),
        (b"a,b\n1,2\n", "no FOCUS file: its header names neither BilledCost nor a column of another dataset of 1.4"),
        (b"BilledCost\n\xff\n", "file.csv cannot be read"),
        (b'BilledCost\n"1', "file.csv cannot be read"),
    ],
)
def test_what_is_no_focus_file_is_wrong_use(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=message) as caught:
        call_command("focus_lint", str(path))
    assert caught.value.returncode == 2


def test_a_file_that_is_not_there_or_no_parquet_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not")
    for name, message in (("none.csv", "there is no file"), ("a.parquet", "a.parquet cannot be read")):
        with pytest.raises(CommandError, match=message) as caught:
            call_command("focus_lint", str(tmp_path / name))
        assert caught.value.returncode == 2
