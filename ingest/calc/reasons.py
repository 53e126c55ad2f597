"""Why a record may be quarantined: a closed list, so that people can count and compare them."""

from typing import NamedTuple

REASONS = (
    "not_json", "bad_utf8", "too_long", "missing_time", "bad_time", "out_of_window", "missing_model", "bad_number",
    "negative", "too_large", "fractional", "cached_exceeds_input", "unexplained_total", "unknown_shape",
    "truncated_stream", "duplicate_conflict",
)  # fmt: skip


class Rejected(Exception):
    """This record cannot be taken. ``detail`` names the field and what is wrong, never a text value of the record."""

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason} is not a quarantine reason")
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Reject(NamedTuple):
    """Record number ``record`` of a parsed group was rejected."""

    record: int
    reason: str
    detail: str
