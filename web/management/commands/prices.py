"""Load and look at price books; approve what waits."""

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.comparison import compare
from finops.approvals import ApprovalError
from finops.periods import Period
from ingest import price_approvals, price_selectors
from ingest.calc.price_changes import HELD, REPORTED, Change, counts
from ingest.calc.price_files import FORMATS
from ingest.calc.prices import PriceError
from ingest.price_versions import described
from ingest.prices import Loaded, load_builtin, load_prices
from web.management.base import RefusedHere, WrongUse, as_option, count, day, json_option
from web.management.difference import say
from web.management.files import existing, naming
from web.management.people import acting, of_finance
from web.management.refreshing import RefreshingCommand

_SHOWN = 20


class Command(RefreshingCommand):
    """``prices load``: a new version of a book; usage is priced anew and compared. What jumps by 3x or more waits."""

    help = "Load price books, see what changed, approve what waits."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="put a book in force")
        load.add_argument(
            "file", nargs="?", type=Path, help="overrides, LiteLLM's catalogue, dated snapshots, llm-prices"
        )
        load.add_argument("--builtin", action="store_true", help="the book that ships with the product")
        load.add_argument("--dry-run", action="store_true", help="change nothing; show who would pay what more or less")
        as_option(load, default=None, help="a user with the role finance who loads it; without it, the command line")
        load.add_argument(
            "--ask-again", action="store_true", help="also for what was rejected of this catalogue before"
        )
        diff = actions.add_parser("diff", help="what a file would change, or what the last load changed")
        diff.add_argument("file", nargs="?", type=Path)
        for parser_ in (load, diff):
            parser_.add_argument("--format", choices=FORMATS, help="found out by content when missing")
            parser_.add_argument(
                "--book", choices=("snapshot", "contract"), help="of a catalogue; snapshot when missing"
            )
            parser_.add_argument(
                "--date", type=day, help="of a catalogue that does not state its own; today when missing"
            )
        pending = actions.add_parser("pending", help="price changes that wait for approval")
        for name in ("approve", "reject"):
            decision = actions.add_parser(name, help=f"{name} a price change; not by the person who loaded it")
            decision.add_argument("id", type=count)
            as_option(decision, required=True, help="a user with the role finance")
            decision.add_argument("--reason", default="")
            json_option(decision)
        history = actions.add_parser("history", help="all dated prices of a model")
        history.add_argument("provider")
        history.add_argument("model")
        for parser_ in (load, diff, pending, history):
            json_option(parser_)

    def run(self, **options: Any) -> dict[str, Any]:
        run = {"load": self._load, "diff": self._diff, "pending": self._pending, "history": self._history}
        return run.get(options["action"], self._decide)(**options)

    def _load(self, **options: Any) -> dict[str, Any]:
        if options["builtin"] == (options["file"] is not None):
            raise WrongUse("say either a file or --builtin")
        path: Path | None = options["file"] and existing(options["file"])
        by, done = acting(options["user"]), list[Loaded]()

        def change() -> None:
            if path is None:
                done.append(Loaded(load_builtin(actor=by), [], [], fresh=True))
            else:
                with naming(path, PriceError):
                    done.extend(
                        load_prices(
                            path.read_bytes(), path.name, actor=by, again=options["ask_again"], **_kind(options)
                        )
                    )
            self.refreshed()

        self.refreshed()
        rows = compare(Period(date.min, date.max), change, dry_run=options["dry_run"])
        if rows:
            say(self.stdout, rows, dry_run=options["dry_run"])
        rejected = [change for loaded in done for change in loaded.rejected]
        changes = [change for loaded in done for change in loaded.changes]
        left_out = done[0].left_out
        self._say_changes(changes, rejected)
        if not changes and not rejected:
            self.stdout.write("Nothing changes.")
        self._say_left_out(left_out)
        prices = [0 if options["dry_run"] else loaded.version.prices.count() for loaded in done]
        if not options["dry_run"]:
            for loaded, number in zip(done, prices, strict=True):
                version = loaded.version
                self.stdout.write(
                    f"{version.book} book {version.content_hash[:12]} with {number:,} prices is in force."
                )
        return {
            "book": done[0].version.book, "version": done[0].version.content_hash, "prices": sum(prices),
            "dry_run": options["dry_run"], "changes": counts(changes), "rounded": done[0].version.report.get("rounded", 0),
            "held": [described(change) for change in changes if change.verdict.state == HELD and change not in rejected],
            "rejected_before": [described(change) for change in rejected],
            "reported": [described(change) for change in changes if change.verdict.state == REPORTED],
            "left_out": [list(line) for line in left_out], "cost_centres": rows,
        }  # fmt: skip

    def _diff(self, **options: Any) -> dict[str, Any]:
        if options["file"] is None:
            changes = price_selectors.last_changes()
        else:
            path = existing(options["file"])
            with naming(path, PriceError):
                changes = price_selectors.changes_of_file(path.read_bytes(), path.name, **_kind(options))
        self._say_changes(changes, [])
        if not changes:
            self.stdout.write("Nothing changes.")
        return {"changes": counts(changes), "prices": [described(change) for change in changes]}

    def _pending(self, **_options: Any) -> dict[str, Any]:
        waiting = price_approvals.pending()
        for asked in waiting:
            self.stdout.write(f"{asked['id']}: {asked['subject']}, loaded by {asked['prepared_by']}")
            for price in asked["prices"]:
                self.stdout.write(f"    {_line(price)}")
        if not waiting:
            self.stdout.write("No price change waits for approval.")
        return {"pending": waiting}

    def _decide(self, **options: Any) -> dict[str, Any]:
        by = of_finance(options["user"])
        accept = options["action"] == "approve"
        try:
            decide = price_approvals.approve if accept else price_approvals.reject
            decide(options["id"], by=by, reason=options["reason"])
        except ApprovalError as error:
            raise RefusedHere(error) from None
        self.refreshed()
        self.stdout.write(f"Price change {options['id']} is {'approved and in force' if accept else 'rejected'}.")
        return {"id": options["id"], "state": "accepted" if accept else "rejected", "by": by}

    def _history(self, **options: Any) -> dict[str, Any]:
        rows = price_selectors.price_history(options["provider"], options["model"])
        for row in rows:
            mark = "" if not row["live"] else "prices usage now" if row["in_force"] else "in force for its dates"
            mark = mark or "replaced"
            until = f"{row['valid_to']:%Y-%m-%d}" if row["valid_to"] else ""
            told = f"{row['book']} {row['version']} of {row['loaded_at']:%Y-%m-%d %H:%M}, {row['source']}"
            self.stdout.write(
                f"{row['price_class']:<18} {row['valid_from']:%Y-%m-%d} {until:<10} {row['rate'].normalize():f} per "
                f"{row['per']:,} {row['currency']} {row['conditions']} [{told}] {mark}".rstrip()
            )
        if not rows:
            self.stdout.write("No book has a price for it.")
        return {"prices": rows}

    def _say_changes(self, changes: list[Change], rejected: list[Change]) -> None:
        waits = [change for change in changes if change.verdict.state == HELD and change not in rejected]
        reported = [change for change in changes if change.verdict.state == REPORTED]
        for group, title in (
            (waits, "waits for approval (prices pending)"), (reported, "changed by 2x or more"),
            (rejected, "rejected before and not asked for again (--ask-again does)"),
        ):  # fmt: skip
            found = [described(change) for change in group]
            if found:
                self.stdout.write(f"{len(found)} {'price' if len(found) == 1 else 'prices'}: {title}")
            for price in found[:_SHOWN]:
                self.stdout.write(f"    {price['provider']} {price['model']}: {_line(price)}")
            if len(found) > _SHOWN:
                self.stdout.write(f"    and {len(found) - _SHOWN} more; --json lists all")
        if changes:
            self.stdout.write(", ".join(f"{number:,} {name}" for name, number in counts(changes).items()))

    def _say_left_out(self, left_out: list[tuple[str, str, str]]) -> None:
        for name, field, why in left_out[:_SHOWN]:
            self.stdout.write(f"not expressed: {name}: {field}: {why}")
        if len(left_out) > _SHOWN:
            self.stdout.write(f"not expressed: {len(left_out) - _SHOWN} more; --json lists all")


def _kind(options: dict[str, Any]) -> dict[str, Any]:
    return {"kind": options["format"] or "", "book": options["book"] or "", "day": options["date"]}


def _line(price: dict[str, Any]) -> str:
    conditions = f" ({price['conditions']})" if price["conditions"] else ""
    former = (
        price["former"] if price["former_per"] == price["per"] else f"{price['former']} per {price['former_per']:,}"
    )
    return (
        f"{price['class']}{conditions} from {price['from'][:10]}: {former} -> {price['rate']} per {price['per']:,} "
        f"{price['currency']}: {price['reason']}"
    )
