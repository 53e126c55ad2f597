"""One PostgreSQL server process: make its data folder, start it, find it again, stop it. Callers hold the lock."""

# ruff: noqa: S603  every command is a list of our own making, without a shell

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from finops.database import roles
from finops.database.binaries import EmbeddedPostgresError, Programs, environment, give, programs_for

HOST = "127.0.0.1"
USER = "finops"
RECOVERY_SECONDS = 120.0  # a server that replays its log after a crash is waited for this long
RETRY_SECONDS = 20.0  # so long may the children of a killed postmaster hold its shared memory
STOP_SECONDS = 30.0
LOG_BYTES = 10_000_000
LEAVING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # no second way in, and no limit on the length of the path
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",  # compiles longer than our queries run
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Messages of a server that is there but does not let us in at this moment.
_BUSY = ("the database system is", "too many clients", "remaining connection slots")
# Reasons not to start that pass: a killed server still dies, or its children do; another program took the port.
_PASSING = (
    'lock file "postmaster.pid" already exists',
    "pre-existing shared memory block",
    "Address already in use",
    "could not bind",
)

_children: dict[Path, subprocess.Popen[bytes]] = {}  # data folder -> the server if we started it, to reap it


@dataclass(frozen=True)
class Running:
    """Process and port of a server that lets us in."""

    pid: int
    port: int


