"""Environment variables. Every NAME may also be given as NAME_FILE, a file that holds the value (a mounted secret)."""

import os
from decimal import Decimal, InvalidOperation
from pathlib import Path

from finops.numbers import written


class MissingSetting(Exception):
    """A variable that production needs is not set; the message names it."""


def env(name: str, default: str | None = None) -> str:
    """Value of NAME, else the content of the file NAME_FILE, else the default.

    Raises MissingSetting when there is none of the three, when both NAME and NAME_FILE are set (which one is meant
    cannot be told), and when the file cannot be read.
    """
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and path is not None:
        raise MissingSetting(f"set {name} or {name}_FILE, not both")
    if path is not None:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
            raise MissingSetting(f"{name}_FILE: {path}: {why}") from None
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


def env_choice(name: str, allowed: tuple[str, ...]) -> str:
    """One of some words; the first where nothing is set. Anything else is refused."""
    value = env(name, allowed[0]).strip().lower()
    if value not in allowed:
        raise MissingSetting(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def env_amount(name: str, default: str) -> Decimal:
    """An exact amount of money, 0 or more. Anything else is refused."""
    text = env(name, default).strip()
    try:
        value = written(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise MissingSetting(f"{name} must be an amount of 0 or more, not {text!r}")
    return value


def env_count(name: str, default: int) -> int:
    """A whole number from 1 to 10,000. Anything else is refused."""
    text = env(name, str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 10_000):
        raise MissingSetting(f"{name} must be a whole number from 1 to 10,000, not {text!r}")
    return int(text)


def env_limits(name: str) -> dict[str, dict[str, Decimal]]:
    """``[KIND:]WHO=AMOUNT`` separated by commas: kind (``*``: every one) -> role or user name -> amount."""
    found: dict[str, dict[str, Decimal]] = {}
    for text in env_list(name):
        place, equals, amount = text.rpartition("=")
        kind, colon, who = place.rpartition(":")
        try:
            value = written(amount)
        except InvalidOperation:
            value = Decimal("nan")
        if not equals or not who.strip() or (colon and not kind.strip()) or not value.is_finite() or value < 0:
            raise MissingSetting(f"{name} is written [KIND:]WHO=AMOUNT, such as finance=50000, not {text!r}")
        found.setdefault(kind.strip() or "*", {})[who.strip()] = value
    return found
