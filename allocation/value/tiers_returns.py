"""What a dearer tier returns over the next cheaper one: by outcomes that name their tier, nothing below the minimum sample."""

from itertools import pairwise
from math import isnan
from typing import NamedTuple

from allocation.calc.marginal_rates import Interval
from allocation.calc.outcomes import PRODUCTION
from allocation.calc.tier_table import Evidence as Shown
from allocation.models import Evidence, Outcome
from allocation.scope import Scope
from allocation.selectors import CostQuery
from allocation.value import roi_marginal
from allocation.value.roi_marginal import Answer, Question
from finops.focus import TIERS


class Return(NamedTuple):
    """``evidence``: the marginal return (``relative``), or where the dearer tier cost no more the net value per task; None: none.

    ``answer``: the comparison it comes from, whose base is the next cheaper tier with outcomes.
    """

    answer: Answer
    evidence: Shown | None
    relative: bool


def of(scope: Scope, query: CostQuery) -> dict[str, Return]:
    """Tier -> its return, of tiers that outcomes name; of one use case where the question filters on one alone."""
    rows = scope.of(Outcome.objects.filter(setting=PRODUCTION, tier__in=TIERS).exclude(evidence=Evidence.NONE))
    named = set(rows.order_by().values_list("tier", flat=True).distinct())
    features = query.filters.get("x_Feature", ())
    feature = features[0] if len(features) == 1 and not set(features[0]) & set("*?") else ""
    known = [tier for tier in TIERS if tier in named]
    return {
        dearer: _return(roi_marginal.answer(scope, Question("tier", cheaper, dearer, feature), query.currency))
        for cheaper, dearer in pairwise(known)
    }


def _return(answer: Answer) -> Return:
    found = answer.found
    relative = not isnan(float(found.returned.low))
    interval: Interval = found.returned if relative else found.net
    if isnan(float(interval.low)) or not found.enough or found.simpson:
        return Return(answer, None, relative)
    return Return(answer, Shown(float(interval.low), float(interval.high), found.used), relative)
