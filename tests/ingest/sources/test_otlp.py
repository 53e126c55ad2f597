"""OpenTelemetry: which spans are calls, which tokens are inside which, and both encodings alike."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.calc import otlp
from ingest.calc.reasons import Rejected
from ingest.services import Import, ingest_file
from ingest.source import Context, NotThisKind, Skip
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "otlp"
TRACE, START = "5b8aa5a2d2c872e8321cf37308d69df2", 1_788_872_400 * 10**9
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
LLM = {"openinference.span.kind": "LLM", "llm.model_name": "m"}


def value(given):
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(item) for item in given]}}
    kinds = {int: "intValue", float: "doubleValue", str: "stringValue"}
    return {kinds[type(given)]: str(given) if isinstance(given, int) else given}


def attributes(given):
    return [{"key": key, "value": value(inner)} for key, inner in given.items()]


def span(number, given, parent=0, **more):
    return {
        "traceId": TRACE, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "",
        "startTimeUnixNano": str(START), "attributes": attributes(given), "status": {},
    } | more  # fmt: skip


def document(*spans, scope="test", resource=None):
    scoped = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": attributes(resource or {})}, "scopeSpans": [scoped]}]}


def outcomes(*documents, kind="otlp"):
    """What becomes of every span or point: a usage row, or the reason why it is none."""
    source, context = get_source(kind), Context(tag_keys=frozenset({"team"}))
    found = []
    for page in documents:
        for _, record in source.records(page):
            try:
                found += source.row(record, context)
            except (Skip, Rejected) as reason:
                found.append(reason.reason if isinstance(reason, Rejected) else str(reason))
    return found


def classes(given, scope="test"):
    (found,) = outcomes(document(span(1, given), scope=scope))
    return found if isinstance(found, str) else {key: found[key] for key in found if key.startswith(CLASSES)}


CLASSES = ("input", "output", "cache")


def test_a_run_of_an_agent_counts_each_call_once():
    found = read(SAMPLES / "agent_run.otlp.jsonl", "otlp")
    # By hand: spans 2, 4, 6, 7 and 9. Span 7 says 10 + 20 cached beside them + 5 = 35; 8 is LangChain's around 9, 1 is the
    # agent, 3 a tool, 5 HTTP, and 10 says that 10 + 5 are 16.
    assert found.totals == {
        "input_uncached": (1_200 - 900 - 100) + 64 + (1_500 - 1_000) + 10 + 40,
        "cache_read": 900 + 1_000 + 20,
        "cache_write_5m": 100,
        "output_visible": (300 - 120) + 200 + 5 + 6,
        "output_reasoning": 120,
    }
    assert [row["native_id"][-1] for row in found.rows] == ["2", "4", "6", "7", "9"]
    assert found.skipped == {"parent_span": 2, "not_model_span": 2}
    assert found.reasons == [("/resourceSpans/0/scopeSpans/0/spans/4 in line 2", "unexplained_total")]
    assert {row["trace"] for row in found.rows} == {TRACE}
    assert [row["failed"] for row in found.rows] == [None, None, 1, None, None]
    assert [row["tool_calls"] for row in found.rows] == [1, None, None, None, 2]
    assert found.rows[0]["request_id"] == "msg_01"
    assert (found.rows[0]["feature"], found.rows[0]["environment"]) == ("rag-api", "production")
    assert (found.rows[0]["tags"], found.rows[1]["tags"]) == ('{"team":"search"}', '{"team":"unused"}')


@pytest.mark.parametrize(
    ("name", "tokens", "cost"),
    [("openlit_span", (14, 96), Decimal("0.000151")), ("traceloop_span", (14, 173), None),
     ("nonstandard_base64_ids", (5, 3), None)],
)  # fmt: skip
def test_a_span_of_a_vendor_gives_its_own_totals(name, tokens, cost):
    (row,) = read(SAMPLES / f"{name}.otlp.json", "otlp").rows
    assert (row["input_uncached"], row["output_visible"], row["reported_cost"]) == (*tokens, cost)
    text = (SAMPLES / f"{name}.otlp.json").read_text()
    trace = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    assert row["trace"] == ("4fa9e1fe632420e35aa077b04bd51623" if trace.endswith("==") else trace)


def test_a_model_span_without_tokens_is_skipped_and_a_failed_one_is_stored():
    assert read(SAMPLES / "semantic_kernel_span_no_usage.otlp.json", "otlp").skipped == {"no_usage": 1}
    (row,) = outcomes(document(span(1, CHAT, status={"code": "STATUS_CODE_ERROR"})))
    assert (row["failed"], row.get("input_uncached"), row.get("output_visible")) == (1, None, None)


@pytest.mark.parametrize("name", ["official_semconv_cache", "openinference_cache"])
def test_tokens_of_no_model_are_quarantined(name):
    assert [reason for _, reason in read(SAMPLES / f"{name}.otlp.json", "otlp").reasons] == ["missing_model"]


DIALECTS = {
    "old names": {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 40},
    "new names": {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 20, "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 15,
    },
    "OpenInference": {
        "llm.token_count.prompt": 100, "llm.token_count.completion": 40, "llm.token_count.total": 140,
        "llm.token_count.prompt_details.cache_read": 20, "llm.token_count.prompt_details.cache_write": 10,
        "llm.token_count.completion_details.reasoning": 15,
    },
    "Traceloop": {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 40, "llm.usage.total_tokens": 140,
        "gen_ai.usage.cache_read_input_tokens": 20, "gen_ai.usage.cache_creation_input_tokens": 10,
        "gen_ai.usage.reasoning_tokens": 15,
    },
    "Pydantic AI": {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.details.cache_read_tokens": 20, "gen_ai.usage.details.cache_write_tokens": 10,
        "gen_ai.usage.details.reasoning_tokens": 15,
    },
    "Vercel": {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 40, "ai.usage.promptTokens": 100,
        "ai.usage.cachedInputTokens": "20", "ai.usage.reasoningTokens": 15, "ai.usage.totalTokens": 140,
    },
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_counts_caches_inside_the_input_and_reasoning_inside_the_output(dialect):
    given = DIALECTS[dialect]
    written = 10 if any("creation" in key or "write" in key for key in given) else 0
    cached, reasoned = (0, 0) if dialect == "old names" else (20, 15)
    expected = {"input_uncached": 100 - cached - written, "output_visible": 40 - reasoned} | (
        {"cache_read": 20, "output_reasoning": 15} if cached else {}
    )
    assert classes(CHAT | given) == expected | ({"cache_write_5m": 10} if written else {})


@pytest.mark.parametrize(
    ("scope", "total", "expected"),
    [
        ("x", None, {"input_uncached": 70, "cache_read": 30}),
        ("x", 150, {"input_uncached": 70, "cache_read": 30}),
        ("x", 180, {"input_uncached": 100, "cache_read": 30}),
        ("x", 170, "unexplained_total"),
        ("opentelemetry.instrumentation.bedrock", None, {"input_uncached": 100, "cache_read": 30}),
        ("opentelemetry.instrumentation.bedrock", 150, {"input_uncached": 100, "cache_read": 30}),
        ("openinference.instrumentation.bedrock", 180, {"input_uncached": 100, "cache_read": 30}),
        ("openinference.instrumentation.bedrock", 151, "unexplained_total"),
    ],
)
def test_a_total_says_whether_caches_stand_beside_the_input(scope, total, expected):
    given = {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 30,
    } | ({"gen_ai.usage.total_tokens": total} if total else {})  # fmt: skip
    found = classes(CHAT | given, scope)
    assert found == (expected if isinstance(expected, str) else expected | {"output_visible": 50})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Gemini's thoughts beside its candidates: 100 + 50 + 30.
        ({"input": 100, "output": 50, "reasoning": 30, "total": 180},
         {"input_uncached": 100, "output_visible": 50, "output_reasoning": 30}),
        ({"input": 100, "output": 50, "reasoning": 30, "cache_read": 30, "total": 180}, "unexplained_total"),
        ({"input": 10, "output": 5, "cache_read": 11}, "cached_exceeds_input"),
        ({"input": 10, "output": 5, "reasoning": 6}, "unexplained_total"),
        ({"total": 12}, "unexplained_total"),
        ({"input": -1, "output": 5}, "negative"),
        ({"input": 1.5, "output": 5}, "fractional"),
        ({"input": "many", "output": 5}, "bad_number"),
        ({"input": 10, "output": 5, "reasoning": 0}, {"input_uncached": 10, "output_visible": 5, "output_reasoning": 0}),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_quarantined(given, expected):
    names = {"input": "input_tokens", "output": "output_tokens", "reasoning": "reasoning.output_tokens",
             "cache_read": "cache_read.input_tokens", "total": "total_tokens"}  # fmt: skip
    assert classes(CHAT | {f"gen_ai.usage.{names[key]}": number for key, number in given.items()}) == expected


def test_names_of_one_count_that_disagree_are_no_count():
    both = {"gen_ai.usage.input_tokens": 10, "llm.token_count.prompt": 11}
    assert classes(CHAT | both) == "unexplained_total"


def test_audio_is_a_part_of_both_sides_and_of_what_was_cached():
    # Pydantic AI: 120 in, of them 30 cached (2 of audio), 10 written, 5 audio (2 cached); 40 out, of them 7 audio.
    given = {
        "gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.details.input_audio_tokens": 5, "gen_ai.usage.details.cache_audio_read_tokens": 2,
        "gen_ai.usage.details.output_audio_tokens": 7,
    }  # fmt: skip
    assert classes(CHAT | given) == {
        "input_uncached": 120 - 30 - 10 - 3, "cache_read": 28, "cache_read_audio": 2, "cache_write_5m": 10,
        "input_audio": 3, "output_visible": 33, "output_audio": 7,
    }  # fmt: skip


@pytest.mark.parametrize(("entered", "right"), [(18_495, True), (7, True), (2_096, False)])
def test_vercels_sdk_keeps_anthropics_own_usage_which_alone_tells_cache_writes(entered, right):
    # A span recorded by Langfuse's developers: 18,495 = 7 + 16,399 read + 2,089 written; older versions write 7.
    own = {"input_tokens": 7, "cache_creation_input_tokens": 2_089, "cache_read_input_tokens": 16_399,
           "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 89},
           "output_tokens": 445, "service_tier": "standard"}  # fmt: skip
    given = {
        "gen_ai.usage.input_tokens": entered, "gen_ai.usage.output_tokens": 445, "ai.usage.cachedInputTokens": "16399",
        "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": own, "stopSequence": None}}),
    }  # fmt: skip
    expected = {"input_uncached": 7, "cache_read": 16_399, "cache_write_5m": 2_000, "cache_write_1h": 89,
                "output_visible": 445}  # fmt: skip
    assert classes(CHAT | given, "ai") == (expected if right else "unexplained_total")


USED = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1}


@pytest.mark.parametrize("name", ["router_label", "router.label", "gen_ai.router.label"])
def test_a_span_says_what_a_router_called_the_query(name):
    labelled, plain = outcomes(document(span(1, CHAT | USED | {name: "COMPLEX"}), span(2, CHAT | USED)))
    assert (labelled["router_label"], plain["router_label"]) == ("COMPLEX", None)


COUNTED = {"llm.token_count.prompt": 10, "llm.token_count.completion": 1}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (CHAT | USED, "chat"),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m", "gen_ai.usage.total_tokens": 8}, "embedding"),
        ({"gen_ai.operation.name": "invoke_agent"} | USED, "parent_span"),
        ({"gen_ai.operation.name": "invoke_workflow"} | USED, "parent_span"),
        ({"gen_ai.operation.name": "execute_tool"} | USED, "not_model_span"),
        ({"gen_ai.operation.name": "invoke_agent"}, "not_model_span"),
        ({"gen_ai.operation.name": "retrieval"}, "not_model_span"),
        ({"gen_ai.operation.name": "orchestrate"} | USED, "unknown_shape"),
        (LLM | COUNTED, "chat"),
        ({"openinference.span.kind": "AGENT"} | COUNTED, "parent_span"),
        ({"openinference.span.kind": "CHAIN"} | COUNTED, "parent_span"),
        ({"llm.request.type": "completion", "gen_ai.request.model": "m"} | USED, "chat"),
        ({"traceloop.span.kind": "workflow"} | USED, "parent_span"),
        ({"agent_name": "a", "model_name": "m"} | USED, "parent_span"),
        ({"ai.operationId": "ai.streamText", "ai.usage.promptTokens": 10}, "parent_span"),
        ({"ai.operationId": "ai.streamText.doStream", "ai.model.id": "m", "ai.usage.promptTokens": 10}, "chat"),
        ({"gen_ai.request.model": "m"} | USED, "chat"),
        ({"http.request.method": "POST"}, "not_model_span"),
    ],
)  # fmt: skip
def test_a_span_is_known_by_itself_so_that_parents_and_children_may_come_in_any_order(given, expected):
    (found,) = outcomes(document(span(1, given)))
    assert (found if isinstance(found, str) else found["operation"]) == expected


def test_what_a_tool_calls_is_no_part_of_the_call_above_it():
    spans = [span(1, CHAT | USED), span(2, {"gen_ai.operation.name": "execute_tool"}, 1), span(3, CHAT | USED, 2)]
    assert [isinstance(found, dict) for found in outcomes(document(*spans))] == [True, False, True]


def test_a_framework_around_an_sdk_is_seen_in_either_order_but_not_where_its_child_has_no_tokens():
    outer, inner, empty = span(1, LLM | COUNTED), span(2, LLM | COUNTED, 1), span(2, LLM, 1)
    assert [type(found) for found in outcomes(document(outer, inner))] == [str, dict]
    assert [type(found) for found in outcomes(document(inner, outer))] == [dict, str]
    assert [type(found) for found in outcomes(document(empty, outer))] == [str, dict]


def test_spans_in_a_circle_end():
    assert len(outcomes(document(span(1, LLM, 2), span(2, LLM, 3), span(3, LLM, 1)))) == 3


def test_a_call_has_the_agent_of_the_nearest_span_above():
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"}
    spans = [span(1, agent), span(2, {"x": "y"}, 1), span(3, CHAT | USED, 2), span(4, CHAT | USED, 99)]
    assert [found["agent"] for found in outcomes(document(*spans)) if isinstance(found, dict)] == ["writer", None]


def test_who_called_an_agent_is_said_where_the_spans_between_came_with_it():
    """lead calls writer, which names itself on its call too; below a span that did not come, nobody knows."""
    lead, writer, lost = ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name} for name in "lwx")
    own = CHAT | USED | {"gen_ai.agent.name": "w"}
    spans = [
        span(1, lead), span(2, CHAT | USED, 1), span(3, {"x": "y"}, 1), span(4, writer, 3), span(5, own, 4),
        span(6, lost, 99), span(7, CHAT | USED, 6), span(8, CHAT | USED),
    ]  # fmt: skip
    found = [(row["agent"], row["caller"]) for row in outcomes(document(*spans)) if isinstance(row, dict)]
    assert found == [("l", ""), ("w", "l"), ("x", None), (None, None)]


@pytest.mark.parametrize(
    ("given", "provider"),
    [
        ({"gen_ai.system": "OpenAI"}, "openai"), ({"gen_ai.provider.name": "gcp.vertex_ai"}, "google"),
        ({"gen_ai.provider.name": "aws.bedrock"}, "aws"), ({"gen_ai.system": "az.ai.openai"}, "azure"),
        ({"gen_ai.system": "langchain"}, None), ({"gen_ai.system": "ollama"}, "selfhosted"),
        ({"gen_ai.system": "openai.responses", "ai.operationId": "ai.generateText.doGenerate"}, "openai"),
        ({"llm.system": "anthropic"}, "anthropic"), ({"gen_ai.provider.name": "ibm.watsonx.ai"}, "ibm.watsonx.ai"),
    ],
)  # fmt: skip
def test_providers_are_called_as_the_price_book_calls_them(given, provider):
    (row,) = outcomes(document(span(1, CHAT | USED | given)))
    assert row["provider"] == provider


def test_neither_users_nor_texts_enter_a_row():
    private = {"user.id": "SECRET", "enduser.id": "SECRET", "session.id": "SECRET", "gen_ai.conversation.id": "SECRET",
               "gen_ai.input.messages": "SECRET", "llm.input_messages.0.message.content": "SECRET",
               "gen_ai.prompt.0.tool_calls.0.name": "SECRET"}  # fmt: skip
    (row,) = outcomes(document(span(1, CHAT | USED | private), resource={"host.name": "SECRET"}))
    assert "SECRET" not in repr(row)
    assert row["tool_calls"] is None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"traceId": "0" * 32}, "unknown_shape"), ({"spanId": "abc"}, "unknown_shape"), ({"traceId": 5}, "unknown_shape"),
        ({"startTimeUnixNano": "soon"}, "bad_time"), ({"startTimeUnixNano": 0}, "missing_time"),
    ],
)  # fmt: skip
def test_a_span_without_ids_or_time_is_quarantined_alone(more, expected):
    first, second = outcomes(document(span(1, CHAT | USED, **more), span(2, CHAT | USED)))
    assert first == expected
    assert second["input_uncached"] == 10


def test_an_attribute_that_is_given_twice_is_not_chosen_from(tmp_path):
    twice = span(1, CHAT | USED)
    twice["attributes"].append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": "11"}})
    text = json.dumps(document(twice, span(2, CHAT | USED)))
    assert read_text(tmp_path, text, "otlp").reasons == [("/resourceSpans/0/scopeSpans/0/spans/0", "unknown_shape")]


def test_other_documents_are_refused(tmp_path):
    for text in ('{"resourceSpans": {}}', '{"spans": []}', '[{"a": 1}]'):
        with pytest.raises(NotThisKind):
            list(get_source("otlp").records(json.loads(text)))


def in_protobuf(page):
    """The same request in protobuf, written without the product's code."""
    request = ExportTraceServiceRequest()
    for group in page["resourceSpans"]:
        into = request.resource_spans.add()
        for pair in group["resource"]["attributes"]:
            _put(into.resource.attributes.add(), pair)
        for scoped in group["scopeSpans"]:
            scope = into.scope_spans.add()
            scope.scope.name = scoped["scope"]["name"]
            for sent in scoped["spans"]:
                message = scope.spans.add(
                    trace_id=bytes.fromhex(sent["traceId"]), span_id=bytes.fromhex(sent["spanId"]),
                    parent_span_id=bytes.fromhex(sent.get("parentSpanId", "")),
                    start_time_unix_nano=int(sent["startTimeUnixNano"]),
                )  # fmt: skip
                message.status.code = sent["status"].get("code", 0)
                for pair in sent["attributes"]:
                    _put(message.attributes.add(), pair)
    return request.SerializeToString()


