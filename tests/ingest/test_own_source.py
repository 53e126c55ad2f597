"""A site's own kind of input: one module in a package of its own, and every way in knows it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from ingest.models import UsageEvent
from ingest.sources import WrongSource, all_sources

pytestmark = pytest.mark.usefixtures("ledger")
ROOT = Path(__file__).parents[2]

MODULE = '''
"""Acme's meter: cached tokens are inside the input, amounts are cents."""

from decimal import Decimal

from ingest.calc.reasons import Rejected
from ingest.calc.values import count, instant, money
from ingest.source import Guide, RowSource


class Acme(RowSource):
    kind = "acme"
    layer = "gateway"
    pushed = True
    guide = Guide("Acme's meter", "Write its export to a file.", "", "model", "who asked")

    def row(self, record, context):
        """One usage row."""
        read, whole = count(record.get("cached"), "cached") or 0, count(record.get("input"), "input") or 0
        if read > whole:
            raise Rejected("cached_exceeds_input", "cached exceeds input")
        return [{
            "native_id": record["id"], "occurred_at": instant(record["at"], "at", zone=None), "provider": "openai",
            "model_served": record["model"], "cache_read": read, "input_uncached": whole - read,
            "output_visible": count(record.get("output"), "output"),
            "reported_cost": money(record["cents"], "cents") * Decimal("0.01"),
        }]


