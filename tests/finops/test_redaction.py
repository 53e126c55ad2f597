"""Log lines: one line per record, and no secret in it, whichever handler writes it."""

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response

from finops import redaction
from finops.redaction import one_line, redacted

LEAK = "c4Na7yQ9"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with a plain handler that knows nothing of redaction."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("tests.redaction")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield logger, written
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    "text",
    [
        f"sk-proj-{LEAK}{LEAK}", f"key sk-ant-admin01-{LEAK}_{LEAK} refused", f"il_{LEAK}{LEAK}", f"sk_live_{LEAK}{LEAK}",
        f"Authorization: Bearer {LEAK}", f"authorization=bearer {LEAK}", f"Basic {LEAK}Og==", f"basic {LEAK}{LEAK}",
        f"AKIA{LEAK.upper()}ABCD".replace(LEAK.upper(), LEAK), f"AIzaSy{LEAK}{LEAK}{LEAK}{LEAK}", f"ghp_{LEAK}{LEAK}",
        f"x-api-key: {LEAK}", f"X-Api-Key={LEAK}", f"(b'x-api-key', b'{LEAK}')", f"{{'x-api-key': '{LEAK}'}}",
        f'{{"api_key": "{LEAK}"}}', f"api-key {{'api-key': '{LEAK}'}}", f"ANTHROPIC_API_KEY={LEAK}", f"x-goog-api-key: {LEAK}",
        f"password={LEAK}", f"PGPASSWORD={LEAK} psql", f"passwd: {LEAK}", f"client_secret={LEAK}&x=1", f"secret={LEAK}",
        f"aws_secret_access_key = {LEAK}", f"access_token={LEAK}", f"FINOPS_SECRET_KEY={LEAK}", f"FINOPS_ENCRYPTION_KEYS={LEAK}",
        f"postgresql://ann:{LEAK}@db:5432/x", f"redis://:{LEAK}@broker/0", f"https://{LEAK}@host/x", f"https://u:{LEAK}@h/?a=b",
        f"https://host/x?key={LEAK}&a=b", f"https://host/x?a=b&token={LEAK}", f"https://s3/x?X-Amz-Signature=1&sig={LEAK}",
        f"Cookie: sessionid={LEAK}; csrftoken={LEAK}", f"(b'set-cookie', b'a={LEAK}; path=/')", f"sessionid={LEAK}",
        f"-----BEGIN PRIVATE KEY-----\n{LEAK}\n-----END PRIVATE KEY-----", f"-----BEGIN EC PRIVATE KEY-----\n{LEAK}",
        f"eyJhbGciOiJIUzI1NiJ9.{LEAK}.{LEAK}", f"Proxy-Authorization: Basic {LEAK}",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_starred(text: str) -> None:
    assert LEAK in text
    assert LEAK not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "run 5 of openai read 1,200 records, 3 quarantined", "price version 7 in force from 2026-09-01",
        "GET api.openai.com/v1/organization/usage/completions answered 429 (rate_limit_error)",
        "the secret does not open: another key sealed it, or its row was changed", "basic configuration of tokens",
        "input_tokens=120 output_tokens: 33 cache_read=5", "risk-based masking of desk-top", "10.0.0.1/32 https://host:8443/path",
        "key ab12cd34ef56ab12 wraps 3 more credentials", "a bearer of bad news", "mail ann@example.org", "task-sk-1",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "-", "eyJ-", "eyJaaaaaaaa.", "sk-", "://", "a:b", "bearer ", "basic", "secret", "x-api-key", "key=", " ", "'",
     "password ", "cookie", "-----BEGIN PRIVATE KEY", "token: "],
)  # fmt: skip
def test_a_long_and_hostile_line_costs_no_more_than_a_moment(piece: str) -> None:
    """200,000 characters: work that grew with their square would take minutes."""
    begun = time.process_time()
    redacted(piece * (200_000 // len(piece)))
    assert time.process_time() - begun < 3


def test_an_open_secret_is_hidden_whatever_it_looks_like() -> None:
    assert "plain words" in redacted("as plain words")
    redaction.hide("plain words of 1999")
    assert redacted("as plain words of 1999.") == "as ***."
    redaction.hide("a")
    assert redacted("a cat") == "a cat"


@pytest.mark.parametrize("text", ["\n", "\r\n", "\x1b[31m", "\x00", "\x85", "\u2028", "\u202e", "\x7f"])
def test_a_value_begins_no_line_of_its_own(text: str, log: Any) -> None:
    logger, written = log
    logger.warning("login of %s failed", f"ann{text}2026-09-08 12:00:00,000 INFO all is well")
    line = written.getvalue()
    assert line.count("\n") == 1
    assert text not in line.removesuffix("\n")
    assert one_line("Grüße, 日本 ✓ \\n") == "Grüße, 日本 ✓ \\n"


def test_arguments_exceptions_and_their_causes_are_clean_in_every_handler(log: Any) -> None:
    logger, written = log
    try:
        try:
            raise KeyError(f"Bearer {LEAK}1234\n2026-09-08 12:00:00,000 INFO forged")
        except KeyError as error:
            raise ValueError(f"x-api-key: {LEAK}") from error
    except ValueError:
        logger.exception("asked with %s and %r", f"sk-{LEAK}{LEAK}", {"api_key": LEAK})
    text = written.getvalue()
    assert LEAK not in text
    assert "Traceback" in text
    assert "ValueError: x-api-key: ***" in text
    assert [line for line in text.splitlines()[1:] if not line.startswith("  ")] == []


def test_a_message_that_does_not_fit_its_arguments_is_neither_an_error_nor_shown(log: Any) -> None:
    logger, written = log

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    logger.warning("%d of %d", f"sk-{LEAK}{LEAK}")
    logger.warning("%s", Unprintable())
    assert LEAK not in written.getvalue()
    assert written.getvalue().count("wrong arguments") == 2


def test_dictionaries_as_arguments_and_levels_work_as_ever(log: Any) -> None:
    logger, written = log
    logger.info("%(a)s and %(b)s", {"a": 1, "b": json.dumps({"x": 2})})
    assert written.getvalue().endswith('INFO 1 and {"x": 2}\n')


def test_the_settings_install_it_and_keep_the_chatter_of_the_client_down() -> None:
    assert settings.LOGGING_CONFIG == "finops.redaction.configure"
    assert logging.getLogRecordFactory() is redaction.Record
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(("status", "traced"), [(403, False), (404, False), (500, True)])
def test_an_answer_that_refuses_is_one_line_of_the_log_and_a_fault_has_its_traceback(status: int, traced: bool) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        try:
            raise PermissionError("of nobody's business")
        except PermissionError as raised:
            answer, request = HttpResponse(status=status), RequestFactory().get("/sources/")
            log_response("Answered %s: %s", status, request.path, response=answer, request=request, exception=raised)
    finally:
        logger.removeHandler(handler)
    told = written.getvalue().splitlines()
    assert told[0] == f"Answered {status}: /sources/"
    assert (len(told) > 1) == traced
