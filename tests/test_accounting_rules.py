"""Every accounting rule AR1 to AR23 has a test that names it: conservation, closed months, corrections, rounding, and so on."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
_NAMED = re.compile(r"_ar(\d+)(?=_)")


def _names() -> Iterator[str]:
    """Names of test functions, also of those in classes, without an import of any."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


NAMED = {int(number) for name in _names() for number in _NAMED.findall(name)}


@pytest.mark.parametrize("number", range(1, 24))
def test_each_accounting_rule_has_a_test_by_its_name(number: int) -> None:
    assert number in NAMED, f"no test is called test_ar{number}_..."


def test_no_test_names_a_rule_that_there_is_not() -> None:
    assert set(range(1, 24)) >= NAMED
