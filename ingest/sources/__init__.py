"""Discovery: every module here defines one Source named ``SOURCE``; there is no list to edit.

So does every module of the packages that FINOPS_SOURCE_PACKAGES names: a site's own sources live outside this one.
A module whose name begins with _ is none.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from django.conf import settings

from ingest.source import Guide, Source

_NEEDED = {"kind": str, "layer": str, "guide": Guide}


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
    return source


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
