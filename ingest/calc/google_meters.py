"""What Google's SKUs of generative AI count, by their description; version 1 of the table.

Two families: Vertex AI's ``Gemini 2.5 Pro Input Text Caching (Long)``, ``... Text Output (Thinking On) - Batch
Predictions``, and the Gemini API's ``Generate content output token count gemini 2.5 flash short output text
non-thinking``. Batch, flex and priority, the modality and the length of the context are part of the text. Caching
storage is not tokens but tokens times hours. Long contexts are a price, not a class.
"""

import re

from ingest.calc.bill_meters import UNKNOWN, Meter

_GEMINI = re.compile(
    r"gemini[ -]([0-9](?:\.[0-9]+)?)[ -](pro|flash|ultra|nano)([ -]lite)?(?:[ -](preview|live|tts|image(?= ga\b)))?"
)
_EMBEDDING = re.compile(r"((?:gemini|text|multimodal)-(?:multilingual-)?embedding-[0-9]+)")
_CLAUDE = re.compile(
    r"claude[ -](opus|sonnet|haiku)[ -]([0-9](?:\.[0-9]+)?)|claude[ -]([0-9](?:\.[0-9]+)?)[ -](opus|sonnet|haiku)"
)
_MODALITY = re.compile(r"\b(audio|image|video)\b")
_STORAGE = re.compile(r"\bstorage\b|token[ -]hours?\b")
_CACHED = re.compile(r"\bcach(?:ed|ing|e)\b")
_THINKING = re.compile(r"(?<!non-)(?<!non )\bthinking\b(?! on\b| off\b)")
_SEARCH = re.compile(r"grounding with google search")
_NOT_INFERENCE = re.compile(r"\b(?:tuning|training|provisioned|hosting)\b")


def google_meter(description: str) -> Meter:
    """The meter of a SKU's description."""
    text = description.strip().lower().replace("generate_content", "generate content")
    if _SEARCH.search(text):
        return Meter(None, "web_search")
    model = _model(text)
    if _NOT_INFERENCE.search(text) or not (model or (_STORAGE.search(text) and _CACHED.search(text))):
        return UNKNOWN
    price_class = _class(text)
    if not price_class:
        return Meter(model)
    tier = next((tier for tier in ("flex", "priority") if re.search(rf"\b{tier}\b", text)), None)
    mode = "batch" if re.search(r"\bbatch\b", text) else "sync"
    return Meter(model, price_class, mode, tier, None if price_class == "cache_storage_token_hour" else 1)


def _class(text: str) -> str:
    if _STORAGE.search(text):
        return "cache_storage_token_hour"
    found = _MODALITY.search(text)
    part = f"_{found[1]}" if found else ""
    if _CACHED.search(text):
        return "cache_read" if part == "_video" else f"cache_read{part}"
    # "output token count ... short input text" says first what it counts, then how long the prompt was.
    side = re.search(r"\b(input|output)\b", text)
    if side is None:
        return "input_uncached" if "embed" in text else ""
    if side[1] == "input":
        return f"input{part}" if part else "input_uncached"
    if part:
        return f"output{part}"
    return "output_reasoning" if _THINKING.search(text) else "output_visible"


def _model(text: str) -> str | None:
    if found := _EMBEDDING.search(text):
        return found[1]
    if found := _GEMINI.search(text):
        version = "3" if found[1] == "3.0" else found[1]
        parts = (version, found[2], "lite" if found[3] else "", found[4] or "")
        return "gemini-" + "-".join(part for part in parts if part)
    if found := _CLAUDE.search(text):
        family, version = (found[1], found[2]) if found[1] else (found[4], found[3])
        dashed = version.replace(".", "-")
        return f"claude-{dashed}-{family}" if version < "4" else f"claude-{family}-{dashed}"
    return None
