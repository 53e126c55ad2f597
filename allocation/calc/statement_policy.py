"""Who gets which statement: the document ``statement_policy``, and the working days of its dispute window.

A list of entries. One with ``holidays`` names days on which nobody works. The others are for a ``cost_centre`` (its code, or
``"*"`` for all): ``from`` (a day; the months that begin on or after it), ``kind`` (chargeback, or showback: for information,
never posted), ``contact``, ``dispute_days`` (working days from issue, 5), ``email`` and ``webhook`` (where an issued
statement goes). What a cost centre's entry leaves out it takes from that of ``"*"``; the latest ``from`` counts.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields

KIND = "statement_policy"
CHARGEBACK, SHOWBACK = "chargeback", "showback"
EVERY, DISPUTE_DAYS, MOST_DAYS = "*", 5, 60
_FIELDS = ("code", "cost_centre", "kind", "from", "contact", "dispute_days", "email", "webhook")


class Policy(NamedTuple):
    """How the statements of one cost centre are handled."""

    kind: str = CHARGEBACK
    contact: str = ""
    dispute_days: int = DISPUTE_DAYS
    email: tuple[str, ...] = ()
    webhook: str = ""


class Entry(NamedTuple):
    """What one entry says; None or empty: nothing."""

    cost_centre: str
    since: date
    kind: str
    contact: str
    dispute_days: int | None
    email: tuple[str, ...]
    webhook: str


class Policies(NamedTuple):
    """The document, read."""

    entries: tuple[Entry, ...] = ()
    holidays: frozenset[date] = frozenset()

    def of(self, cost_centre: str, month: date, kind: str = CHARGEBACK) -> Policy:
        """What holds for the statement of a month (its first day). ``kind``: where no entry says one."""
        found = Policy(kind)
        for code in (EVERY, cost_centre):
            said = [each for each in self.entries if each.cost_centre == code and each.since <= month]
            if said:
                found = _over(found, max(said, key=lambda each: each.since))
        return found


def parse(document: Any) -> Policies:
    """In: the entries. Raises AgreementError naming the entry and the field."""
    if not isinstance(document, list):
        raise AgreementError("statement_policy is a list of entries")
    entries, holidays = list[Entry](), set[date]()
    for number, written in enumerate(document, start=1):
        if isinstance(written, Mapping) and "holidays" in written:
            holidays |= _holidays(written, number)
            continue
        entries.append(_entry(written, number))
    seen: set[tuple[str, date]] = set()
    for each in entries:
        if (each.cost_centre, each.since) in seen:
            raise AgreementError(f"{each.cost_centre}: two entries begin on {each.since}")
        seen.add((each.cost_centre, each.since))
    return Policies(tuple(entries), frozenset(holidays))


def dispute_until(issued_on: date, days: int, holidays: frozenset[date] = frozenset()) -> date:
    """The last day on which a statement may be disputed: ``days`` working days (Monday to Friday, no holiday) later."""
    day = issued_on
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5 and day not in holidays
    return day


def _over(below: Policy, entry: Entry) -> Policy:
    return Policy(
        entry.kind or below.kind, entry.contact or below.contact,
        below.dispute_days if entry.dispute_days is None else entry.dispute_days,
        entry.email or below.email, entry.webhook or below.webhook,
    )  # fmt: skip


def _entry(written: Any, number: int) -> Entry:
    code = written.get("cost_centre") if isinstance(written, Mapping) else None
    if not isinstance(code, str) or not code.strip():
        raise AgreementError(f'entry {number}: needs a cost_centre, a code or "*" for all')
    fields = Fields({**written, "code": code}, number)
    for name in written:
        if name not in _FIELDS[1:]:
            raise AgreementError(f"{code}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS[1:]))}")
    days = fields.whole("dispute_days", DISPUTE_DAYS) if fields.given("dispute_days") else None
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise fields.wrong("dispute_days", f"must be from 1 to {MOST_DAYS}, not {days}")
    kind = fields.one_of("kind", (CHARGEBACK, SHOWBACK)) if fields.given("kind") else ""
    webhook = fields.text("webhook")
    if webhook and not webhook.startswith(("https://", "http://")):
        raise fields.wrong("webhook", f"must be a URL, not {webhook!r}")
    return Entry(
        code.strip(), fields.day("from") or date.min, kind, fields.text("contact"), days, _addresses(fields), webhook
    )


def _addresses(fields: Fields) -> tuple[str, ...]:
    value = fields.entry.get("email")
    texts: Sequence[Any] = value if isinstance(value, list) else [] if value is None else [value]
    for text in texts:
        if not isinstance(text, str) or text.count("@") != 1 or any(char.isspace() or char in ",;<>" for char in text):
            raise fields.wrong("email", f"must be an address, or a list of them, not {text!r}")
    return tuple(texts)


def _holidays(written: Mapping[str, Any], number: int) -> set[date]:
    days = written["holidays"]
    if set(written) != {"holidays"} or not isinstance(days, list):
        raise AgreementError(f"entry {number}: holidays is a list of days, in an entry of its own")
    found = [Fields({"code": f"entry {number}", "holidays": day}, number).day("holidays") for day in days]
    return {day for day in found if day is not None}
