"""Anomalies: judge what days cost, see what was found, say what it is."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from allocation.scope import EVERYTHING
from forecasting import anomalies, anomalies_gate
from forecasting import anomalies_selectors as selectors
from forecasting.models import Anomaly
from web import anomaly_rows, bridge_words, formats
from web.management.base import LedgerCommand, RefusedHere, json_option

MOST = 50


class Command(LedgerCommand):
    """``anomalies run``, ``anomalies list [--all]``."""

    help = "Find the days that cost far more or less than was forecast for them, or list those that were found."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        run = actions.add_parser("run", help=f"judge the last {anomalies.JUDGED} days; the worker does it every night")
        listed = actions.add_parser("list", help="those that are open and told")
        listed.add_argument("--all", action="store_true", help="also those below the gate and closed ones")
        for each in (run, listed):
            each.add_argument("--currency", default="", help="default: the site's")
            json_option(each)

    def run(self, **options: Any) -> dict[str, Any]:
        currency = options["currency"].upper() or settings.REPORT_CURRENCY
        if options["action"] == "list":
            return self._list(currency, everything=options["all"])
        try:
            found = anomalies.run(currency=currency)
        except anomalies.AnomalyError as refused:
            raise RefusedHere(refused) from None
        self.stdout.write(
            f"{found.since} to {found.until}, {found.nodes:,} nodes: {found.found} anomalies, {found.new} of them new, "
            f"{found.closed} closed"
        )
        return {**found._asdict(), "since": str(found.since), "until": str(found.until)}

    def _list(self, currency: str, *, everything: bool) -> dict[str, Any]:
        asked = selectors.Asked(currency, *(() if everything else (Anomaly.State.OPEN.value, True)))
        rows = list(selectors.listed(EVERYTHING, asked))
        for row in rows[:MOST]:
            amount = formats.signed_money_exact(row.impact, currency)
            words = bridge_words.plain(anomaly_rows.sentence(row))
            self.stdout.write(f"{row.pk}  {anomaly_rows.days(row)}  {anomaly_rows.node(row)}  {amount}  {row.state}")
            self.stdout.write(f"    {words}")
        if len(rows) > MOST:
            self.stdout.write(f"and {len(rows) - MOST} more; the API has all: /api/v1/anomalies")
        summary, gate = selectors.summary(EVERYTHING, selectors.Asked(currency)), anomalies_gate.gate(currency)
        least = "any amount" if gate.least is None else formats.money(gate.least, currency)
        self.stdout.write(
            f"{summary.open} open, {summary.below} below the gate ({least}), {summary.closed} closed; "
            f"{gate.precision.judged} judged"
        )
        found = {**anomaly_rows.summary_row(summary), **anomaly_rows.gate_row(gate)}
        return {"currency": currency, "anomalies": [row.pk for row in rows], **found}
