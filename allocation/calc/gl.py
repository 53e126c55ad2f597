"""The posting matrix: which accounts a posting debits and credits (document ``gl_map``).

A mapping::

    suspense: "9999"                      # what no entry maps
    liabilities: {accrued: "2110", payable: "2000", other: "2190"}   # without an invoice, with one, and where none comes
    intercompany: {receivable: "1310", payable: "2310"}   # where another legal entity pays than bears
    payers:                               # which legal entity an issuer bills; first match, "" for the rest
      - {issuer: openai, billing_account: "org-*", legal_entity: DE02, valid_from: 2026-11}   # from this billed month on
      - {issuer: openai, billing_account: "org-*", legal_entity: DE01}
    entries:                              # first match counts; patterns as in shells; what is left out is any
      - {event: charge, category: Tax, debit: "6200", credit: "{liability}"}
      - {event: charge, legal_entity: DE*, gl_account: "*", provider: openai, debit: "{gl_account}", credit: "{liability}"}

``provider``, ``category``, ``cost_centre``, ``legal_entity`` and ``gl_account`` are those of the cost and of the cost centre
that bears it. An account is text with places in braces: ``{gl_account}`` (or ``{gl_account|6000}``: else 6000),
``{cost_centre}``, ``{provider}``, ``{legal_entity}``, ``{liability}``. One that stays empty goes to suspense, and so does the
expense of an event without an entry. What the document leaves out is as in DEFAULT.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from finops.periods import Period, PeriodError

KIND = "gl_map"
CHARGE, ACCRUAL, REVERSAL, SETTLEMENT, TRUE_UP = (
    "charge", "accrual", "accrual_reversal", "accrual_settlement", "true_up",
)  # fmt: skip
ACCRUED, PAYABLE, OTHER = "accrued", "payable", "other"  # liabilities
ROUNDING, INTERCOMPANY, ALLOCATION = "rounding", "intercompany", "allocation"
OVER, UNDER, PRIOR_YEAR = "over_recovery", "under_recovery", "prior_year_correction"
EVENTS = (
    CHARGE, PRIOR_YEAR, ACCRUAL, REVERSAL, SETTLEMENT, TRUE_UP, "prepaid_purchase", "prepaid_amortisation", "breakage",
    "gpu_depreciation", "other_charge", "fx", "recoverable_tax", ROUNDING, OVER, UNDER, ALLOCATION, "adjustment",
)  # fmt: skip
_WHERE = ("provider", "category", "cost_centre", "legal_entity", "gl_account")
_PLACES = (*_WHERE, "liability")
_FIELDS = ("suspense", "liabilities", "intercompany", "payers", "entries")
_PLACE = re.compile(r"\{([a-z_]+)(?:\|([^{}]*))?\}")
_TEXT = 60
DEFAULT: Mapping[str, Any] = {
    "suspense": "9999",
    "liabilities": {ACCRUED: "2110", PAYABLE: "2000", OTHER: "2190"},
    "intercompany": {"receivable": "1310", "payable": "2310"},
    "payers": [],
    "entries": [
        {"event": event, "debit": debit, "credit": credit}
        for event, debit, credit in (
            (CHARGE, "{gl_account|6000}", "{liability}"),
            (PRIOR_YEAR, "6800", "{liability}"),
            (ACCRUAL, "6090", "{liability}"),
            (REVERSAL, "{liability}", "6090"),
            (SETTLEMENT, "6090", "{liability}"),
            (TRUE_UP, "6095", "{liability}"),
            ("prepaid_purchase", "1400", "{liability}"),
            ("prepaid_amortisation", "{gl_account|6000}", "1400"),
            ("breakage", "6080", "1400"),
            ("gpu_depreciation", "{gl_account|6000}", "1690"),
            ("other_charge", "{gl_account|6000}", "{liability}"),
            ("fx", "6970", "{liability}"),
            ("recoverable_tax", "1570", "{liability}"),
            (ROUNDING, "6990", "{liability}"),
            (OVER, "{gl_account|6000}", "6098"),
            (UNDER, "{gl_account|6000}", "6098"),
            (ALLOCATION, "{gl_account|6000}", "6099"),
            ("adjustment", "{gl_account|6000}", "6099"),
        )
    ],
}


class GlError(ValueError):
    """The posting matrix cannot be used; the message names the entry and the field."""


class Payer(NamedTuple):
    """Which legal entity pays the invoices of an issuer's account."""

    issuer: str
    billing_account: str
    legal_entity: str
    valid_from: date | None = None  # first day of the first month that is billed so


class Entry(NamedTuple):
    """One row of the matrix; ``where``: (field, pattern)."""

    event: str
    where: tuple[tuple[str, str], ...]
    debit: str
    credit: str


