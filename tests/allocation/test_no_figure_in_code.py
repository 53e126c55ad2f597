"""No figure that a headline or an assumption states stands in code: only the two data files hold them.

Scanned are the syntax trees of every module of the five packages, migrations apart: numbers, and texts that are a number.
EVERYWHERE: a figure of three significant digits or more (12.5, 0.813, 2766.7; not 0.45, 30 or 1,000, which mean other
things elsewhere) equals no literal, but for the sizes that ELSEWHERE lists. In ``allocation`` and ``forecasting`` this holds
from two significant digits on where the figure has a fraction (0.45, 2.5, 1.9). In the MODULES that calculate and show
assumptions and claims every literal is one of those listed beside the module: lengths, digits, HTTP statuses, conversions.
"""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from allocation.calc.claims import CALCULATORS
from finops.documents import read_yaml

ROOT = Path(__file__).parents[2]
PACKAGES = ("finops", "ingest", "allocation", "forecasting", "web")
STATUSES = {200, 202, 400, 401, 403, 404, 409, 413, 415, 422}
PLAIN = {0, 1, 2}
MODULES: dict[str, set[Any]] = {
    "allocation/assumptions.py": set(),
    "allocation/value/claims.py": set(),
    "allocation/value/unit_economics.py": set(),
    "allocation/calc/assumptions.py": {10, 12, 20, 40, 120, 1_000},  # 10**12, and lengths of texts
    "allocation/calc/claims.py": {6, 10, 12, 15, 40, 60},  # digits, months of a year, lengths of texts
    "allocation/calc/claims_calculators.py": set(),
    "allocation/calc/claims_checked.py": {60, Decimal("1e-9")},
    "allocation/calc/claims_formulas.py": {8, 10, 24, 50, 60, 256, 1_000, 3_600, 1_000_000},  # conversions, and digits
    "allocation/calc/unit_economics.py": set(),
    "allocation/calc/unit_economics_customers.py": {12, 60},
    "web/api/assumptions.py": STATUSES | {11, 31},
    "web/api/calculators.py": STATUSES | {60},
    "web/api/calculators_docs.py": {7, 10, 15, 40, 200},
    "web/api/customers.py": STATUSES | {3, 10, 12, 60, 10_000},
    "web/management/commands/assumptions.py": {100},
    "web/pages/calculators.py": {60, 200, 400},
    "web/pages/calculators_tables.py": {9, 200, 400},
}
# What else equals such a figure, and is none: bytes, key sizes, points of a page, thresholds of other subjects.
ELSEWHERE = {256, 1024, Decimal("10.5")}
OF_OTHER_SUBJECTS = {
    "allocation/calc/reconcile_hypotheses.py": {Decimal("0.25")},  # a price multiple that is looked for
    "allocation/calc/agents_runaway.py": {Decimal("0.25")},  # the least deviation of a logarithm
    "allocation/calc/distribution_modes.py": {Decimal("1.4")},  # critical value of a test
    "allocation/calc/predict_tracking.py": {Decimal("0.77")},  # what an interval of 80 % may cover
    "allocation/calc/focus_lint.py": {Decimal("1.2"), Decimal("1.4")},  # FOCUS 1.2, FOCUS 1.4
    "allocation/calc/focus_lint_rows.py": {Decimal("1.2"), Decimal("1.4")},
    "allocation/calc/focus_rows.py": {Decimal("1.2"), Decimal("1.4")},
    "allocation/calc/focus_columns.py": {Decimal("1.2"), Decimal("1.4")},
    "allocation/calc/focus_datasets.py": {Decimal("1.2"), Decimal("1.4")},
    "allocation/calc/focus_ledger.py": {Decimal("1.2"), Decimal("1.4")},
    "allocation/calc/focus_pricing.py": {Decimal("1.2"), Decimal("1.4")},
}


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return abs(found).normalize() if found.is_finite() else None


def literals(path: Path) -> Iterator[tuple[int, Decimal]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and (found := number(node.value)) is not None:
            yield node.lineno, found


def figures() -> set[Decimal]:
    written: list[Any] = []
    for entry in read_yaml((ROOT / "allocation/assumptions.yaml").read_bytes()):
        written += [entry.get(case) for case in ("low", "base", "high")]
    for claim in read_yaml((ROOT / "allocation/claims.yaml").read_bytes()):
        for run in claim.get("runs", ()):
            written += [run["ours"], run.get("stated"), *run["inputs"].values()]
    return {found for value in written if (found := number(value)) is not None}


def digits(figure: Decimal) -> int:
    return len(figure.as_tuple().digits)


def modules(*packages: str) -> list[Path]:
    return [
        path
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def found_in(path: Path, wanted: set[Decimal]) -> list[str]:
    name = str(path.relative_to(ROOT))
    wanted = wanted - OF_OTHER_SUBJECTS.get(name, set()) - MODULES.get(name, set())
    return [f"{name}:{line} {figure}" for line, figure in literals(path) if figure in wanted]


def test_no_figure_of_three_digits_stands_anywhere_in_the_product() -> None:
    wanted = {figure for figure in figures() if digits(figure) >= 3} - ELSEWHERE
    assert len(wanted) > 40
    assert [hit for path in modules(*PACKAGES) for hit in found_in(path, wanted)] == []


def test_no_fraction_of_two_digits_stands_where_things_are_calculated() -> None:
    wanted = {figure for figure in figures() if digits(figure) >= 2 and figure % 1}
    assert len(wanted) > 50
    assert [hit for path in modules("allocation", "forecasting") for hit in found_in(path, wanted)] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_assumptions_and_claims_hold_lengths_and_conversions_alone(name: str) -> None:
    allowed = {Decimal(value).normalize() for value in PLAIN | MODULES[name]}
    assert [(line, str(figure)) for line, figure in literals(ROOT / name) if figure not in allowed] == []


def test_the_list_of_modules_is_complete() -> None:
    patterns = (
        "allocation/*assumptions*.py", "allocation/*claims*.py", "allocation/calc/assumptions*.py", "allocation/calc/claims*.py",
        "allocation/calc/unit_economics*.py", "allocation/value/claims*.py", "allocation/value/unit_economics*.py",
        "web/api/assumptions*.py", "web/api/calculators*.py", "web/api/customers.py", "web/pages/calculators*.py",
        "web/management/commands/assumptions.py",
    )  # fmt: skip
    assert {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)} == set(MODULES)


def test_formulas_hold_no_number_but_one_and_two() -> None:
    for calculator in CALCULATORS.values():
        for output in calculator.outputs:
            texts = [output.formula] if isinstance(output.formula, str) else [*output.formula.values()]
            assert all(set(re.findall(r"[\d.]+", text)) <= {"1", "2"} for text in [*texts, output.needs]), output


def test_templates_of_the_page_hold_no_figure() -> None:
    wanted = {figure for figure in figures() if digits(figure) >= 3}
    paths = sorted((ROOT / "web/templates/web").glob("calculators*.html"))
    assert paths
    for path in paths:
        text = re.sub(r"<[^>]+>|\{[%{].*?[%}]\}", " ", path.read_text(encoding="utf-8"))
        assert [
            found for found in re.findall(r"\d[\d,.]*\d", text) if number(found.replace(",", "")) in wanted
        ] == [], path


def test_the_scan_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text('A = 12.5\nB = -12.5\nC = Decimal("12.50")\nD = 1 + 30_000_000\nE = "12.5 times"\n')
    assert [line for line, figure in literals(path) if figure in figures()] == [1, 2, 3, 4, 4]
