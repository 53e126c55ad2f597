"""A site's own source with a mistake in what it makes: nothing is dropped in silence, and one line says where and what."""

import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from ingest.calc.lines import LINE_SCHEMA, line_table
from ingest.calc.tables import WrongRows
from ingest.calc.usage import USAGE_SCHEMA, usage_table
from ingest.intake import SourceWrong, Stopped
from ingest.models import IngestRun, Quarantine, UsageEvent
from ingest.push import take_batch
from ingest.services import Import, ingest_file
from ingest.source import Line
from ingest.sources import all_sources, get_source
from tests.ingest.test_own_source import CALLS, MODULE
from tests.records import payload, write_lines
from tests.web.ledger import bearer, person
from tests.web.test_api_events import send
from web.management.base import Failed

pytestmark = pytest.mark.usefixtures("ledger")
GOOD = [CALLS[0] | {"id": str(number)} for number in range(5)]
COST = 'money(record["cents"], "cents") * Decimal("0.01")'
Acme = Callable[..., None]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acme]:
    """Acme's source with texts of its module replaced."""
    package = tmp_path / "acme_bugs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(*changes: tuple[str, str]) -> None:
        text = MODULE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (package / "acme.py").write_text(text)
        all_sources.cache_clear()

    with override_settings(SOURCE_PACKAGES=["acme_bugs"]):
        yield install
    all_sources.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_bugs")]:
        del sys.modules[name]


