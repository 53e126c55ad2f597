"""Watched folders, on a disk or in an object store: each version of a file is taken once."""

import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import fs

from ingest.models import Connection, TakenFile
from ingest.runs import database_now
from ingest.services import Import, Stopped, ingest_file
from ingest.sync import Outcome, leased, note

AT_ONCE = 200  # files of one sweep; the next goes on


class NoFolder(Exception):
    """The folder cannot be read."""


def sweep(connection: Connection) -> Outcome:
    """Import the files that are new or changed, the oldest first. Raises Busy.

    A file that was refused is noted with its run and not tried again until it changes; one that could not be finished
    is tried again.
    """
    outcome = Outcome()
    with leased(connection) as lease:
        try:
            store, files = _files(connection)
        except (NoFolder, OSError, ValueError) as error:
            outcome.errors["folder"] = str(error) if isinstance(error, NoFolder) else type(error).__name__
            files = []
        waiting = [info for info in files if not _taken(connection, info)]
        for info in waiting[:AT_ONCE]:
            lease.renew()
            _take(connection, store, info, outcome)
        outcome.left = max(0, len(waiting) - AT_ONCE)
        note(lease, outcome)
    return outcome


def _files(connection: Connection) -> tuple[Any, list[fs.FileInfo]]:
    url, pattern = connection.options.get("url", ""), connection.options.get("pattern") or "*"
    try:
        store, root = fs.FileSystem.from_uri(url) if "://" in url else (fs.LocalFileSystem(), str(Path(url).resolve()))
        found = store.get_file_info(fs.FileSelector(root, recursive=True))
    except FileNotFoundError:
        raise NoFolder(f"there is no folder {url}") from None
    chosen = [info for info in found if info.type == fs.FileType.File and _matches(info.path, root, pattern)]
    return store, sorted(chosen, key=lambda info: (info.mtime_ns or 0, info.path))


def _matches(path: str, root: str, pattern: str) -> bool:
    inside = PurePosixPath(path).relative_to(root)
    hidden = any(part.startswith((".", "_")) for part in inside.parts)  # half-written files, by convention
    return not hidden and (fnmatchcase(str(inside), pattern) or fnmatchcase(inside.name, pattern))


def _version(info: fs.FileInfo) -> str:
    return f"{info.size} {info.mtime_ns}"


def _taken(connection: Connection, info: fs.FileInfo) -> bool:
    return TakenFile.objects.filter(connection=connection, path=info.path, version=_version(info)).exists()


def _take(connection: Connection, store: Any, info: fs.FileInfo, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory(prefix="finops-") as folder:
        path = Path(folder) / PurePosixPath(info.path).name
        try:
            with store.open_input_stream(info.path, compression=None) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            observed = min(info.mtime, database_now()) if info.mtime else None
            run = ingest_file(
                Import(
                    path, connection.kind, account=connection.account, mapping=connection.options.get("mapping"),
                    observed_at=observed, connection_id=connection.pk,
                    options=connection.options,
                )
            )  # fmt: skip
        except Stopped as stopped:
            outcome.errors[info.path] = str(stopped)
            if stopped.run is None:
                return
            run = stopped.run
        except OSError as error:
            outcome.errors[info.path] = type(error).__name__
            return
    outcome.runs.append(run)
    if run.state in ("done", "refused"):
        TakenFile.objects.get_or_create(
            connection=connection, path=info.path, version=_version(info), defaults={"run": run, "outcome": run.state}
        )
