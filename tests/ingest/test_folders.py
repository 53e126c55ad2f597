"""Watched folders, on a disk and in an object store: each version of a file once, whatever state it is found in."""

import gzip
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pyarrow import fs

from finops.models import AuditEvent
from ingest import folders, health_selectors
from ingest.connections import Settings, WrongConnection, connect
from ingest.folders import NoFolder, accept, sweep
from ingest.lease import Busy, leased
from ingest.models import Connection, IngestRun, TakenFile, UsageEvent
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def watch(url: object, *, pattern: str = "*.jsonl*", kind: str = "litellm", **options: Any) -> Connection:
    given = {"url": str(url), "pattern": pattern, **options}
    return connect(Settings("logs", kind, way=Connection.Way.FOLDER, options=given), by=None)


def calls(*numbers: int, **given: Any) -> list[dict[str, Any]]:
    return [payload(n, **given) for n in numbers]


def stored() -> int:
    return UsageEvent.objects.count()


def states() -> list[str]:
    return list(IngestRun.objects.order_by("pk").values_list("state", flat=True))


def touch(path: Path, seconds: int) -> None:
    os.utime(path, (1_790_000_000 + seconds, 1_790_000_000 + seconds))


def test_new_files_are_taken_once_in_the_order_of_their_age(tmp_path: Path) -> None:
    for name, number, age in (("b.jsonl", 1, 10), ("a.jsonl", 2, 20), ("deep/er/c.jsonl.gz", 3, 30)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        touch(write_lines(tmp_path / name, calls(number)), age)
    connection = watch(tmp_path)
    assert [run.input_name for run in sweep(connection).runs] == ["b.jsonl", "a.jsonl", "c.jsonl.gz"]
    assert stored() == 3
    again = sweep(connection)
    assert (again.runs, again.errors, again.left) == ([], {}, 0)
    assert TakenFile.objects.count() == 3


def test_a_changed_file_is_read_again_and_its_restatement_wins(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", calls(1, 2))
    touch(path, 10)
    connection = watch(tmp_path)
    sweep(connection)
    touch(write_lines(path, [*calls(1, prompt=500), *calls(2, 3)]), 20)
    (run,) = sweep(connection).runs
    assert (run.stored, run.changed, run.duplicate) == (1, 1, 1)
    assert sorted(UsageEvent.objects.values_list("input_uncached", flat=True)) == [100, 100, 500]


def test_the_time_of_the_file_says_which_of_two_statements_is_the_later(tmp_path: Path) -> None:
    touch(write_lines(tmp_path / "new.jsonl", calls(1, prompt=500)), 20)
    connection = watch(tmp_path)
    sweep(connection)
    touch(write_lines(tmp_path / "old.jsonl", calls(1, prompt=400)), 10)  # comes late, and is older
    sweep(connection)
    assert UsageEvent.objects.get().input_uncached == 500


def test_what_does_not_fit_the_pattern_or_is_hidden_is_left_alone(tmp_path: Path) -> None:
    names = ("a.csv", ".a.jsonl", "_temporary/a.jsonl", "a.jsonl.part", ".tmp/a.jsonl")
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_lines(tmp_path / name, calls(number))
    assert sweep(watch(tmp_path, pattern="*.jsonl")).runs == []


def test_a_file_of_another_kind_is_refused_once_and_tried_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"weather": "fair"}\n' * 10)
    touch(path, 10)
    connection = watch(tmp_path)
    assert list(sweep(connection).errors) == [str(path)]
    assert states() == ["refused"]
    quiet = sweep(connection)
    assert (quiet.errors, quiet.runs) == ({}, [])
    touch(write_lines(path, calls(1)), 20)
    assert sweep(connection).errors == {}
    assert stored() == 1


def refused(connection: Connection) -> tuple[str, int, list[str]]:
    """State, number and paths of what the page Sources says of it."""
    [status] = health_selectors.statuses(timezone.now(), connection.name)
    names = [Path(file.path).name for file in health_selectors.refused_files(connection)]
    return status.state, status.refused.number if status.refused else 0, names


def test_a_refused_file_is_said_to_be_until_it_changes_or_goes(tmp_path: Path) -> None:
    bad, gone = tmp_path / "bad.jsonl", tmp_path / "gone.jsonl"
    for path in (bad, gone):
        path.write_text('{"weather": "fair"}\n' * 10)
        touch(path, 10)
    connection = watch(tmp_path)
    for _ in range(3):
        sweep(connection)
        assert refused(connection) == ("failing", 2, ["gone.jsonl", "bad.jsonl"])
    connection.refresh_from_db()
    assert (connection.failures, connection.last_error) == (0, ""), "new files are taken as ever"
    [status] = health_selectors.statuses(timezone.now(), connection.name)
    assert status.refused is not None
    assert (Path(status.refused.path).name, "rejected" in status.refused.reason) == ("gone.jsonl", True)
    gone.unlink()
    sweep(connection)
    assert refused(connection) == ("failing", 1, ["bad.jsonl"])
    touch(write_lines(bad, calls(1)), 20)
    sweep(connection)
    assert refused(connection) == ("ok", 0, [])
    assert stored() == 1


def test_a_folder_that_cannot_be_read_forgets_no_refused_file(tmp_path: Path) -> None:
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "a.jsonl").write_text("no JSON at all\n" * 10)
    connection = watch(folder)
    sweep(connection)
    folder.rename(tmp_path / "away")
    assert list(sweep(connection).errors) == ["folder"]
    assert refused(connection)[1] == 1


