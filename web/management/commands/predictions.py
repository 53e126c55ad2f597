"""Learn what queries will be and cost before their calls, and tell how predictions fared."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from allocation.calc.predict_tracking import Tracking
from allocation.scope import EVERYTHING
from allocation.value import predictions, predictions_learning
from web.management.base import LedgerCommand, RefusedHere, day, json_option
from web.prediction_words import EVIDENCE, VERDICTS, tracked


class Command(LedgerCommand):
    """``predictions learn``: what the scheduler does every night. ``predictions show``: how they fared."""

    help = "Learn to predict queries from own history, as is done every night; tell how predictions fared."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        learn = actions.add_parser("learn", help="compare what was predicted with what came, and learn anew")
        learn.add_argument("--until", type=day, metavar="YYYY-MM-DD", help="last day to learn from; default: today")
        show = actions.add_parser("show", help="coverage of intervals and hit rate of tiers, by use case")
        for each in (learn, show):
            json_option(each)

    def run(self, **options: Any) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if options["action"] == "learn":
            now = timezone.now()
            compared = predictions_learning.compare(now)
            made = predictions_learning.learn_through(options["until"] or now.date())
            if made is None:
                raise RefusedHere("there is nothing to learn from: no source states single calls (docs/predictions.md)")
            one_of = "" if made.every == 1 else f", one of every {made.every:,}"
            self.stdout.write(f"Learnt from {made.queries:,} queries of {made.since} to {made.through}{one_of}.")
            self.stdout.write(f"{compared.came:,} of {compared.looked_for:,} predicted queries have come.")
            told = {
                "since": str(made.since),
                "through": str(made.through),
                "queries": made.queries,
                "every": made.every,
            }
            told |= {"looked_for": compared.looked_for, "came": compared.came}
        rows = list(predictions.standing(EVERYTHING).rows())
        for evidence, row in rows:
            self._show(evidence, row)
        return told | {"results": [tracked(evidence, row) for evidence, row in rows]}

    def _show(self, evidence: str, row: Tracking) -> None:
        name = EVIDENCE[evidence] if row.feature is None else f"  {row.feature or '(no use case)'}"
        interval = "too few to say" if row.coverage is None else (
            f"80 % interval covers {row.coverage:.1%} ({row.low:.1%} to {row.high:.1%}) of {row.bounded:,}: "
            f"{VERDICTS[row.verdict]}"
        )  # fmt: skip
        hits = "" if row.hit_rate is None else (
            f"; tier hit {row.hit_rate:.1%} of {row.judged:,}, always {row.majority_tier} {row.majority:.1%}"
        )  # fmt: skip
        self.stdout.write(f"{name:<36} {interval}{hits}; {row.unknown:,} unknown")
