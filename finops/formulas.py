"""Text in CSV that no spreadsheet takes for a formula, and back: the guard is undone without loss."""

import re

# The full-width ones are read as ASCII by some spreadsheets.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")  # a spreadsheet reads the very number, and runs nothing
_GUARDED = re.compile(f"'+[{re.escape(''.join(FORMULA))}]")


def guarded(text: str) -> str:
    """The text with an apostrophe before it, where a spreadsheet would run it or where it looks like one so guarded.

    A negative number is no formula: an apostrophe would make text of it.
    """
    runs = text.startswith(FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{text}" if runs or _GUARDED.match(text) else text


def unguarded(text: str) -> str:
    """What ``guarded`` was given."""
    return text[1:] if _GUARDED.match(text) else text
