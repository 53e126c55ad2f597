"""Environment variables. Every NAME may also be given as NAME_FILE, a file that holds the value (a mounted secret)."""

import os
from pathlib import Path


class MissingSetting(Exception):
    """A variable that production needs is not set; the message names it."""


def env(name: str, default: str | None = None) -> str:
    """Value of NAME, else the content of the file NAME_FILE, else the default.

    Raises MissingSetting when there is none of the three, and when both NAME and NAME_FILE are set (which one is meant
    cannot be told).
    """
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and path is not None:
        raise MissingSetting(f"set {name} or {name}_FILE, not both")
    if path is not None:
        return Path(path).read_text(encoding="utf-8").strip()
    if value is not None:
        return value
    if default is None:
        raise MissingSetting(f"{name} is not set (nor {name}_FILE)")
    return default


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def env_bool(name: str, *, default: bool = False) -> bool:
    """1/true/yes/on or 0/false/no/off; anything else is refused rather than guessed."""
    value = env(name, "1" if default else "0").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise MissingSetting(f"{name} must be true or false, not {value!r}")
