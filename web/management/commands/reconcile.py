"""Reconcile a month: from what was computed to what was invoiced."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandParser

from allocation import reconciliation, reconciliation_selectors
from allocation.calc.reconcile import Tolerance
from allocation.models import Reconciliation
from allocation.reconciliation_evidence import MissingRate
from finops.numbers import written
from finops.periods import PeriodError
from web.management.base import Failed, LedgerCommand, WrongUse, as_option

_LEVELS = (("provider_usage", "provider usage"), ("cost_report", "cost report"), ("invoice", "invoice"))
_MOST = 20


class Command(LedgerCommand):
    """Prints the waterfall of each currency and the share of the differences that causes explain."""

    help = "Reconcile a month: from what was computed to what was invoiced, with causes."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--absolute", type=_amount, default=Tolerance().absolute, help="tolerance, default 0.01")
        parser.add_argument("--relative", type=_amount, default=Tolerance().relative, help="tolerance, default 0.005")
        as_option(parser, help="who asks, for the audit trail")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            run = reconciliation.reconcile(
                options["month"], options["user"], Tolerance(options["absolute"], options["relative"])
            )
        except PeriodError as error:
            raise WrongUse(error) from None
        except MissingRate as error:
            raise Failed(error) from None
        for total in run.totals:
            self._waterfall(run, total)
        if not run.totals:
            self.stdout.write(f"Nothing is known of {run.month:%Y-%m}.")
        return {
            "month": f"{run.month:%Y-%m}", "run": run.number, "id": run.pk, "hash": run.hash, "inputs": run.inputs,
            "lines": run.lines.count(), "currencies": run.totals,
        }  # fmt: skip

    def _waterfall(self, run: Reconciliation, total: dict[str, Any]) -> None:
        out, currency = self.stdout, total["currency"]
        out.write(f"{run.month:%Y-%m}, run {run.number}, {currency}")
        out.write(f"  {'computed':<20} {_shown(total['computed'])}")
        for cause, amount in total["causes"].items():
            out.write(f"    {cause.replace('_', ' '):<18} {_shown(amount, sign=True)}")
        out.write(f"    {'unexplained':<18} {_shown(total['unexplained'], sign=True)}")
        for name, label in _LEVELS:
            if name in total:
                out.write(f"  {label:<20} {_shown(total[name])}")
        states = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in total["states"].items())
        out.write(f"  explained {Decimal(total['explained']):.2%} of the differences; lines: {states}")
        open_ = [
            line
            for line in reconciliation_selectors.lines(run)
            if line.currency == currency and line.unexplained and line.state != "matched"
        ]
        for line in sorted(open_, key=lambda line: (-abs(line.unexplained), line.pk))[:_MOST]:
            place = " ".join(
                str(part)
                for part in (line.provider, line.billing_account, line.model, line.price_class, line.charge_date)
                if part
            )
            out.write(f"    unexplained {_shown(line.unexplained, sign=True)}  {place}  {line.owner}".rstrip())
        if len(open_) > _MOST:
            out.write(f"    and {len(open_) - _MOST} more lines with something unexplained")


def _shown(amount: str | Decimal, *, sign: bool = False) -> str:
    return f"{Decimal(amount):>+20,.6f}" if sign else f"{Decimal(amount):>20,.6f}"


def _amount(text: str) -> Decimal:
    try:
        amount = written(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(text)
    return amount
