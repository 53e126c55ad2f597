"""Which systems speak of the same calls, as Data health tells it: what each states, what is another's, what is charged."""

from dataclasses import dataclass, field
from decimal import Decimal

import pandas as pd

ELSEWHERE = ("by_id", "by_hour", "by_day")  # parts that another layer charges for the same calls
CAUSES = {
    "surplus": "seen by it alone",
    "not_seen_below": "no gateway or trace saw it",
    "below_exceeds": "taken back: lower layers say more than the provider",
    "price_difference": "billed at another price",
    "quantity_difference": "billed for another quantity",
    "unpriced_below": "billed, and without a price below",
    "amortised": "a purchase that its agreement spreads",
    "not_on_the_bill": "taken back: an agreement says more than the bill",
    "unexplained": "billed beyond the calls: Reconciliation says why",
}


@dataclass
class Seen:
    """What one layer says of one account of one provider in a month."""

    account: str
    provider: str
    layer: str
    stated: Decimal = Decimal(0)
    stated_tokens: int = 0
    elsewhere: Decimal = Decimal(0)
    elsewhere_tokens: int = 0
    charged: Decimal = Decimal(0)
    left: list[tuple[str, Decimal]] = field(default_factory=list)  # cause in words -> money


def seen(frame: pd.DataFrame, currency: str) -> list[Seen]:
    """Accounts of which more than one layer speaks, or of whose money something is not explained, in a currency.

    In: allocation.layer_selectors.layer_matches.
    """
    found: dict[tuple[str, str, str], Seen] = {}
    for row in frame[frame["BillingCurrency"] == currency].to_dict("records"):
        place = (row["BillingAccountId"] or "", row["ServiceProviderName"] or "", row["x_Layer"])
        _add(found.setdefault(place, Seen(*place)), row["x_Part"], row["x_Cause"], row["x_Tokens"], row["Cost"])
    layers: dict[tuple[str, str], int] = {}
    for account, provider, _ in found:
        layers[account, provider] = layers.get((account, provider), 0) + 1
    return [each for each in found.values() if layers[each.account, each.provider] > 1 or each.left]


def _add(entry: Seen, part: str, cause: str, tokens: int, cost: Decimal) -> None:
    if part == "stated":
        entry.stated, entry.stated_tokens = entry.stated + cost, entry.stated_tokens + tokens
    elif part in ELSEWHERE:
        entry.elsewhere, entry.elsewhere_tokens = entry.elsewhere + cost, entry.elsewhere_tokens + tokens
    elif part == "charged":
        entry.charged += cost
    if (cause or part) in CAUSES:
        entry.left.append((CAUSES[cause or part], cost))
