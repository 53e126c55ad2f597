"""Numbers of invoices that have not come, in FOCUS files as accruals and journal write them."""

from collections.abc import Iterable
from datetime import date

from allocation.calc.accruals import provisional_number
from allocation.close.gl import Payers
from allocation.close.ledger_costs import Issuers
from allocation.costing.entry_keys import SOURCE
from finops.periods import Period


class Numbers:
    """The provisional InvoiceId of a charge: that of the accrual of its place, in the books of a month.

    ``by_hand``: providers of which invoices by hand are known, which bill their usage wherever it was hosted.
    """

    def __init__(self, period: Period, by_hand: Iterable[str] = ()) -> None:
        self._names, self._payers, self._by_hand = Issuers(), Payers(period), frozenset(by_hand)

    def __call__(self, provider: str, host: str, account: str, currency: str, month: date) -> str:
        """``month``: that is billed, its first day. What no provider bills is an agreement's."""
        issuer = self._names.of({"provider": provider, "host": host, "source": SOURCE}, self._by_hand)
        return provisional_number(self._payers.place(issuer, account, currency, month), month)
