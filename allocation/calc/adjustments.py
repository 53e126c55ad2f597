"""Adjustments, as people ask for them: money that moves between cost centres for a reason that no rule knows.

One request, which another person has to approve::

    month: "2026-09"               # the month it is about; of a frozen one it is posted into an open one
    currency: USD
    reason: "CC-100 ran the March evaluation on the key of CC-200"
    evidence: {text: "mail of 2 September", link: "https://..."}     # or sha256: of the file
    parts:
      - {cost_centre: CC-100, team: search, amount: "250.00"}        # what it bears more
      - {cost_centre: CC-200, amount: "-250.00"}                     # and less
    pool: platform                 # in place of parts that sum to zero: this pool's cost centre bears the opposite

Parts sum to zero, so that nothing is earned and nothing lost; each is in whole cents (minor units of the currency). The month
is one that has cost, up to the running one.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields
from allocation.calc.nested_fields import inner, several
from finops.money import MoneyError, minor_digits, money
from finops.periods import Period, PeriodError

ZERO = Decimal(0)
LONGEST, MOST_PARTS = 2_000, 200
_FIELDS = ("code", "month", "currency", "reason", "evidence", "parts", "pool")
_LINK, _SHA256 = re.compile(r"https?://\S{1,1000}"), re.compile(r"[0-9a-f]{64}")


class Part(NamedTuple):
    """What one cost centre bears more, or less."""

    cost_centre: str
    team: str
    amount: Decimal


class Request(NamedTuple):
    """One adjustment. ``pool``: whose cost centre bears the opposite of all parts; '': they sum to zero."""

    month: date
    currency: str
    reason: str
    evidence: Mapping[str, str]
    parts: tuple[Part, ...]
    pool: str

    @property
    def worth(self) -> Decimal:
        """How much money moves."""
        gains = sum((part.amount for part in self.parts if part.amount > 0), ZERO)
        losses = sum((-part.amount for part in self.parts if part.amount < 0), ZERO)
        return max(gains, losses)

    def funded_by(self, cost_centre: str) -> tuple[Part, ...]:
        """All parts, with what a pool's cost centre bears."""
        rest = -sum((part.amount for part in self.parts), ZERO)
        return (*self.parts, Part(cost_centre, "", rest)) if rest else self.parts


def parse(document: Any) -> Request:
    """A request from its written form. Raises AgreementError naming the field."""
    if not isinstance(document, Mapping):
        raise AgreementError("an adjustment is an object with month, currency, reason, evidence and parts")
    fields = Fields({**document, "code": "adjustment"}, 1)
    for name in document:
        if name not in _FIELDS[1:]:
            raise AgreementError(f"adjustment: unknown field {name!r}; known are {', '.join(sorted(_FIELDS[1:]))}")
    try:
        month = Period.month(fields.text("month")).start
    except PeriodError as wrong:
        raise fields.wrong("month", f"is wrong: {wrong}") from None
    reason = fields.text("reason")
    if not reason or len(reason) > LONGEST:
        raise fields.wrong("reason", f"is a text of 1 to {LONGEST} characters: why money moves")
    if not fields.given("currency"):
        raise fields.wrong("currency", "is missing, such as USD")
    parts, currency = _parts(fields), fields.currency()
    _refuse_less_than_minor(fields, parts, currency)
    found = Request(month, currency, reason, _evidence(fields), parts, fields.text("pool"))
    total = sum((part.amount for part in parts), ZERO)
    if total and not found.pool:
        raise fields.wrong(
            "parts", f"sum to {total.normalize():f}, not to zero; name the pool that bears the rest, or who does"
        )
    if not total and found.pool:
        raise fields.wrong("pool", "has nothing to bear: the parts sum to zero")
    return found


def _refuse_less_than_minor(fields: Fields, parts: tuple[Part, ...], currency: str) -> None:
    digits = minor_digits(currency)
    for part in parts:
        if part.amount != round(part.amount, digits):
            amount = f"{part.amount.normalize():f}"
            raise fields.wrong("parts", f"give {part.cost_centre} {amount}: {currency} has {digits} decimals")


def refuse_outside(month: date, first: date | None, running: date) -> None:
    """Raises AgreementError for a month that is not between the first with cost (None: there is none) and the running one."""
    if month > running:
        raise AgreementError(
            f"adjustment: month {month:%Y-%m} has not begun: write {running:%Y-%m}, or ask again when it has"
        )
    if month < (first or running):
        raise AgreementError(
            f"adjustment: month {month:%Y-%m} lies before the books, which begin with {first or running:%Y-%m}: write the "
            f"running month {running:%Y-%m}, and in the reason that it is a correction of {month:%Y-%m}"
        )


def _parts(fields: Fields) -> tuple[Part, ...]:
    found = []
    for each in several(fields, "parts"):
        each.only(("code", "cost_centre", "team", "amount"))
        centre, value = each.text("cost_centre"), each.entry.get("amount")
        if not centre:
            raise fields.wrong("parts", "name a cost_centre each")
        if isinstance(value, float):
            raise fields.wrong("parts", f'have amounts in quotes, such as "{value}", no floats')
        try:
            amount = money([value])[0].as_py()
        except MoneyError as wrong:
            raise fields.wrong("parts", f"have an amount that is none: {wrong}") from None
        if not amount:
            raise fields.wrong("parts", f"give {centre} nothing: leave it out")
        found.append(Part(centre, each.text("team"), amount))
    if not found or len(found) > MOST_PARTS:
        raise fields.wrong("parts", f"are 1 to {MOST_PARTS}: who bears what more or less")
    if len({part[:2] for part in found}) < len(found):
        raise fields.wrong("parts", "name a cost centre and team twice")
    return tuple(found)


def _evidence(fields: Fields) -> dict[str, str]:
    found = inner(fields, "evidence")
    if found is None:
        raise fields.wrong("evidence", "is missing: {text: ..., link: ...}")
    found.only(("code", "text", "link", "sha256"))
    told = {name: found.text(name) for name in ("text", "link", "sha256") if found.given(name)}
    if not told.get("text") or len(told["text"]) > LONGEST:
        raise fields.wrong("evidence", f"needs a text of 1 to {LONGEST} characters")
    if not (told.get("link") or told.get("sha256")):
        raise fields.wrong("evidence", "needs a link, or the sha256 of a file")
    if told.get("link") and not _LINK.fullmatch(told["link"]):
        raise fields.wrong("evidence", "has a link that begins with no http:// or https://")
    if told.get("sha256") and not _SHA256.fullmatch(told["sha256"]):
        raise fields.wrong("evidence", "has a sha256 that is not 64 hexadecimal digits")
    return told
