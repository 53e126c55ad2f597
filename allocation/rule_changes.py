"""Changes of the rules and of what they look at: what each would do, who asked for it, and carrying it out.

A change of rules, mappings, drivers or cost centres holds from the first day that its entries name, back through every
month that is open; frozen months keep what they have.
"""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from allocation import rulebook
from allocation.attribution import cost_centres, drivers
from allocation.calc import rules_words
from allocation.calc.attribution import parse_mappings
from allocation.calc.rules import RuleError, parse_rules
from allocation.charged_days import charged_days
from allocation.close.periods import frozen_months
from allocation.comparison import compare
from allocation.costing import terms
from allocation.models import RuleVersion, TermsVersion
from allocation.reallocating import open_months, reallocate, settle_frozen
from finops import approvals, locks
from finops.models import Approval
from finops.periods import Period

KIND, DOCUMENT = "rules", "attribution"  # of approvals
CAUSE = "rules"
Rows = list[dict[str, Any]]
_ALL_DAYS = Period(date.min, date.max)


def _load_mappings(document: Any, actor: str) -> TermsVersion:
    return terms.load(rulebook.MAPPINGS, document, parse_mappings, actor=actor, charged=False)


LOADS: dict[str, Callable[[Any, str], object]] = {
    rulebook.MAPPINGS: _load_mappings,
    drivers.KIND: lambda document, actor: drivers.load(document, actor=actor),
    cost_centres.KIND: lambda document, actor: cost_centres.load(document, actor=actor, today=timezone.now().date()),
}
CHECKS: dict[str, Callable[[Any], object]] = {
    rulebook.MAPPINGS: parse_mappings, drivers.KIND: drivers.check, cost_centres.KIND: cost_centres.check,
}  # fmt: skip


def load(data: Any, *, actor: str, dry_run: bool = False) -> tuple[RuleVersion, Rows]:
    """Put rules in force and allocate the open months by them; who pays what more or less. Raises RuleError."""
    loaded: list[RuleVersion] = []

    def change() -> None:
        loaded.append(rulebook.load(data, actor=actor))
        settle_frozen()

    rows = _changed(change, dry_run=dry_run)
    return loaded[0], rows


def load_document(kind: str, document: Any, *, actor: str, dry_run: bool = False) -> Rows:
    """Put mappings, drivers or cost centres in force and allocate the open months by them. Raises RuleError."""
    return _changed(lambda: LOADS[kind](document, actor), dry_run=dry_run)


def _changed(change: Callable[[], object], *, dry_run: bool) -> Rows:
    def changed() -> None:
        change()
        reallocate()

    with transaction.atomic():
        locks.hold(locks.REFRESHER)  # no month is closed meanwhile
        return compare(_ALL_DAYS, changed, dry_run=dry_run, without=frozen_months(), cause=CAUSE)


def propose(data: Any, *, by: str) -> Approval:
    """Ask for a whole set of rules. Raises RuleError."""
    rulebook.check(data)
    number = rulebook.in_force().number
    details = {"version": number, "rules": as_json(data)}
    return approvals.propose(KIND, f"{len(data)} rules in place of version {number}", details, by=by)


def propose_rule(rule: dict[str, Any], *, by: str) -> Approval:
    """Ask for one more rule, added to whatever is in force when it is accepted. Raises RuleError."""
    rulebook.check([*rulebook.newest(), rule])
    return approvals.propose(KIND, f"one more rule, {rule['id']}", {"add": as_json(rule)}, by=by)


def propose_document(kind: str, document: Any, *, by: str) -> Approval:
    """Ask for mappings, drivers or cost centres. Raises RuleError."""
    CHECKS[kind](document)
    rulebook.storable(document)
    details = {"kind": kind, "entries": as_json(document)}
    return approvals.propose(DOCUMENT, f"{kind.replace('_', ' ')}: {len(document)} entries", details, by=by)


@transaction.atomic
def carry_out(asked: Approval) -> None:
    """Put in force what was accepted. Raises RuleError where it no longer fits what is in force."""
    if asked.kind == DOCUMENT:
        LOADS[asked.details["kind"]](asked.details["entries"], asked.prepared_by)
        _allocate_anew()
        return
    rulebook.load(_asked(asked.details), actor=asked.prepared_by)
    settle_frozen()
    _allocate_anew()


def _allocate_anew() -> None:
    """Leave the days of open months to the refresher: whoever accepts does not wait for them."""
    terms.rate_anew(day for month in open_months() for day in charged_days(Period.month_of(month)))


def effect(asked: Approval) -> Rows:
    """Who would pay what more or less if it were accepted now; nothing changes. Raises RuleError."""
    if asked.kind == DOCUMENT:
        kind, entries = asked.details["kind"], asked.details["entries"]
        return load_document(kind, entries, actor=asked.prepared_by, dry_run=True)
    return load(_asked(asked.details), actor=asked.prepared_by, dry_run=True)[1]


def _asked(details: dict[str, Any]) -> Any:
    """The whole set of rules. Raises RuleError where what it was asked for in place of is in force no more."""
    if "add" in details:
        return [*rulebook.newest(), details["add"]]
    number = rulebook.in_force().number
    if number != details["version"]:
        told = f"they replace version {details['version']}, but version {number} is in force: propose them again"
        raise RuleError(told)
    return details["rules"]


def waiting() -> list[Approval]:
    """Rules that wait for a decision, the oldest first."""
    return approvals.waiting(KIND)


def described(details: dict[str, Any]) -> list[str]:
    """What a request asks for, a line each: rules that come, go or change."""
    if "entries" in details:
        return [", ".join(f"{name} {value}" for name, value in entry.items()) for entry in details["entries"]]
    if "add" in details:
        return [_sentence(details["add"])]
    before = {rule["id"]: rule for rule in as_json(rulebook.newest())}
    after = {rule["id"]: rule for rule in details["rules"]}
    lines = [f"new: {_sentence(rule)}" for name, rule in after.items() if name not in before]
    lines += [
        f"changed: {_sentence(rule)}" for name, rule in after.items() if name in before and not same(rule, before[name])
    ]
    return lines + [f"gone: {_sentence(rule)}" for name, rule in before.items() if name not in after]


def _sentence(rule: dict[str, Any]) -> str:
    return rules_words.sentence(parse_rules([rule])[0])


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rules as they are written say the same."""
    return parse_rules([one]) == parse_rules([other])


def as_json(data: Any) -> Any:
    """A document as JSON keeps it: dates as texts."""
    return json.loads(json.dumps(data, default=str))
