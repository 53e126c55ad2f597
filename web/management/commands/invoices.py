"""Enter invoices, and list them."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from allocation import reconciliation_invoices, reconciliation_selectors
from allocation.calc.reconcile_invoices import InvoiceError
from allocation.derived import refresh
from allocation.models import Invoice
from finops.periods import Period, PeriodError
from web.management.base import LedgerCommand, WrongUse, json_option
from web.management.files import naming, read_yaml

_MOST = 1_000


class Command(LedgerCommand):
    """``invoices load FILE``: an invoice or a list of them; other content under a known number is its next revision."""

    help = "Enter invoices from a YAML file, or list those that are known."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load")
        load.add_argument(
            "file", type=Path, help="YAML: an invoice or a list (fields: allocation.calc.reconcile_invoices)"
        )
        load.add_argument("--as", dest="user", default="command line", help="who enters them, for the audit trail")
        json_option(load)
        listing = actions.add_parser("list")
        listing.add_argument("--month", metavar="YYYY-MM")
        json_option(listing)

    def run(self, **options: Any) -> dict[str, Any]:
        found = self._load(**options) if options["action"] == "load" else self._known(options["month"])
        for invoice in found:
            period = f"{invoice.billing_period:%Y-%m}"
            amount = f"{invoice.total:>18,.2f} {invoice.currency}"
            self.stdout.write(f"{period} {amount}  {invoice.issuer} {invoice.number} revision {invoice.revision}")
        if not found:
            self.stdout.write("There are no invoices.")
        return {"invoices": [_described(invoice) for invoice in found]}

    def _load(self, **options: Any) -> list[Invoice]:
        with naming(options["file"], InvoiceError), transaction.atomic():
            written = read_yaml(options["file"])
            documents = written if isinstance(written, list) else [written]
            found = [reconciliation_invoices.enter(document, by=options["user"]) for document in documents]
        refresh()
        return found

    def _known(self, month: str | None) -> list[Invoice]:
        try:
            period = Period.month(month) if month else None
        except PeriodError as error:
            raise WrongUse(error) from None
        return reconciliation_selectors.invoices(month=period, issuer="", before=None, limit=_MOST)


def _described(invoice: Invoice) -> dict[str, str]:
    names = ("issuer", "number", "revision", "billing_period", "billing_account", "currency", "total", "tax", "source")
    return {name: str(getattr(invoice, name)) for name in names}
