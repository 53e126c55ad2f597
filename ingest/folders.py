"""Watched folders, on a disk or in an object store: each version of a file is taken once."""

import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction
from pyarrow import fs

from finops import audit
from finops.models import User
from ingest import runs
from ingest.calc.mapping import MappingError
from ingest.credentials import COMMAND_LINE
from ingest.lease import Lease, leased
from ingest.models import Connection, IngestRun, TakenFile
from ingest.pull import LeaseLost, PullFailed
from ingest.services import Import, Refused, Stopped, ingest_file
from ingest.stores import open_store
from ingest.sync import Outcome, note

AT_ONCE = 200  # files of one sweep; the next goes on
_PIECE = 16 * 1024 * 1024


ACCEPTED = "accepted"  # outcome of a refused file that is to be taken with what of it can be read


class NoFolder(Exception):
    """The folder cannot be read."""


def accept(connection: Connection, path: str, *, by: User | None) -> None:
    """Have the next sweep, due at once, take what can be read of a refused file. Raises NoFolder for any other."""
    with transaction.atomic():
        refused = TakenFile.objects.filter(connection=connection, path=path, outcome=IngestRun.State.REFUSED)
        if not refused.update(outcome=ACCEPTED):
            raise NoFolder(f"{path} is no refused file of {connection.name}, or has changed since")
        Connection.objects.filter(pk=connection.pk).update(next_due_at=None)
        who = by.get_username() if by is not None else COMMAND_LINE
        audit.record(
            action="connection.file_accepted", actor=who, subject=connection.name, details={"path": path[:300]}
        )


def sweep(connection: Connection) -> Outcome:
    """Import the files that are new or changed, the oldest first. Raises Busy.

    A file that was refused is noted with its run, stays noted while it lies there unchanged, and is not tried again
    until it changes or is accepted; one that could not be finished is tried again.
    """
    outcome = Outcome()
    with leased(connection) as lease:
        try:
            store, files = _files(connection)
            taken = _taken(connection, {(info.path, _version(info)) for info in files})
            waiting = [info for info in files if taken.get((info.path, _version(info)), ACCEPTED) == ACCEPTED]
            for info in waiting[:AT_ONCE]:
                lease.renew()
                _take(lease, store, info, outcome, accept_bad=(info.path, _version(info)) in taken)
            outcome.left = max(0, len(waiting) - AT_ONCE)
        except (NoFolder, MappingError, PullFailed, OSError) as error:
            outcome.errors["folder"] = type(error).__name__ if isinstance(error, OSError) else str(error)
        note(lease, outcome)
    return outcome


def _taken(connection: Connection, there: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Outcomes of the versions that were taken; of refused ones that are gone or have changed nothing is kept."""
    rows = TakenFile.objects.filter(connection=connection)
    found = {(path, version): (outcome, pk) for pk, path, version, outcome in
             rows.values_list("pk", "path", "version", "outcome")}  # fmt: skip
    gone = [pk for key, (outcome, pk) in found.items() if outcome != IngestRun.State.DONE and key not in there]
    rows.filter(pk__in=gone).delete()
    return {key: outcome for key, (outcome, _) in found.items()}


def _files(connection: Connection) -> tuple[Any, list[fs.FileInfo]]:
    url, pattern = connection.options.get("url", ""), connection.options.get("pattern") or "*"
    if not url:
        raise NoFolder("the connection names no folder")
    try:
        store, root = open_store(url)
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


def _refused(connection: Connection, name: str, refused: Refused) -> IngestRun:
    """A run of a file that was refused before it had one (a bomb), which says why."""
    run = runs.start(
        source=connection.kind, account=connection.account, input_name=name, observed_at=None, connection=connection
    )
    runs.finish(run, IngestRun.State.REFUSED, reason=str(refused).removeprefix(f"{name}: "))
    return run


def _take(lease: Lease, store: Any, info: fs.FileInfo, outcome: Outcome, *, accept_bad: bool) -> None:
    connection = lease.connection
    with tempfile.TemporaryDirectory(prefix="finops-") as folder:
        path = Path(folder) / PurePosixPath(info.path).name
        run: IngestRun | None
        try:
            with store.open_input_stream(info.path, compression=None) as source, path.open("wb") as copy:
                while piece := source.read(_PIECE):
                    copy.write(piece)
                    lease.renew()
            observed = min(info.mtime, runs.database_now()) if info.mtime else None
            run = ingest_file(
                Import(
                    path, connection.kind, account=connection.account, mapping=connection.options.get("mapping"),
                    observed_at=observed, connection_id=connection.pk, options=connection.options,
                    progress=lambda _: lease.renew(), accept_bad=accept_bad,
                    accept_by=f"`connection accept {connection.name} FILE`",
                )
            )  # fmt: skip
        except Refused as refused:
            outcome.errors[info.path], run = str(refused), refused.run or _refused(connection, path.name, refused)
        except Stopped as stopped:
            if stopped.run is None:
                raise LeaseLost(str(stopped)) from None
            outcome.errors[info.path], run = str(stopped), stopped.run
        except OSError as error:
            outcome.errors[info.path] = type(error).__name__
            return
    if run is not None:
        outcome.runs.append(run)
    if run is not None and run.state in (IngestRun.State.DONE, IngestRun.State.REFUSED):
        TakenFile.objects.update_or_create(
            connection=connection, path=info.path, version=_version(info), defaults={"run": run, "outcome": run.state}
        )
