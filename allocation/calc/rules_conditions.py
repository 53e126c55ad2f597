"""What a rule asks of a usage key: tests of its dimensions and tags, nested with ``all`` and ``any``.

::

    when:
      provider: openai                          # exact; with * ? [ it is a glob
      api_key: ["key_a*", "key_b"]              # one of these
      model: {regex: "gpt-5(-mini)?"}           # the whole value (RE2: no back-references, no look-around)
      environment: {not: dev}                   # has one, and it is another
      project: {absent: true}                   # has none
      feature: {exact: "chat [beta]"}           # as it stands, no glob
      any: [{tag.team: search}, {all: [{region: "eu-*"}, {mode: batch}]}]

Everything in one mapping must hold. A missing dimension never matches, not even ``not``; only ``{absent: true}`` does.
Regular expressions run on the engine of Arrow (RE2): its time is linear in the length of a value, so that no pattern can
hold up allocation; what it cannot do, or what is longer than REGEX_MAX, is refused when the rules are read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DIMENSIONS = frozenset(
    [
        "layer", "source", "provider", "host", "billing_account", "project", "api_key", "principal", "model",
        "model_requested", "model_served", "region", "mode", "service_tier_requested", "service_tier_served", "effort",
        "operation", "environment", "feature",
    ]
)  # fmt: skip
GROUPS = {"all": True, "any": False}
REGEX_MAX, VALUE_MAX, DEPTH_MAX = 500, 1_000, 12
Flags = np.ndarray[Any, np.dtype[np.bool_]]
_GLOB = re.compile(r"[*?\[]")


class RuleError(ValueError):
    """Rules, mappings or cost centres cannot be used; the message names the entry and the field."""


class Values(NamedTuple):
    """One of these: exact values, globs, or regular expressions that match the whole value."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()
    regex: str | None = None


class Test(NamedTuple):
    """One dimension. ``wanted`` None: it is absent; otherwise present, and one of the values or, ``negated``, none."""

    dimension: str
    wanted: Values | None
    negated: bool = False


class Group(NamedTuple):
    """Conditions of which every one holds, or any."""

    every: bool
    parts: tuple["Test | Group", ...]


Condition = Test | Group


class Keys:
    """Usage keys by their columns: of each dimension the distinct values and which key has which."""

    def __init__(self, keys: Sequence[Mapping[str, Any]]) -> None:
        self.keys = keys
        self._columns: dict[str, tuple[Any, list[str]]] = {}

    def column(self, dimension: str) -> tuple[Any, list[str]]:
        """Codes (one a key) and the distinct values they stand for; '' is a missing dimension."""
        if dimension not in self._columns:
            known: dict[str, int] = {}
            codes = [known.setdefault(value_of(key, dimension), len(known)) for key in self.keys]
            self._columns[dimension] = np.array(codes, dtype=np.int64), list(known)
        return self._columns[dimension]


def value_of(key: Mapping[str, Any], dimension: str) -> str:
    """What a usage key says of a dimension or tag; '' where it says nothing."""
    if dimension.startswith("tag."):
        return str(key.get("tags", {}).get(dimension[4:], ""))
    if dimension == "model":
        return str(key.get("model_served") or key.get("model_requested") or "")
    return str(key.get(dimension) or "")


def holds(condition: Condition, keys: Keys) -> Flags:
    """Of which keys the condition holds."""
    if isinstance(condition, Group):
        found = np.full(len(keys.keys), condition.every)
        for part in condition.parts:
            found = found & holds(part, keys) if condition.every else found | holds(part, keys)
        return found
    codes, values = keys.column(condition.dimension)
    flags: Flags = np.array(_of_values(condition, values), dtype=bool)[codes] if values else np.zeros(0, dtype=bool)
    return flags


def _of_values(test: Test, values: list[str]) -> list[bool]:
    if test.wanted is None:
        return [(value == "") != test.negated for value in values]
    exact, globs, regex = test.wanted
    if not globs and not regex:
        return [value != "" and (value in exact) != test.negated for value in values]
    hit = pc.match_substring_regex(pa.array(values, pa.string()), pattern=_whole(regex)).to_pylist() if regex else None
    return [
        value != ""
        and (value in exact or any(fnmatchcase(value, glob) for glob in globs) or bool(hit and hit[at])) != test.negated
        for at, value in enumerate(values)
    ]


