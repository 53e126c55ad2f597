"""Documents that people write: YAML read strictly, and texts that the database can hold.

A key that stands twice in a mapping is refused (YAML's own readers keep the last one in silence), and whatever a reader
stumbles over, such as 2026-02-30, is told in one line with its place.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MERGE, _BOOLEAN, _TEXT = (f"tag:yaml.org,2002:{name}" for name in ("merge", "bool", "str"))


class DocumentError(ValueError):
    """A document cannot be read; the message names the line."""


def read_yaml(raw: str | bytes) -> Any:
    """The content of a YAML document. Raises DocumentError, in one line and with the line where it is known."""
    try:
        found = yaml.load(raw, Loader=_Strict)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DocumentError(f"{place}{error.problem or error.context or 'no YAML'}") from None
    except yaml.reader.ReaderError as error:
        raise DocumentError(_of_reader(error, raw)) from None
    except UnicodeDecodeError as error:
        raise DocumentError(f"no text in UTF-8: byte {error.start}") from None
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())) from None
    except RecursionError:
        raise DocumentError("nested too deeply") from None
    check_texts(found)
    return found


def check_texts(value: Any, where: str = "") -> None:
    """Raise DocumentError for a text, also as a key, that no database holds: with NUL, or half a pair of UTF-16."""
    waiting = [(value, where)]
    seen: set[int] = set()
    while waiting:
        found, place = waiting.pop()
        if isinstance(found, str):
            if bad := _UNSTORABLE.search(found):
                raise DocumentError(f"{place or 'the text'}: the sign U+{ord(bad[0]):04X} cannot be stored")
        elif isinstance(found, (Mapping, list, tuple)) and id(found) not in seen:
            seen.add(id(found))
            parts = found.items() if isinstance(found, Mapping) else enumerate(found, 1)
            for name, part in parts:
                if isinstance(name, str):
                    waiting.append((name, place))
                shown = _UNSTORABLE.sub("?", str(name))[:60]
                waiting.append((part, f"{place}.{shown}" if place else shown))


def _of_reader(error: yaml.reader.ReaderError, raw: str | bytes) -> str:
    if error.encoding != "unicode":
        return f"no text in {error.encoding.upper()}: byte {error.position}"
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    line, sign = text.count("\n", 0, error.position) + 1, error.character
    return f"line {line}: the sign U+{sign if isinstance(sign, int) else ord(sign):04X} cannot stand in YAML"


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands twice, and names the place of what cannot be made into a value."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[Any, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            name = key.tag, key.value
            if name in first:
                problem = f"{key.value!r} stands twice in one mapping, on line {first[name]} already"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            first[name] = key.start_mark.line + 1
            if key.tag == _BOOLEAN and key.value.lower() not in ("true", "false"):
                key.tag = _TEXT  # YAML 1.1 takes a field named on (or off, yes, no) for a truth value
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, TypeError, AttributeError) as error:
            said = str(error)[:100]
            problem = f"{node.value[:60]!r} is none: {said}" if isinstance(node, yaml.ScalarNode) else said
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
