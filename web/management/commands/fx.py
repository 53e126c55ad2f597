"""Exchange rates: load what was published, set one by hand, see which are missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation import fx_changes
from allocation.costing.fx import missing_rates
from finops import fx
from finops.fx_files import FxFileError, Published, published, read
from web.management.base import LedgerCommand, WrongUse, as_option, day, json_option
from web.management.files import existing, naming


class Command(LedgerCommand):
    """``fx load FILE`` and ``fx set DAY BASE QUOTE RATE`` ask for rates; another person puts them in force."""

    help = "Propose exchange rates of a file, or one by hand, or list the days that lack one."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="ask for the rates of a file")
        load.add_argument("file", type=Path, help="CSV: the ECB's eurofxref-hist.csv, or day,base,quote,rate")
        load.add_argument("--source", default="", help="who published them; default: the file's name")
        load.add_argument("--since", type=day, metavar="DAY", help="only the rates of this day and later")
        by_hand = actions.add_parser("set", help="ask for one rate by hand; it holds in place of any other of its day")
        for name, meaning in (("day", "YYYY-MM-DD"), ("base", "EUR"), ("quote", "USD"), ("rate", "USD for one EUR")):
            by_hand.add_argument(name, help=meaning)
        for each in (load, by_hand):
            as_option(each, help="who asks for it")
            json_option(each)
        json_option(actions.add_parser("missing", help="days and currencies of charges that lack a rate"))

    def run(self, **options: Any) -> dict[str, Any]:
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self._load,
            "set": self._set,
            "missing": self._missing,
        }
        return actions[options["action"]](**options)

    def _load(self, **options: Any) -> dict[str, Any]:
        path: Path = existing(options["file"])
        with naming(path, FxFileError), path.open(encoding="utf-8-sig", newline="") as file:
            rates = [rate for rate in read(file) if options["since"] is None or rate.day >= options["since"]]
            return self._propose(rates, options["source"] or path.name, options["user"])

    def _set(self, **options: Any) -> dict[str, Any]:
        try:
            rate = published(*(options[name] for name in ("day", "base", "quote", "rate")))
        except FxFileError as error:
            raise WrongUse(error) from None
        return self._propose([rate], fx.MANUAL, options["user"])

    def _propose(self, rates: list[Published], source: str, user: str) -> dict[str, Any]:
        found = fx_changes.propose(rates, source=source[:80], by=user)
        self.stdout.write(f"{found.rates:,} new rates ({found.corrected:,} correct another), {found.known:,} known.")
        if found.approval is not None:
            self.stdout.write(f"They wait for another person: manage.py approvals accept {found.approval.pk} --as USER")
        return {
            "approval": found.approval and found.approval.pk, "rates": found.rates, "corrected": found.corrected,
            "known": found.known, **self._missing(quietly=True),
        }  # fmt: skip

    def _missing(self, *, quietly: bool = False, **_: Any) -> dict[str, Any]:
        found = missing_rates()
        for each in found:
            if not quietly:
                self.stdout.write(str(each))
        if not quietly and not found:
            self.stdout.write("No rate is missing.")
        rows = [{**each._asdict(), "day": str(each.day), "cost": f"{each.cost:.12f}"} for each in found]
        return {"missing": rows}