def test_an_accepted_file_is_taken_with_what_can_be_read_of_it(tmp_path: Path) -> None:
    lines = [json.dumps(call) for call in calls(1, 2)] + ["no JSON"] * 8
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    connection = watch(tmp_path)
    sweep(connection)
    assert (stored(), refused(connection)[1]) == (0, 1)
    with pytest.raises(NoFolder, match="no refused file"):
        accept(connection, "elsewhere", by=None)
    accept(connection, str(tmp_path / "a.jsonl"), by=None)
    assert Connection.objects.get().next_due_at is None
    (run,) = sweep(connection).runs
    assert (run.state, run.stored, run.quarantined) == ("done", 2, 8)
    assert refused(connection) == ("ok", 0, [])
    assert sweep(connection).runs == []
    assert AuditEvent.objects.filter(action="connection.file_accepted", subject="logs").count() == 1


def test_one_bad_file_keeps_no_other_from_being_taken(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("no JSON at all\n" * 10)
    write_lines(tmp_path / "b.jsonl", calls(1))
    connection = watch(tmp_path)
    outcome = sweep(connection)
    assert (len(outcome.errors), stored()) == (1, 1)
    connection.refresh_from_db()
    assert "a.jsonl" in connection.last_error


def test_a_half_written_archive_is_tried_until_it_is_whole_and_counts_once(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(call) + "\n" for call in calls(*range(2_000))).encode())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    connection = watch(tmp_path)
    assert list(sweep(connection).errors) == [str(path)]
    assert states() == ["failed"]
    part = stored()
    assert part < 2_000
    sweep(connection)
    assert (states(), stored()) == (["failed", "failed"], part), "nothing new, and not given up"
    path.write_bytes(whole)
    assert sweep(connection).errors == {}
    assert stored() == 2_000


def test_a_file_that_grows_is_read_again_from_its_beginning_and_nothing_counts_twice(tmp_path: Path) -> None:
    lines = [json.dumps(call) + "\n" for call in calls(*range(20))]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(lines[:10]) + lines[10][:40])  # the writer is in the middle of a line
    touch(path, 10)
    connection = watch(tmp_path)
    sweep(connection)
    assert stored() == 10
    path.write_text("".join(lines))
    touch(path, 20)
    sweep(connection)
    assert stored() == 20


def test_a_bomb_is_refused_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(400):
            file.write(bytes(1 << 20))
    connection = watch(tmp_path)
    assert list(sweep(connection).errors) == [str(path)]
    assert sweep(connection).errors == {}
    assert TakenFile.objects.get().outcome == "refused"
    [status] = health_selectors.statuses(timezone.now(), connection.name)
    assert status.refused is not None
    assert "bytes" in status.refused.reason


def test_many_files_are_taken_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "AT_ONCE", 3)
    for number in range(7):
        write_lines(tmp_path / f"{number}.jsonl", calls(number))
    connection = watch(tmp_path)
    assert [sweep(connection).left for _ in range(3)] == [4, 1, 0]
    assert stored() == 7


def test_a_folder_that_is_away_says_so_and_comes_back(tmp_path: Path) -> None:
    connection = watch(tmp_path / "mount")
    assert "no folder" in sweep(connection).errors["folder"]
    (tmp_path / "mount").mkdir()
    write_lines(tmp_path / "mount" / "a.jsonl", calls(1))
    assert sweep(connection).errors == {}
    assert stored() == 1


def test_a_folder_is_swept_by_one_at_a_time(tmp_path: Path) -> None:
    connection = watch(tmp_path)
    with leased(connection), pytest.raises(Busy):
        sweep(connection)


def test_a_long_file_keeps_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest import intake, reading, streams
    from ingest.lease import Lease

    monkeypatch.setattr(intake, "BATCH_ROWS", 100)
    monkeypatch.setattr(reading, "GROUP_ROWS", 50)
    monkeypatch.setattr(streams, "BLOCK_SIZE", 20_000)
    renewed: list[int] = []
    monkeypatch.setattr(Lease, "renew", lambda self: renewed.append(1))
    write_lines(tmp_path / "a.jsonl", calls(*range(1_000)))
    sweep(watch(tmp_path))
    assert len(renewed) >= 8


def test_a_wrong_mapping_is_an_error_of_the_connection(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"a": 1}])
    connection = watch(tmp_path, kind="generic", mapping={"nonsense": True})
    assert list(sweep(connection).errors) == ["folder"]
    connection.refresh_from_db()
    assert connection.failures == 1


