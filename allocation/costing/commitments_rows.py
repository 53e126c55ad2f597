"""The charges of a day that a commitment is about, and the entries it makes."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from allocation.calc.commitments import Commitment
from allocation.calc.contracts_fields import Match
from allocation.costing.work import ZERO, Entry, Owner, Work

USED, UNUSED, EXPIRED, SHORTFALL = "Used", "Unused", "Expired", "Shortfall"
Row = dict[str, Any]
_NAMES = (
    "key_id", "tier", "tier_estimated", "price_class", "currency", "quantity", "list_cost", "contracted_cost",
    "commitment_status",
)  # fmt: skip


def open_rows(work: Work, match: Match, classes: Collection[str] | None = None, currency: str = "") -> dict[int, Row]:
    """Charges of usage by their place in the table: those that match and that no commitment covers yet."""
    found: dict[tuple[int, str], bool] = {}
    rows = {}
    for number, row in enumerate(work.usage.select(_NAMES).to_pylist()):
        if row["commitment_status"] or row["currency"] != (currency or row["currency"]):
            continue
        key, price_class = row["key_id"], row["price_class"]
        if classes is not None and price_class not in classes:
            continue
        if (key, price_class) not in found:
            found[key, price_class] = match.holds(work.dimensions[key], price_class)
        if found[key, price_class]:
            rows[number] = row
    return rows


def names_of(one: Commitment, status: str = USED) -> dict[str, str]:
    """What charges of usage have of the commitment that covers them."""
    return {"subject": one.subject, "commitment_id": one.commitment_id, "commitment_status": status}


def entry(
    one: Commitment, price_class: str, status: str, effective: Decimal, *, owner: tuple[str, str] | None = None,
    billed: Decimal = ZERO, **more: Any,
) -> Entry:  # fmt: skip
    """A charge of a commitment that no call bears; its list and contracted cost are the effective one."""
    category = "Purchase" if price_class == "purchase" else "Usage"
    given: dict[str, Any] = {"charge_category": category, "list_cost": effective, "contracted_cost": effective} | more
    return Entry(
        subject=one.subject, layer="commitment", dimensions=given.pop("dimensions", one.match.exact()),
        price_class=price_class, effective_cost=effective, currency=one.currency, billed_cost=billed, status=status,
        commitment_id=one.commitment_id, owner=Owner(*(one.owner if owner is None else owner)), **given,
    )  # fmt: skip
