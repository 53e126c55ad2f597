"""What AWS's usage types of Bedrock count: model, token class, tier, mode; version 1 of the table.

Three spellings live side by side: ``USE1-Claude4.6Sonnet-cache-read-input-token-count-cross-region-global`` and
``USW2-openai.gpt-oss-120b-mantle-input-tokens-flex`` name the model and count thousands; those of the marketplace,
``USE1-MP:USE1_CacheWrite1hInputTokenCount_Global_Batch-Units`` and ``..._input_tokens_global_standard-Units``, are the
same text for every model and count millions: the model is in the product's name. Global routing has a price of its own
and stays in the model's name, as Bedrock's own ids have it.
"""

import re

from ingest.calc.bill_meters import UNKNOWN, Meter, token_block

MILLION = 1_000_000
_REGION = re.compile(r"(?:USE|USW|UGE|UGW|EU|EUW|EUC|EUN|EUS|APN|APS|APE|SAE|CAN|CAW|AFS|MES|MEC|ILC|MXC)[0-9]*[-_]")
_MARKET = re.compile(r"(?:MP:)?(?:[A-Z]{2,4}[0-9]*_)?(?P<text>.+)-Units")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COUNT = re.compile(
    r"(?:(?P<model>.+?)-)??(?:mantle-)?(?P<million>million-)?(?P<batch>batch-)?"
    r"(?:cache-?(?P<cache>read|write)-?(?P<ttl>1h|30m|5m)?(?:-input)?|(?:text-)?(?P<side>input|output|response))"
    r"(?:-(?P<modality>text|audio|image|video))?(?:-token(?:s|-count)|(?(cache)|(?!)))(?P<rest>(?:-[a-z0-9]+)*)"
)
_REST = re.compile(
    r"(?:-(?:cross-region-(?:global|geo)|global|geo|regional|standard|batch|flex|priority|custom-model|latency-optimized|"
    r"(?:long|l)-?ctx|1h|30m|5m))*"
)
_CLAUDE = re.compile(
    r"claude-?\s*(?:(?P<v1>[0-9](?:\.[0-9]+)?)-?\s*(?P<f1>[a-z]+)|(?P<f2>[a-z]+)\s*-?(?P<v2>[0-9](?:\.[0-9]+)?))"
)
_NOVA = re.compile(r"nova\s*(?P<v>[0-9](?:\.[0-9]+)?)?\s*(?P<f>micro|lite|pro|premier|sonic|omni|canvas|reel)")
_EDITION = re.compile(r"\s*\(amazon bedrock edition\)\s*$")


def aws_meter(usage_type: str, product_name: str | None, unit: str | None) -> Meter:
    """The meter of a usage type; ``product_name`` names the model of marketplace lines, ``unit`` is the pricing unit."""
    text = _REGION.sub("", usage_type.strip(), count=1)
    market = _MARKET.fullmatch(text) if text.endswith("-Units") else None
    dashed = _CAMEL.sub("-", market["text"]).replace("_", "-").lower() if market else text.lower()
    found = _COUNT.fullmatch(dashed)
    if not found or not _REST.fullmatch(found["rest"]) or "reserved" in (found["model"] or ""):
        return UNKNOWN
    words = set(found["rest"].split("-"))
    name = _EDITION.sub("", (product_name or "").strip().lower()) if market else found["model"]
    block = token_block(unit)
    if block is None and (found["million"] or (market and (unit or "Units") == "Units")):
        block = MILLION
    batch = bool(found["batch"]) or "batch" in words
    return Meter(
        _model(name, is_global="global" in words),
        _class(found, words),
        "batch" if batch else "sync",
        _tier(words),
        block,
    )


def _class(found: re.Match[str], words: set[str]) -> str:
    if found["cache"] == "read":
        part = found["modality"] or ""
        return f"cache_read_{part}" if part in ("audio", "image") else "cache_read"
    if found["cache"]:
        # A life of 30 minutes is what OpenAI's models have; their usage counts those writes as plain ones, which are 5m.
        return "cache_write_1h" if found["ttl"] == "1h" or "1h" in words else "cache_write_5m"
    side = "input" if found["side"] == "input" else "output"
    if found["modality"] in ("audio", "image", "video"):
        return f"{side}_{found['modality']}"
    return "input_uncached" if side == "input" else "output_visible"


def _tier(words: set[str]) -> str | None:
    if "latency" in words:
        return "latency_optimized"
    if "custom" in words:
        return "custom_model"
    return next((tier for tier in ("flex", "priority") if tier in words), None)


def _model(name: str | None, *, is_global: bool) -> str | None:
    if not name:
        return None
    return f"{'global.' if is_global else ''}{_spelled(name)}"


def _spelled(name: str) -> str:
    """``Claude4.6Sonnet`` and ``Claude Opus 4.7`` as Bedrock's ids begin; other names as they stand."""
    if "." in name and name.split(".")[0].isalpha():  # already an id: openai.gpt-oss-120b
        return name
    if claude := _CLAUDE.fullmatch(name):
        family, version = claude["f1"] or claude["f2"], claude["v1"] or claude["v2"]
        dashed = version.replace(".", "-")
        # The generations before 4 have their version before their family.
        return f"anthropic.claude-{dashed}-{family}" if version < "4" else f"anthropic.claude-{family}-{dashed}"
    if nova := _NOVA.fullmatch(name):
        version = f"{nova['v'].removesuffix('.0')}-" if nova["v"] else ""
        return f"amazon.nova-{version}{nova['f']}"
    return name.replace(" ", "-")
