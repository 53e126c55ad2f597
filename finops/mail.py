"""Where mails go: FINOPS_EMAIL_URL as Django's settings. Without one they are files in the data folder, so none is lost.

``smtp://user:password@host:587`` (STARTTLS; ``smtps://`` is TLS from the first byte, ``?tls=no`` none, for a relay on this
machine) or ``file:///folder``. A user or password with ``@ : /`` is written percent-encoded.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from finops.env import MissingSetting

TIMEOUT = 30  # seconds
_PORTS = {"smtp": 587, "smtps": 465}
_BACKENDS = "django.core.mail.backends"


def email_settings(url: str, data_dir: Path) -> dict[str, Any]:
    """EMAIL_* settings. Raises MissingSetting for a URL that cannot be used; the password is not repeated."""
    if not url.strip():
        return {"EMAIL_BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "EMAIL_FILE_PATH": str(data_dir / "mail")}
    parsed = urlsplit(url.strip())
    if parsed.scheme == "file" and parsed.path.startswith("/") and not parsed.netloc:
        return {"EMAIL_BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "EMAIL_FILE_PATH": unquote(parsed.path)}
    asked = parse_qs(parsed.query)
    try:
        port = parsed.port or _PORTS.get(parsed.scheme, 0)
    except ValueError:
        port = 0
    tls = asked.pop("tls", ["yes"])
    if parsed.scheme not in _PORTS or not parsed.hostname or not port or asked or tls not in (["yes"], ["no"]):
        raise MissingSetting(
            "FINOPS_EMAIL_URL must be smtp://user:password@host:587 (or smtps://, or ?tls=no) or file:///folder"
        )
    return {
        "EMAIL_BACKEND": f"{_BACKENDS}.smtp.EmailBackend", "EMAIL_HOST": parsed.hostname, "EMAIL_PORT": port,
        "EMAIL_HOST_USER": unquote(parsed.username or ""), "EMAIL_HOST_PASSWORD": unquote(parsed.password or ""),
        "EMAIL_USE_SSL": parsed.scheme == "smtps", "EMAIL_USE_TLS": parsed.scheme == "smtp" and tls == ["yes"],
        "EMAIL_TIMEOUT": TIMEOUT,
    }  # fmt: skip
