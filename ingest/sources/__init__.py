"""Discovery: every module here defines one Source named ``SOURCE``; there is no list to edit.

So does every module of the packages that FINOPS_SOURCE_PACKAGES names: a site's own sources live outside this one.
A module whose name begins with _ is none.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
from django.conf import settings

from ingest.calc.mapping import LAYERS
from ingest.pull import Option
from ingest.source import ColumnSource, Guide, RowSource, Source

_NEEDED = {"kind": str, "layer": str, "guide": Guide}
_KIND = re.compile("[a-z][a-z0-9_]{0,39}")


class UnknownKind(ValueError):
    """No source of that kind; the message lists those there are."""


class WrongSource(Exception):
    """A package that FINOPS_SOURCE_PACKAGES names cannot be used; the message names package and module, and says why."""


@cache
def all_sources() -> dict[str, Source]:
    """Kind -> source, in the order of the kinds. Raises WrongSource."""
    found: dict[str, Source] = {}
    for package in (__name__, *settings.SOURCE_PACKAGES):
        for name in _modules(package):
            source = _source(package, name)
            if source.kind in found:
                raise WrongSource(
                    f"{_place(package, name)}: there is a source of kind {source.kind!r} already; rename it"
                )
            found[source.kind] = source
    return dict(sorted(found.items()))


def _modules(package: str) -> Iterator[str]:
    folders = getattr(_imported(package, ""), "__path__", None)
    if folders is None:
        raise WrongSource(f"{_place(package)} is a module: name the package, the folder that holds its sources")
    return (module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_"))


def _source(package: str, name: str) -> Source:
    source, place = getattr(_imported(package, name), "SOURCE", None), _place(package, name)
    if source is None:
        raise WrongSource(f"{place} defines no SOURCE: add `SOURCE = YourSource()`, or begin its name with _")
    if not isinstance(source, Source):
        raise WrongSource(f"{place}: SOURCE is {_article(source)}: write `SOURCE = YourSource()`, see ingest/source.py")
    if lacking := [what for what, kind in _NEEDED.items() if not isinstance(getattr(source, what, None), kind)]:
        raise WrongSource(f"{place}: its source says no {' and no '.join(lacking)}, see ingest/source.py")
    for declared in _DECLARED:
        value = getattr(source, declared.name, None)
        if not declared.holds(value):
            raise WrongSource(f"{place}: {declared.name} = {value!r:.80}: {declared.remedy}, see ingest/source.py")
    if not isinstance(source, RowSource | ColumnSource):
        raise WrongSource(f"{place}: its source is neither a RowSource nor a ColumnSource, see ingest/source.py")
    if isinstance(source, ColumnSource) and not (_all(pa.Schema)(found := getattr(source, "schemas", ())) and found):
        raise WrongSource(f"{place}: its source says no schemas, a tuple of Arrow schemas, see ingest/source.py")
    return source


class _Declared(NamedTuple):
    """A declaration of a source, and what is told where it does not hold."""

    name: str
    holds: Callable[[Any], bool]
    remedy: str


def _all(kind: type) -> Callable[[Any], bool]:
    """Whether a value is a tuple of this: a text would be taken for its letters."""
    return lambda value: isinstance(value, tuple) and all(isinstance(each, kind) for each in value)


def _is_zone(name: Any) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ValueError, TypeError, KeyError, OSError):
        return False


_ONE_LAYER = f"a layer is one of {', '.join(LAYERS)}"
_GLOBS = 'write a tuple of texts such as ("tokens.*",)'
_DECLARED = (
    _Declared("kind", lambda kind: bool(_KIND.fullmatch(kind)), "a kind is a-z, 0-9 and _, beginning with a letter"),
    _Declared("layer", LAYERS.__contains__, _ONE_LAYER),
    _Declared("lines_layer", LAYERS.__contains__, _ONE_LAYER),
    _Declared("guide", _all(str), "a Guide is of five texts"),
    _Declared("scopes", _all(str), _GLOBS),
    _Declared("line_scopes", _all(str), _GLOBS),
    _Declared("issuer_zone", _is_zone, "there is no such time zone"),
    _Declared("options", _all(Option), "write a tuple of Options"),
)


def _article(source: object) -> str:
    return "a class" if isinstance(source, type) else f"a {type(source).__name__}, no Source"


def _imported(package: str, name: str) -> ModuleType:
    path = f"{package}.{name}" if name else package
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (package == error.name or package.startswith(f"{error.name}.")):
            raise WrongSource(
                f"{_place(package)}: there is no package {error.name}: install it into the environment that runs "
                "manage.py, or put its folder's parent on PYTHONPATH"
            ) from None
        raise WrongSource(f"{_place(package, name)} imports {error.name}, which is not there: install it") from None
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise WrongSource(
            f"{_place(package, name)} cannot be imported: {said}; mend it, or take the package out"
        ) from error


def _place(package: str, name: str = "") -> str:
    where = f"{package}, module {name}" if name else package
    return where if package == __name__ else f"FINOPS_SOURCE_PACKAGES: {where}"


def get_source(kind: str) -> Source:
    """The source of this kind. Raises UnknownKind."""
    try:
        return all_sources()[kind]
    except KeyError:
        raise UnknownKind(f"unknown source {kind!r}; there are: {', '.join(all_sources())}") from None
