"""Files that people write and commands read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finops import documents
from finops.documents import DocumentError
from web.management.base import WrongUse


def existing(path: Path) -> Path:
    """The path of something that can be read as a file. Raises WrongUse."""
    if path.is_dir():
        raise WrongUse(f"{path} is a folder; give a file")
    if not path.exists():
        raise WrongUse(f"there is no file {path}")
    return path


@contextmanager
def naming(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """What is wrong with or in a file (no file, no YAML, no text, ``errors``) is wrong use, told with its name."""
    existing(path)
    expected: tuple[type[Exception], ...] = (*errors, DocumentError, UnicodeDecodeError, RecursionError)
    try:
        yield
    except expected as error:
        raise WrongUse(f"{path.name}: {error}") from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises WrongUse with file and line."""
    with naming(path):
        return documents.read_yaml(path.read_bytes())
