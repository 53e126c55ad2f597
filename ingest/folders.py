"""Watched folders, on a disk or in an object store: each version of a file is taken once."""

import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import fs

from ingest.calc.mapping import MappingError
from ingest.models import Connection, IngestRun, TakenFile
from ingest.runs import database_now
from ingest.services import Import, Refused, Stopped, ingest_file
from ingest.sync import Lease, LeaseLost, Outcome, leased, note

AT_ONCE = 200  # files of one sweep; the next goes on
_PIECE = 16 * 1024 * 1024


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
            taken = set(TakenFile.objects.filter(connection=connection).values_list("path", "version"))
            waiting = [info for info in files if (info.path, _version(info)) not in taken]
            for info in waiting[:AT_ONCE]:
                lease.renew()
                _take(lease, store, info, outcome)
            outcome.left = max(0, len(waiting) - AT_ONCE)
        except (NoFolder, MappingError, OSError) as error:
            outcome.errors["folder"] = type(error).__name__ if isinstance(error, OSError) else str(error)
        note(lease, outcome)
    return outcome


def _files(connection: Connection) -> tuple[Any, list[fs.FileInfo]]:
    url, pattern = connection.options.get("url", ""), connection.options.get("pattern") or "*"
    if not url:
        raise NoFolder("the connection names no folder")
    try:
        store, root = fs.FileSystem.from_uri(url) if "://" in url else (fs.LocalFileSystem(), str(Path(url).resolve()))
        found = store.get_file_info(fs.FileSelector(root, recursive=True))
    except FileNotFoundError:
        raise NoFolder(f"there is no folder {url}") from None
    except ValueError:  # Arrow's, which may quote what stands in the URL
        raise NoFolder("the folder's URL cannot be read") from None
    chosen = [info for info in found if info.type == fs.FileType.File and _matches(info.path, root, pattern)]
    return store, sorted(chosen, key=lambda info: (info.mtime_ns or 0, info.path))


def _matches(path: str, root: str, pattern: str) -> bool:
    inside = PurePosixPath(path).relative_to(root)
    hidden = any(part.startswith((".", "_")) for part in inside.parts)  # half-written files, by convention
    return not hidden and (fnmatchcase(str(inside), pattern) or fnmatchcase(inside.name, pattern))


def _version(info: fs.FileInfo) -> str:
    return f"{info.size} {info.mtime_ns}"


def _take(lease: Lease, store: Any, info: fs.FileInfo, outcome: Outcome) -> None:
    connection = lease.connection
    with tempfile.TemporaryDirectory(prefix="finops-") as folder:
        path = Path(folder) / PurePosixPath(info.path).name
        run: IngestRun | None
        try:
            with store.open_input_stream(info.path, compression=None) as source, path.open("wb") as copy:
                while piece := source.read(_PIECE):
                    copy.write(piece)
                    lease.renew()
            observed = min(info.mtime, database_now()) if info.mtime else None
            run = ingest_file(
                Import(
                    path, connection.kind, account=connection.account, mapping=connection.options.get("mapping"),
                    observed_at=observed, connection_id=connection.pk, options=connection.options,
                    progress=lambda _: lease.renew(),
                )
            )  # fmt: skip
        except Refused as refused:
            outcome.errors[info.path], run = str(refused), refused.run
        except Stopped as stopped:
            if stopped.run is None:
                raise LeaseLost(str(stopped)) from None
            outcome.errors[info.path], run = str(stopped), stopped.run
        except OSError as error:
            outcome.errors[info.path] = type(error).__name__
            return
    if run is not None:
        outcome.runs.append(run)
    state = run.state if run is not None else IngestRun.State.REFUSED  # a bomb is refused before it has a run
    if state in (IngestRun.State.DONE, IngestRun.State.REFUSED):
        TakenFile.objects.get_or_create(
            connection=connection, path=info.path, version=_version(info), defaults={"run": run, "outcome": state}
        )
