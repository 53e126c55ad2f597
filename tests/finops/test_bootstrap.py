"""`manage.py` before anything is installed: its messages, the stamp, and real installers."""

import ast
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import manage
from finops import bootstrap

ROOT = Path(__file__).resolve().parent.parent.parent
NO_UV = "/usr/bin:/bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy with nothing to install, where `manage.py` can run for real."""
    base = tmp_path / "project"
    (base / "finops").mkdir(parents=True)
    shutil.copy(ROOT / "manage.py", base)
    for name in ("__init__.py", "bootstrap.py"):
        shutil.copy(ROOT / "finops" / name, base / "finops")
    for lock in (bootstrap.RUNTIME, bootstrap.DEVELOPMENT):
        (base / lock).write_text("")
    return base


def stamped(project: Path, kind: str = bootstrap.RUNTIME) -> Path:
    """An environment that looks freshly filled."""
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(sys.executable)
    hashes = (bootstrap._hash(project / lock) for lock in (bootstrap.RUNTIME, bootstrap.DEVELOPMENT))
    (venv / bootstrap.STAMP).write_text(" ".join([kind, *hashes, bootstrap._python()]))
    return venv


def base_python() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))


def run(project: Path, *arguments: str, path: str = NO_UV, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FINOPS_", "DATABASE_"))}
    return subprocess.run(
        [base_python(), "manage.py", *arguments],
        cwd=project, env=environment | {"PATH": path} | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_old_python_or_windows_is_told_what_is_needed() -> None:
    assert manage.complaint((3, 9, 2), "posix") == "needs Python 3.11 or newer, this is 3.9.2"
    assert manage.complaint((3, 11, 0), "posix") == manage.complaint((4, 0, 0), "posix") == ""
    assert "Linux and macOS" in manage.complaint((3, 12, 0), "nt")


def test_python_3_6_can_read_manage_py() -> None:
    ast.parse((ROOT / "manage.py").read_text(), feature_version=(3, 6))


def test_only_commands_that_talk_to_the_database_start_it() -> None:
    for arguments in ([], ["help"], ["--version"], ["check"], ["test", "-x"], ["migrate", "--help"], ["collectstatic"]):
        assert not manage.needs_database(arguments)
    for arguments in (["demo"], ["migrate"], ["check", "--database", "default"], ["shell"]):
        assert manage.needs_database(arguments)


def test_manage_py_and_the_bootstrap_import_only_the_standard_library() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import manage, finops.bootstrap; "
        "print([name for name, module in sys.modules.items() if 'site-packages' in str(module)])"
    )
    done = subprocess.run([base_python(), "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stamp_fits_until_a_lock_or_the_python_changes(project: Path) -> None:
    venv = stamped(project)
    assert bootstrap.is_current(project, venv, development=False)
    assert bootstrap.is_current(project, venv, development=False, inside=True)
    assert not bootstrap.is_current(project, venv, development=True)
    (project / bootstrap.DEVELOPMENT).write_text("changed")
    assert bootstrap.is_current(project, venv, development=False)
    (project / bootstrap.RUNTIME).write_text("changed")
    assert not bootstrap.is_current(project, venv, development=False)


def test_the_development_lock_serves_both(project: Path) -> None:
    venv = stamped(project, bootstrap.DEVELOPMENT)
    assert bootstrap.is_current(project, venv, development=True)
    assert bootstrap.is_current(project, venv, development=False)
    (project / bootstrap.DEVELOPMENT).write_text("changed")
    assert not bootstrap.is_current(project, venv, development=True)


def test_an_environment_of_another_or_a_vanished_python_does_not_fit(project: Path) -> None:
    venv = stamped(project)
    stamp = venv / bootstrap.STAMP
    stamp.write_text(stamp.read_text().replace(bootstrap._python(), "3.10"))
    assert not bootstrap.is_current(project, venv, development=False, inside=True)
    stamped_again = stamp.read_text().replace("3.10", bootstrap._python())
    stamp.write_text(stamped_again)
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/gone/python")
    assert not bootstrap.is_current(project, venv, development=False)


def test_asking_for_a_current_environment_takes_no_noticeable_time(project: Path) -> None:
    venv = stamped(project)
    for lock in (bootstrap.RUNTIME, bootstrap.DEVELOPMENT):
        shutil.copy(ROOT / lock, project)
    start = time.perf_counter()
    bootstrap.is_current(project, venv, development=True)
    assert time.perf_counter() - start < 0.05


@pytest.mark.slow
def test_without_uv_the_environment_is_made_with_pip_and_entered(project: Path) -> None:
    done = run(project, "help")
    assert "with pip" in done.stderr
    assert str(project / ".venv/bin") not in NO_UV
    assert "No module named 'django'" in done.stderr  # the lock is empty: it got as far as Django, inside .venv
    assert (project / ".venv" / bootstrap.STAMP).exists()
    assert "Installing" not in run(project, "help").stderr


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the PATH")
def test_with_uv_the_environment_is_made_with_uv_and_entered(project: Path) -> None:
    done = run(project, "help", path=os.environ["PATH"])
    assert "with uv" in done.stderr
    assert "No module named 'django'" in done.stderr
    assert (project / ".venv" / bootstrap.STAMP).exists()


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the PATH")
def test_two_starts_at_once_install_once(project: Path) -> None:
    environment = os.environ | {"FINOPS_BOOTSTRAP": "1"}
    command = [base_python(), "manage.py", "help"]
    both = [
        subprocess.Popen(command, cwd=project, env=environment, text=True, stderr=subprocess.PIPE) for _ in range(2)
    ]
    messages = [process.communicate()[1] for process in both]
    assert sum("Installing" in message for message in messages) == 1
    assert all("No module named 'django'" in message for message in messages)


@pytest.mark.slow
@pytest.mark.parametrize("path", [pytest.param(NO_UV, id="pip"), pytest.param("with uv", id="uv")])
def test_a_registry_out_of_reach_is_said_with_the_installers_last_lines(project: Path, path: str) -> None:
    if path != NO_UV and shutil.which("uv") is None:
        pytest.skip("uv is not on the PATH")
    for lock in (bootstrap.RUNTIME, bootstrap.DEVELOPMENT):
        (project / lock).write_text(f"nothing-like-this==1.0 --hash=sha256:{'0' * 64}\n")
    index = f"http://127.0.0.1:{closed_port()}/simple"
    done = run(
        project, "help", path=NO_UV if path == NO_UV else os.environ["PATH"],
        PIP_INDEX_URL=index, PIP_RETRIES="0", PIP_FIND_LINKS="", UV_INDEX_URL=index, UV_HTTP_RETRIES="0",
    )  # fmt: skip
    assert done.returncode == 1
    assert "the package registry is out of reach" in done.stderr
    assert "nothing-like-this" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".venv" / bootstrap.STAMP).exists()


def test_a_python_without_venv_is_told_what_to_install(project: Path) -> None:
    code = "import sys; sys.modules['ensurepip'] = None; sys.argv = ['manage.py', 'help']; import manage; manage.main()"
    done = subprocess.run(
        [base_python(), "-c", code], cwd=project, env={"PATH": NO_UV}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_told_about_finops_venv(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FINOPS_VENV", raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(bootstrap.BootstrapError, match="set FINOPS_VENV"):
        bootstrap.venv_folder(project)


def test_finops_venv_names_another_place(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FINOPS_VENV", str(tmp_path / "elsewhere"))
    assert bootstrap.venv_folder(project) == tmp_path / "elsewhere"


def test_finops_bootstrap_0_goes_straight_on_and_makes_no_folder(project: Path) -> None:
    done = run(project, "help", FINOPS_BOOTSTRAP="0")
    assert "Installing" not in done.stderr
    assert "django" in done.stderr + done.stdout
    assert not (project / ".venv").exists()


def test_an_environment_of_another_python_is_emptied_but_nothing_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    bootstrap._remove_other_python(tmp_path)
    assert (tmp_path / "mine").exists()
    (tmp_path / "pyvenv.cfg").write_text("version = 3.9.1\n")
    bootstrap._remove_other_python(tmp_path)
    assert list(tmp_path.iterdir()) == []
