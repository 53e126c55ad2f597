"""The tree of cost centres, dated, as people write it: whose parent, GL account, legal entity, currency and owner.

A list of entries; a cost centre that changes has one entry for each of its times, which do not overlap::

    - {code: CC-1, name: Products, gl_account: "640100", legal_entity: ACME GmbH, currency: EUR}
    - {code: CC-100, name: Search, parent: CC-1, owner: alice, charging: showback, to: 2026-10-01}
    - {code: CC-100, name: Search, parent: CC-1, owner: alice, charging: chargeback, from: 2026-10-01}

``charging``: *chargeback* (default) makes journal lines, *showback* is for information; or both with their first days:
{showback: 2026-01-01, chargeback: 2026-10-01}. ``from`` is the first day, ``to`` the first day after; both may be left out.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from allocation.calc.rules import parse_date
from allocation.calc.rules_conditions import RuleError
from allocation.calc.rules_targets import code
from finops.money import MoneyError, minor_digits

SHOWBACK, CHARGEBACK = "showback", "chargeback"
_TEXTS = {"name": 200, "gl_account": 60, "legal_entity": 200, "owner": 150}
_FIELDS = {"code", "parent", "currency", "from", "to", "charging", *_TEXTS}
ZERO = Decimal(0)


class Centre(NamedTuple):
    """One cost centre for one time. ``owner``: a user name; '' everywhere: not stated; ``currency`` '': the site's."""

    code: str
    name: str
    parent: str
    gl_account: str
    legal_entity: str
    currency: str
    owner: str
    valid_from: date | None
    valid_to: date | None
    charging: tuple[tuple[date | None, str], ...]  # from which day on, the earliest first

    def holds_on(self, day: date) -> bool:
        """Whether the entry is in force on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def charging_on(self, day: date) -> str:
        """SHOWBACK or CHARGEBACK; before the first stated day it is SHOWBACK."""
        begun = [mode for first, mode in self.charging if first is None or first <= day]
        return begun[-1] if begun else SHOWBACK


def parse_centres(data: Any) -> tuple[Centre, ...]:
    """Entries by code and day. Raises RuleError naming the cost centre and the field; refuses cycles and lost parents."""
    if not isinstance(data, list):
        raise RuleError("a file of cost centres is a list of cost centres")
    found = [_centre(item, number) for number, item in enumerate(data, 1)]
    found.sort(key=lambda one: (one.code, one.valid_from or date.min))
    for one, after in pairwise(found):
        if one.code == after.code and (one.valid_to is None or (after.valid_from or date.min) < one.valid_to):
            raise RuleError(f"{one.code}: two entries hold on {after.valid_from or 'every day'}; end the first with to")
    days = {day for one in found for day in (one.valid_from, one.valid_to) if day} | {date.min}
    for day in sorted(days):
        _check_tree(on(found, day), day)
    return tuple(found)


def _centre(item: Any, number: int) -> Centre:
    if not isinstance(item, Mapping) or not item.get("code"):
        raise RuleError(f"cost centre {number}: needs a code")
    name = code(item["code"], f"cost centre {number}: code")
    if unknown := {str(field) for field in item} - _FIELDS:
        raise RuleError(f"{name}: unknown field {min(unknown)}")
    texts = {field: _text(item.get(field), f"{name}: {field}", most) for field, most in _TEXTS.items()}
    parent = code(item["parent"], f"{name}: parent") if item.get("parent") else ""
    currency = str(item.get("currency") or "")
    try:
        minor_digits(currency or "USD")
    except MoneyError as wrong:
        raise RuleError(f"{name}: currency: {wrong}") from None
    first, last = parse_date(item.get("from"), f"{name}: from"), parse_date(item.get("to"), f"{name}: to")
    if first and last and last <= first:
        raise RuleError(f"{name}: to must be after from")
    charging = _charging(item.get("charging"), f"{name}: charging")
    return Centre(
        name, texts["name"], parent, texts["gl_account"], texts["legal_entity"], currency, texts["owner"], first, last,
        charging,
    )  # fmt: skip


def _text(value: Any, where: str, most: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise RuleError(f"{where}: {value!r} is not a text")
    if len(str(value)) > most or not str(value).isprintable():
        raise RuleError(f"{where}: a text of at most {most} printable characters")
    return str(value)


def _charging(value: Any, where: str) -> tuple[tuple[date | None, str], ...]:
    if value is None:
        return ((None, CHARGEBACK),)
    given = {value: None} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not given or set(given) - {SHOWBACK, CHARGEBACK}:
        raise RuleError(f"{where}: {SHOWBACK}, {CHARGEBACK}, or both with their first days, not {value!r}")
    dated = [(parse_date(first, f"{where}.{mode}"), mode) for mode, first in given.items()]
    if len({first for first, _ in dated}) < len(dated):
        raise RuleError(f"{where}: both begin on the same day")
    return tuple(sorted(dated, key=lambda pair: pair[0] or date.min))


def on(centres: Iterable[Centre], day: date) -> dict[str, Centre]:
    """The tree of a day: code -> its entry."""
    return {one.code: one for one in centres if one.holds_on(day)}


def within(entry: Mapping[str, Any], start: date, end: date) -> bool:
    """Whether an entry as it was written is in force on a day from ``start`` until before ``end``."""
    first, last = parse_date(entry.get("from"), "from"), parse_date(entry.get("to"), "to")
    return (first is None or first < end) and (last is None or last > start)


def _check_tree(tree: Mapping[str, Centre], day: date) -> None:
    when = "" if day == date.min else f" on {day}"
    for one in tree.values():
        if one.parent and one.parent not in tree:
            raise RuleError(f"{one.code}: parent: there is no cost centre {one.parent}{when}")
    for one in tree.values():
        path, at = [one.code], one.parent
        while at:
            if at in path:
                raise RuleError(f"{one.code}: parent: a cycle{when}: {' > '.join([*path[path.index(at) :], at])}")
            path.append(at)
            at = tree[at].parent


def sums(parent_of: Callable[[str], str], own: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Code -> its own amount and those of all below it; parents without an amount of their own are there too."""
    found: dict[str, Decimal] = {}
    for each, amount in own.items():
        at = each
        while at:
            found[at] = found.get(at, ZERO) + amount
            at = parent_of(at)
    return found
