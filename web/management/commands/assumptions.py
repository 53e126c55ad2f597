"""Load, look at and compare the assumption register."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import assumptions
from allocation.calc.assumptions import KIND, Register, difference, in_words
from allocation.calc.contracts_fields import AgreementError
from web import approving
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml

MOST = 100


class Command(LedgerCommand):
    """``assumptions load FILE --as USER``, ``assumptions show [CODE]``, ``assumptions diff [FILE]``."""

    help = "Propose an assumption register from a YAML file, show the one in force, or compare."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="propose a file; in force once another person has accepted it")
        load.add_argument("file", type=Path, help="YAML: a list of entries; what it leaves out is as shipped")
        as_option(load, default=None, help="who asks for it")
        json_option(load)
        show = actions.add_parser("show", help="what is in force, with its sources")
        show.add_argument("code", nargs="?", help="one entry, or a group")
        json_option(show)
        diff = actions.add_parser(
            "diff", help="what a file would change; without a file, what is in force beside the shipped"
        )
        diff.add_argument("file", type=Path, nargs="?")
        json_option(diff)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "load":
            return self._load(options["file"], options["user"])
        return self._diff(options["file"]) if options["action"] == "diff" else self._show(options["code"])

    def _load(self, path: Path, user: str | None) -> dict[str, Any]:
        if not user:
            raise WrongUse("say who asks for it: --as USER")
        with naming(path, AgreementError):
            asked = approving.propose_document(KIND, read_yaml(path) or [], by=user)
        self.stdout.write(f"{asked.subject} wait for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"approval": asked.pk, "entries": len(asked.details["entries"])}

    def _show(self, code: str | None) -> dict[str, Any]:
        register, live = assumptions.in_force(), assumptions.version()
        told = [one for one in register.entries.values() if code in (None, one.code, one.group)]
        if not told:
            raise WrongUse(f"there is no entry and no group {code}; `manage.py assumptions show` lists all")
        self.stdout.write(
            f"Version {live.number}, loaded by {live.loaded_by}" if live else "As shipped with the product"
        )
        for one in told:
            self.stdout.write(f"{one.code}: {in_words(one)}  [{one.grade}, {one.as_of}, {one.owner}] {one.source}")
        entries = {one.code: {"value": in_words(one), "source": one.source} for one in told}
        return {"version": live and live.number, "entries": entries}

    def _diff(self, path: Path | None) -> dict[str, Any]:
        before, after = assumptions.shipped(), assumptions.in_force()
        if path is not None:
            with naming(path, AgreementError):
                before, after = after, assumptions.parse(read_yaml(path) or [])
        found = self._told(before, after)
        if not found:
            self.stdout.write("Nothing differs.")
        return {"differences": found}

    def _told(self, before: Register, after: Register) -> list[dict[str, str]]:
        found = [one._asdict() for one in difference(before, after)]
        for one in found[:MOST]:
            place = f"{one['code']} {one['field']}".strip()
            self.stdout.write(f"{place}: {one['before'] or '(nothing)'} -> {one['after'] or '(nothing)'}")
        if len(found) > MOST:
            self.stdout.write(f"and {len(found) - MOST} more; all with --json")
        return found
