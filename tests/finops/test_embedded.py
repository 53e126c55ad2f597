"""The embedded server's life cycle, with real servers in folders of their own."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from finops.checks import check_databases, check_server
from finops.database import databases, embedded
from finops.database.binaries import EmbeddedPostgresError

ROOT = Path(__file__).resolve().parent.parent.parent
USE = """
import sys
from pathlib import Path
from finops.database import embedded
server = embedded.ensure_running(Path(sys.argv[1]), durable=False)
print(server.pid, server.port, flush=True)
"""
USE_AND_STAY = USE + "sys.stdin.read()\n"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not tmp_path, which is closed to the user that the server may have to run as.
    folder = Path(tempfile.mkdtemp(prefix="finops-embedded-"))
    folder.chmod(0o711)
    yield folder
    for nested in (folder, *(path.parent for path in folder.rglob("pg"))):
        embedded.stop(nested)
        embedded.leave(nested)
    shutil.rmtree(folder)


def other_process(data_dir: Path, code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def pid_and_port(process: "subprocess.Popen[str]") -> tuple[int, int]:
    assert process.stdout is not None
    pid, port = process.stdout.readline().split()
    return int(pid), int(port)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_second_call_attaches_to_the_running_server(data_dir: Path) -> None:
    first = embedded.ensure_running(data_dir, durable=False)
    assert embedded.ensure_running(data_dir) == first
    assert embedded.recorded(data_dir) == first


def test_the_server_is_postgresql_18_on_loopback_in_utf_8_with_the_built_in_locale(data_dir: Path) -> None:
    with psycopg.connect(embedded.ensure_running(data_dir, durable=False).url) as connection:
        for setting, value in {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "server_encoding": "UTF8",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "jit": "off",
        }.items():
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == (value,)
        row = connection.execute(
            "select datlocprovider, datlocale from pg_database where datname = 'finops'"
        ).fetchone()
        assert row == ("b", "C.UTF-8")
        assert connection.info.server_version // 10_000 == 18


def test_a_durable_server_syncs_to_disk(data_dir: Path) -> None:
    with psycopg.connect(embedded.ensure_running(data_dir).url) as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("show full_page_writes").fetchone() == ("on",)


def test_a_wrong_or_missing_password_is_refused(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    assert answers(server.url)
    assert not answers(server.url.replace(server.password, "wrong"))
    assert not answers(server.url.replace(f":{server.password}@", "@"))
    assert "trust" not in (data_dir / "pg/18/pg_hba.conf").read_text().partition("# TYPE")[2]


def test_password_and_state_are_for_the_owner_only_and_the_password_is_not_in_the_state(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    for name in ("password", "state.json"):
        assert stat.S_IMODE((data_dir / "pg" / name).stat().st_mode) == 0o600
    assert server.password not in (data_dir / "pg/state.json").read_text()
    assert server.password not in repr(server)


def test_paths_may_have_spaces_and_more_than_100_characters(data_dir: Path) -> None:
    long_one = data_dir / "a folder with spaces" / ("long " * 30).strip()
    assert answers(embedded.ensure_running(long_one, durable=False).url)


def test_the_server_stops_when_its_last_user_leaves(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir, durable=False).url
    with other_process(data_dir, USE_AND_STAY) as other:
        pid_and_port(other)
        assert embedded.leave(data_dir) is False
        assert answers(url)
        other.communicate("")
    assert not answers(url)
    assert embedded.recorded(data_dir) is None


def test_a_process_that_ends_leaves_the_server_to_those_who_still_use_it(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    with other_process(data_dir, USE) as other:
        assert pid_and_port(other) == (server.pid, server.port)
    assert answers(server.url)
    assert embedded.leave(data_dir) is True
    assert not answers(server.url)


def test_a_forked_child_does_not_stop_its_parents_server(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    forks = USE + "import os\nif os.fork() == 0: sys.exit()\nos.wait()\nsys.stdin.read()\n"
    embedded.leave(data_dir)
    with other_process(data_dir, forks) as other:
        _, port = pid_and_port(other)
        time.sleep(0.3)
        assert answers(server.url.replace(str(server.port), str(port)))
        other.communicate("")


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_last_user_from_stopping(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    child = "    print('forked', flush=True)\n    time.sleep(20)\n    os._exit(0)\n"
    forks = f"{USE}import os, time\nif os.fork() == 0:\n{child}sys.stdin.read()\n"
    with other_process(data_dir, forks) as other:
        pid_and_port(other)
        assert other.stdout is not None
        assert other.stdout.readline() == "forked\n"
        other.kill()  # as a worker's pool dies: a moment after the worker
        other.wait()
        assert embedded.leave(data_dir) is True
        assert not answers(server.url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_ended_by_a_signal_stops_the_server(data_dir: Path, number: signal.Signals) -> None:
    with command(data_dir) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        server = embedded.recorded(data_dir)
        assert server is not None
        assert answers(server.url)
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert not answers(server.url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_impatient_stops_the_server_all_the_same(data_dir: Path, number: signal.Signals) -> None:
    with command(data_dir) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        server = embedded.recorded(data_dir)
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.02)
    assert server is not None
    assert not answers(server.url)
    assert embedded.recorded(data_dir) is None, "it was waited for, and its note taken away"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_server_starts_leaves_none_behind(data_dir: Path, number: signal.Signals) -> None:
    embedded.ensure_running(data_dir, durable=False)
    embedded.leave(data_dir)
    note = data_dir / "pg/18/postmaster.pid"
    with command(data_dir) as process:
        while not note.exists():
            time.sleep(0.001)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 128 + number
    deadline = time.monotonic() + 20
    while note.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not note.exists()


def command(data_dir: Path) -> "subprocess.Popen[str]":
    """What `manage.py` does for a command that needs the database and takes its time."""
    code = (
        "import manage, time\n"
        f"try: manage.start_database({str(ROOT)!r}); print('working', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: raise SystemExit(130)"
    )
    unset = ("DATABASE_URL", "DATABASE_URL_FILE")
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name not in unset} | {"FINOPS_DATA_DIR": str(data_dir)},
    )  # fmt: skip


def test_two_processes_that_start_at_once_get_the_same_server(data_dir: Path) -> None:
    with other_process(data_dir, USE_AND_STAY) as one, other_process(data_dir, USE_AND_STAY) as two:
        assert pid_and_port(one) == pid_and_port(two)
        one.communicate("")
        two.communicate("")
    assert embedded.recorded(data_dir) is None


def test_many_short_processes_never_stop_the_server_under_each_other(data_dir: Path) -> None:
    query = USE + "import psycopg; psycopg.connect(server.url).execute('select 1')\n"
    running = [other_process(data_dir, query) for _ in range(8)]
    for process in running:
        process.communicate("")
    assert [process.returncode for process in running] == [0] * 8
    assert embedded.recorded(data_dir) is None


def test_kill_9_of_the_process_that_started_it_leaves_the_server_up_for_the_next(data_dir: Path) -> None:
    with other_process(data_dir, USE_AND_STAY) as owner:
        pid, port = pid_and_port(owner)
        owner.kill()
    server = embedded.ensure_running(data_dir)
    assert (server.pid, server.port) == (pid, port)
    assert embedded.leave(data_dir) is True
    assert not answers(server.url)


def test_after_kill_9_of_the_server_it_starts_again_on_the_same_port_with_the_data(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as n")
        os.kill(server.pid, signal.SIGKILL)
        again = embedded.ensure_running(data_dir)
    assert again.port == server.port
    assert again.pid != server.pid
    with psycopg.connect(again.url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)


def test_after_kill_9_of_the_server_another_process_than_its_parent_starts_it_again(data_dir: Path) -> None:
    with other_process(data_dir, USE_AND_STAY) as parent:  # does not collect its dead child
        pid, port = pid_and_port(parent)
        os.kill(pid, signal.SIGKILL)
        server = embedded.ensure_running(data_dir, durable=False)
        assert server.port == port
        assert server.pid != pid
        parent.communicate("")
    assert answers(server.url)


def test_a_deleted_state_file_does_not_hide_the_running_server(data_dir: Path) -> None:
    server = embedded.ensure_running(data_dir, durable=False)
    (data_dir / "pg/state.json").unlink()
    assert embedded.ensure_running(data_dir) == server


def test_an_interrupted_initdb_is_done_again(data_dir: Path) -> None:
    (data_dir / "pg/18.new/base").mkdir(parents=True)
    assert answers(embedded.ensure_running(data_dir, durable=False).url)
    assert not (data_dir / "pg/18.new").exists()


def test_a_lost_password_is_said_plainly(data_dir: Path) -> None:
    embedded.ensure_running(data_dir, durable=False)
    embedded.stop(data_dir)
    (data_dir / "pg/password").unlink()
    with pytest.raises(EmbeddedPostgresError, match="password is gone"):
        embedded.ensure_running(data_dir)


def test_a_stale_note_with_the_id_of_an_innocent_process_harms_nobody(data_dir: Path) -> None:
    embedded.ensure_running(data_dir, durable=False)
    note = (data_dir / "pg/18/postmaster.pid").read_text().splitlines()
    embedded.stop(data_dir)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        (data_dir / "pg/18/postmaster.pid").write_text("\n".join([str(innocent.pid), *note[1:]]) + "\n")
        embedded.stop(data_dir)
        assert answers(embedded.ensure_running(data_dir, durable=False).url)
        assert innocent.poll() is None
        innocent.kill()


def test_the_settings_name_the_running_server_and_without_one_say_how_to_start_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL_FILE", raising=False)
    placeholder = databases(data_dir)["default"]
    assert isinstance(placeholder["OPTIONS"], dict)
    with pytest.raises(psycopg.OperationalError, match=r"embedded PostgreSQL is not running: start through manage\.py"):
        psycopg.connect(dbname="finops", service=placeholder["OPTIONS"]["service"])
    assert list(data_dir.iterdir()) == []
    embedded.ensure_running(data_dir, durable=False)
    server = embedded.recorded(data_dir)
    assert server is not None
    for alias, user, password in (
        ("default", "finops_app", server.application_password),
        ("owner", "finops", server.password),
    ):
        settings = databases(data_dir)[alias]
        found = tuple(settings[name] for name in ("HOST", "PORT", "USER", "PASSWORD"))
        assert found == ("127.0.0.1", str(server.port), user, password)
    assert server.application_password not in ("", server.password)


def test_servers_from_15_to_18_with_btree_gist_are_accepted_and_newer_ones_with_a_warning() -> None:
    for version in (150000, 160004, 170002, 180006):
        assert check_server(version, {"btree_gist"}) == []
    assert [message.id for message in check_server(140011, {"btree_gist"})] == ["finops.E001"]
    assert [message.id for message in check_server(190000, {"btree_gist"})] == ["finops.W001"]
    assert [message.id for message in check_server(180006, {"plpgsql"})] == ["finops.E002"]


def test_the_check_asks_no_database_when_none_is_wanted() -> None:
    assert check_databases(databases=None) == []


@pytest.mark.django_db
def test_the_check_passes_on_the_database_of_this_run() -> None:
    assert check_databases(databases=["default"]) == []
