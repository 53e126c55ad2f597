"""Exchange rates asked for by one person and put in force by another: what is charged in other currencies follows."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from allocation.costing.fx import charge_anew
from finops import approvals, fx
from finops.fx_files import FxFileError, Published
from finops.models import Approval

KIND = "fx"
MOST = 20_000  # rates of one request: it is kept whole, and told whole in the audit trail


class Asked(NamedTuple):
    """What became of rates. ``approval`` None: all of them are known already, there is nothing to ask for."""

    approval: Approval | None
    rates: int  # that wait
    corrected: int  # of them, those that correct another of their day and pair
    known: int


def propose(rates: Sequence[Published], *, source: str, by: str) -> Asked:
    """Ask for what is not known of these rates. Raises FxFileError where one request cannot hold them."""
    new, corrected = fx.unknown(rates)
    known = len(rates) - len(new)
    if not new:
        return Asked(None, 0, 0, known)
    if len(new) > MOST:
        since = sorted(rate.day for rate in new)[-MOST]
        raise FxFileError(f"{len(new):,} new rates, of which one request holds {MOST:,}: say --since {since} or later")
    details = {"source": source, "rates": [f"{r.day} {r.base}/{r.quote} {r.rate.normalize():f}" for r in new]}
    days = sorted({rate.day for rate in new})
    span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    subject = f"{source}: {len(new)} {'rate' if len(new) == 1 else 'rates'} of {span}"
    return Asked(approvals.propose(KIND, subject, details, by), len(new), corrected, known)


@transaction.atomic
def carry_out(asked: Approval) -> fx.Loaded:
    """Keep the rates that were accepted, and mark the days that they touch to be charged anew."""
    rates = [_read(text) for text in asked.details["rates"]]
    found = fx.load(rates, source=asked.details["source"], actor=asked.prepared_by)
    if found.days is not None:
        charge_anew(*found.days)
    return found


def _read(text: str) -> Published:
    day, pair, rate = text.split(" ")
    base, quote = pair.split("/")
    return Published(date.fromisoformat(day), base, quote, Decimal(rate))
