"""What goes out when a statement is issued: real mails into a folder, a real server on loopback for webhooks."""

import email
import hashlib
import hmac
import json
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from allocation.calc.statements import content_hash
from allocation.close import statements
from allocation.models import Statement
from finops.env import MissingSetting
from finops.mail import email_settings
from finops.periods import Period
from tests.ingest.loopback import Reply, serving
from tests.web.ledger import Usage, centre, freeze, load
from web import notices
from web.notices import EMAIL, WEBHOOK, NoticeError, Target

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)
LOOPBACK = [ip_network("127.0.0.0/8")]


def issue(*policy: dict[str, Any], name: str = "Search") -> Statement:
    statements.load_policy(list(policy), actor="fin-1")
    centre("CC-100", name=name)
    load(Usage("1234.56", "CC-100"), Usage("7", "CC-200"))
    freeze()
    statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    return Statement.objects.get(cost_centre__code="CC-100")


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    for name, value in email_settings(f"file://{tmp_path / 'mail'}", tmp_path).items():
        setattr(settings, name, value)
    settings.SITE_URL, settings.WEBHOOK_SECRET = "https://ledger.example.com", "s3cret"
    return tmp_path / "mail"


def test_the_policy_says_where_a_statement_goes() -> None:
    statement = issue(
        {"cost_centre": "*", "webhook": "https://books.example.com/in"},
        {"cost_centre": "CC-100", "email": ["a@example.com", "b@example.com"]},
    )
    assert notices.targets(statement) == [
        (EMAIL, "a@example.com"), (EMAIL, "b@example.com"), (WEBHOOK, "https://books.example.com/in"),
    ]  # fmt: skip
    assert notices.targets(Statement.objects.get(cost_centre__code="CC-200")) == [
        (WEBHOOK, "https://books.example.com/in")
    ]


def test_the_mail_has_text_html_and_the_pdf(folder: Path) -> None:
    statement = issue(name="Search \r\nBcc: all@example.com <b>")
    notices.send(statement, Target(EMAIL, "owner@example.com"), FRIDAY)
    [file] = folder.iterdir()
    told = email.message_from_bytes(file.read_bytes().split(b"\n---", 1)[0])
    assert told["To"] == "owner@example.com"
    assert told["Bcc"] is None
    assert "$1,234.56" in str(email.header.make_header(email.header.decode_header(told["Subject"])))
    parts = {each.get_content_type(): each.get_payload(decode=True) for each in told.walk() if not each.is_multipart()}
    assert set(parts) == {"text/plain", "text/html", "application/pdf"}
    text, markup = parts["text/plain"].decode(), parts["text/html"].decode()
    assert "Accept or dispute it: https://ledger.example.com/statements/2026-09/CC-100" in text
    assert "Without a dispute by the end of 9 October 2026 (UTC) it counts as accepted." in text
    assert "$1,234.56" in markup
    assert "<b>" not in markup.split("<h1", 1)[1].split("</h1>")[0]
    assert parts["application/pdf"].startswith(b"%PDF")


def test_the_webhook_gets_the_document_signed_with_its_time(folder: Path) -> None:
    statement = issue()
    with serving(Reply(204, b"")) as server:
        notices.send(statement, Target(WEBHOOK, f"{server.url}/books/in"), FRIDAY, allowed=LOOPBACK)
        [asked] = server.asked
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/books/in", "application/json")
    stamp = asked.headers["x-ledger-timestamp"]
    assert stamp == str(int(FRIDAY.timestamp()))
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert asked.headers["x-ledger-signature"] == f"v1={expected}"
    body = json.loads(asked.body)
    assert (body["event"], body["amount"], body["x_CostCentre"]) == ("statement.issued", "1234.56", "CC-100")
    assert content_hash(body["document"]) == body["content_hash"]


@pytest.mark.parametrize("status", [500, 302, 404])
def test_a_webhook_that_fails_is_asked_once_and_says_why(folder: Path, status: int) -> None:
    statement = issue()
    with serving(Reply(status, b"{}", {"Location": "http://127.0.0.1:1/"})) as server:
        with pytest.raises(NoticeError, match=f"the webhook failed: .* answered {status}"):
            notices.send(statement, Target(WEBHOOK, f"{server.url}/in"), FRIDAY, allowed=LOOPBACK)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/in", "http://169.254.169.254/latest", "http://[::1]/", "https://x.example/a?b", "http://"],
)
def test_a_webhook_reaches_no_private_network(folder: Path, url: str) -> None:
    statement = issue()
    with pytest.raises(NoticeError, match=r"the webhook failed: "):
        notices.send(statement, Target(WEBHOOK, url), FRIDAY, allowed=[])


def test_without_a_secret_no_webhook_is_sent(folder: Path, settings: Any) -> None:
    settings.WEBHOOK_SECRET = ""
    statement = issue()
    with serving() as server:
        with pytest.raises(NoticeError, match="set FINOPS_WEBHOOK_SECRET"):
            notices.send(statement, Target(WEBHOOK, server.url), FRIDAY, allowed=LOOPBACK)
        assert server.asked == []


def test_a_mail_server_that_is_away_is_told(settings: Any) -> None:
    for name, value in email_settings("smtp://u:p@127.0.0.1:9?tls=no", Path("/nowhere")).items():
        setattr(settings, name, value)
    with pytest.raises(NoticeError, match=r"the mail could not be sent: .*refused"):
        notices.send(issue(), Target(EMAIL, "owner@example.com"), FRIDAY)


def test_the_mail_url_becomes_settings_and_a_wrong_one_is_refused_without_its_password() -> None:
    found = email_settings("smtps://user%40x:p%2Fw@mail.example.com", Path("/data"))
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_SSL"]) == ("mail.example.com", 465, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("user@x", "p/w")
    assert email_settings("", Path("/data"))["EMAIL_FILE_PATH"] == "/data/mail"
    for wrong in (
        "mail.example.com",
        "smtp://",
        "smtp://u:secret@h:x",
        "smtp://h?tls=maybe",
        "file:mail",
        "smtp://h?a=1",
    ):
        with pytest.raises(MissingSetting, match="FINOPS_EMAIL_URL must be") as told:
            email_settings(wrong, Path("/data"))
        assert "secret" not in str(told.value)
