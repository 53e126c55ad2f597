"""The project's own `.venv`: made, filled from the lock files and entered before anything else is imported.

Only the standard library is used here. A stamp in the folder says what was installed; while it fits, a start costs two
hashes and no process.
"""

# ruff: noqa: S603  every command is a list of our own making, without a shell

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
STAMP, LOCK = "finops.stamp", "finops.lock"
LAST_LINES = 12
# What uv, pip, and the resolver and TLS layers below them say when the registry cannot be reached.
_UNREACHABLE = re.compile(
    r"connect|resolve host|name resolution|lookup|network|timed? ?out|tunnel|proxy|certificate|"
    r"failed to fetch|no matching distribution found|unreachable",
    re.IGNORECASE,
)


class BootstrapError(Exception):
    """The dependencies cannot be installed; the message says why and what to do."""


def prepare(base: str | Path, *, development: bool) -> None:
    """Return inside the project's environment, filled from its lock; from outside, start this command again in it.

    `development` asks for the tools of `manage.py test` too. FINOPS_BOOTSTRAP=0 (container images) trusts the Python
    that runs. Raises BootstrapError.
    """
    if os.environ.get("FINOPS_BOOTSTRAP") == "0":
        return
    base = Path(base)
    venv = venv_folder(base)
    inside = venv.exists() and os.path.samefile(sys.prefix, venv)
    if not is_current(base, venv, development=development, inside=inside):
        install(base, venv, development=development)
    elif inside:
        return
    python = str(venv / "bin" / "python")
    os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606


def venv_folder(base: Path) -> Path:
    """FINOPS_VENV, else `.venv` beside manage.py. Raises BootstrapError when it cannot be written and is not there."""
    venv = Path(os.environ.get("FINOPS_VENV") or base / ".venv").expanduser().absolute()
    nearest = next(folder for folder in (venv, *venv.parents) if folder.exists())
    if not os.access(nearest, os.W_OK) and not (venv / STAMP).exists():
        raise BootstrapError(f"cannot write to {nearest}: set FINOPS_VENV to a folder for the dependencies")
    return venv


def is_current(base: Path, venv: Path, *, development: bool, inside: bool = False) -> bool:
    """Whether the environment holds what the locks ask for. Inside it, the Python that runs must be its own version."""
    try:
        kind, runtime, tools, python = (venv / STAMP).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return False
    if not os.access(venv / "bin" / "python", os.X_OK) or (inside and python != _python()):
        return False
    if runtime != _hash(base / RUNTIME):
        return False
    return not development or (kind == DEVELOPMENT and tools == _hash(base / DEVELOPMENT))


def install(base: Path, venv: Path, *, development: bool) -> None:
    """Make the environment and fill it, with uv if it is on the PATH, else with venv and pip; one process at a time.

    Pins win over what is there, nothing else is removed. The stamp goes first and comes back last, so an interrupted
    run is done again. Raises BootstrapError.
    """
    try:
        venv.mkdir(parents=True, exist_ok=True)
        with _locked(venv / LOCK):
            if is_current(base, venv, development=development):
                return  # another process was faster
            stamp = venv / STAMP
            had_tools = stamp.exists() and stamp.read_text(encoding="utf-8").startswith(DEVELOPMENT)
            stamp.unlink(missing_ok=True)
            lock = DEVELOPMENT if development or had_tools else RUNTIME
            # Hashed before the install: a lock that changes meanwhile counts as not installed.
            content = f"{lock} {_hash(base / RUNTIME)} {_hash(base / DEVELOPMENT)} {_python()}\n"
            _fill(base, venv, base / lock)
            unfinished = venv / f"{STAMP}.new"
            unfinished.write_text(content, encoding="utf-8")
            unfinished.replace(stamp)
    except PermissionError as error:
        raise BootstrapError(f"cannot write to {error.filename or venv}: set FINOPS_VENV to another folder") from error


def _fill(base: Path, venv: Path, lock: Path) -> None:
    _remove_other_python(venv)
    inside, python = str(venv / "bin" / "python"), getattr(sys, "_base_executable", sys.executable)
    uv = _uv()
    print(f"Installing {lock.name} into {venv} with {'uv' if uv else 'pip'}; once only ...", file=sys.stderr)  # noqa: T201
    if uv:
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", python, str(venv)], base)
        what = [uv, "pip", "install", "--python", inside, "--require-hashes", "--compile-bytecode", "-r", str(lock)]
    else:
        if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
            raise BootstrapError(
                "this Python has no venv module: `apt install python3-venv` (Debian, Ubuntu), or install uv"
            )
        _run([python, "-m", "venv", str(venv)], base)
        what = [inside, "-m", "pip", "install", "--require-hashes", "-r", str(lock)]
    _run(what, base)


def _run(command: list[str], base: Path) -> None:
    """Run an installer; mirrors and proxies come from the user's own UV_* and PIP_* settings."""
    done = subprocess.run(
        command, cwd=base, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return
    lines = done.stdout.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
    reason = f"installing the dependencies failed (exit code {done.returncode})"
    if any(_UNREACHABLE.search(line) for line in lines):
        reason = "the package registry is out of reach (a mirror is set with UV_INDEX_URL or PIP_INDEX_URL)"
    raise BootstrapError("\n".join([reason, *(f"  {line}" for line in lines)]))


def _uv() -> str | None:
    """Path of uv if it really runs: version managers put a stand-in on the PATH that may not."""
    uv = shutil.which("uv")
    if uv is None:
        return None
    try:
        works = subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return None
    return uv if works else None


def _remove_other_python(venv: Path) -> None:
    """Empty an environment whose Python is gone or of another version; only one that is marked as an environment."""
    try:
        settings = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    version = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", settings, re.MULTILINE)
    if version and version[1] == _python() and os.access(venv / "bin" / "python", os.X_OK):
        return
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "-"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
