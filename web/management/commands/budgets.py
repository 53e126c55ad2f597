"""Load budgets, and look at them."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Max

from allocation.models import CostDaily
from allocation.scope import EVERYTHING
from finops.periods import Period, PeriodError
from forecasting import budgets, selectors
from forecasting.calc.budget_entries import BudgetError
from forecasting.calc.fiscal import BEGINS, PATTERNS, Calendar, FiscalError
from forecasting.models import BudgetVersion
from web.budget_files import rows_of
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.files import naming

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Command(LedgerCommand):
    """``budgets load FILE``: a version that waits for a second person. ``budgets show``: budget against actual."""

    help = "Load a budget from CSV or Excel; it counts once another person has approved it. Or show budget and actual."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="propose a version")
        load.add_argument(
            "file", type=Path, help="CSV or xlsx: cost_centre, and month and amount, or annual and phasing"
        )
        load.add_argument("--year", type=int, required=True, metavar="YYYY", help="the fiscal year")
        load.add_argument("--version", dest="kind", choices=BudgetVersion.Kind.values, default="original")
        load.add_argument("--name", default=budgets.DEFAULT, help="budgets of several names add up")
        load.add_argument("--pattern", choices=PATTERNS, help="of the year; default: as it is known, else months")
        load.add_argument("--first-month", type=int, metavar="N", help="in which the fiscal year begins")
        load.add_argument("--weekday", choices=WEEKDAYS, help="on which a year of weeks begins")
        load.add_argument(
            "--begins", choices=BEGINS, help="that weekday nearest to the first of the month, or before it"
        )
        load.add_argument("--merge", action="store_true", help="replace only the cost centres that the file names")
        as_option(load, help="who proposes it, for the audit trail")
        json_option(load)
        show = actions.add_parser("show", help="budget and actual of a month, and of the fiscal year to its end")
        show.add_argument("--month", metavar="YYYY-MM", help="default: the newest that has cost")
        json_option(show)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._load(**options) if options["action"] == "load" else self._show(options["month"])

    def _load(self, **options: Any) -> dict[str, Any]:
        asked = budgets.Asked(options["year"], options["name"], options["kind"], _calendar(options))
        with naming(options["file"], BudgetError):
            header, rows = rows_of(options["file"].name, options["file"].read_bytes())
            version = budgets.propose(asked, header, rows, by=options["user"], merge=options["merge"])
        approval = version.approval
        assert approval is not None
        lines = version.lines.count()
        self.stdout.write(f"{version}: {lines} lines, {approval.details['total']}.")
        self.stdout.write(f"It waits for another person: manage.py approvals accept {approval.pk} --as USER")
        return {
            "fiscal_year": options["year"], "name": version.budget.name, "version": version.number, "kind": version.kind,
            "lines": lines, "approval": approval.pk, "total": approval.details["total"],
        }  # fmt: skip

    def _show(self, month: str | None) -> dict[str, Any]:
        newest = CostDaily.objects.aggregate(day=Max("charge_date"))["day"] or date.today()  # noqa: DTZ011
        try:
            period = Period.month(month) if month else Period.month_of(newest)
        except PeriodError as error:
            raise WrongUse(error) from None
        rows = selectors.against_actual(EVERYTHING, period)
        self.stdout.write(f"{period}{'Budget':>34}{'Actual':>18}{'Left':>18}{'YTD budget':>18}{'YTD actual':>18}")
        for row in rows:
            figures = (row.budget, row.actual, row.left, row.ytd_budget, row.ytd_actual)
            texts = "".join(f"{'-' if figure is None else f'{figure:,.2f}':>18}" for figure in figures)
            self.stdout.write(f"{(row.code or 'whole')[:22]:<22}{texts}")
        return {
            "month": str(period), "currency": rows[0].currency if rows else "", "year_from": str(selectors.to_date(period).start),
            "compared_from": str(selectors.compared_to_date(period).start),
            "cost_centres": [_row(row) for row in rows],
        }  # fmt: skip


def _row(row: selectors.BudgetRow) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in row._asdict().items()}


def _calendar(options: dict[str, Any]) -> Calendar | None:
    given = {
        "pattern": options["pattern"], "first_month": options["first_month"], "begins": options["begins"],
        "weekday": WEEKDAYS.index(options["weekday"]) if options["weekday"] else None,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return Calendar(**given) if given else None
    except FiscalError as error:
        raise WrongUse(error) from None
