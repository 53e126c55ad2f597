"""Enter invoices, and list them."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from allocation import reconciliation_invoices, reconciliation_selectors
from allocation.calc.reconcile_invoices import InvoiceError, oddities, parse_invoice
from allocation.models import Invoice
from finops.approvals import Worth
from finops.models import Approval
from finops.periods import Period, PeriodError
from web import approving
from web.management.base import RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml
from web.management.people import acting
from web.management.refreshing import RefreshingCommand

_MOST = 1_000


class Command(RefreshingCommand):
    """``invoices load FILE``: an invoice or a list of them; other content under a known number is its next revision.

    They are in force at once, but for those above what the person may approve (FINOPS_APPROVAL_LIMITS): they wait.
    """

    help = "Enter invoices from a YAML file, withdraw one, or list those that are known."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load")
        load.add_argument(
            "file", type=Path, help="YAML: an invoice or a list (fields: allocation.calc.reconcile_invoices)"
        )
        as_option(load, default=None, help="a user with the role finance; without it, the command line")
        json_option(load)
        withdrawn = actions.add_parser("withdraw", help="take an invoice that was entered by hand out of force")
        withdrawn.add_argument("issuer")
        withdrawn.add_argument("number")
        withdrawn.add_argument("--reason", required=True)
        as_option(withdrawn, default=None, help="a user with the role finance; without it, the command line")
        json_option(withdrawn)
        listing = actions.add_parser("list")
        listing.add_argument("--month", metavar="YYYY-MM")
        json_option(listing)

    def run(self, **options: Any) -> dict[str, Any]:
        asked: list[Approval] = []
        if options["action"] == "list":
            found = self._known(options["month"])
        else:
            by = acting(options["user"])
            found, asked = (
                self._load(options["file"], by) if options["action"] == "load" else self._withdraw(by, options)
            )
            self.refreshed()
        for invoice in found:
            period = f"{invoice.billing_period:%Y-%m}"
            amount = f"{invoice.total:>18,.2f} {invoice.currency}"
            state = ", withdrawn" if invoice.withdrawn else ""
            self.stdout.write(
                f"{period} {amount}  {invoice.issuer} {invoice.number} revision {invoice.revision}{state}"
            )
        for each in asked:
            self.stdout.write(
                f"{each.subject} waits for another person: manage.py approvals accept {each.pk} --as USER"
            )
        if not found and not asked:
            self.stdout.write("There are no invoices.")
        told: dict[str, Any] = {"invoices": [_described(invoice) for invoice in found]}
        return told if options["action"] == "list" else told | {"approvals": [each.pk for each in asked]}

    def _load(self, path: Path, by: str) -> tuple[list[Invoice], list[Approval]]:
        found, asked = list[Invoice](), list[Approval]()
        with naming(path, InvoiceError), transaction.atomic():
            written = read_yaml(path)
            for document in written if isinstance(written, list) else [written]:
                invoice = parse_invoice(document)
                for note in oddities(invoice):
                    self.stdout.write(f"note: invoice {invoice.number}: {note}")
                if _above_limit(Worth(invoice.total, invoice.currency), by):
                    asked.append(reconciliation_invoices.propose(document, by=by))
                else:
                    found.append(reconciliation_invoices.enter(document, by=by))
        return found, asked

    def _withdraw(self, by: str, options: dict[str, Any]) -> tuple[list[Invoice], list[Approval]]:
        place, reason = (options["issuer"], options["number"]), options["reason"]
        try:
            stands = reconciliation_invoices.standing(*place, reason)
            if _above_limit(Worth(stands.total, stands.currency), by):
                return [], [reconciliation_invoices.propose_withdrawal(*place, by=by, reason=reason)]
            return [reconciliation_invoices.withdraw(*place, by=by, reason=reason)], []
        except InvoiceError as wrong:
            raise RefusedHere(wrong) from None

    def _known(self, month: str | None) -> list[Invoice]:
        try:
            period = Period.month(month) if month else None
        except PeriodError as error:
            raise WrongUse(error) from None
        return reconciliation_selectors.invoices(month=period, issuer="", before=None, limit=_MOST)


def _above_limit(worth: Worth, by: str) -> bool:
    return approving.above_limit(reconciliation_invoices.KIND, worth, by)


def _described(invoice: Invoice) -> dict[str, str]:
    names = ("issuer", "number", "revision", "billing_period", "billing_account", "currency", "total", "tax", "source")
    return {name: str(getattr(invoice, name)) for name in names}
