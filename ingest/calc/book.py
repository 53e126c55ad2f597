"""The price book as the rest of the product uses it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ingest.calc import rating, slots
from ingest.calc.price_excess import Inputs
from ingest.calc.price_index import PriceIndex


class PriceBook(PriceIndex):
    """Immutable price book over rows in PRICE_SCHEMA (row number = price id) and the providers' matching rules.

    ``version`` is a hash of the content. ``resolve`` turns names into model indexes, ``slots`` finds the rate slot of
    each request, ``rate`` and ``rate_units`` price cube rows. Raises PriceError on rows that cannot be rated.
    """

    def slots(
        self,
        model: Any,
        occurred_at: Any,
        context_tokens: Any,
        *,
        charge_date: Any = None,
        inputs: Inputs | None = None,
    ) -> slots.Slots:
        """Rate slots of requests; see ``ingest.calc.slots.slots``."""
        return slots.slots(self, model, occurred_at, context_tokens, charge_date=charge_date, inputs=inputs)

    def rate(self, lines: pa.Table) -> pa.Table:
        """Rate cube rows by token class; see ``ingest.calc.rating.rate``."""
        return rating.rate(self, lines)

    def rate_units(self, lines: pa.Table) -> pa.Table:
        """Rate cube rows of other units; see ``ingest.calc.rating.rate_units``."""
        return rating.rate_units(self, lines)