def _put(into, pair):
    into.key = pair["key"]
    ((kind, inner),) = pair["value"].items()
    if kind == "arrayValue":
        for item in inner["values"]:
            into.value.array_value.values.add(string_value=item["stringValue"])
    else:
        setattr(into.value, kind.replace("Value", "_value"), int(inner) if kind == "intValue" else inner)


@pytest.mark.parametrize("name", ["agent_run.otlp.jsonl", "openlit_span.otlp.json", "vercel_ai_sdk.otlp.json"])
def test_protobuf_says_the_same_as_json(name):
    text = (SAMPLES / name).read_text()
    pages = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else [json.loads(text)]
    assert outcomes(*(otlp.traces_from_protobuf(in_protobuf(page)) for page in pages)) == outcomes(*pages)


def test_a_body_that_is_no_protobuf_is_refused():
    with pytest.raises(Rejected, match="unknown_shape"):
        otlp.traces_from_protobuf(b'{"resourceSpans": []}')
    with pytest.raises(Rejected, match="unknown_shape"):
        otlp.metrics_from_protobuf(b"\xff\xff")


@pytest.mark.usefixtures("ledger")
def test_importing_a_file_again_changes_nothing():
    job = Import(SAMPLES / "agent_run.otlp.jsonl", "otlp")
    first, again = ingest_file(job), ingest_file(job)
    assert (first.read, first.stored, first.quarantined, sum(first.skipped.values())) == (10, 5, 1, 4)
    assert (again.duplicate, again.stored, again.changed) == (5, 0, 0)


NUMBERS = st.integers(0, 10**6)


@given(st.tuples(*[NUMBERS] * 6), st.booleans(), st.booleans())
def test_the_classes_of_a_span_add_up_to_its_total(parts, beside_input, beside_output):
    uncached, read_, written, visible, reasoned, error = parts
    entered = uncached + (0 if beside_input else read_ + written)
    produced = visible + (0 if beside_output else reasoned)
    total = uncached + read_ + written + visible + reasoned + error
    found = classes(
        CHAT
        | {
            "gen_ai.usage.input_tokens": entered, "gen_ai.usage.output_tokens": produced,
            "gen_ai.usage.total_tokens": total, "gen_ai.usage.cache_read.input_tokens": read_,
            "gen_ai.usage.cache_creation.input_tokens": written, "gen_ai.usage.reasoning.output_tokens": reasoned,
        }
    )  # fmt: skip
    if isinstance(found, str):
        assert found in ("unexplained_total", "cached_exceeds_input")
    else:
        assert sum(found.values()) == total
