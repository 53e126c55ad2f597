"""Statements of a month: make their drafts, issue them, write them as PDF, or say who gets which."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc import statement_policy
from allocation.calc.contracts_fields import AgreementError
from allocation.close import statement_views, statements
from allocation.models import Statement
from allocation.scope import EVERYTHING
from finops.approvals import SelfApproval
from finops.periods import Period, PeriodError
from web import approving, statement_sheet
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option
from web.management.files import naming, read_yaml
from web.paper import statement as paper


class Command(LedgerCommand):
    """``statements YYYY-MM [--issue] [--post] [--pdf DIR] --as USER``; ``statements --policy FILE --as USER``."""

    help = "Show a month's statements; draft, issue or post them, write them as PDF, or propose the statement policy."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("month", nargs="?", metavar="YYYY-MM")
        parser.add_argument("--draft", action="store_true", help="make the drafts anew")
        parser.add_argument(
            "--issue", action="store_true", help="issue what a frozen month has not issued yet; its figures stay"
        )
        parser.add_argument(
            "--post", action="store_true", help="release the accepted ones to the books; another person"
        )
        parser.add_argument("--pdf", type=Path, metavar="DIR", help="write each as a PDF into this folder")
        parser.add_argument("--cost-centre", metavar="CODE", help="only this one's are shown and written")
        parser.add_argument(
            "--policy", type=Path, metavar="FILE", help="YAML: showback or chargeback, contact, dispute days"
        )
        parser.add_argument("--accept-silent", action="store_true", help="accept what nobody disputed in its window")
        as_option(parser, default=None, help="who does it; needed for any change")

    def run(self, **options: Any) -> dict[str, Any]:
        changes = any(options[name] for name in ("policy", "draft", "issue", "post"))
        if changes and not options["user"]:
            raise WrongUse("say who does it: --as USER")
        told: dict[str, Any] = {}
        if options["policy"]:
            told["approval"] = self._policy(options["policy"], options["user"])
        if options["accept_silent"]:
            told["accepted_in_silence"] = statements.accept_in_silence()
            self.stdout.write(f"{told['accepted_in_silence']} accepted: nobody disputed them in time.")
        if options["month"]:
            told |= self._month(**options)
        elif not told:
            raise WrongUse("name a month: statements YYYY-MM")
        return told

    def _policy(self, path: Path, user: str) -> int:
        with naming(path, AgreementError):
            asked = approving.propose_document(statement_policy.KIND, read_yaml(path) or [], by=user)
        self.stdout.write(f"{asked.subject} waits for another person: manage.py approvals accept {asked.pk} --as USER")
        return asked.pk

    def _month(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.month(options["month"])
        except PeriodError as error:
            raise WrongUse(error) from None
        done = self._change(period, **options)
        code = options["cost_centre"]
        found = [each for each in statement_views.of(period, EVERYTHING) if code in (None, each.cost_centre.code)]
        if code and not found:
            raise WrongUse(f"{code} has no statement of {period}")
        for each in found:
            self.stdout.write(
                f"{each.cost_centre.code:<24} {each.state:<9} {each.kind:<10} {each.document['amount']:>18} {each.currency}"
            )
        for name, count in done.items():
            self.stdout.write(f"{count} {name}.")
        if not found:
            self.stdout.write(f"There are no statements of {period}: draft them with --draft --as USER.")
        files = [str(self._write(each, options["pdf"])) for each in found] if options["pdf"] else []
        return {"month": str(period), **done, "statements": [_told(each) for each in found], "files": files}

    def _change(self, period: Period, **options: Any) -> dict[str, int]:
        done: dict[str, int] = {}
        try:
            if options["issue"]:
                done["issued"] = len(statements.issue(period, options["user"]))
            elif options["draft"]:
                done["drafted"] = len(statements.draft(period))
            if options["post"]:
                done["posted"] = len(statements.post(period, options["user"]))
        except (SelfApproval, statements.StatementError) as refused:
            raise RefusedHere(refused) from None
        return done

    def _write(self, each: Statement, folder: Path) -> Path:
        sheet = statement_sheet.read(each)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{sheet.file_name}.pdf"
        path.write_bytes(paper.pdf(sheet))
        return path


def _told(each: Statement) -> dict[str, str | int | None]:
    until: date | None = each.dispute_until
    return {
        "id": each.pk, "cost_centre": each.cost_centre.code, "version": each.version, "kind": each.kind, "state": each.state,
        "currency": each.currency, "amount": each.document["amount"], "content_hash": each.content_hash,
        "dispute_until": until and until.isoformat(),
    }  # fmt: skip
