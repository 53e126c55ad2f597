"""A POST of JSON that proves who sent it and when: for webhooks.

It has ``X-Ledger-Timestamp`` (seconds since 1970) and ``X-Ledger-Signature: v1=HMAC``, the HMAC-SHA256 with the secret over
the time stamp, a dot and the body, in hex. It is sent once, follows no redirect, and reaches no address that connections
may not (ingest.network); whoever calls tries again.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
from django.views.decorators.debug import sensitive_variables

from ingest.http import HttpClient, Limits
from ingest.network import AddressRefused, parse_url
from ingest.pull import PullFailed

TIMESTAMP, SIGNATURE = "X-Ledger-Timestamp", "X-Ledger-Signature"
_LIMITS = Limits(request=30.0, patience=30.0, body=65_536)


class PostFailed(ValueError):
    """It was not taken; the message says why, and trying again may help."""


@sensitive_variables("secret")
def signature(secret: str, content: bytes, at: datetime) -> dict[str, str]:
    """The headers that prove who sent it and when."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + content, hashlib.sha256)
    return {TIMESTAMP: stamp, SIGNATURE: f"v1={digest.hexdigest()}"}


def post(address: str, content: bytes, headers: Mapping[str, str], **client: Any) -> None:
    """Send it, once. Raises PostFailed. ``client``: what a test gives ingest.http.HttpClient."""
    given = {"Content-Type": "application/json", **headers}
    try:
        url = parse_url(address)
        with HttpClient(str(url.copy_with(raw_path=b"/")), given, tries=1, limits=_LIMITS, **client) as asked:
            asked.post(url.raw_path.decode(), content)
    except (PullFailed, AddressRefused, httpx.InvalidURL) as error:
        raise PostFailed(f"the webhook failed: {error}") from None
