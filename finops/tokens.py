"""Token classes and other units of usage: one vocabulary for facts, prices, cube and exports.

Token classes are disjoint (invariant 1): a token is counted in exactly one. ``output_reasoning`` alone may be NULL in
a fact, which says that the source does not split it (all output is then in ``output_visible``); 0 says it reported none.
"""

INPUT_CLASSES = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h")
OUTPUT_CLASSES = ("output_visible", "output_reasoning")

# The order is the order of the columns in usage_event and in every frame.
TOKEN_CLASSES = (
    *INPUT_CLASSES, *OUTPUT_CLASSES,
    "input_audio", "cache_read_audio", "output_audio",
    "input_image", "cache_read_image", "output_image",
    "input_video", "output_video",
)  # fmt: skip

ALL_INPUT_CLASSES = tuple(name for name in TOKEN_CLASSES if not name.startswith("output"))
ALL_OUTPUT_CLASSES = tuple(name for name in TOKEN_CLASSES if name.startswith("output"))

# Usage that is not tokens: rows (event, unit, quantity). The numbers are stored; append, never renumber.
UNITS = {
    "request": 1, "image": 2, "audio_second": 3, "video_second": 4, "web_search": 5, "storage_search": 6, "page": 7,
    "character": 8, "cache_storage_token_hour": 9, "gpu_hour": 10, "ptu_hour": 11, "session": 12, "storage_byte": 13,
    "gpu_active_hour": 14, "watt_hour": 15,
}  # fmt: skip

# A single fact may not hold more than this of one class; above it a record is quarantined as too_large.
MAX_TOKENS = 1_000_000_000_000
