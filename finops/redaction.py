"""Log lines without secrets and without line breaks of others.

Works on the record itself, as the factory that makes it, rather than as a filter of each handler: gunicorn, Celery and
the test runner bring handlers that no setting of ours names, and every one of them gets what is already clean.
Settings.LOGGING_CONFIG installs it.
"""

import json
import logging
import logging.config
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from finops import requests

STARS = "***"

# Secrets that are open in this process, hidden wherever they turn up, whatever they look like.
_open: set[str] = set()

_NAMES = (
    r"(?:proxy-)?authorization|(?:x-)?(?:goog-)?api[-_ ]?key|pass(?:word|wd|phrase)|(?:client|app)[-_]?secret|secret"
    r"|(?:secret|private|access|encryption)[-_]?(?:access[-_]?)?keys?|(?:access|refresh|id|auth|session|api|bearer)[-_]?token"
    r"|sessionid|csrftoken"
)
_IS = r"(?:[\"']?\s*[:=]|[\"']\s*,)\s*b?[\"']?"  # name=, "name": and the ('name', 'value') of header lists
_PATTERNS = [  # none may look at a text more often than a few times: what is logged may be long, and hostile
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), STARS),
    (re.compile(r"\b((?i:bearer)\s+)(?=\S*[0-9_.]|\S{20})[A-Za-z0-9._~+/=-]{6,}"), rf"\1{STARS}"),
    (re.compile(r"\b((?i:basic)\s+)(?=\S*[A-Z0-9=])[A-Za-z0-9+/=_-]{6,}"), rf"\1{STARS}"),
    (re.compile(r"(://)[^/\s@'\"]+@"), rf"\1{STARS}@"),
    (re.compile(r"\b(?:sk[-_]|il_)[A-Za-z0-9_-]{8,}"), STARS),
    (re.compile(r"\b(?:AKIA|ASIA|AIza|gh[pousr]_|xox[abprs]-|glsa_|hf_)[A-Za-z0-9_-]{10,}"), STARS),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]*"), STARS),
    (re.compile(rf"(?i)(\b(?:set-)?cookie{_IS})[^\"'\r\n)\]}}]+"), rf"\1{STARS}"),
    (re.compile(rf"(?i)((?:{_NAMES}){_IS})(?!(?:bearer|basic)\s)[^\s\"',;&)\]}}]+"), rf"\1{STARS}"),
    (re.compile(r"(?i)([?&](?:key|token|sig|signature)=)[^\s&\"']+"), rf"\1{STARS}"),
]
# C0, DEL, C1, line and paragraph separators, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f]")


def hide(secret: str) -> None:
    """From now on no log line of this process shows this text."""
    if len(secret) >= 6:  # shorter ones are words of any line
        _open.add(secret)


def redacted(text: str) -> str:
    """The text without what is, or looks like, a secret."""
    for secret in sorted(_open, key=len, reverse=True):
        text = text.replace(secret, STARS)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: str) -> str:
    """Control characters as they are written in Python, so that no value begins a line of its own."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class Record(logging.LogRecord):
    """A log record whose text and traceback are clean from the start."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            self.msg, self.args = one_line(redacted(super().getMessage())), None
        except Exception:  # noqa: BLE001  what is logged may not be printable; whoever logs must not fail by it
            self.msg, self.args = f"a log message with wrong arguments, at {self.pathname}:{self.lineno}", None
        if self.exc_info and self.exc_info[0]:
            lines = "".join(traceback.format_exception(*self.exc_info)).rstrip().splitlines()
            # Formatters take this instead of the exception; indented, no line of it passes for one of the log.
            self.exc_text = "\n".join(f"  {one_line(line)}" for line in redacted("\n".join(lines)).split("\n"))


class JsonLines(logging.Formatter):
    """One JSON object a line (FINOPS_LOG=json): time in UTC, level, logger, message, the request's id, what else is told.

    Records are clean already (Record); ``told`` holds names and numbers of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at, "level": record.levelname, "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        if request := requests.current():
            line["request"] = request
        line |= {name: value for name, value in getattr(record, "told", {}).items() if name not in line}
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, default=str)


class OneLineUnlessOurFault(logging.Filter):
    """Of an answer below 500 Django logs where its exception was raised, which says nothing to whoever reads the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Takes the traceback away; the line stays."""
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


def configure(config: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: the usual one, with clean records."""
    logging.setLogRecordFactory(Record)
    logging.config.dictConfig(config)