# A change to Acme's module, and what is said of it at the first record.
BUGS = {
    "a misspelt column": (
        ('"cache_read": read', '"cache_reed": read'),
        "cache_reed is no column of the usage table; the nearest is cache_read",
    ),
    "a column like no other": (('"cache_read": read', '"zzz": read'), "zzz is no column of the usage table"),
    "a misspelt column of a line": (
        ("return [{", "from ingest.source import Line\n        return [Line(biled_cost=read), {"),
        "biled_cost is no column of the line table; the nearest is billed_cost",
    ),
    "a float for money": (
        (COST, 'float(record["cents"]) / 100'),
        "reported_cost is a float that does not fit decimal128(30, 12); give a Decimal of at most 12 decimals, as "
        "ingest.calc.values.money does",
    ),
    "too many decimals": (
        (COST, 'Decimal("0.1234567890123")'),
        "reported_cost is a Decimal that does not fit decimal128(30, 12); give a Decimal of at most 12 decimals, as "
        "ingest.calc.values.money does",
    ),
    "a text for a count": (('"cache_read": read', '"cache_read": "1"'), "cache_read is a str that does not fit int64"),
    "a row instead of rows": (
        ("return [{", "return {"), ("}]", "}"), "row gives a dict, not a list of rows",
    ),
    "nothing instead of rows": (("return [{", "return None and [{"), "row gives a NoneType, not a list of rows"),
    "no rows in the list": (("return [{", 'return ["x"] or [{'), "row gives a list that holds a str, not rows"),
    "an exception": (('record["id"]', 'record["no such"]'), "KeyError: 'no such'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUGS)
def test_a_wrong_row_stops_the_import_at_its_record_in_one_line(acme: Acme, tmp_path: Path, name: str) -> None:
    *changes, said = BUGS[name]
    acme(*changes)
    path = write_lines(tmp_path / "calls.jsonl", CALLS[:1])
    with pytest.raises(Stopped) as stopped:
        ingest_file(Import(path, "acme"))
    assert str(stopped.value) == f"calls.jsonl: the source acme failed at line 1: {said}"
    assert IngestRun.objects.get().state == "failed"
    assert not UsageEvent.objects.exists()


@pytest.mark.parametrize("name", BUGS)
def test_a_wrong_row_of_a_pushed_batch_is_said_to_the_sender(acme: Acme, name: str) -> None:
    *changes, said = BUGS[name]
    acme(*changes)
    answer = send(bearer(person("sender"), "ingest"), CALLS[:1], "?source=acme")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["detail"] == (
        f"pushed batch of 1: the source acme failed at event 0: {said}; the batch is not stored whole: once the source "
        "is mended, send it again"
    )


@pytest.mark.parametrize("name", BUGS)
def test_sample_says_it_in_one_line(acme: Acme, tmp_path: Path, name: str) -> None:
    *changes, said = BUGS[name]
    acme(*changes)
    folder = tmp_path / "samples" / "acme"
    folder.mkdir(parents=True)
    write_lines(folder / "calls.jsonl", CALLS[:1])
    with pytest.raises(Failed) as failed:
        call_command("sample", "acme", "--folder", str(folder.parent), "--write")
    assert str(failed.value) == f"calls.jsonl: the source acme failed at line 1: {said}"
    assert [path.name for path in folder.iterdir()] == ["calls.jsonl"]


def test_the_record_whose_value_does_not_fit_is_named_not_the_first(acme: Acme, tmp_path: Path) -> None:
    acme((COST, 'Decimal("1") if record["id"] != "3" else 0.5'))
    path = write_lines(tmp_path / "calls.jsonl", GOOD)
    with pytest.raises(Stopped, match=r"the source acme failed at line 4: reported_cost is a float"):
        ingest_file(Import(path, "acme"))


def test_names_are_looked_at_in_every_shape_of_row(acme: Acme, tmp_path: Path) -> None:
    acme(('"cache_read": read', '("cache_read" if record["id"] != "3" else "cache_reed"): read'))
    path = write_lines(tmp_path / "calls.jsonl", GOOD)
    with pytest.raises(Stopped, match="the source acme failed at line 4: cache_reed is no column"):
        ingest_file(Import(path, "acme"))


@pytest.mark.parametrize("given", ["None", '""', 'record["id"] if record["id"] != "3" else None'])
def test_a_record_without_an_id_is_quarantined_and_its_neighbours_are_stored(acme: Acme, given: str) -> None:
    acme(('"native_id": record["id"]', f'"native_id": {given}'))
    answer = send(bearer(person("sender"), "ingest"), GOOD, "?source=acme")
    bad = [3] if "record" in given else [0, 1, 2, 3, 4]
    told = answer.json()
    assert answer.status_code == 200
    assert (told["read"], told["stored"], told["quarantined"]) == (5, 5 - len(bad), len(bad))
    assert [row["index"] for row in told["rejected"]] == bad
    assert {row["reason"] for row in told["rejected"]} == {"unknown_shape"}
    assert {row["detail"] for row in told["rejected"]} == {"the source gives this record no native_id"}


def test_a_file_of_which_no_record_has_an_id_is_refused_with_the_reason(acme: Acme, tmp_path: Path) -> None:
    acme(('"native_id": record["id"], ', ""))
    path = write_lines(tmp_path / "calls.jsonl", GOOD)
    with pytest.raises(Stopped, match="the first at line 1: unknown_shape the source gives this record no native_id"):
        ingest_file(Import(path, "acme"))
    assert IngestRun.objects.get().state == "refused"


def test_a_line_without_an_id_is_quarantined(acme: Acme) -> None:
    acme(("return [{", "from ingest.source import Line\n        return [Line(period_start=instant(record['at'], 'at', "
          "zone=None), billed_cost=Decimal(1), billing_currency='USD'), {"))  # fmt: skip
    run = take_batch("acme", "default", CALLS[:1])
    assert (run.stored, run.quarantined) == (0, 1), "a record with several rows is taken whole or not"
    assert Quarantine.objects.get().detail == "the source gives this record no native_id"


@pytest.mark.parametrize(
    ("changed", "reason", "detail"),
    [
        (('"at", zone=None)', '"at", zone=None).replace(tzinfo=None)'), "bad_time", "occurred_at has no zone"),
        (('"cache_read": read', '"cache_read": 1.5'), "fractional", "cache_read"),
        (('"cache_read": read', '"cache_read": Decimal("1.5")'), "fractional", "cache_read"),
        (('"cache_read": read', '"cache_read": float("nan")'), "bad_number", "cache_read"),
        (('instant(record["at"], "at", zone=None)', 'record["at"]'), "bad_time", "occurred_at is a str, not a datetime"),
        (('"cache_read": read', '"cache_read": read, "tags": "team=search"'), "unknown_shape",
         "tags is not what ingest.calc.identity.canonical_tags writes"),
    ],
)  # fmt: skip
def test_a_value_that_would_be_bent_is_quarantined(
    acme: Acme, changed: tuple[str, str], reason: str, detail: str
) -> None:
    acme(changed)
    run = take_batch("acme", "default", CALLS[:1])
    assert (run.stored, run.quarantined) == (0, 1)
    row = Quarantine.objects.get()
    assert (row.reason, row.detail) == (reason, detail)


@pytest.mark.parametrize(
    "method",
    ["def is_page(self, document):", "def records(self, document):", "def layer_in(self, context):"],
)
def test_what_its_other_methods_raise_is_said_to_the_sender(acme: Acme, method: str) -> None:
    page = "def is_page(self, document):\n        return True\n\n    " if "records" in method else ""
    acme(
        (
            "    def row",
            f'    {page}{method}\n        return 1 / 0 if "layer" not in "{method}" else "gatewy"\n\n    def row',
        )
    )
    answer = send(bearer(person("sender"), "ingest"), CALLS[:1], "?source=acme")
    assert answer.status_code == 500
    said = (
        "layer_in: 'gatewy' is none of invoice,"
        if "layer" in method
        else "event 0: ZeroDivisionError: division by zero"
    )
    assert f"pushed batch of 1: the source acme failed at {said}" in answer.json()["detail"]


def test_what_a_source_of_whole_tables_makes_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source: Any = get_source("litellm")
    usage = type(source).usage
    path = write_lines(tmp_path / "a.jsonl", [payload(1)])
    for made, said in (
        (lambda parsed: parsed.usage, "usage gives a Table, not a Parsed of a table"),
        (
            lambda parsed: parsed._replace(usage=parsed.usage.drop_columns(["trace"])),
            "a table of another schema; make it by",
        ),
        (
            lambda parsed: usage_table(1, {"cache_reed": 1}),
            "cache_reed is no column of the usage table; the nearest is",
        ),
    ):
        monkeypatch.setattr(type(source), "usage", lambda *given, made=made: made(usage(*given)))
        with pytest.raises(SourceWrong, match=f"the source litellm failed at lines 1 to 1: .*{said}"):
            ingest_file(Import(path, "litellm"))


def test_every_name_of_a_schema_is_a_column_and_a_value_that_fits_nothing_is_named() -> None:
    row = dict.fromkeys(set(LINE_SCHEMA.names) - {"record"})
    assert len(line_table([row, {}])) == 2
    assert set(usage_table(1, dict.fromkeys(USAGE_SCHEMA.names)).column_names) == set(USAGE_SCHEMA.names)
    good = Line(record=0, billed_cost=Decimal("1.5"))
    with pytest.raises(WrongRows, match="billed_cost is a str that does not fit") as wrong:
        line_table([good, Line(record=7, billed_cost="1.5")])
    assert wrong.value.record == 7


def test_a_bug_is_told_as_json_where_that_was_asked_for(acme: Acme, tmp_path: Path, capsys: Any) -> None:
    acme(BUGS["a misspelt column"][0])
    path = write_lines(tmp_path / "calls.jsonl", CALLS[:1])
    with pytest.raises(Failed):
        call_command("ingest_file", str(path), "--source", "acme", "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["stored"] == 0
