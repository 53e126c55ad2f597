"""The close policy: at which step which gate has to be passed, up to which limit, who does what until when.

Entries of the file, each of one kind; what it does not name stays as DEFAULT::

    - {gate: unpriced, limit: "0.001", from: soft_closed}   # limit: a share, an amount or a number; from: a step, or never
    - {holidays: [2026-12-25, 2027-01-01]}
    - {task: invoices, title: Invoices are entered, owner: finance, due: 3, link: /reconciliation/invoices/}
    - {task: rates, drop: true}
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from allocation.calc.closing import CLOSED, PRELIMINARY, SOFT_CLOSED, STEPS
from allocation.calc.gates import GATES
from finops.numbers import written

KIND = "close_policy"
NEVER = "never"


class PolicyError(ValueError):
    """A close policy cannot be used; the message names the entry and the field."""


class Rule(NamedTuple):
    """From which step on a gate has to be passed, and the limit that its value may reach."""

    begins: str  # a step, or NEVER
    limit: Decimal


class Task(NamedTuple):
    """One line of the checklist. Done when ``gates`` pass, when the month is as far as ``step``, or by hand."""

    code: str
    title: str
    owner: str
    due: int  # working day after the month's end
    gates: tuple[str, ...] = ()
    step: str = ""
    link: str = ""


class Policy(NamedTuple):
    """What is in force."""

    rules: Mapping[str, Rule]
    holidays: frozenset[date]
    tasks: tuple[Task, ...]


_RULES = {gate.code: Rule(gate.begins, Decimal(gate.limit)) for gate in GATES}
_TASKS = (
    Task("sources", "All sources are complete to month end", "admin", 1, ("ended", "coverage", "freshness"),
         link="/data-health/"),
    Task("rates", "Exchange rates of the month are loaded", "finance", 1, ("rates",), link="/data-health/"),
    Task("prices", "All usage has a price", "analyst", 1, ("unpriced",), link="/prices/"),
    Task("preliminary", "Preliminary: splits and accruals are made", "finance", 1, step=PRELIMINARY),
    Task("allocation", "What nobody owns is allocated", "analyst", 2, ("unallocated",), link="/allocation/"),
    Task("invoices", "Invoices that came are entered", "finance", 3, link="/reconciliation/invoices/"),
    Task("reconciliation", "Invoices are reconciled and explained", "finance", 4, ("reconciled", "unexplained"),
         link="/reconciliation/"),
    Task("approvals", "Nothing waits for a second person", "finance", 4, ("approvals",), link="/approvals/"),
    Task("soft_close", "Soft close: figures are frozen, statements issued", "finance", 5, step=SOFT_CLOSED),
    Task("disputes", "Disputes are answered", "finance", 10, link="/statements/"),
    Task("close", "Close: the journal is built", "finance", 10, step=CLOSED),
)  # fmt: skip
DEFAULT = Policy(_RULES, frozenset(), _TASKS)


def parse(entries: Any) -> Policy:
    """The policy that a file makes of the default one. Raises PolicyError."""
    if not isinstance(entries, list):
        raise PolicyError("a close policy is a list of entries: gate, holidays, task")
    rules, holidays, tasks = dict(_RULES), set[date](), {task.code: task for task in _TASKS}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise PolicyError(f"entry {number}: not a mapping")
        what = next((name for name in ("gate", "holidays", "task") if name in entry), None)
        if what is None:
            raise PolicyError(f"entry {number}: one of gate, holidays, task is needed")
        _known(number, entry, _FIELDS[what])
        if what == "gate":
            code = _choice(number, "gate", entry["gate"], rules)
            rules[code] = _rule(number, entry, rules[code])
        elif what == "holidays":
            holidays |= {_day(number, day) for day in _list(number, "holidays", entry["holidays"])}
        elif "drop" in entry:
            if entry["drop"] is not True:
                raise PolicyError(f"entry {number}: drop: true, or left out")
            del tasks[_choice(number, "task", entry["task"], tasks)]
        else:
            task = _task(number, entry, tasks.get(str(entry["task"])))
            tasks[task.code] = task
    return Policy(rules, frozenset(holidays), tuple(sorted(tasks.values(), key=lambda task: task.due)))


def entries_of(policy: Policy) -> list[dict[str, Any]]:
    """A policy written out, nothing left to DEFAULT: ``parse`` makes the same one of it."""
    rules = [{"gate": code, "limit": f"{rule.limit:f}", "from": rule.begins} for code, rule in policy.rules.items()]
    tasks = [
        {
            "task": task.code, "title": task.title, "owner": task.owner, "due": task.due, "gates": list(task.gates),
            "step": task.step, "link": task.link,
        }
        for task in policy.tasks
    ]  # fmt: skip
    left = {task.code for task in DEFAULT.tasks} - {task.code for task in policy.tasks}
    dropped = [{"task": code, "drop": True} for code in sorted(left)]
    return [*rules, {"holidays": sorted(day.isoformat() for day in policy.holidays)}, *tasks, *dropped]


_FIELDS = {
    "gate": ("gate", "limit", "from"), "holidays": ("holidays",),
    "task": ("task", "title", "owner", "due", "gates", "step", "link", "drop"),
}  # fmt: skip


def _known(number: int, entry: Mapping[str, Any], names: Sequence[str]) -> None:
    if unknown := sorted(set(map(str, entry)) - set(names)):
        raise PolicyError(f"entry {number}: {unknown[0]} is not known here; possible: {', '.join(names)}")


def _choice(number: int, name: str, value: Any, possible: Any) -> str:
    if not isinstance(value, str) or value not in possible:
        raise PolicyError(f"entry {number}: {name} {str(value)[:60]!r} is not known; possible: {', '.join(possible)}")
    return str(value)


def _rule(number: int, entry: Mapping[str, Any], former: Rule) -> Rule:
    begins = _choice(number, "from", entry.get("from", former.begins), (*STEPS, NEVER))
    try:
        limit = written(entry.get("limit", former.limit))
    except InvalidOperation:
        limit = Decimal(-1)
    if not limit.is_finite() or not 0 <= limit < 10**12:
        raise PolicyError(f'entry {number}: limit: a number of at least 0, e.g. "0.001"')
    return Rule(begins, limit)


def _task(number: int, entry: Mapping[str, Any], former: Task | None) -> Task:
    code = str(entry["task"])
    before = former._asdict() | {"gates": list(former.gates)} if former else {}
    given: dict[str, Any] = {"code": code, "gates": [], "step": "", "link": "", **before}
    given |= {name: value for name, value in entry.items() if name not in ("task", "drop")}
    for name, longest in (("code", 40), ("title", 200), ("owner", 150)):
        text = given.get(name)
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= longest:
            raise PolicyError(f"entry {number}: {name}: a text of 1 to {longest} characters")
    due = given.get("due")
    if isinstance(due, bool) or not isinstance(due, int) or not 1 <= due <= 60:
        raise PolicyError(f"entry {number}: due: a working day from 1 to 60")
    gates = tuple(_choice(number, "gates", gate, _RULES) for gate in _list(number, "gates", given["gates"]))
    step = given["step"] and _choice(number, "step", given["step"], STEPS)
    link = str(given["link"])
    if link and not (link.startswith("/") and not link.startswith("//") and len(link) <= 200):
        raise PolicyError(f"entry {number}: link: an address of this site, e.g. /prices/")
    return Task(code, given["title"], given["owner"], due, gates, step or "", link)


def _list(number: int, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PolicyError(f"entry {number}: {name}: a list")
    return value


def _day(number: int, value: Any) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise PolicyError(f"entry {number}: holidays: a day is written 2026-12-25, not {str(value)[:40]!r}") from None