class GlMap(NamedTuple):
    """The document, read."""

    suspense: str
    liabilities: Mapping[str, str]
    receivable_intercompany: str
    payable_intercompany: str
    payers: tuple[Payer, ...]
    entries: tuple[Entry, ...]

    def payer(self, issuer: str, account: str, month: date) -> str:
        """The legal entity that pays what an issuer bills to an account for a month; '' where none is named."""
        for row in self.payers:
            if row.valid_from is not None and month < row.valid_from:
                continue
            if fnmatchcase(issuer, row.issuer) and fnmatchcase(account, row.billing_account):
                return row.legal_entity
        return ""

    def accounts(self, event: str, about: Mapping[str, str], liability: str) -> tuple[str, str]:
        """(debit, credit) of an event; ``about``: provider, category, cost_centre, legal_entity and gl_account.

        ``liability``: ACCRUED, PAYABLE or OTHER. Suspense where nothing maps its expense, or an account stays empty.
        """
        known = {**about, "liability": self.liabilities[liability]}
        for entry in self.entries:
            if entry.event == event and all(fnmatchcase(known.get(name, ""), text) for name, text in entry.where):
                return self._filled(entry.debit, known), self._filled(entry.credit, known)
        debit, credit = next((row["debit"], row["credit"]) for row in DEFAULT["entries"] if row["event"] == event)
        if debit == "{liability}":
            return known["liability"], self.suspense
        return self.suspense, self._filled(credit, known)

    def _filled(self, account: str, known: Mapping[str, str]) -> str:
        found = [(place[0], known.get(place[1], "") or place[2] or "") for place in _PLACE.finditer(account)]
        if not all(value for _, value in found):
            return self.suspense
        for written, value in found:
            account = account.replace(written, value)
        return account


def parse(document: Any) -> GlMap:
    """In: the mapping, or an empty list for the default. Raises GlError naming the entry and the field."""
    given = {} if document == [] else document
    if not isinstance(given, Mapping):
        raise GlError(f"gl_map is a mapping of {', '.join(_FIELDS)}")
    _only(given, _FIELDS, "gl_map")
    whole = {**DEFAULT, **given}
    liabilities = _named(whole["liabilities"], (ACCRUED, PAYABLE, OTHER), "liabilities")
    between = _named(whole["intercompany"], ("receivable", "payable"), "intercompany")
    return GlMap(
        _account(whole["suspense"], "suspense"), liabilities, between["receivable"], between["payable"],
        tuple(_payer(row, f"payers {at}") for at, row in enumerate(_rows(whole["payers"], "payers"), start=1)),
        tuple(_entry(row, f"entries {at}") for at, row in enumerate(_rows(whole["entries"], "entries"), start=1)),
    )  # fmt: skip


def _rows(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise GlError(f"{where} is a list")
    return value


def _only(given: Mapping[Any, Any], names: Sequence[str], where: str) -> None:
    if stray := sorted(str(name)[:_TEXT] for name in given if name not in names):
        raise GlError(f"{where}: unknown field {stray[0]!r}; known are {', '.join(names)}")


def _named(value: Any, names: Sequence[str], where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) != set(names):
        raise GlError(f"{where} names the accounts {', '.join(names)}")
    return {name: _account(value[name], f"{where}: {name}") for name in names}


def _account(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _TEXT or not value.isprintable():
        raise GlError(f"{where}: is an account in quotes, such as '6000', not {value!r}")
    if unknown := [place[1] for place in _PLACE.finditer(value) if place[1] not in _PLACES]:
        raise GlError(f"{where}: unknown place {{{unknown[0]}}}; known are {', '.join(_PLACES)}")
    if "{" in _PLACE.sub("", value) or "}" in _PLACE.sub("", value):
        raise GlError(f"{where}: a place is written {{gl_account}} or {{gl_account|6000}}, not {value!r}")
    return value.strip()


def _text(row: Mapping[str, Any], name: str, where: str, default: str = "*") -> str:
    value = row.get(name, default)
    if not isinstance(value, str) or len(value) > _TEXT:
        raise GlError(f"{where}: {name} is a text of at most {_TEXT} characters, not {value!r}")
    return value


def _payer(row: Any, where: str) -> Payer:
    if not isinstance(row, Mapping):
        raise GlError(f"{where}: is a mapping of {', '.join(Payer._fields)}")
    _only(row, Payer._fields, where)
    if "legal_entity" not in row:
        raise GlError(f"{where}: legal_entity is missing")
    issuer, account, entity = (_text(row, name, where) for name in Payer._fields[:3])
    return Payer(issuer, account, entity, _month(row.get("valid_from"), f"{where}: valid_from"))


def _month(value: Any, where: str) -> date | None:
    if value is None:
        return None
    try:
        return Period.month(str(value)).start
    except PeriodError as wrong:
        raise GlError(f"{where}: {wrong}") from None


def _entry(row: Any, where: str) -> Entry:
    names = ("event", *_WHERE, "debit", "credit")
    if not isinstance(row, Mapping):
        raise GlError(f"{where}: is a mapping of {', '.join(names)}")
    _only(row, names, where)
    event = row.get("event")
    if event not in EVENTS:
        raise GlError(f"{where}: event is one of {', '.join(EVENTS)}, not {event!r}")
    return Entry(
        str(event), tuple((name, _text(row, name, where)) for name in _WHERE if name in row),
        _account(row.get("debit"), f"{where}: debit"), _account(row.get("credit"), f"{where}: credit"),
    )  # fmt: skip
