"""Names of providers and models, found as genai-prices finds them, and as gateways spell them."""

import pytest
from genai_prices.data_snapshot import get_snapshot

from ingest.calc.matching import Matcher, dashed_date
from tests.ingest.calc.pricing import book, builtin


@pytest.fixture(scope="module")
def matcher():
    return Matcher(builtin().providers)


def test_every_model_id_is_found_as_genai_prices_finds_it(matcher):
    snapshot = get_snapshot()
    for provider in snapshot.providers:
        for model in provider.models:
            theirs = provider.find_model(model.id, all_providers=snapshot.providers)
            mine = matcher.model(provider.id, model.id)
            assert (mine and mine.id) == (theirs and theirs.id), (provider.id, model.id)


def test_every_model_id_without_a_provider_is_given_the_same_provider(matcher):
    snapshot = get_snapshot()
    for provider in snapshot.providers:
        for model in provider.models:
            try:
                theirs = snapshot.find_provider(model.id.lower(), None, None).id
            except LookupError:
                continue  # we still look at the prefix
            assert matcher.provider(None, model.id, None) == theirs


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("openai", "openai"), ("azure", "azure"), ("azure_ai", "azure"), ("bedrock", "aws"), ("vertex_ai", "google"),
        ("gemini", "google"), ("anthropic", "anthropic"), ("mistral", "mistral"), ("groq", "groq"), ("xai", "x-ai"),
        ("together_ai", "together"), ("fireworks_ai", "fireworks"), ("deepseek", "deepseek"), ("cohere", "cohere"),
        ("perplexity", "perplexity"), ("openrouter", "openrouter"), (" OpenAI ", "openai"),
        ("SelfHosted", "selfhosted"),
        ("aws.bedrock", "aws"), ("az.ai.openai", "azure"),
    ],
)  # fmt: skip
def test_gateways_names_mean_the_books_providers(matcher, name, provider):
    assert matcher.provider(name, None, None) == provider


def test_a_host_names_the_provider_and_an_unknown_host_names_none(matcher):
    assert matcher.provider(None, "x", "api.openai.com") == "openai"
    assert matcher.provider(None, "x", "https://bedrock-runtime.eu-west-1.amazonaws.com/model") == "aws"
    assert matcher.provider(None, "gpt-4o", "llm.internal.example") is None  # never priced as OpenAI by its name


@pytest.mark.parametrize(
    ("provider", "name", "owner", "model"),
    [
        ("openai", "openai/gpt-4o", "openai", "gpt-4o"),
        ("azure", "azure/gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("openai", "gpt-5.2-20251211", "openai", "gpt-5.2"),
        ("google", "claude-sonnet-4-5@20250929", "google", "claude-sonnet-4-5"),
        ("openrouter", "anthropic/claude-4.6-sonnet-20260217", "openrouter", "anthropic/claude-sonnet-4.6"),
        ("litellm", "groq/llama-3.1-8b-instant", "groq", "llama-3.1-8b-instant"),
        (None, "openai/gpt-4o", "openai", "gpt-4o"),
    ],
)
def test_prefixes_dates_and_resellers(matcher, provider, name, owner, model):
    known = matcher.provider(provider, name, None)
    found = matcher.model(known, name)
    assert (found.provider, found.id) == (owner, model)


def test_a_date_that_does_not_exist_is_not_a_date():
    assert dashed_date("m-20250230") == "m-20250230"
    assert dashed_date("m-20251211-v1:0") == "m-2025-12-11-v1:0"


def test_a_self_hosted_model_with_a_famous_name_has_no_price():
    assert book().resolve_one("selfhosted", "gpt-4o", None, None) == (-1, "selfhosted")
