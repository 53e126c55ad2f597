"""Watch budgets, caps and bands; load the watch policy and the routes of alerts."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from allocation.scope import EVERYTHING
from finops.documents import read_yaml
from forecasting import watch, watch_alerts, watch_policies, watch_selectors
from forecasting.calc.watch_policy import PolicyError
from web import watch_routes, watch_rows, watch_sending
from web.management.base import Failed, LedgerCommand, as_option, json_option
from web.management.files import naming


class Command(LedgerCommand):
    """``watch run``: one pass now. ``watch policy FILE`` and ``watch routes FILE``: put a document in force."""

    help = "Look once at budgets, caps and bands and tell who is to be told; or load the watch policy or the routes of alerts."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        json_option(actions.add_parser("run", help="one pass now, as the scheduler makes one every five minutes"))
        for name, what in (
            ("policy", "when budgets, queries and alerts are worth a word"),
            ("routes", "who is told, and how"),
        ):
            load = actions.add_parser(name, help=f"load {what}")
            load.add_argument("file", type=Path, help="YAML")
            as_option(load)
            json_option(load)

    def run(self, **options: Any) -> dict[str, Any]:
        return self._run() if options["action"] == "run" else self._load(**options)

    def _run(self) -> dict[str, Any]:
        passed = watch.run()
        if passed is None:
            raise Failed("another pass of the watch is under way: try again")
        routed = watch_sending.emit()
        now, out = timezone.now(), self.stdout
        states = watch_selectors.states(EVERYTHING, now)
        for one in states:
            close, currency = one.standing.close, one.running.subject.currency
            at_close = f"{close.middle:,.2f} at close" if close else one.standing.reason
            out.write(
                f"{one.verdict:>5}  {one.running.subject.label:<32} {one.standing.counted:>16,.2f} of "
                f"{one.running.amount:>16,.2f} {currency}, {at_close}"
            )
        still = watch_alerts.by_urgency(list(watch_alerts.listed(EVERYTHING, state="open")))
        for row in still:
            out.write(f"{row.severity:>6}  {row.label}: {row.why}")
        out.write(
            f"{passed.hours} days by hour, {passed.cap_days} days of caps, {passed.signals} signals; {passed.told} told anew to "
            f"{routed} addresses, {passed.open} alerts open."
        )
        if passed.hours_left:
            out.write(f"{passed.hours_left} days wait for the next pass.")
        return passed._asdict() | {
            "routed": routed, "budgets": [watch_rows.state(one) for one in states],
            "alerts": [watch_rows.alert(row) for row in still],
        }  # fmt: skip

    def _load(self, **options: Any) -> dict[str, Any]:
        load, wrong = {
            "policy": (watch_policies.load, PolicyError), "routes": (watch_routes.load, watch_routes.RouteError),
        }[options["action"]]  # fmt: skip
        with naming(options["file"], wrong):
            version = load(read_yaml(options["file"].read_bytes()), actor=options["user"])
        self.stdout.write(f"Version {version.number} of the {version.kind.replace('_', ' ')} is in force.")
        return {"kind": version.kind, "version": version.number, "sha256": version.content_hash}
