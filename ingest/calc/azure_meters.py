"""What meters of Azure OpenAI and Foundry count: model, token class, tier, mode; version 1 of the table.

A meter's name is a row of abbreviations in no fixed order or spelling: ``gpt-4o-mini-0718-Outp-glbl Tokens``,
``5.4 pp cd inp Dz 1M Tokens``, ``V4 Pro cached DZ Tokens``. Words that the table knows are read; the others are the
model's name. Its family may be in the product alone (``4.3`` is a Grok or a GPT). Token meters count thousands, or
millions where the name says so. Where a tokens meter names no direction, it is an embedding's or it is not known.
"""

import re

from ingest.calc.bill_meters import UNKNOWN, Meter

_INPUT = {"inp", "inpt", "input", "in"}
_OUTPUT = {"out", "outp", "outpt", "output", "opt", "otpt"}
_CACHED = {"cached", "cd", "cchd", "ccchd", "cache"}
_BATCH = {"batch", "btch"}
_TIERS = {"pp": "priority", "priority": "priority", "prio": "priority", "flex": "flex"}
# Where it is processed, the standard tier, and the length of the context: prices of their own, but no class.
_SILENT = {
    "glbl", "gl", "global", "dz", "dzone", "dzn", "datazone", "regnl", "rgnl", "regional", "std", "standard", "shortco",
    "longco", "l",
}  # fmt: skip
_MODALITIES = {"aud": "audio", "audio": "audio", "img": "image", "image": "image", "txt": "", "text": ""}
# Meters that count tokens of something other than inference.
_OTHER = {"ft", "finetuned", "finetune", "finetuning", "training", "train", "hosting", "grader"}
_FAMILIES = {
    "grok": "grok", "deepseek": "deepseek", "kimi": "kimi", "llama": "llama", "mistral": "mistral", "phi": "phi",
    "openai": "gpt",
}  # fmt: skip
_PTU = re.compile(r"provisioned[ -]managed([ -](global|regional|data ?zone|dzone))?( ptu)?( unit)?")
_DATE = re.compile(r"(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")


def azure_meter(name: str, product: str | None = None) -> Meter:
    """The meter of this name; ``product`` is its category or subcategory, which may hold the family of the model."""
    text = name.strip().lower().replace("data zone", "datazone")
    if _PTU.fullmatch(text.replace("datazone", "data zone")):
        return Meter(None, "ptu_hour")
    words = [word for word in re.split(r"[\s\-]+", text) if word]
    if not words or words[-1] not in ("tokens", "token"):
        return UNKNOWN
    rest = words[:-1]
    block = {"1m": 1_000_000, "1k": 1_000}.get(rest[-1]) if rest else None
    if block:
        rest = rest[:-1]
    return _tokens(rest, block or 1_000, product)


def _tokens(words: list[str], block: int, product: str | None) -> Meter:
    seen = set(words)
    if seen & _OTHER:
        return UNKNOWN
    if words[:2] == ["gpt", "aud"]:  # the model's name; "txt" then says that a meter is not of its audio
        words = ["gpt-audio", *words[2:], *([] if "txt" in seen else ["aud"])]
    cached, output = bool(seen & _CACHED), bool(seen & _OUTPUT)
    embedding = "embedding" in seen or "ada" in seen
    if not (cached or output or embedding or seen & _INPUT) or (output and (cached or seen & _INPUT)):
        return UNKNOWN
    # "text" opens the names of embeddings and is the modality of others.
    modalities = {} if embedding else _MODALITIES
    modality = next((modalities[word] for word in words if modalities.get(word)), "")
    known = _INPUT | _OUTPUT | _CACHED | _BATCH | _SILENT | set(_TIERS) | set(modalities)
    price_class = _class(modality, cached=cached, output=output)
    tier = next((_TIERS[word] for word in words if word in _TIERS), None)
    model = _model([word for word in words if word not in known], product)
    return Meter(model, price_class, "batch" if seen & _BATCH else "sync", tier, block)


def _class(modality: str, *, cached: bool, output: bool) -> str:
    if output:
        return f"output_{modality}" if modality else "output_visible"
    if cached:
        return f"cache_read_{modality}" if modality else "cache_read"
    return f"input_{modality}" if modality else "input_uncached"


def _model(words: list[str], product: str | None) -> str | None:
    if len(words) > 1 and _DATE.fullmatch(words[-1]):  # month and day of the version; the line's text keeps it
        words = words[:-1]
    name = "-".join(words)
    if not name:
        return None
    if name[0].isdigit() or re.match(r"v[0-9]", name):
        text = (product or "").lower()
        family = next((ours for theirs, ours in _FAMILIES.items() if theirs in text), None)
        return f"{family}-{name}" if family else name
    return name
