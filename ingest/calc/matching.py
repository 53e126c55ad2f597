"""Which provider and which priced model a name means: the look-up rules of the price book, and gateways' aliases.

The rules are data (``providers`` of the built-in book): a provider is known by its id, by ``provider_match`` on the
name, by ``api_pattern`` on the address, or by ``model_match`` on the model; a model by its ``match`` clause, else in
the providers whose models it resells, else by both with a compact date (``-20251211``) written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

# How gateways, SDKs and OpenTelemetry name the providers of the book (lower case). A name that is in no list stays as
# it is: it may still have prices in an override.
PROVIDER_ALIASES = {
    "amazon": "aws", "amazon_bedrock": "aws", "aws.bedrock": "aws", "aws_bedrock": "aws", "bedrock": "aws",
    "bedrock_converse": "aws", "bedrock_mantle": "aws", "sagemaker": "aws",
    "az.ai.inference": "azure", "az.ai.openai": "azure", "azure.ai.inference": "azure", "azure.ai.openai": "azure",
    "azure_ai": "azure", "azure_foundry": "azure", "azure_openai": "azure", "azure_text": "azure",
    "claude": "anthropic", "cohere_chat": "cohere", "deep_seek": "deepseek", "fireworks_ai": "fireworks",
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google", "gemini": "google",
    "google_ai_studio": "google", "google_genai": "google", "vertex": "google", "vertex_ai": "google",
    "vertex_ai-anthropic_models": "google", "vertex_ai_beta": "google", "palm": "google",
    "github_copilot": "github-copilot", "kimi": "moonshotai", "mistral_ai": "mistral", "mistralai": "mistral",
    "moonshot": "moonshotai", "open_router": "openrouter", "openai_like": "openai", "perplexity-ai": "perplexity",
    "perplexity_ai": "perplexity", "text-completion-openai": "openai", "together-ai": "together",
    "together_ai": "together", "togetherai": "together", "voyage": "voyageai", "x_ai": "x-ai", "xai": "x-ai",
    "z_ai": "zai",
}  # fmt: skip

_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_GATEWAY = "litellm"  # names no provider: the provider is the prefix of its model names


class Model(NamedTuple):
    """A priced model: the provider whose price list holds it, its id there, and whether another provider resells it."""

    provider: str
    id: str
    resold: bool


class Matcher:
    """Immutable look-up over ``providers`` (list of dicts as exported): names in, provider ids and models out."""

    def __init__(self, providers: list[dict[str, Any]]) -> None:
        self._order = [_Provider(data) for data in providers]
        self._by_id = {provider.id: provider for provider in self._order}

    def provider(self, name: str | None, model: str | None, host: str | None) -> str | None:
        """Provider id for a provider name, else an API address or host name, else a model name; None if none is known.

        A name that the book does not know is returned in lower case: only overrides can have prices for it.
        """
        key = (name or "").strip().lower()
        if key == _GATEWAY and model and "/" in model and (found := self._named(model.split("/", 1)[0].lower())):
            return found.id
        if key and key != _GATEWAY:
            found = self._named(key)
            return found.id if found else PROVIDER_ALIASES.get(key, key)
        if host:
            address = host if "://" in host else f"https://{host}"
            return next((p.id for p in self._order if p.api.match(address)), None)
        text = (model or "").lower()
        if text and (found := next((p for p in self._order if p.owns(text)), None)):
            return found.id
        prefix = self._named(text.split("/", 1)[0]) if "/" in text else None
        return prefix.id if prefix else None

    def model(self, provider: str | None, name: str | None) -> Model | None:
        """The priced model that a provider's model name means, or None."""
        found = self._by_id.get(provider or "")
        if found is None:
            return None
        return next(
            (hit for text in spellings(name, self._prefixes(found.id)) if (hit := self._find(found, text))), None
        )

    def _prefixes(self, provider: str) -> Callable[[str], bool]:
        def is_prefix(text: str) -> bool:
            named = self._named(text)
            return named is not None and named.id == provider

        return is_prefix

    def _named(self, name: str) -> _Provider | None:
        """Like genai-prices: the id itself, else the first ``provider_match``; aliases go first."""
        name = PROVIDER_ALIASES.get(name, name)
        if name in self._by_id:
            return self._by_id[name]
        return next((provider for provider in self._order if provider.answers_to(name)), None)

    def _find(self, provider: _Provider, text: str) -> Model | None:
        dashed = dashed_date(text)
        for spelling in (text,) if dashed == text else (text, dashed):
            if (model := provider.find(spelling)) is not None:
                return Model(provider.id, model, resold=False)
            for other in provider.resells:
                if other in self._by_id and (model := self._by_id[other].find(spelling)) is not None:
                    return Model(other, model, resold=True)
        return None


