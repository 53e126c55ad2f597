"""``--as USER`` of every command: where there is no such user, or one who left, nothing is done (exit 2)."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class

from finops.models import AuditEvent, User
from tests.web.ledger import person

pytestmark = pytest.mark.django_db
FOLDER = Path(__file__).parents[2] / "web" / "management" / "commands"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def of(action: argparse.Action) -> list[str]:
    """A value that the parser takes for an argument it requires."""
    if action.choices:
        return [*action.option_strings[:1], str(next(iter(action.choices)))]
    return [*action.option_strings[:1], "2026-09-01" if action.metavar == "DAY" else "1"]


def ways(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The shortest command lines of every (sub-)command that takes a person."""
    required = [word for action in parser._actions if action.required and not _below(action) for word in of(action)
                if "--as" not in action.option_strings]  # fmt: skip
    if any("--as" in action.option_strings for action in parser._actions):
        yield (*words, *required)
    for action in parser._actions:
        for name, below in (_below(action) or {}).items():
            yield from ways(below, (*words, *required, name))


def _below(action: argparse.Action) -> dict[str, Any]:
    return dict(action.choices or {}) if isinstance(action, argparse._SubParsersAction) else {}


def _all() -> list[tuple[str, ...]]:
    found = []
    for name in NAMES:
        command = load_command_class("web", name)
        found += list(ways(command.create_parser("manage.py", name), (name,)))
    return found


COMMANDS = _all()


def test_the_commands_that_people_run_are_among_them() -> None:
    names = {words[0] for words in COMMANDS}
    assert names >= {
        "adjust", "approvals", "budgets", "close_month", "cost_centres", "deliver", "drivers", "fx", "invoices", "journal",
        "periods", "prices", "reconcile", "reopen_month", "rules", "statements", "terms", "tier_policy", "user",
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["nobody", "gone"])
def test_nobody_acts_who_is_not_there(words: tuple[str, ...], name: str) -> None:
    person("gone", "finance")
    User.objects.filter(username="gone").update(is_active=False)
    with pytest.raises(CommandError) as refused:
        call_command(*words, "--as", name)
    said = f"--as: there is no user {name}; `manage.py user list` shows those there are"
    assert (refused.value.returncode, str(refused.value)) == (2, said)
    assert not AuditEvent.objects.exists()
