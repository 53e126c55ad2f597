"""What a month is read with: of a frozen month the documents and names that were frozen with it, else those in force."""

from datetime import timedelta
from typing import Any

from allocation.calc.closing import FROZEN
from allocation.calc.cost_centres import Centre, on, parse_centres
from allocation.costing import terms
from allocation.costing.terms import Parse
from allocation.models import BillingPeriod, CostCentre
from finops.periods import Period

CENTRES = "cost_centres"  # the document of allocation.attribution.cost_centres, which is not left of this package
NAMES, IMPORTS, PROOF = "cost_centre_names", "imports_up_to", "proof"  # in frozen_versions


def versions(period: Period) -> dict[str, Any]:
    """``frozen_versions`` of a frozen month; empty of another."""
    rows = BillingPeriod.objects.filter(month=period.start, state__in=FROZEN)
    return rows.values_list("frozen_versions", flat=True).first() or {}


def document(period: Period, kind: str, parse: Parse) -> Any:
    """What ``parse`` makes of the agreements of a kind that the month was frozen with, else of those in force."""
    noted = versions(period).get("terms")
    if noted is None:
        return terms.in_force(kind, parse)
    return terms.of(kind, (noted.get(kind) or {}).get("sha256"), parse)


def tree(period: Period) -> dict[str, Centre]:
    """Code -> its entry of the tree of cost centres on the month's last day."""
    return on(document(period, CENTRES, parse_centres), period.end - timedelta(days=1))


def names(period: Period) -> dict[str, str]:
    """Cost centre -> its name, as it was when the month was frozen; of those that are newer, and of another month, now."""
    now = dict(CostCentre.objects.values_list("code", "name"))
    return {**now, **versions(period).get(NAMES, {})}


def setting(period: Period, name: str, now: str) -> str:
    """The value of a setting of allocation.close.freeze.ASSUMPTIONS that is a text; ``now``: of a month that is not frozen."""
    return str(versions(period).get("assumptions", {}).get(name, now))
