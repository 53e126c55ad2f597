"""The calendar events in force (forecasting.calc.calendar_document): forecasts made from now on know of them."""

from typing import Any

from allocation.costing import terms
from allocation.models import TermsVersion
from forecasting.calc.calendar_document import KIND, Entry, events, parse
from forecasting.calc.events import Event

__all__ = ["KIND", "in_force", "known", "load", "parse", "version"]


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put a calendar in force; it changes no charge. Raises AgreementError."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


def version() -> TermsVersion | None:
    """The version in force; None: nobody has loaded one."""
    return TermsVersion.objects.filter(kind=KIND, live=True).first()


def in_force() -> tuple[Entry, ...]:
    """The events in force."""
    found: tuple[Entry, ...] = terms.in_force(KIND, parse)
    return found


def known() -> list[Event]:
    """The same, each date by itself."""
    return events(in_force())
