"""Files appear whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WrongTarget(ValueError):
    """``--out`` is neither a folder nor a file name with the right ending."""


def target(out: str, name: str) -> Path:
    """Where a file called ``name`` goes: into the folder ``out``, or to ``out`` itself if it ends as ``name`` does."""
    path = Path(out).expanduser()
    ending = Path(name).suffix
    if path.is_dir() or out.endswith(("/", os.sep)) or not path.suffix:
        return path / name
    if path.suffix.lower() != ending:
        raise WrongTarget(f"{path.name} does not end with {ending}: give a folder or a file name that does")
    return path


def safe_part(text: str) -> str:
    """Text as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "x"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` to write to; takes its place, on disk, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask, which threads share
    try:
        yield temporary
        os.fsync(handle)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
