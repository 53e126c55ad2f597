"""The house rules that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("finops", "ingest", "allocation", "forecasting", "web")


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts
    ]


def test_no_file_is_longer_than_300_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in sources(*PACKAGES) if (n := len(p.read_text().splitlines())) > 300}
    assert long == {}


def test_modules_have_names_that_say_what_they_hold() -> None:
    vague = re.compile(r"(utils?|helpers?|misc|common|managers?|processors?)\.py$")
    assert [str(path) for path in sources(*PACKAGES, "tests") if vague.search(path.name)] == []


def test_every_source_has_a_sample_and_a_row_in_the_readme() -> None:
    from ingest.sources import all_sources
    from web.management.commands.sources import markdown

    for kind in all_sources():
        assert any((ROOT / "tests" / "samples").glob(f"{kind}*")), f"no sample folder for {kind}"
    readme = (ROOT / "README.md").read_text()
    assert markdown(all_sources()) in readme, "write the output of `manage.py sources --markdown` into the README"


def test_every_environment_variable_and_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    settings = (ROOT / "finops" / "settings.py").read_text()
    for name in re.findall(r'env(?:_list|_bool)?\(\s*"([A-Z_]+)"', settings):
        assert f"`{name}`" in readme, f"{name} is not in the README"
    for path in (ROOT / "web" / "management" / "commands").glob("*.py"):
        if path.stem != "__init__":
            assert f"`{path.stem}" in readme, f"the command {path.stem} is not in the README"


def test_money_is_never_multiplied_or_divided_as_a_column() -> None:
    """Products and shares of money go through finops.money (invariant 2): pandas turns them into floats or objects."""
    column = re.compile(r"""\[["'][a-z_]*(_cost|Cost|_rate)["']\]\s*[*/]|[*/]\s*\w+\[["'][a-z_]*(_cost|Cost)["']\]""")
    offenders = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources("ingest/calc", "allocation/calc", "forecasting/calc")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if column.search(line)
    ]
    assert offenders == []


def test_files_name_no_package_index_and_no_path_of_a_machine() -> None:
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    here = re.compile(r"(?<![\w.])/(work|farm|root)/|index-url\s+http", re.IGNORECASE)
    offenders = []
    for name in listed.splitlines():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".lock", ".txt", ""}
            and path.is_file()
            and path != Path(__file__)
        ):
            text = path.read_text(encoding="utf-8", errors="ignore")
            offenders += [f"{name}: {found[0]}" for found in here.finditer(text)]
    assert offenders == []


def test_templates_that_set_style_attributes_say_so() -> None:
    """The content security policy of a page lets nothing inline unless its template asks for it (web.styles)."""
    mute = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "web" / "templates").rglob("*.html"))
        if "mail" not in path.parts
        and re.search(r"\sstyle=", text := path.read_text())
        and "{% inline_styles %}" not in text
    ]
    assert mute == [], "put {% load ledger %} and {% inline_styles %} into the block (or the part) that has them"
