"""PostgreSQL DOMAIN types: bounds that hold on every partition and shard (invariant 9).

``NUMERIC`` accepts NaN and PostgreSQL holds NaN greater than any number, so each domain has an upper bound, which
excludes NaN and Infinity, and a CHECK on a domain is honoured on partitions and on Citus shards, where CHECK
constraints and triggers on tables are not all allowed.
"""

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:  # generic in the stubs only
    _Decimal = models.DecimalField[Any, Any]
    _BigInteger = models.BigIntegerField[Any, Any]
    _Integer = models.IntegerField[Any, Any]
else:
    _Decimal, _BigInteger, _Integer = models.DecimalField, models.BigIntegerField, models.IntegerField

DOMAINS = {
    "money_amount": "numeric(24,12) CHECK (VALUE > -1000000000000 AND VALUE < 1000000000000)",
    "money_nonnegative": "numeric(24,12) CHECK (VALUE >= 0 AND VALUE < 1000000000000)",
    "unit_rate": "numeric(24,12) CHECK (VALUE >= 0 AND VALUE < 1000000000000)",
    "quantity_amount": "numeric(30,12) CHECK (VALUE > -1000000000000000000 AND VALUE < 1000000000000000000)",
    "share_of_one": "numeric(7,6) CHECK (VALUE >= 0 AND VALUE <= 1)",
    "token_count": "bigint CHECK (VALUE >= 0 AND VALUE <= 1000000000000000000)",
    "small_count": "integer CHECK (VALUE >= 0)",
}
CREATE_DOMAINS = "\n".join(f"CREATE DOMAIN {name} AS {definition};" for name, definition in DOMAINS.items())
DROP_DOMAINS = "\n".join(f"DROP DOMAIN {name};" for name in reversed(DOMAINS))


class _DomainDecimal(_Decimal):
    domain = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 24)
        kwargs.setdefault("decimal_places", 12)
        super().__init__(*args, **kwargs)

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        return self.domain

    def cast_db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "numeric"


class MoneyField(_DomainDecimal):
    """Signed money, NUMERIC(24,12), no NaN."""

    domain = "money_amount"


class MoneyNonNegativeField(_DomainDecimal):
    """Money that a fact reports: never negative (a correction exists only as a charge)."""

    domain = "money_nonnegative"


class RateField(_DomainDecimal):
    """Price per pricing unit."""

    domain = "unit_rate"


class QuantityField(_DomainDecimal):
    """Signed quantity with 12 decimals."""

    domain = "quantity_amount"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 30)
        super().__init__(*args, **kwargs)


class ShareField(_DomainDecimal):
    """A part of one, 0 to 1, with 6 decimals."""

    domain = "share_of_one"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 7)
        kwargs.setdefault("decimal_places", 6)
        super().__init__(*args, **kwargs)


class TokenField(_BigInteger):
    """Tokens: 0 or more."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "token_count"

    def cast_db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "bigint"


class CountField(_Integer):
    """Requests, queries and the like: 0 or more, up to 2^31 - 1."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "small_count"

    def cast_db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "integer"