def spellings(name: str | None, is_prefix: Callable[[str], bool] = bool) -> Iterator[str]:
    """The model name in lower case, then without provider prefixes (``azure/gpt-4o``) that gateways put before it."""
    text = (name or "").strip().lower()
    while text:
        yield text
        head, slash, rest = text.partition("/")
        if not slash or not is_prefix(head):
            return
        text = rest


def dashed_date(name: str) -> str:
    """``gpt-5.2-20251211`` as ``gpt-5.2-2025-12-11``; names without a real compact date come back unchanged."""

    def dashed(match: re.Match[str]) -> str:
        year, month, day = (int(match.group(number)) for number in (2, 3, 4))
        try:
            date(year, month, day)
        except ValueError:
            return match.group(0)
        return f"{match.group(1)}{year:04d}-{month:02d}-{day:02d}"

    return _COMPACT_DATE.sub(dashed, name)


class _Provider:
    def __init__(self, data: dict[str, Any]) -> None:
        self.id: str = data["id"]
        self.api = re.compile(data["api_pattern"])
        self.answers_to = predicate(data.get("provider_match"))
        self.owns = predicate(data.get("model_match"))
        self.resells: list[str] = data.get("fallback_model_providers") or []
        self._ids: list[str] = [model["id"] for model in data["models"]]
        # Most clauses are plain equality: those become one dictionary, the others are tried in order up to its hit.
        self._equal: dict[str, int] = {}
        self._tests: list[tuple[int, Callable[[str], bool]]] = []
        for number, model in enumerate(data["models"]):
            clauses = model["match"]["or"] if "or" in model["match"] else [model["match"]]
            rest = [clause for clause in clauses if "equals" not in clause]
            for clause in clauses:
                if "equals" in clause:
                    self._equal.setdefault(clause["equals"].lower(), number)
            if rest:
                self._tests.append((number, predicate({"or": rest})))

    def find(self, text: str) -> str | None:
        """Id of the first model in list order whose clause matches."""
        best = self._equal.get(text, len(self._ids))
        for number, matches in self._tests:
            if number >= best:
                break
            if matches(text):
                return self._ids[number]
        return self._ids[best] if best < len(self._ids) else None


def predicate(clause: dict[str, Any] | None) -> Callable[[str], bool]:
    """Compile a match clause (``equals, starts_with, ends_with, contains, regex, or, and``) for lower-case text."""
    if clause is None:
        return lambda _text: False
    ((kind, value),) = clause.items()
    if kind in ("or", "and"):
        parts, join = [predicate(part) for part in value], (any if kind == "or" else all)
        return lambda text: join(part(text) for part in parts)
    if kind == "regex":
        pattern = re.compile(value)  # not lowered: its author writes for lower-case text
        return lambda text: pattern.search(text) is not None
    wanted: str = value.lower()
    tests: dict[str, Callable[[str], bool]] = {
        "equals": lambda text: text == wanted,
        "starts_with": lambda text: text.startswith(wanted),
        "ends_with": lambda text: text.endswith(wanted),
        "contains": lambda text: wanted in text,
    }
    return tests[kind]
