"""Deliveries: each sent once, retried with growing pauses, every try noted; files and mails are real, so is the store."""

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from pyarrow import fs

from allocation.close import statements
from allocation.models import BillingPeriod
from finops import approvals, audit
from finops.mail import email_settings
from finops.models import Approval
from finops.periods import Period
from tests.ingest.loopback import Reply, serving
from tests.web.ledger import Usage, centre, freeze, load
from tests.web.money_pages import client_of, page, text
from web import approving, built_files, delivery, delivery_log, delivery_plan, delivery_runs
from web.delivery import DeliveryError, Payload
from web.delivery_plan import PlanError
from web.models import BuiltFile, Delivery

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)  # Monday: the third working day of October


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind whose file never changes, and one that always fails."""
    note = Payload("note.txt", b"hello", "text/plain", "A note", "Here it is.")

    def fails(_: Delivery) -> Payload:
        raise DeliveryError("the disk is gone")

    monkeypatch.setitem(delivery._BUILDERS, "note", lambda _: note)
    monkeypatch.setitem(delivery._BUILDERS, "broken", fails)


@pytest.fixture
def mail(settings: Any, tmp_path: Path) -> Path:
    for name, value in email_settings(f"file://{tmp_path / 'mail'}", tmp_path).items():
        setattr(settings, name, value)
    return tmp_path / "mail"


def noted(channel: str, address: object, kind: str = "note", occasion: str = "o") -> Delivery:
    return delivery.deliver(kind, "s", channel, str(address), occasion=occasion)


def state(item: Delivery) -> tuple[str, int]:
    item.refresh_from_db()
    return item.state, item.attempts


def test_the_same_occasion_is_one_delivery_and_is_sent_once(tmp_path: Path) -> None:
    first, second = (noted("folder", tmp_path / "out") for _ in range(2))
    assert first == second
    assert delivery.send_due() == 1
    assert delivery.send_due() == 0
    assert state(first) == ("sent", 1)
    assert first.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "out").iterdir()] == [("note.txt", b"hello")]


def test_a_mail_has_the_file(mail: Path) -> None:
    noted("email", "books@example.com")
    assert delivery.send_due() == 1
    [sent] = mail.iterdir()
    written = sent.read_text()
    assert "To: books@example.com" in written
    assert 'filename="note.txt"' in written


def test_what_fails_is_tried_again_with_growing_pauses_and_then_given_up(tmp_path: Path) -> None:
    item, now, pauses = noted("folder", tmp_path, "broken"), datetime.now(UTC) + timedelta(seconds=1), []
    while item.state == "waiting":
        assert delivery.send_due(now) == 0
        item.refresh_from_db()
        assert item.error == "the disk is gone"
        if item.next_at is not None:
            assert delivery.send_due(item.next_at - timedelta(seconds=1)) == 0
            pauses.append(int((item.next_at - now).total_seconds() // 60))
            now = item.next_at
    assert pauses == [1, 4, 16, 64, 256, 360, 360]
    assert state(item) == ("failed", 8)


def test_a_channel_that_is_not_there_is_noted_not_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    item = noted("folder", tmp_path / "file" / "below")
    assert delivery.send_due() == 0
    assert state(item) == ("waiting", 1)
    assert "file" in item.error


def test_a_try_whose_worker_died_is_repeated_only_where_that_is_harmless(tmp_path: Path, mail: Path) -> None:
    folder, email = noted("folder", tmp_path / "out"), noted("email", "books@example.com")
    long_ago = datetime.now(UTC) - timedelta(minutes=20)
    Delivery.objects.update(state="sending", claimed_at=long_ago, attempts=1)
    assert delivery.send_due() == 1
    assert state(folder) == ("sent", 2)
    assert state(email) == ("unsure", 1)
    assert not mail.exists()
    assert delivery_log.retry(email, "ann")
    assert not delivery_log.retry(folder, "ann"), "what was sent is not sent again"
    assert delivery.send_due() == 1
    assert state(email) == ("sent", 1)


def test_a_try_that_is_under_way_is_nobody_elses(tmp_path: Path) -> None:
    item = noted("folder", tmp_path)
    Delivery.objects.update(state="sending", claimed_at=datetime.now(UTC))
    assert delivery.send_due() == 0
    assert not delivery.send(item)


def test_a_file_that_is_too_large_for_a_mail_says_so(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAIL_MOST", 4)
    item = noted("email", "books@example.com")
    delivery.send_due()
    assert state(item) == ("waiting", 1)
    assert item.error == "note.txt has 5 bytes: more than 4 go by no mail"


def test_an_object_store_gets_the_bytes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with object_store() as (query, client):
        item = noted("object_storage", f"s3://books/ledger?{query}")
        assert delivery.send_due() == 1, state(item)
        with client.open_input_stream("books/ledger/note.txt", compression=None) as stream:
            assert stream.read() == b"hello"


def object_store() -> Any:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[tuple[str, fs.S3FileSystem]]:
        from moto.server import ThreadedMotoServer

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        where = {"endpoint_override": f"127.0.0.1:{port}", "scheme": "http", "region": "us-east-1"}
        client = fs.S3FileSystem(access_key="test", secret_key="test", allow_bucket_creation=True, **where)
        client.create_dir("books")
        try:
            yield "&".join(f"{name}={value}" for name, value in where.items()), client
        finally:
            server.stop()

    return opened()


def plan(**changes: Any) -> dict[str, Any]:
    return {
        "code": "books", "working_day": 3, "files": ["workbook", "statements"], "stage": "preliminary", "channel": "folder",
        "address": "/srv/books",
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "entry 1: code: a name"), (plan(day=1), "books: day: is not known"), (plan(working_day=0), "working_day: 1 to 20"),
        (plan(working_day=True), "working_day: 1 to 20"), (plan(files=[]), "files: a list of workbook and statements"),
        (plan(stage="draft"), "stage: preliminary or final"), (plan(channel="webhook"), "channel: email, folder, object_storage"),
        (plan(address="srv"), "a folder is an absolute path"),
        (plan(channel="email", address="x"), "Enter a valid email address"),
        (plan(channel="object_storage", address="/srv"), "an object store is a URL"),
        (plan(channel="object_storage", address="s3://b/p?endpoint_override=127.0.0.1:9"), "FINOPS_ALLOWED_NETWORKS"),
        ([], "is no list of fields"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_used_is_refused_in_words(entry: Any, told: str, settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []
    with pytest.raises(PlanError) as refused:
        delivery_plan.parse([entry])
    assert told in str(refused.value)


def test_codes_are_unique() -> None:
    with pytest.raises(PlanError, match="books: two entries have this code"):
        delivery_plan.parse([plan(), plan()])


def month_with_cost() -> None:
    centre("CC-100", name="Search")
    load(Usage("1234.56", "CC-100"), Usage("7", "CC-200"))


def test_on_the_working_day_workbook_and_statements_go_once_numbered(tmp_path: Path) -> None:
    month_with_cost()
    delivery_plan.load([plan(address=str(tmp_path / "out"))], actor="ann")
    assert delivery_runs.make_due(NOON - timedelta(days=3)) == [], "Friday is the second working day"
    made = [each for each in delivery_runs.make_due(NOON) if each.month == SEPTEMBER.start]
    assert [(each.kind, each.stage, each.number) for each in made] == [
        ("workbook", "preliminary", 1), ("statement", "preliminary", 1), ("statement", "preliminary", 1),
    ]  # fmt: skip
    assert delivery_runs.make_due(NOON + timedelta(days=1)) == []
    delivery.send_due()
    names = sorted(file.name for file in (tmp_path / "out").iterdir() if "2026-09" in file.name)
    assert names[-1] == "statement_2026-09_preliminary-1.xlsx"
    assert len(names) == 3
    assert names[0].endswith("_preliminary-1.pdf")
    book = openpyxl.load_workbook(tmp_path / "out" / names[-1])
    assert "Proof" in book.sheetnames


def test_final_waits_for_the_close_and_preliminary_ends_with_it(tmp_path: Path) -> None:
    month_with_cost()
    entries = [
        plan(code=stage, stage=stage, files=["workbook"], address=str(tmp_path)) for stage in ("preliminary", "final")
    ]
    delivery_plan.load(entries, actor="ann")

    def due(day: int) -> list[str]:
        made = delivery_runs.make_due(NOON + timedelta(days=day))
        return [each.file.name for each in made if each.file is not None and each.month == SEPTEMBER.start]

    assert due(0) == ["statement_2026-09_preliminary-1.xlsx"]
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed")
    assert due(1) == []
    BillingPeriod.objects.update(state="closed")
    assert due(2) == ["statement_2026-09_final-1.xlsx"]
    assert due(3) == []
    asked = approvals.propose("period.reopen", "2026-09", {"month": "2026-09", "version": 1}, "ann")
    approvals.decide(asked, by="bo", accept=True)
    audit.record(action="period.reopen", actor="bo", subject="2026-09", details={"approval": asked.pk, "version": 2})
    BillingPeriod.objects.update(state="open", version=2)
    BillingPeriod.objects.update(state="closed")
    assert due(4) == ["statement_2026-09_final-2.xlsx"], "closed again after it was opened"


def test_asked_for_again_it_has_the_next_number(tmp_path: Path) -> None:
    month_with_cost()
    delivery_plan.load([plan(files=["workbook"], address=str(tmp_path))], actor="ann")
    [one] = delivery_plan.in_force()
    numbers = [delivery_runs.make(one, SEPTEMBER, again=True)[0].number for _ in range(3)]
    assert numbers == [1, 2, 3]


def test_a_retry_sends_the_bytes_that_were_built(tmp_path: Path) -> None:
    month_with_cost()
    delivery_plan.load([plan(files=["workbook"], address=str(tmp_path / "out"))], actor="ann")
    [one] = delivery_plan.in_force()
    [item] = delivery_runs.make(one, SEPTEMBER)
    built = BuiltFile.objects.get()
    load(Usage("99", "CC-100", model="later"))
    (tmp_path / "out").write_text("in the way")
    assert not delivery.send(item)
    (tmp_path / "out").unlink()
    Delivery.objects.update(next_at=datetime.now(UTC))
    assert delivery.send_due() == 1
    sent = (tmp_path / "out" / built.name).read_bytes()
    item.refresh_from_db()
    assert hashlib.sha256(sent).hexdigest() == item.sha256 == built.sha256


def test_an_issued_statement_goes_to_whom_the_policy_names_once(mail: Path) -> None:
    month_with_cost()
    statements.load_policy([{"cost_centre": "CC-100", "email": ["a@example.com"]}], actor="ann")
    freeze()
    statements.issue(SEPTEMBER, "ann", at=NOON)
    assert [each.address for each in delivery_runs.make_due(NOON)] == ["a@example.com"]
    assert delivery_runs.make_due(NOON) == []
    assert delivery.send_due() == 1
    assert len(list(mail.iterdir())) == 1


def test_a_webhook_that_fails_is_asked_again(settings: Any) -> None:
    settings.ALLOWED_NETWORKS, settings.WEBHOOK_SECRET = ["127.0.0.0/8"], "s3cret"
    month_with_cost()
    with serving(Reply(500, b"{}"), Reply(204, b"")) as server:
        statements.load_policy([{"cost_centre": "CC-100", "webhook": "https://books.example.com/in"}], actor="ann")
        freeze()
        statements.issue(SEPTEMBER, "ann", at=NOON)
        [item] = delivery_runs.make_due(NOON)
        Delivery.objects.update(address=f"{server.url}/in")
        assert delivery.send_due() == 0
        assert state(item) == ("waiting", 1)
        assert "answered 500" in item.error
        assert delivery.send_due(datetime.now(UTC) + timedelta(minutes=2)) == 1
        assert len(server.asked) == 2


def test_a_workbook_that_was_asked_for_is_built_once_and_says_how_far_it_is() -> None:
    month_with_cost()
    asked = built_files.ask(SEPTEMBER, by="ann", cost_centre="CC-100")
    assert asked.state == "waiting"
    from web.tasks import build_workbook

    build_workbook(asked.pk)
    done = BuiltFile.objects.get()
    assert (done.state, done.name) == ("done", "statement_2026-09_CC-100.xlsx")
    assert hashlib.sha256(done.content or b"").hexdigest() == done.sha256
    build_workbook(asked.pk)
    assert BuiltFile.objects.get().done_at == done.done_at
    book = openpyxl.load_workbook(io.BytesIO(done.content or b""))
    assert "CC-200" not in book.sheetnames


def test_a_build_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    month_with_cost()
    asked = built_files.ask(SEPTEMBER, by="ann")

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("web.exports.statement.write", broken)
    with pytest.raises(OSError, match="No space"):
        built_files.build(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.error) == ("failed", "OSError: [Errno 28] No space left on device")


def run(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("deliver", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def test_the_command(tmp_path: Path) -> None:
    month_with_cost()
    file = tmp_path / "plan.yaml"
    file.write_text(
        f"- {{code: books, working_day: 3, files: [workbook], stage: final, channel: folder, address: {tmp_path}/out}}"
    )
    asked = run("plan", str(file))
    assert (asked["entries"], delivery_plan.in_force()) == (["books"], ())
    approving.decide(Approval.objects.get(pk=asked["approval"]), by="bob", accept=True)
    [sent] = run("now", "books", "--month", "2026-09")["deliveries"]
    assert (sent["state"], sent["stage"]) == ("sent", "preliminary"), "the month is open: it is never called final"
    assert run("list")["deliveries"][0]["id"] == sent["id"]
    for arguments, code in (
        (("now", "books", "--month", "2026-13"), 2), (("now", "none", "--month", "2026-09"), 2), (("retry", "999"), 2),
        (("retry", str(sent["id"])), 3), (("plan", str(tmp_path / "no.yaml")), 2),
    ):  # fmt: skip
        with pytest.raises(CommandError) as refused:
            run(*arguments)
        assert refused.value.returncode == code
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="soft_closed")
    with pytest.raises(CommandError, match="soft-closed"):
        run("now", "books", "--month", "2026-09")


def test_the_page_shows_the_log_and_finance_tries_again(tmp_path: Path) -> None:
    item = noted("folder", "/srv/<b>", "broken")
    Delivery.objects.update(state="failed", error="the disk is gone", attempts=8, month=date(2026, 9, 1))
    finance, analyst = client_of("finance"), client_of("analyst")
    shown = page(finance, "/deliveries/")
    assert "/srv/&lt;b&gt;" in shown
    assert "the disk is gone" in text(shown)
    assert "Try again" in shown
    assert "Try again" not in page(analyst, "/deliveries/")
    assert analyst.post(f"/deliveries/{item.pk}/retry").status_code == 403
    assert client_of("viewer").get("/deliveries/").status_code == 403
    assert finance.post(f"/deliveries/{item.pk}/retry").status_code == 302
    assert state(item) == ("waiting", 0)
