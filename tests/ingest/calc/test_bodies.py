"""Usage in response bodies: disjoint classes by each provider's own inclusion rule, or a reason why not."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES
from ingest.calc.bodies import APIS, api_of, usage_of
from ingest.calc.reasons import REASONS, Rejected
from tests.ingest.calc.pricing import ROOT


def one(api, body):
    (usage,) = usage_of(api, body)
    return usage


def chat(prompt, completion, total, inside=None, outside=None, **rest):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    usage |= {"prompt_tokens_details": inside, "completion_tokens_details": outside}
    return {"model": "gpt-5", "usage": usage | rest}


def test_openai_chat_counts_caches_and_reasoning_inside():
    body = chat(4000, 500, 4500, {"cached_tokens": 1500, "cache_write_tokens": 100}, {"reasoning_tokens": 200})
    assert one("openai_chat", body).classes == {
        "input_uncached": 2400, "cache_read": 1500, "cache_write_5m": 100,
        "output_visible": 300, "output_reasoning": 200,
    }  # fmt: skip


def test_openai_chat_splits_audio_off_both_sides():
    usage = one("openai_chat", chat(100, 60, 160, {"audio_tokens": 40}, {"audio_tokens": 50, "reasoning_tokens": 0}))
    assert usage.classes == {
        "input_uncached": 60, "input_audio": 40, "output_visible": 10, "output_audio": 50, "output_reasoning": 0,
    }  # fmt: skip


def test_reasoning_is_missing_when_the_body_does_not_split_it_and_zero_when_it_says_none():
    assert "output_reasoning" not in one("openai_chat", chat(1, 2, 3)).classes
    assert one("openai_chat", chat(1, 2, 3, None, {"reasoning_tokens": 0})).classes["output_reasoning"] == 0


@pytest.mark.parametrize("field", ["prompt_cache_hit_tokens", "cached_tokens"])
def test_the_cached_part_may_stand_beside_the_details(field):
    assert one("deepseek_chat", chat(10, 1, 11, **{field: 4})).classes == {
        "input_uncached": 6, "cache_read": 4, "output_visible": 1,
    }  # fmt: skip


def test_mistrals_num_cached_tokens_are_priced_as_any_input_for_no_document_says_they_are_cheaper():
    assert one("mistral_chat", chat(86, 1, 87, num_cached_tokens=85)).classes == {
        "input_uncached": 86, "output_visible": 1,
    }  # fmt: skip


def test_hidden_thinking_of_geminis_openai_endpoint_is_reasoning():
    body = chat(35, 12, 109) | {"model": "gemini-2.5-pro-preview-05-06"}
    assert one("openai_chat", body).classes == {"input_uncached": 35, "output_visible": 12, "output_reasoning": 62}


def test_responses_counts_like_chat_under_other_names():
    usage = {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 30}, "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 150,
    }  # fmt: skip
    found = one("openai_responses", {"model": "o3", "service_tier": "flex", "usage": usage})
    assert found.classes == {"input_uncached": 70, "cache_read": 30, "output_visible": 30, "output_reasoning": 20}
    assert (found.model, found.service_tier, found.reported_total) == ("o3", "flex", 150)


def messages(**usage):
    return {"model": "claude-sonnet-5", "usage": {"input_tokens": 10, "output_tokens": 5} | usage}


def test_anthropic_counts_caches_beside_the_input():
    split = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}
    body = messages(cache_read_input_tokens=1000, cache_creation_input_tokens=100, cache_creation=split)
    assert one("anthropic_messages", body).classes == {
        "input_uncached": 10, "cache_read": 1000, "cache_write_5m": 30, "cache_write_1h": 70, "output_visible": 5,
    }  # fmt: skip


def test_anthropic_writes_without_a_lifetime_are_5m():
    assert one("anthropic_messages", messages(cache_creation_input_tokens=100)).classes["cache_write_5m"] == 100


def test_anthropic_fast_speed_is_a_service_tier_and_searches_are_units():
    body = messages(service_tier="standard", speed="fast", server_tool_use={"web_search_requests": 3})
    assert one("anthropic_messages", body).service_tier == "fast"
    assert one("anthropic_messages", body).units == {"web_search": 3}


def test_anthropic_iterations_are_usages_of_their_own_each_on_its_model():
    parts = [
        {"type": "message", "input_tokens": 4, "output_tokens": 2},
        {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 100, "output_tokens": 50},
        {"type": "message", "input_tokens": 6, "output_tokens": 3},
    ]
    found = usage_of("anthropic_messages", messages(iterations=parts, server_tool_use={"web_search_requests": 1}))
    assert [(u.model, sum(u.classes.values()), u.units) for u in found] == [
        ("claude-sonnet-5", 6, {"web_search": 1}), ("claude-opus-5", 150, {}), ("claude-sonnet-5", 9, {}),
    ]  # fmt: skip


def test_thinking_stays_with_the_only_message_iteration():
    parts = [{"type": "compaction", "input_tokens": 50_000, "output_tokens": 100},
             {"type": "message", "input_tokens": 10, "output_tokens": 5}]  # fmt: skip
    compaction, message = usage_of(
        "anthropic_messages", messages(iterations=parts, output_tokens_details={"thinking_tokens": 3})
    )
    assert compaction.classes == {"input_uncached": 50_000, "output_visible": 100}
    assert message.classes == {"input_uncached": 10, "output_visible": 2, "output_reasoning": 3}


def gemini(**usage):
    return {"modelVersion": "gemini-2.5-flash", "usageMetadata": usage}


def test_gemini_counts_thoughts_and_tool_prompts_outside():
    body = gemini(promptTokenCount=100, cachedContentTokenCount=40, toolUsePromptTokenCount=7, candidatesTokenCount=20,
                  thoughtsTokenCount=30, totalTokenCount=157, serviceTier="standard")  # fmt: skip
    assert one("gemini", body).classes == {
        "input_uncached": 67, "cache_read": 40, "output_visible": 20, "output_reasoning": 30,
    }  # fmt: skip


def test_gemini_modalities_are_classes_of_their_own_also_when_cached():
    body = gemini(
        promptTokenCount=100, cachedContentTokenCount=30, candidatesTokenCount=9, totalTokenCount=109,
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 40}, {"modality": "AUDIO", "tokenCount": 50},
                             {"modality": "VIDEO", "tokenCount": 10}],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 20}, {"modality": "TEXT", "tokenCount": 10}],
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 9}],
    )  # fmt: skip
    assert one("gemini", body).classes == {
        "input_uncached": 30, "input_audio": 30, "input_video": 10, "cache_read": 10, "cache_read_audio": 20,
        "output_image": 9,
    }  # fmt: skip


def test_bedrock_counts_caches_beside_the_input_and_names_no_model():
    usage = {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 9,
             "cacheDetails": [{"ttl": "1h", "inputTokens": 4}], "totalTokens": 31}  # fmt: skip
    found = one("bedrock_converse", {"usage": usage})
    assert found.classes == {
        "input_uncached": 10, "cache_read": 7, "cache_write_5m": 5, "cache_write_1h": 4, "output_visible": 5,
    }  # fmt: skip
    assert found.model is None


def test_cohere_bills_its_billed_units():
    usage = {"billed_units": {"input_tokens": 91, "output_tokens": 31}, "cached_tokens": 1024,
             "tokens": {"input_tokens": 1622, "output_tokens": 44}}  # fmt: skip
    assert one("cohere", {"usage": usage}).classes == {"input_uncached": 91, "output_visible": 31}


def test_local_servers():
    assert one("ollama", {"model": "llama3.2", "prompt_eval_count": 26, "eval_count": 282}).classes == {
        "input_uncached": 26, "output_visible": 282,
    }  # fmt: skip
    body = {"timings": {"prompt_n": 15, "cache_n": 39, "predicted_n": 6}, "tokens_cached": 54, "tokens_evaluated": 15}
    assert one("llamacpp", body).classes == {"input_uncached": 15, "cache_read": 39, "output_visible": 6}


@pytest.mark.parametrize(
    ("api", "body", "reason"),
    [
        ("openai_chat", chat(10, 1, 11, {"cached_tokens": 11}), "cached_exceeds_input"),
        ("openai_chat", chat(10, 5, 20), "unexplained_total"),
        ("openai_chat", chat(10, 5, 15, None, {"reasoning_tokens": 6}), "unexplained_total"),
        ("openai_chat", chat(-1, 5, 4), "negative"),
        ("openai_chat", chat(1.5, 5, 6.5), "fractional"),
        ("openai_chat", chat(10**13, 5, 10**13 + 5), "too_large"),
        ("openai_chat", chat([1], 5, 6), "bad_number"),
        ("openai_chat", {"model": "x"}, "unknown_shape"),
        ("openai_chat", {"usage": {"total_tokens": 5}}, "unknown_shape"),
        ("openai_chat", [], "unknown_shape"),
        ("no_such_api", {}, "unknown_shape"),
        ("anthropic_messages", messages(iterations=[{"type": "message", "input_tokens": 1}]), "unexplained_total"),
        ("anthropic_messages", messages(iterations=[5]), "unknown_shape"),
        ("anthropic_messages", messages(cache_creation={"ephemeral_5m_input_tokens": 9}), "unexplained_total"),
        ("gemini", gemini(promptTokenCount=10, cachedContentTokenCount=11, totalTokenCount=10), "cached_exceeds_input"),
        ("gemini", gemini(promptTokenCount=10, totalTokenCount=11), "unexplained_total"),
        ("bedrock_converse", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 3}}, "unexplained_total"),
        ("cohere", {"usage": {"tokens": {"input_tokens": 1}}}, "unknown_shape"),
    ],
)  # fmt: skip
def test_a_body_that_contradicts_itself_is_rejected_with_its_reason(api, body, reason):
    with pytest.raises(Rejected) as caught:
        usage_of(api, body)
    assert caught.value.reason == reason


def recorded():
    packed = (ROOT / "tests" / "samples" / "oracle" / "provider_usage_bodies_priced.csv.gz").read_bytes()
    return csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))


def test_all_recorded_bodies_are_read_and_their_classes_are_what_was_counted():
    for row in recorded():
        usages = usage_of(api_of(row["provider"], row["api_flavor"]), json.loads(row["raw_body"]))
        assert all(set(usage.classes) <= set(TOKEN_CLASSES) for usage in usages)
        told = json.loads(row["usage"])
        if len(usages) == 1 and usages[0].reported_total is not None:
            tokens = usages[0].classes
            assert sum(tokens.get(name, 0) for name in ALL_INPUT_CLASSES) == told["input_tokens"]
            hidden = usages[0].reported_total - told["input_tokens"] - told["output_tokens"]
            assert sum(tokens.get(name, 0) for name in ALL_OUTPUT_CLASSES) == told["output_tokens"] + hidden


values = st.none() | st.booleans() | st.integers(-5, 10**14) | st.floats() | st.text(max_size=3)
names = st.sampled_from(
    ["usage", "usageMetadata", "timings", "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens",
     "output_tokens", "iterations", "cache_creation", "promptTokenCount", "promptTokensDetails", "billed_units"]
)  # fmt: skip
trees = st.recursive(values, lambda t: st.dictionaries(names, t, max_size=4) | st.lists(t, max_size=2), max_leaves=6)


def reason_or_usages(api, body):
    try:
        return usage_of(api, body), None
    except Rejected as rejected:
        return [], rejected.reason


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(APIS)), st.dictionaries(names, trees, max_size=4))
def test_whatever_the_body_it_is_read_or_rejected_with_a_listed_reason(api, body):
    usages, reason = reason_or_usages(api, body)
    assert reason in (None, *REASONS)
    for usage in usages:
        assert all(value >= 0 for value in usage.classes.values())
        assert usage.reported_total in (None, sum(usage.classes.values()))
