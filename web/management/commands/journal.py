"""The journal of a month: shown in any state, built when closed, posted by another person, exported once; and its proof."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc import gl
from allocation.calc.journal import Line
from allocation.close import accruals, journal, proof
from allocation.close.accruals import AccrualError
from allocation.close.journal import JournalError
from allocation.derived import refresh
from allocation.models import Accrual, JournalEntry, TrueUp
from allocation.scope import EVERYTHING
from finops.approvals import ApprovalError
from finops.periods import Period, PeriodError
from web import approving
from web.cells import csv_field
from web.journals import described_lines, described_proof, standing
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml
from web.management.people import of_finance


class Command(LedgerCommand):
    """``journal show|accruals|proof|build|post|export|number YYYY-MM``, and ``journal matrix|template FILE``."""

    help = "The journal of a month, its accruals and its proof; two people build and post it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        for name, told in (
            ("show", "the lines: of the journal that was built, else as they would be now"),
            ("accruals", "what is owed without an invoice, and what invoices changed"),
            ("proof", "statements and central lines against invoices, accruals and prepayments; 1 if they differ"),
        ):
            _of_month(actions.add_parser(name, help=told))
        for name, told in (("build", "build the journal of a closed month"), ("post", "release it; another person's")):
            _of_person(_of_month(actions.add_parser(name, help=told)))
        export = _of_person(_of_month(actions.add_parser("export", help="write the file for the books, once")))
        export.add_argument("--out", type=Path, required=True, metavar="FILE")
        export.add_argument("--copy", action="store_true", help="the same bytes again")
        number = _of_person(_of_month(actions.add_parser("number", help="note the document number of the books")))
        number.add_argument("number", metavar="NUMBER")
        for name, told in (
            ("matrix", "ask for a posting matrix; another person puts it in force"),
            ("template", "put columns of the file in force"),
        ):
            load = _of_person(actions.add_parser(name, help=told))
            json_option(load)
            load.add_argument("file", type=Path, help="YAML; its form stands in docs/accounting.md")

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] in ("matrix", "template"):
            return self._load(options["action"], options["file"], of_finance(options["user"]))
        try:
            period = Period.month(options["month"])
        except PeriodError as error:
            raise WrongUse(error) from None
        try:
            return self._done(period, options)
        except (JournalError, AccrualError, ApprovalError) as error:
            raise RefusedHere(error) from None

    def _done(self, period: Period, options: dict[str, Any]) -> dict[str, Any]:
        action = options["action"]
        if action in ("show", "accruals", "proof"):
            refresh()
            shown: dict[str, Any] = getattr(self, f"_{action}")(period)
            return shown
        by = of_finance(options["user"])
        if action == "export":
            return self._export(period, by, options["out"], copy=options["copy"])
        if action == "number":
            return self._told(journal.number(period, options["number"], by))
        return self._told(journal.build(period, by) if action == "build" else journal.post(period, by))

    def _told(self, entry: JournalEntry) -> dict[str, Any]:
        self.stdout.write(f"{entry} is {standing(entry)}.")
        return {
            "month": f"{entry.month:%Y-%m}", "number": entry.number, "state": standing(entry), "hash": entry.content_hash,
            "document_number": entry.document_number,
        }  # fmt: skip

    def _export(self, period: Period, by: str, out: Path, *, copy: bool) -> dict[str, Any]:
        if out.exists():
            raise RefusedHere(f"{out} exists; nothing was exported: give another --out, or move it away")
        aside = out.with_name(f".{out.name}.{os.getpid()}")
        aside.touch()  # a folder that cannot be written is found out before the journal counts as exported
        try:
            content = journal.export(period, by, csv_field, copy=copy)
            aside.write_bytes(content)
            aside.replace(out)
        finally:
            aside.unlink(missing_ok=True)
        lines = content.count(b"\r\n") - 1
        self.stdout.write(f"{out}: {lines} lines, {'the copy' if copy else f'exported by {by}'}.")
        return {"month": str(period), "file": str(out), "bytes": len(content), "copy": copy}

    def _load(self, action: str, path: Path, by: str) -> dict[str, Any]:
        with naming(path, ValueError):
            document = read_yaml(path) or []
            if action == "matrix":
                return self._propose(document, by)
            version = journal.load_template(document, actor=by)
        self.stdout.write(f"{action} version {version.number} is in force.")
        return {"kind": version.kind, "version": version.number}

    def _propose(self, document: Any, by: str) -> dict[str, Any]:
        asked = approving.propose_document(gl.KIND, document, by=by)
        self.stdout.write(f"{asked.subject} waits for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"kind": gl.KIND, "approval": asked.pk}

    def _show(self, period: Period) -> dict[str, Any]:
        found = journal.lines(period, EVERYTHING)
        for line in found.lines:
            self.stdout.write(_row(line))
        for currency, (count, amount) in sorted(found.suspense.items()):
            self.stdout.write(f"To suspense: {count} lines, {amount:f} {currency}. Map them: docs/accounting.md")
        state = standing(found.entry)
        self.stdout.write(f"{period}: {len(found.lines)} lines, {state}.")
        return {"month": str(period), "state": state, "lines": described_lines(found.lines)}

    def _accruals(self, period: Period) -> dict[str, Any]:
        rows, posted = accruals.of(period), accruals.true_ups(period)
        for row in rows:
            self.stdout.write(f"accrued   {_place(row)}  {row.amount:>20,.2f} {row.currency}  {row.invoice_id}")
        for invoice in posted:
            causes = ", ".join(f"{cause} {amount}" for cause, amount in invoice.causes.items())
            self.stdout.write(
                f"invoiced  {_place(invoice)}  {invoice.invoiced:>20,.2f} {invoice.currency}  "
                f"true-up {invoice.amount:,.2f} {causes}".rstrip()
            )
        accuracy = [row.accuracy for row in accruals.accuracies(period) if row.place is None]
        if accuracy and accuracy[0] is not None:
            self.stdout.write(f"Accruals were {accuracy[0]:.1%} accurate.")
        if not rows and not posted:
            self.stdout.write(f"{period} was not accrued yet: `manage.py close_month {period}` does it.")
        return {
            "month": str(period), "accruals": [{"account": _place(row), "amount": str(row.amount)} for row in rows],
            "true_ups": [{"account": _place(row), "amount": str(row.amount), "causes": row.causes} for row in posted],
        }  # fmt: skip

    def _proof(self, period: Period) -> dict[str, Any]:
        rows = proof.of(period, EVERYTHING)
        outcome = {"month": str(period), "rows": described_proof(rows)}
        for row in rows:
            place = " ".join(filter(None, (row.issuer or "own cost", row.legal_entity, row.currency)))
            self.stdout.write(f"{place}")
            for name in row._fields[3:]:
                self.stdout.write(f"  {name.replace('_', ' '):<18}{getattr(row, name):>20,.2f}")
            self.stdout.write(f"  {'difference':<18}{row.difference:>20,.2f}")
        if wrong := [row for row in rows if not row.holds]:
            first = wrong[0]
            raise Failed(
                f"{period}: {first.issuer or 'own cost'} differs by {first.difference:f} {first.currency}; "
                "`manage.py verify` and `manage.py reconcile` say where",
                outcome,
            )
        return outcome


def _of_month(parser: CommandParser) -> CommandParser:
    parser.add_argument("month", metavar="YYYY-MM")
    json_option(parser)
    return parser


def _of_person(parser: CommandParser) -> CommandParser:
    as_option(parser, default=None, help="who does it")
    return parser


def _place(row: Accrual | TrueUp) -> str:
    return " ".join(filter(None, (row.issuer, row.billing_account, row.legal_entity, f"{row.billed_month:%Y-%m}")))


def _row(line: Line) -> str:
    names = " ".join(filter(None, (line.legal_entity, line.account, line.cost_centre)))
    return f"{line.posting_date} {names:<32} {line.debit:>16,.2f} {line.credit:>16,.2f} {line.currency} {line.text}"
