"""Why nothing is the best to commit to, and from what on it would not be."""

from decimal import Decimal
from typing import Protocol

from forecasting.calc.commitment_advisor import Advice


class Offer(Protocol):
    """What is on offer (forecasting.advice.Question): of capacity prices of a unit and day, of a spend commit its discount."""

    @property
    def price(self) -> Decimal | None: ...
    @property
    def on_demand(self) -> Decimal | None: ...
    @property
    def discount(self) -> Decimal | None: ...
    @property
    def least(self) -> int: ...


def why_nothing(offer: Offer, advice: Advice, most: Decimal, *, spend: bool) -> str:
    """A clause that goes on after "because". ``most``: what is left for the offer in all but the dearest futures."""
    if most <= 0:
        return "all of this usage is taken by commitments that already run, or none is expected"
    if not spend and offer.price is not None and offer.on_demand is not None:
        share = offer.price / offer.on_demand
        if share >= 1:
            return "a unit costs as much as its full use on demand, or more"
        return (
            f"a unit pays only if it is fully used on more than {share:.0%} of the days, and not even {offer.least:,}, the least "
            "size, would be: ask for a smaller least size, or a lower price"
        )
    discount = offer.discount or Decimal(0)
    if not discount:
        return "a discount of 0 takes nothing off: ask with the one that the contract gives"
    least = min((one.size for one in advice.curve if one.size), default=Decimal(0))
    if not least:
        return "what is left of this usage is too little for any amount: ask about more usage, or more days"
    return (
        f"the least amount on offer, {least:,.0f}, buys usage of {least / (1 - discount):,.0f} at list prices, and a discount of "
        f"{discount:.0%} does not make up for what is likely to be left of it: ask for a smaller amount, a larger discount, or "
        "more days"
    )
