"""The states of a month and the ways between them: which step follows which, and that no one person takes them alone."""

from collections.abc import Collection
from datetime import date, timedelta

OPEN, PRELIMINARY, SOFT_CLOSED, CLOSED = "open", "preliminary", "soft_closed", "closed"
ORDER = (OPEN, PRELIMINARY, SOFT_CLOSED, CLOSED)
STEPS = ORDER[1:]
FROZEN = (SOFT_CLOSED, CLOSED)
WORDS = {OPEN: "open", PRELIMINARY: "preliminary", SOFT_CLOSED: "soft-closed", CLOSED: "closed"}
# state -> where a step may lead; preliminary may be prepared again as long as nothing is frozen
_WAYS = {OPEN: {PRELIMINARY}, PRELIMINARY: {PRELIMINARY, SOFT_CLOSED}, SOFT_CLOSED: {CLOSED}, CLOSED: set[str]()}


class StepError(ValueError):
    """A step cannot be taken; the message says why and what can be done."""


class OnePerson(StepError):
    """One person alone tried what takes two."""


def following(state: str) -> str | None:
    """The step after a state; None of a closed month."""
    return ORDER[ORDER.index(state) + 1] if state != CLOSED else None


def reached(state: str, step: str) -> bool:
    """Whether a month in this state is as far as the step or further."""
    return ORDER.index(state) >= ORDER.index(step)


def permitted(month: str, state: str, to: str, *, by: str, prepared_by: str, self_approval: bool) -> bool:
    """Whether one person does it alone, which only the site's setting allows. Raises StepError, OnePerson.

    Who prepared a month (made it preliminary) is not who freezes or closes it.
    """
    if to not in STEPS:
        raise StepError(f"{to!r} is no step; there are: {', '.join(STEPS)}")
    if not by.strip():
        raise StepError("a step is taken by a person: name one")
    if to not in _WAYS[state]:
        following_step = following(state)
        way = f"next comes {following_step}" if following_step else "it is opened again by `manage.py reopen_month`"
        raise StepError(f"{month} is {WORDS[state]}: it cannot be made {WORDS[to]} now; {way}")
    alone = to in FROZEN and by == prepared_by
    if alone and not self_approval:
        raise OnePerson(f"{by} prepared {month}: another person has to make it {WORDS[to]}")
    return alone


def working_day(start: date, number: int, holidays: Collection[date] = ()) -> date:
    """The ``number``-th working day (1, 2, ...) on or after a day: Monday to Friday, without holidays."""
    if number < 1:
        raise ValueError(f"working days are counted from 1, not {number}")
    day = start - timedelta(days=1)
    while number:
        day += timedelta(days=1)
        number -= day.weekday() < 5 and day not in holidays
    return day