SOURCE = Acme()
'''
CALLS = [
    {
        "id": "1",
        "at": "2026-09-08T10:00:00Z",
        "model": "gpt-4o",
        "input": 100,
        "cached": 40,
        "output": 7,
        "cents": "12.5",
    },
    {"id": "2", "at": "2026-09-08T11:00:00Z", "model": "gpt-4o", "input": 10, "cached": 11, "output": 1, "cents": "1"},
]


@pytest.fixture
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "acme_sources"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "acme.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    all_sources.cache_clear()
    with override_settings(SOURCE_PACKAGES=["acme_sources"]):
        yield
    all_sources.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_sources")]:
        del sys.modules[name]


def run(capsys: Any, *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.mark.usefixtures("_acme")
def test_the_command_line_imports_it_with_its_own_rules(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(call) + "\n" for call in CALLS))

    told = run(capsys, "ingest_file", str(path), "--source", "acme", "--accept-bad")

    assert (told["stored"], told["quarantine"]) == (1, {"cached_exceeds_input": 1})
    assert (told["totals"]["input_uncached"], told["totals"]["cache_read"]) == ("60", "40")  # 100 holds 40
    assert told["totals"]["reported_cost"] == "0.125000000000"  # 12.5 cents


@pytest.mark.usefixtures("_acme")
def test_the_list_of_sources_and_the_table_for_the_documentation_hold_it(capsys: Any) -> None:
    assert "acme" in [row["kind"] for row in run(capsys, "sources")["sources"]]
    call_command("sources", "--markdown")
    assert "| `acme`: Acme's meter | gateway | file, folder, push |" in capsys.readouterr().out


@pytest.mark.usefixtures("_acme")
def test_a_sample_of_it_gets_a_golden_expectation(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "samples" / "acme"
    folder.mkdir(parents=True)
    (folder / "calls.json").write_text(json.dumps(CALLS))

    assert run(capsys, "sample", "acme", "--folder", str(folder.parent), "--write")["written"] == ["calls.json"]

    expected = json.loads((folder / "calls.json.expected.json").read_text())
    assert expected["usage"][0]["cache_read"] == 40
    assert [reject["reason"] for reject in expected["rejects"]] == ["cached_exceeds_input"]
    assert run(capsys, "sample", "acme", "--folder", str(folder.parent))["same"] == ["calls.json"]


@pytest.mark.usefixtures("_acme")
def test_a_pushed_batch_of_it_is_stored() -> None:
    from ingest.push import take_batch

    run_ = take_batch("acme", "default", CALLS)

    assert (run_.stored, run_.quarantined) == (1, 1)
    assert UsageEvent.objects.get().cache_read == 40


def mine(folder: Path, **modules: str) -> None:
    """A package `mine` of these modules."""
    (folder / "mine").mkdir()
    for name, text in {"__init__": "", **modules}.items():
        (folder / "mine" / f"{name}.py").write_text(text)


def found(package: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a package that cannot be used."""
    monkeypatch.syspath_prepend(str(folder))
    all_sources.cache_clear()
    try:
        with override_settings(SOURCE_PACKAGES=[package]), pytest.raises(WrongSource) as wrong:
            all_sources()
    finally:
        all_sources.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
            del sys.modules[name]
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine, module meter defines no SOURCE: add `SOURCE = YourSource()`, or begin its name with _"),
        ("SOURCE = 5", "mine, module meter: SOURCE is a int, no Source: write `SOURCE = YourSource()`"),
        (MODULE.replace("SOURCE = Acme()", "SOURCE = Acme"), "mine, module meter: SOURCE is a class: write"),
        (MODULE.replace('kind = "acme"', ""), "mine, module meter: its source says no kind, see ingest/source.py"),
        (MODULE.replace("guide = ", "hint = ").replace('layer = "g', 'l = "g'), "says no layer and no guide"),
        (
            MODULE.replace('"gateway"', '"gatewy"'),
            "layer = 'gatewy': a layer is one of invoice, cost_report, provider_usage, ",
        ),
        (MODULE.replace("pushed = True", 'lines_layer = "bill"'), "lines_layer = 'bill': a layer is one of invoice, "),
        (MODULE.replace("pushed = True", 'scopes = "tokens.*"'), "scopes = 'tokens.*': write a tuple of texts such as"),
        (MODULE.replace("pushed = True", "scopes = (1,)"), "scopes = (1,): write a tuple of texts such as"),
        (MODULE.replace("pushed = True", 'line_scopes = ["*"]'), "line_scopes = ['*']: write a tuple of texts such as"),
        (
            MODULE.replace("pushed = True", 'issuer_zone = "Europe/Berln"'),
            "issuer_zone = 'Europe/Berln': there is no such",
        ),
        (MODULE.replace("pushed = True", 'options = ("page",)'), "options = ('page',): write a tuple of Options"),
        (MODULE.replace('"who asked"', "5"), "a Guide is of five texts, see ingest/source.py"),
        (MODULE.replace("guide = ", "hint = "), "its source says no guide, see ingest/source.py"),
        (MODULE.replace('"acme"', '"ac me"'), "kind = 'ac me': a kind is a-z, 0-9 and _, beginning with a letter"),
        (MODULE.replace('"acme"', '"Acme"'), "kind = 'Acme': a kind is a-z"),
        (MODULE.replace('"acme"', '""'), "kind = '': a kind is a-z"),
        (MODULE.replace('"acme"', f'"{"a" * 41}"'), ": a kind is a-z"),
        (MODULE.replace("RowSource", "Source"), "is neither a RowSource nor a ColumnSource, see ingest/source.py"),
        (
            MODULE.replace("RowSource", "ColumnSource").replace("def row", "def usage"),
            "says no schemas, a tuple of Arrow",
        ),
        (MODULE.replace("def row", "def rows"), "cannot be imported: TypeError: Can't instantiate abstract class Acme"),
        (MODULE.replace('kind = "acme"', 'kind = "openai"'), "there is a source of kind 'openai' already; rename it"),
        (
            "import nowhere_to_be_found",
            "mine, module meter imports nowhere_to_be_found, which is not there: install it",
        ),
        ("import mine.other", "mine, module meter imports mine.other, which is not there"),
        ("def :", "mine, module meter cannot be imported: SyntaxError: invalid syntax (meter.py, line 1); mend it"),
        ("1 / 0", "mine, module meter cannot be imported: ZeroDivisionError: division by zero; mend it"),
    ],
)
def test_a_module_that_is_no_source_is_named_with_what_to_do(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(tmp_path, meter=text)
    assert said in found("mine", tmp_path, monkeypatch)


def test_a_package_that_is_not_there_or_none_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(tmp_path, meter=MODULE)
    assert found("yours", tmp_path, monkeypatch).startswith("FINOPS_SOURCE_PACKAGES: yours: there is no package yours")
    assert "no package yours" in found("yours.sources", tmp_path, monkeypatch)
    assert "mine.sources: there is no package mine.sources" in found("mine.sources", tmp_path, monkeypatch)
    assert "mine.meter is a module: name the package" in found("mine.meter", tmp_path, monkeypatch)


def test_a_module_whose_name_begins_with_an_underscore_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine(tmp_path, _shared="", meter="import mine._shared\n" + MODULE.partition('"""\n\n')[2])
    monkeypatch.syspath_prepend(str(tmp_path))
    all_sources.cache_clear()
    try:
        with override_settings(SOURCE_PACKAGES=["mine"]):
            assert "acme" in all_sources()
    finally:
        all_sources.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("sources",), ("token", "list"), ("up", "--port", "1")])
def test_every_command_says_it_in_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    mine(tmp_path, meter="")
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=os.environ | {
            "FINOPS_BOOTSTRAP": "0", "FINOPS_SOURCE_PACKAGES": "mine", "PYTHONPATH": str(tmp_path),
        },
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: FINOPS_SOURCE_PACKAGES: mine, module meter defines no SOURCE")
    assert done.stderr.count("\n") == 1
