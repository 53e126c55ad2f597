"""Life cycle of our own PostgreSQL: start or attach, and stop when the last process that uses it has left.

In DATA_DIR/pg: `18/` (the data, one folder per major version), `password` and `password_app` (of the owner and of the
application, see `roles`), `state.json` (where the server listens),
`postgres.log`, and two lock files. Each decision to start or stop is taken under `state.lock`; each process that uses
the server holds `users.lock` shared, which the kernel lets go of even after kill -9. A forked child is no user: its
parent is, and a child that dies a moment after its parent must not keep the last user from stopping the server. Nothing
is concluded from a process id alone: a server is there when it lets us in.
"""

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from finops.database import binaries, postmaster

HOST = "127.0.0.1"
DATABASE = USER = "finops"
APPLICATION = "finops_app"

_held: dict[Path, int] = {}  # folder -> descriptor of users.lock, held until this process leaves


@dataclass(frozen=True)
class Server:
    """A running server and how to get in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    pid: int
    application_password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The owner's way in as a libpq address."""
        return (
            f"postgresql://{self.user}:{quote(self.password)}@{self.host}:{self.port}/{self.database}?sslmode=disable"
        )


def ensure_running(data_dir: Path, durable: bool = True) -> Server:
    """Start the server of this data folder, or attach to it; it then stays up at least until this process ends.

    Not durable (tests) is faster, and a power cut may lose the data; it counts only for the process that starts the
    server. Waits while another process starts or stops it, and while PostgreSQL recovers from a crash. Raises
    EmbeddedPostgresError.
    """
    folder = _folder(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (owner := folder.stat().st_uid) != os.geteuid():  # as root we would leave files that lock the owner out
            raise binaries.EmbeddedPostgresError(
                f"{folder} belongs to user {owner}: run as that user, or set FINOPS_DATA_DIR"
            )
        with _exclusive(folder / "state.lock"):
            _hold(folder)  # before the start, so that nobody takes a starting server for an unused one
            data = folder / binaries.version().partition(".")[0]
            password = _password(folder, data)
            running = postmaster.find(data, password) or postmaster.start(folder, data, password, durable=durable)
            postmaster.create_database(running.port, password, DATABASE)
            if not (application := folder / "password_app").exists():
                secret = secrets.token_urlsafe(32)
                postmaster.create_application(running.port, password, DATABASE, APPLICATION, secret)
                _write(application, secret)
            secret = application.read_text(encoding="utf-8")
            server = Server(HOST, running.port, USER, password, DATABASE, running.pid, secret)
            public = replace(server, password="", application_password="")
            _write(folder / "state.json", json.dumps(asdict(public)))
    except OSError as error:
        raise binaries.EmbeddedPostgresError(f"cannot keep a database in {folder}: {error}") from error
    return server


def recorded(data_dir: Path) -> Server | None:
    """The server as its last starter wrote it down, running or not; None when there is none. Only reads."""
    folder = _folder(data_dir)
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        application = folder / "password_app"  # not there before the first start since it exists
        return replace(
            Server(**state),
            password=(folder / "password").read_text(encoding="utf-8"),
            application_password=application.read_text(encoding="utf-8") if application.exists() else "",
        )
    except (FileNotFoundError, NotADirectoryError):
        return None


def leave(data_dir: Path) -> bool:
    """Give up this process's use, and stop the server unless another process uses it. True when none does.

    Runs by itself when a process ends that called `ensure_running`.
    """
    folder = _folder(data_dir)
    if not folder.is_dir():
        return True
    with _exclusive(folder / "state.lock"):
        users = _held.pop(folder, None)
        users = _open(folder / "users.lock") if users is None else users
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(folder)
        except BlockingIOError:
            return False
        finally:
            os.close(users)
    return True


def stop(data_dir: Path) -> None:
    """Stop the server, whoever uses it."""
    folder = _folder(data_dir)
    if folder.is_dir():
        with _exclusive(folder / "state.lock"):
            _stop(folder)


def _folder(data_dir: Path) -> Path:
    return data_dir.resolve() / "pg"


def _stop(folder: Path) -> None:
    if (folder / "password").exists():
        postmaster.stop(
            folder / binaries.version().partition(".")[0], (folder / "password").read_text(encoding="utf-8")
        )
    (folder / "state.json").unlink(missing_ok=True)


def _hold(folder: Path) -> None:
    """Count this process among the users until it ends."""
    if folder in _held:
        return
    users = _open(folder / "users.lock")
    fcntl.flock(users, fcntl.LOCK_SH)
    _held[folder] = users
    atexit.register(_leave_at_exit, folder)


def _leave_at_exit(folder: Path) -> None:
    if folder not in _held:
        return
    for number in postmaster.LEAVING:  # a second Ctrl-C must not leave the server behind
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the folder may be gone by now
        leave(folder.parent)


def _let_go() -> None:
    """In a forked child: its parent's hold is not its own, and its parent's exit handlers leave nothing."""
    for users in _held.values():
        os.close(users)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def _password(folder: Path, data: Path) -> str:
    """The superuser's password, made at random before the first start (0600)."""
    path = folder / "password"
    if not path.exists():
        if data.exists():
            raise binaries.EmbeddedPostgresError(
                f"{path} is gone: put it back, or delete {data} to start with an empty database"
            )
        _write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, text: str) -> None:
    """Atomic, so that a reader sees the old content or the new one; for our eyes only."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
