"""What is owed to issuers of invoices as rows: the same for page, API and CSV, so that they cannot differ."""

from decimal import Decimal
from typing import Any

from allocation.close.owed import Owed

HEADER = (
    "issuer", "BillingCurrency", "Expected", "Invoiced", "Credits", "ToBeInvoiced", "Owed", "Difference", "InvoiceIds",
)  # fmt: skip


def row(one: Owed) -> dict[str, Any]:
    """One issuer, or a total; money in text, exact."""
    return {
        "issuer": one.issuer, "BillingCurrency": one.currency, "Expected": _text(one.expected),
        "Invoiced": None if one.invoiced is None else _text(one.invoiced), "Credits": _text(one.credits),
        "ToBeInvoiced": _text(one.to_come), "Owed": _text(one.owed), "Difference": _text(one.difference),
        "InvoiceIds": list(one.numbers),
    }  # fmt: skip


def line(one: Owed) -> list[Any]:
    """In the order of HEADER."""
    found = row(one) | {"InvoiceIds": " ".join(one.numbers)}
    return [found[name] for name in HEADER]


def _text(amount: Decimal) -> str:
    return f"{amount:.12f}"
