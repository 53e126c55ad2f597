"""Numbers as people write them."""

from decimal import Decimal, InvalidOperation


def written(value: object) -> Decimal:
    """The number that a text says in ASCII digits: not 1_000, nor digits of other scripts, which Decimal takes as well.

    Raises InvalidOperation.
    """
    text = str(value)
    if "_" in text or not text.isascii():
        raise InvalidOperation(f"{text[:40]!r} is no number")
    return Decimal(text)
