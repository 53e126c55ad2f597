"""A site's own kind of input: one module in a package of its own, and every way in knows it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from ingest.models import UsageEvent
from ingest.sources import all_sources

pytestmark = pytest.mark.usefixtures("ledger")

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
