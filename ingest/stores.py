"""Where a watched folder lies: on a disk, or in an object store that FINOPS_ALLOWED_NETWORKS lets us connect to.

Arrow opens the sockets to a store by itself, so that its address is checked before: when somebody writes the URL, and
again before each sweep.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pyarrow import fs

from ingest.network import AddressRefused, check_url

# Scheme -> what its URL may say after the ?, and the host of the provider's own service.
_STORES = {
    "s3": ({"scheme", "endpoint_override", "region"}, "s3.{region}.amazonaws.com"),
    "gs": ({"scheme", "endpoint_override", "retry_limit_seconds"}, "storage.googleapis.com"),
    "abfss": ({"credential_kind"}, "{bucket}"),  # what stands for the bucket is the account's host
}
_BUCKET, _REGION = r"[A-Za-z0-9][A-Za-z0-9._:-]*", r"[a-z0-9-]+"
_UNREADABLE = "the folder's URL cannot be read"


def check_store(url: str) -> None:
    """Whether a folder may lie there. Raises AddressRefused, which quotes nothing of a URL that cannot be read."""
    if "://" not in url:
        return
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise AddressRefused(_UNREADABLE) from None
    if parts.scheme == "file":
        return
    if "@" in parts.netloc:
        raise AddressRefused("a folder's URL holds no key: its store takes that from the environment of the worker")
    if parts.scheme not in _STORES:
        raise AddressRefused(f"a folder is a path, or a URL that begins with file://, {'://, '.join(_STORES)}://")
    (known, host), said = _STORES[parts.scheme], dict(pairs)
    if len(said) < len(pairs) or not known.issuperset(said):
        raise AddressRefused(f"after the ? a {parts.scheme}:// folder may say, each once: {', '.join(sorted(known))}")
    region = said.get("region", "us-east-1")
    if not re.fullmatch(_BUCKET, parts.netloc) or not re.fullmatch(_REGION, region):
        raise AddressRefused(_UNREADABLE)
    place = said.get("endpoint_override") or host.format(region=region, bucket=parts.netloc)
    check_url(place if "://" in place else f"{said.get('scheme') or 'https'}://{place}")


def open_store(url: str) -> tuple[Any, str]:
    """The file system and the folder's path in it. Raises AddressRefused."""
    check_store(url)
    if "://" not in url:
        return fs.LocalFileSystem(), str(Path(url).resolve())
    try:
        store, root = fs.FileSystem.from_uri(url)
    except ValueError:  # Arrow's, which may quote what stands in the URL
        raise AddressRefused(_UNREADABLE) from None
    return store, root