def dimensions_of(condition: Condition) -> Iterable[str]:
    """Every dimension and tag that a condition looks at, in its order."""
    if isinstance(condition, Test):
        yield condition.dimension
    else:
        for part in condition.parts:
            yield from dimensions_of(part)


def parse_condition(value: Any, where: str, depth: int = 0) -> Condition:
    """A mapping of dimensions to what they have to be. Raises RuleError that begins with ``where``."""
    if not isinstance(value, Mapping) or not value:
        raise RuleError(f"{where} must name at least one dimension")
    if depth > DEPTH_MAX:
        raise RuleError(f"{where} is nested deeper than {DEPTH_MAX} levels")
    parts: list[Condition] = []
    for name, wanted in value.items():
        place = f"{where}.{name}" if depth else f"{where.removesuffix('when').rstrip()} {name}"
        if name in GROUPS:
            if not isinstance(wanted, list) or not wanted:
                raise RuleError(f"{place}: write a list of conditions")
            nested = (parse_condition(each, f"{place}[{n}]", depth + 1) for n, each in enumerate(wanted, 1))
            parts.append(Group(GROUPS[name], tuple(nested)))
        elif name in DIMENSIONS or (isinstance(name, str) and name.startswith("tag.") and len(name) > 4):
            parts.append(_test(name, wanted, place))
        else:
            raise RuleError(f"{where.removesuffix(' when')} unknown dimension {name!r} (tags are written tag.NAME)")
    return parts[0] if len(parts) == 1 else Group(every=True, parts=tuple(parts))


def _test(dimension: str, wanted: Any, where: str, *, negated: bool = False, depth: int = 0) -> Test:
    if not isinstance(wanted, Mapping):
        return Test(dimension, _values(wanted, where), negated)
    name, value = next(iter(wanted.items())) if len(wanted) == 1 else ("", None)
    if name == "absent" and value is True:
        return Test(dimension, None, negated)
    if name == "not" and depth < DEPTH_MAX:
        return _test(dimension, value, where, negated=not negated, depth=depth + 1)
    if name == "exact":
        items = value if isinstance(value, list) else [value]
        return Test(dimension, Values(exact=frozenset(_text(item, where) for item in items)), negated)
    if name == "regex" and isinstance(value, str):
        return Test(dimension, Values(regex=_regex(value, where)), negated)
    raise RuleError(f"{where}: write a value, a list, {{not: ...}}, {{regex: ...}}, {{exact: ...}} or {{absent: true}}")


def _values(wanted: Any, where: str) -> Values:
    items = [_text(item, where) for item in (wanted if isinstance(wanted, list) else [wanted])]
    if not items:
        raise RuleError(f"{where}: the list is empty")
    globs = tuple(item for item in items if _GLOB.search(item))
    return Values(frozenset(items) - frozenset(globs), globs)


def _text(item: Any, where: str) -> str:
    if not isinstance(item, str | int) or isinstance(item, bool) or item == "":
        raise RuleError(f"{where}: {item!r} is not a value")
    if len(str(item)) > VALUE_MAX:
        raise RuleError(f"{where}: a value has at most {VALUE_MAX} characters, this one {len(str(item))}")
    return str(item)


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _regex(pattern: str, where: str) -> str:
    if len(pattern) > REGEX_MAX:
        raise RuleError(f"{where}: a regular expression has at most {REGEX_MAX} characters, this one {len(pattern)}")
    try:
        for each in (pattern, _whole(pattern)):  # alone too: `a)|(b` is one inside of our brackets only
            pc.match_substring_regex(pa.array([""]), pattern=each)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        reason = " ".join(str(error).removeprefix("Invalid regular expression: ").split())
        raise RuleError(f"{where}: {pattern!r} is no regular expression of RE2 ({reason})") from None
    return pattern