OVERRIDE = "endpoint_override"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "needs its path"), ("s3://AKIAKEY:secret@bucket/logs", "holds no key"),
        ("weird://host/secret-place", "begins with"), ("hdfs://10.0.0.1:8020/secret-place", "begins with"),
        ("s3://secret place/logs", "cannot be read"), ("s3://b/p?region=x.evil.example/", "cannot be read"),
        (f"s3://b/p?{OVERRIDE}=169.254.169.254", "never connected to"),
        (f"s3://b/p?scheme=http&{OVERRIDE}=127.0.0.1:9000", "FINOPS_ALLOWED_NETWORKS"),
        (f"s3://b/p?{OVERRIDE}=http://10.0.0.1", "FINOPS_ALLOWED_NETWORKS"),
        (f"s3://b/p?scheme=http&{OVERRIDE}=93.184.216.34", "in clear"),
        (f"s3://b/p?{OVERRIDE}=93.184.216.34&{OVERRIDE}=127.0.0.1", "each once"),
        (f"gs://b/p?{OVERRIDE}=10.0.0.1", "FINOPS_ALLOWED_NETWORKS"),
        ("abfss://10.0.0.1/c/p", "FINOPS_ALLOWED_NETWORKS"),
        ("abfss://c/p?blob_storage_authority=10.0.0.1", "each once"),
    ],
)  # fmt: skip
def test_a_folder_has_a_place_that_may_be_connected_to_and_holds_no_key(url: str, told: str) -> None:
    with pytest.raises(WrongConnection, match=told) as wrong:
        watch(url)
    assert "secret" not in str(wrong.value)


def test_a_store_that_is_allowed_no_more_is_not_connected_to(settings: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
        connection = watch(f"s3://b/p?scheme=http&{OVERRIDE}=127.0.0.1:{listener.getsockname()[1]}")
        settings.ALLOWED_NETWORKS = []
        assert "FINOPS_ALLOWED_NETWORKS" in sweep(connection).errors["folder"]
        with pytest.raises(BlockingIOError):
            listener.accept()


# ---- an object store ----


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, fs.S3FileSystem]]:
    """moto's S3 on loopback: its endpoint as a URL's query, and a client."""
    from moto.server import ThreadedMotoServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    client = fs.S3FileSystem(
        access_key="test", secret_key="test", endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1",
        allow_bucket_creation=True,
    )  # fmt: skip
    yield f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1", client
    server.stop()


@pytest.fixture
def bucket(
    store: tuple[str, fs.S3FileSystem], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> tuple[str, fs.S3FileSystem]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    query, client = store
    client.create_dir("bills")
    client.delete_dir_contents("bills", missing_dir_ok=True)
    return f"s3://bills/exports?{query}", client


def put(client: fs.S3FileSystem, path: str, content: bytes) -> None:
    with client.open_output_stream(path, compression=None) as file:
        file.write(content)


def test_objects_are_taken_once_and_again_when_they_are_replaced(bucket: tuple[str, fs.S3FileSystem]) -> None:
    url, client = bucket
    lines = [(json.dumps(call) + "\n").encode() for call in calls(1, 2, 3)]
    put(client, "bills/exports/2026/09/a.jsonl", lines[0])
    put(client, "bills/exports/2026/09/b.jsonl.gz", gzip.compress(lines[1]))
    put(client, "bills/elsewhere/c.jsonl", lines[2])
    connection = watch(url)
    assert sorted(run.input_name for run in sweep(connection).runs) == ["a.jsonl", "b.jsonl.gz"]
    assert sweep(connection).runs == []
    put(client, "bills/exports/2026/09/a.jsonl", lines[0] + lines[2])
    assert [run.stored for run in sweep(connection).runs] == [1]
    assert stored() == 3


def test_an_object_that_comes_in_several_parts_is_whole_or_not_there(bucket: tuple[str, fs.S3FileSystem]) -> None:
    url, client = bucket
    connection = watch(url)
    big = b"".join((json.dumps(call) + "\n").encode() for call in calls(*range(3_000)))
    ready, go = threading.Event(), threading.Event()

    def upload() -> None:
        with client.open_output_stream("bills/exports/big.jsonl", compression=None) as file:
            file.write(big[: len(big) // 2])
            ready.set()
            go.wait(10)
            file.write(big[len(big) // 2 :])

    thread = threading.Thread(target=upload)
    thread.start()
    assert ready.wait(10)
    put(client, "bills/exports/small.jsonl", (json.dumps(payload("s")) + "\n").encode())
    sweep(connection)
    assert stored() == 1
    go.set()
    thread.join()
    sweep(connection)
    assert stored() == 3_001


def test_a_bucket_that_is_missing_or_a_store_that_is_away_is_an_error_and_no_more(
    bucket: tuple[str, fs.S3FileSystem],
) -> None:
    url, _ = bucket
    connection = watch(url.replace("bills/exports", "nowhere/at-all"))
    assert list(sweep(connection).errors) == ["folder"]
    assert states() == []


def test_a_file_imported_by_hand_before_is_known(tmp_path: Path) -> None:
    ingest_file(Import(write_lines(tmp_path / "a.jsonl", calls(1, 2)), "litellm"))
    (run,) = sweep(watch(tmp_path)).runs
    assert (run.stored, run.duplicate) == (0, 2)
