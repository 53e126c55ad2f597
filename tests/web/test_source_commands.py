"""`sample` and `mapping check`: neither stores anything, and an expectation is never replaced by accident."""

import io
import json
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from ingest.calc.default_mapping import beside_mapping, default_mapping
from web.management.base import Failed, RefusedHere, WrongUse

SAMPLES = Path(__file__).parents[1] / "samples"


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SAMPLES / "litellm", tmp_path / "litellm")
    return tmp_path


def test_a_sample_that_is_as_expected_is_left_alone(folder):
    assert run("sample", "litellm", "--folder", str(folder))["same"] == sorted(
        path.name for path in (folder / "litellm").glob("*.json*") if not path.name.endswith(".expected.json")
    )


def test_an_expectation_that_differs_is_replaced_only_by_force(folder):
    expected = folder / "litellm" / "spend_log_row.json.expected.json"
    was = expected.read_text()
    expected.write_text("{}\n")
    with pytest.raises(RefusedHere, match=r"spend_log_row\.json") as refusal:
        run("sample", "litellm", "--write", "--folder", str(folder))
    assert refusal.value.returncode == 3
    assert expected.read_text() == "{}\n"
    assert run("sample", "litellm", "--write", "--force", "--folder", str(folder))["written"] == ["spend_log_row.json"]
    assert expected.read_text() == was


def test_a_missing_expectation_fails_the_check_and_is_written_on_demand(folder):
    (folder / "litellm" / "spend_log_row.json.expected.json").unlink()
    with pytest.raises(Failed):
        run("sample", "litellm", "--folder", str(folder))
    assert run("sample", "litellm", "--write", "--folder", str(folder))["written"] == ["spend_log_row.json"]


@pytest.mark.parametrize("kind", ["nope", "generic"])
def test_an_unknown_kind_or_one_without_samples_is_wrong_use(folder, kind):
    with pytest.raises(WrongUse):
        run("sample", kind, "--folder", str(folder))


def test_a_mapping_is_tried_on_the_first_rows_of_a_sample():
    sample = SAMPLES / "generic" / "decimal_comma.csv"
    found = run("mapping", "check", f"{sample}.mapping.yaml", str(sample))
    assert [row["native_id"] for row in found["rows"]] == ["1", "2"]
    assert [(reject["place"], reject["reason"]) for reject in found["rejects"]] == [
        ("line 4", "bad_time"),
        ("line 5", "fractional"),
    ]
    assert (found["unused"], found["absent"]) == ([], [])


def test_a_mapping_names_the_columns_it_does_not_use_and_those_that_are_not_there(tmp_path):
    mapping, sample = tmp_path / "m.yaml", tmp_path / "s.jsonl"
    mapping.write_text("{time: t, model: m, input: u.i, trace: nowhere}")
    sample.write_text('{"t": "2026-09-08T13:00:00Z", "m": "x", "u": {"i": 1, "o": 2}, "cost": 1}\n')
    found = run("mapping", "check", str(mapping), str(sample))
    assert (found["unused"], found["absent"]) == (["u.o", "cost"], ["nowhere"])
    assert "identity=row" in found["identity"]


@pytest.mark.parametrize("lacks", ["mapping", "sample"])
def test_a_mapping_or_a_sample_that_is_not_there_is_wrong_use(tmp_path, lacks):
    files = {
        "mapping": SAMPLES / "generic" / "decimal_comma.csv.mapping.yaml",
        "sample": SAMPLES / "generic" / "events.csv",
    }
    with pytest.raises(WrongUse, match="there is no file"):
        run("mapping", "check", *(str(path) for path in (files | {lacks: tmp_path / "none"}).values()))


@pytest.mark.django_db
def test_a_run_that_does_not_exist_is_not_one_without_quarantine():
    with pytest.raises(WrongUse, match="there is no run 12"):
        run("quarantine", "list", "12")


def test_a_wrong_mapping_is_wrong_use_by_the_name_of_its_field(tmp_path):
    mapping = tmp_path / "m.yaml"
    mapping.write_text("{time: t, model: m, input: i, zone: Mars}")
    with pytest.raises(WrongUse, match="zone"):
        run("mapping", "check", str(mapping), str(SAMPLES / "generic" / "events.csv"))


def test_the_readme_names_every_column_that_the_default_mapping_reads() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    table = readme.partition("| what | columns |")[2].partition("\n\n")[0]
    read = set(default_mapping().columns()) | set(beside_mapping().columns())
    words = {path.removeprefix("usage.").rpartition(".")[2] for path in read}
    assert [word for word in sorted(words) if f"{word}`" not in table] == []