def find(data: Path, password: str) -> Running | None:
    """The server of this data folder if it runs; waits while it starts up, recovers or shuts down."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (noted := _noted(data)) is not None:
        refusal = _refusal(noted.port, password)
        if refusal is None:
            return noted
        if not refusal.startswith(_BUSY):
            return None
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"PostgreSQL in {data} is not ready after {RECOVERY_SECONDS:.0f} s: {refusal}")
        time.sleep(0.1)
    return None


def start(folder: Path, data: Path, password: str, *, durable: bool) -> Running:
    """Start the server, with a new data folder if need be. Raises EmbeddedPostgresError with the end of its log."""
    if (child := _children.pop(data, None)) is not None:
        child.poll()
    noted = _noted(data)
    programs = programs_for(folder, data)
    if not (data / "PG_VERSION").exists():
        _make_data(programs, folder, data, durable=durable)
    elif programs.owner is not None:
        give(data, programs.owner)
    port = noted.port if noted and _is_free(noted.port) else _free_port()  # same port: other processes know it
    retry_until = time.monotonic() + RETRY_SECONDS
    while True:
        _disown_dead(data)
        end_of_log = _launch(programs, folder / "postgres.log", data, port, password, durable=durable)
        if end_of_log is None:
            return Running(_children[data].pid, port)
        if time.monotonic() > retry_until or not any(reason in end_of_log for reason in _PASSING):
            raise EmbeddedPostgresError(f"PostgreSQL did not start in {data}:\n{end_of_log}")
        time.sleep(0.2)
        port = port if _is_free(port) else _free_port()


def create_database(port: int, password: str, name: str) -> None:
    """Make the database unless it is there."""
    with _connect(port, password) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def create_application(port: int, password: str, database: str, name: str, secret: str) -> None:
    """Make the role that the application logs in as, with what is its own in the database; safe to repeat."""
    with _connect(port, password, database) as connection:
        there = connection.execute("select from pg_roles where rolname = %s", [name]).fetchone()
        verb = "alter" if there is not None else "create"
        made = sql.SQL(f"{verb} role {{}} login password {{}}").format(sql.Identifier(name), sql.Literal(secret))
        connection.execute(made)
        with connection.transaction(), connection.cursor() as cursor:
            roles.separate(cursor, name)


def stop(data: Path, password: str) -> None:
    """Fast shutdown: sessions are cut off, committed data is on disk. Does nothing when no server runs."""
    noted = _noted(data)
    if noted is None or not _is_postgres(noted.pid):
        return
    refusal = _refusal(noted.port, password)
    if refusal is not None and not refusal.startswith(_BUSY):
        return  # a stale note, and another server has got its process id
    for order in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(noted.pid, order)
        if _has_gone(data):
            return
    raise EmbeddedPostgresError(f"PostgreSQL (process {noted.pid}) in {data} does not stop")


def _make_data(programs: Programs, folder: Path, data: Path, *, durable: bool) -> None:
    """Run initdb beside the final place, so that an interrupted one leaves nothing that looks like a database."""
    unfinished, password = data.with_suffix(".new"), folder / "password"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if programs.owner is not None:
        give(unfinished, programs.owner)
        os.chown(password, programs.owner, programs.owner)
    # The built-in locale sorts the same on every machine.
    locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    access = ("-U", USER, f"--pwfile={password}", "--auth-host=scram-sha-256", "--auth-local=scram-sha-256")
    sync = () if durable else ("--no-sync",)
    command = programs.command("initdb", "-D", str(unfinished), *access, *locale, "--no-instructions", *sync)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment(), check=False)
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"initdb failed in {unfinished}:\n{_tail(done.stdout + done.stderr)}")
    unfinished.rename(data)


def _launch(programs: Programs, log: Path, data: Path, port: int, password: str, *, durable: bool) -> str | None:
    """Start the process and wait until it lets us in (None), or has ended (the end of what it logged)."""
    settings = SETTINGS | {"port": str(port)} | ({} if durable else NOT_DURABLE)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    keep = log.exists() and log.stat().st_size < LOG_BYTES
    with log.open("ab" if keep else "wb") as output:
        begin = output.tell()
        command = programs.command("postgres", "-D", str(data), *options)
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, LEAVING)  # none may come before we know whom to stop
        try:
            _children[data] = process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in our terminal is not for the server
                env=environment(),
            )
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            raise
    deadline = time.monotonic() + RECOVERY_SECONDS
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        while process.poll() is None:
            refusal = _refusal(port, password)
            if refusal is None:
                return None
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {data} is not ready after {RECOVERY_SECONDS:.0f} s: {refusal}"
                )
            time.sleep(0.03)
    except BaseException:  # also a signal that ends us: the note by which it could be found may not be written yet
        process.send_signal(signal.SIGINT)
        raise
    with log.open("rb") as output:
        output.seek(begin)
        return _tail(output.read().decode(errors="replace"))


def _noted(data: Path) -> Running | None:
    """What PostgreSQL itself noted in postmaster.pid; stale after a crash."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return Running(pid=int(lines[0]), port=int(lines[3]))
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _is_postgres(pid: int) -> bool:
    """Whether the process lives and is a postgres; False for a dead one that its parent has not collected."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
        return name == "postgres" and rest.split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return False
    ps = subprocess.run(["ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    state, _, name = ps.stdout.strip().partition(" ")
    return name.rpartition("/")[2].strip() == "postgres" and not state.startswith("Z")


def _disown_dead(data: Path) -> None:
    """Put our own process id into the note of a dead server.

    PostgreSQL refuses to start while the noted process exists, be it a zombie or a stranger that got its number, but
    takes its parent's number for stale. The rest of the note stays: from it PostgreSQL finds out whether children of
    the dead server still write to the data, which deleting the note would hide.
    """
    noted, note = _noted(data), data / "postmaster.pid"
    if noted is None or _is_postgres(noted.pid):
        return
    _, _, rest = note.read_text(encoding="utf-8").partition("\n")
    note.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")


def _refusal(port: int, password: str) -> str | None:
    """None when the server lets us in, else its reason. The password tells our server from another on that port."""
    try:
        _connect(port, password).close()
    except psycopg.OperationalError as error:
        return str(error).rpartition("FATAL:")[2].strip()
    return None


def _connect(port: int, password: str, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host=HOST, port=port, user=USER, password=password, dbname=database, autocommit=True, connect_timeout=5,
        sslmode="disable", gssencmode="disable",
    )  # fmt: skip


def _has_gone(data: Path) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while (data / "postmaster.pid").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    if (child := _children.pop(data, None)) is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5)
    return True


def _free_port() -> int:
    """Below the range from which systems number outgoing connections, so that none of those takes it meanwhile."""
    while not _is_free(port := 20_000 + secrets.randbelow(12_000)):
        pass
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
