"""What the session files of coding agents have in common: they name a working folder, and never need to be read whole."""

import re
from collections.abc import Mapping
from typing import Any

from ingest.calc.reasons import Rejected

_HOMES = re.compile(r"(/home|/Users|[A-Za-z]:/Users|/root|/var/root)(/[^/]*)?|/|[A-Za-z]:|")


def project_of(folder: Any) -> str | None:
    """The name of the folder that an agent worked in; None where it is a person's home, whose name is a person's."""
    if not isinstance(folder, str):
        return None
    path = folder.replace("\\", "/").rstrip("/")
    return None if _HOMES.fullmatch(path) else path.rsplit("/", 1)[-1] or None


def text_of(record: Mapping[str, Any], name: str) -> str | None:
    """A text, None for null and for ''. Raises Rejected for anything else."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None
