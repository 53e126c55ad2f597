"""The watch policy: when budgets, queries and alerts are worth a word. Document (forecasting/watch_policy.yaml)::

    burn:
      - {code: fast, severity: page, hours: [1, 6], at_least: "6", against: budget}
      - {code: unseen, severity: digest, hours: [3], at_least: "2", against: season, of_busiest: "3", busiest_most: "2"}
    season: {shrink_days: 2, shrink_weeks: 3, floor: "0.5"}
    finance: ["0.5", "1"]
    breach: {severity: ticket, at_least: "0.5"}
    bands: {edges: ["0.02", "0.2"], queries: 30, margin: "0.05"}
    alerts: {quiet_hours: 24, worse: "2", unanswered: {page: 1, ticket: 24}, levels: 3, part: "0.8"}

``against``: the budget's flat rate, the budget by the ``season`` of its own history, or what the forecast ``expected`` (the
season where there is none). ``of_busiest``: as a further condition, times the busiest such window of the history, which
counts only in a series whose busiest window was at most ``busiest_most``.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import AgreementError, Fields, entries, exact

PAGE, TICKET, DIGEST = "page", "ticket", "digest"
SEVERITIES = (DIGEST, TICKET, PAGE)  # from the least urgent on
BUDGET, SEASON, EXPECTED = "budget", "season", "expected"
AGAINST = (BUDGET, SEASON, EXPECTED)
_MOST_HOURS, _MOST_LEVELS, _MOST = 744, 10, 1_000_000
_PARTS = ("burn", "season", "finance", "breach", "bands", "alerts")


class PolicyError(AgreementError):
    """A watch policy cannot be used; the message names the entry and the field."""


class BurnRule(NamedTuple):
    """One way to spend too fast: all windows (whole hours, ascending) at ``at_least`` times what was meant, or more."""

    code: str
    severity: str
    hours: tuple[int, ...]
    at_least: float
    against: str
    of_busiest: float | None = None
    busiest_most: float | None = None


class Season(NamedTuple):
    """How a history becomes a season: days and weeks that count against it, and the least part of an average hour."""

    shrink_days: float
    shrink_weeks: float
    floor: float


class Breach(NamedTuple):
    """From which probability on that a budget is exceeded at close people are told, and how urgently."""

    severity: str
    at_least: Decimal


class Bands(NamedTuple):
    """Edges of bands of the cost of a query, ascending; queries below which a day says nothing; share beyond an edge."""

    edges: tuple[Decimal, ...]
    queries: int
    margin: Decimal


class Telling(NamedTuple):
    """How alerts are told: hours of quiet that end one, times of the money told at which it is told again, severity -> hours
    without an answer after which the next of ``levels`` is told (a severity not in it: never). ``part``: of a subject's money,
    from which on one part of it explains it."""

    quiet_hours: int
    worse: Decimal
    unanswered: Mapping[str, int]
    levels: int
    part: Decimal


class Policy(NamedTuple):
    """All of it."""

    burn: tuple[BurnRule, ...]
    season: Season
    finance: tuple[Decimal, ...]
    breach: Breach
    bands: Bands
    alerts: Telling


def parse(document: Any) -> Policy:
    """In: the document as it was written; every part is given. Raises PolicyError naming the part and the field."""
    try:
        given = _only(document, _PARTS, "a watch policy")
        rules = tuple(_rule(fields) for fields in entries(given["burn"], "rules of burn"))
        return Policy(
            rules, _season(given["season"]), _ascending(given["finance"], "finance"), _breach(given["breach"]),
            _bands(given["bands"]), _alerts(given["alerts"]),
        )  # fmt: skip
    except PolicyError:
        raise
    except AgreementError as wrong:
        raise PolicyError(str(wrong)) from None


def _season(part: Any) -> Season:
    given = _only(part, Season._fields, "season")
    most = {"shrink_days": _MOST_HOURS, "shrink_weeks": _MOST_HOURS, "floor": 1}
    return Season(**{name: float(_number(given[name], f"season: {name}", most=most[name])) for name in most})


def _breach(part: Any) -> Breach:
    given = _only(part, Breach._fields, "breach")
    severity = _word(given["severity"], SEVERITIES, "breach: severity")
    return Breach(severity, _positive(given["at_least"], "breach: at_least", 1))


def _bands(part: Any) -> Bands:
    given = _only(part, Bands._fields, "bands")
    return Bands(
        _ascending(given["edges"], "bands: edges"), _whole(given["queries"], "bands: queries", _MOST),
        _number(given["margin"], "bands: margin", most=1),
    )  # fmt: skip


def _alerts(part: Any) -> Telling:
    given = _only(part, Telling._fields, "alerts")
    waits = _only(given["unanswered"], SEVERITIES, "alerts: unanswered", all_of=False)
    return Telling(
        _whole(given["quiet_hours"], "alerts: quiet_hours", _MOST_HOURS), _worse(given["worse"]),
        {name: _whole(value, f"alerts: unanswered: {name}", _MOST_HOURS) for name, value in waits.items()},
        _whole(given["levels"], "alerts: levels", _MOST_LEVELS), _positive(given["part"], "alerts: part", 1),
    )  # fmt: skip


def _rule(fields: Fields) -> BurnRule:
    for name in fields.entry:
        if name not in BurnRule._fields:
            raise fields.wrong(str(name)[:40], f"is not known; known are {', '.join(BurnRule._fields)}")
    hours = fields.entry.get("hours")
    if not isinstance(hours, list) or not hours:
        raise fields.wrong("hours", "is a list of the lengths of its windows in hours, such as [1, 6]")
    windows = tuple(_whole(one, f"{fields.code}: hours", _MOST_HOURS) for one in hours)
    if any(one >= two for one, two in pairwise(windows)):
        raise fields.wrong("hours", "is in ascending order, each once")
    busiest = [fields.given(name) for name in ("of_busiest", "busiest_most")]
    if any(busiest) and not all(busiest):
        raise fields.wrong("of_busiest", "and busiest_most go together")
    return BurnRule(
        fields.code, fields.one_of("severity", SEVERITIES, fields.text("severity") or "(nothing)"), windows,
        float(_positive(fields.entry.get("at_least"), f"{fields.code}: at_least")),
        fields.one_of("against", AGAINST, fields.text("against") or "(nothing)"),
        *(float(_positive(fields.entry[name], f"{fields.code}: {name}")) for name in BurnRule._fields[5:] if all(busiest)),
    )  # fmt: skip


def _only(given: Any, known: Sequence[str], what: str, *, all_of: bool = True) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise PolicyError(f"{what} is a mapping of {', '.join(known)}")
    for name in given:
        if name not in known:
            raise PolicyError(f"{what}: unknown field {str(name)[:40]!r}; known are {', '.join(known)}")
    for name in known:
        if all_of and name not in given:
            raise PolicyError(f"{what}: {name} is missing")
    return given


def _ascending(given: Any, what: str) -> tuple[Decimal, ...]:
    if not isinstance(given, list) or not given:
        raise PolicyError(f"{what} is a list of numbers in quotes")
    found = tuple(_positive(one, what) for one in given)
    if any(one >= two for one, two in pairwise(found)):
        raise PolicyError(f"{what} is in ascending order, each once")
    return found


def _word(given: Any, allowed: Sequence[str], what: str) -> str:
    if not isinstance(given, str) or given not in allowed:
        raise PolicyError(f"{what} is {str(given)[:40]!r}, must be one of {', '.join(allowed)}")
    return given


def _worse(given: Any) -> Decimal:
    found = _number(given, "alerts: worse", most=_MOST)
    if found <= 1:
        raise PolicyError(
            f"alerts: worse must be more than 1, not {found}: else every hour is worse than the one before"
        )
    return found


def _positive(given: Any, what: str, most: int = _MOST) -> Decimal:
    found = _number(given, what, most=most)
    if not found:
        raise PolicyError(f"{what} must be more than 0")
    return found


def _number(given: Any, what: str, *, most: int) -> Decimal:
    found = exact(given, what, most=most + 1)
    if found > most:
        raise PolicyError(f"{what} must be at most {most}, not {found}")
    return found


def _whole(given: Any, what: str, most: int) -> int:
    if type(given) is not int or not 1 <= given <= most:
        raise PolicyError(f"{what} must be a whole number from 1 to {most:,}, not {str(given)[:40]!r}")
    return given
