"""AWS Bedrock: its model invocation log (JSON lines) and rows of the Cost and Usage Report (CSV, Parquet).

A log record is one request as Bedrock itself counted it, so that it is provider usage, not a gateway's view.
``inputTokenCount`` leaves out what was read from and written to a cache; the cache's counts stand under ``input`` or
beside it. The split of writes by their life is in the logged body alone, of which nothing but its usage is read. A
failed call has an ``errorCode`` and no counts. ``modelId`` may be an inference profile: the geographic ones (``us.``,
``global.``) are models with prices of their own, an application's own profile says nothing of the model and stays a
project, unless the option ``profiles`` resolves it. Records come at least once; ``requestId`` tells them apart.
The report's rules stand in ``ingest.calc.aws_meters_lines``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.calc.aws_meters_lines import ESSENTIAL, cur_identity, cur_line, cur_name, cur_tags, is_bedrock
from ingest.calc.bill_meters import unknown_meter, widen
from ingest.calc.identity import canonical_tags
from ingest.calc.reasons import Rejected
from ingest.calc.records import row_identity
from ingest.calc.values import count, instant
from ingest.pull import Option
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_LOG_FIELDS = frozenset(
    {"schemaType", "schemaVersion", "timestamp", "accountId", "identity", "region", "inferenceRegion", "requestId",
     "operation", "modelId", "input", "output", "requestMetadata", "errorCode", "cacheReadInputTokenCount",
     "cacheWriteInputTokenCount"}
)  # fmt: skip
_OPERATIONS = (
    ("embed", "embedding"),
    ("rerank", "rerank"),
    ("image", "image"),
    ("canvas", "image"),
    ("stability", "image"),
)


class Bedrock(RowSource):
    """Invocation log records become usage, rows of the report become lines."""

    kind = "bedrock"
    layer = "provider_usage"
    scopes = ("tokens.*",)
    line_scopes = ("*",)
    redelivers = True
    options = (
        Option("principals", "none, roles, or all: whose ARN is kept as the principal of a call", "none"),
        Option("profiles", "application inference profiles and their models: ID=MODEL, separated by commas"),
    )
    guide = Guide(
        "AWS Bedrock",
        "Turn on model invocation logging to S3 (text bodies are not needed), and create a Data Export of CUR 2.0 with "
        "hourly rows and, if wanted, IAM principals; connect the bucket's two folders, or import their files with "
        "`manage.py ingest_file FILE --source bedrock`.",
        "s3:GetObject and s3:ListBucket on the folders of the logs and of the export",
        "Log: account, region, model, application inference profile, request metadata as tags, role if chosen. Report: "
        "account, region, model, tier, profile, tags, role; billed and effective cost.",
        "The log has no cost, no latency and no split of reasoning; the report has no requests.",
    )

    def columns(self, names: Sequence[str], context: Context) -> None:  # noqa: ARG002
        """Refuse a table that is no Cost and Usage Report. Raises NotThisKind."""
        known = set(map(cur_name, names))
        if "modelId" in known and "requestId" in known:
            return
        if missing := [name for name in ESSENTIAL if name not in known]:
            raise NotThisKind(f"no Cost and Usage Report: {', '.join(missing)} missing")

    def row(self, record: Record, context: Context) -> list[Record]:
        """One usage row of a log record, or one line of the report. Raises Rejected, and Skip for other services."""
        if "modelId" in record:
            context.unknown_fields.update(name for name in record if name not in _LOG_FIELDS)
            return [_call(record, context)]
        row = {cur_name(name): value for name, value in record.items()}
        if missing := [name for name in ESSENTIAL if name not in row]:
            raise Rejected("unknown_shape", f"neither a log record nor a row of a report: {missing[0]} is missing")
        if not is_bedrock(row):
            raise Skip("other_service")
        return [_line(row, context)]


def _options(context: Context) -> dict[str, str]:
    return context.options


def _line(row: Record, context: Context) -> Line:
    line = Line(cur_line(row, lambda meter: unknown_meter(context.unknown_fields, meter)))
    tags = cur_tags(row)
    line["tags"], dropped = canonical_tags(tags, context.tag_keys)
    context.dropped_tags.update(dropped)
    line["principal"] = _principal(row.get("line_item_iam_principal"), context)
    line["project"] = _profile(line["resource_id"])
    line["native_id"] = row_identity(cur_identity(row, line, tags), context.state)
    if line["charge_category"] == "Usage" and line["billing_account"] and line["period_end"]:
        account, month = line["billing_account"], line["billing_period"]
        span = Covered(account, "lines", line["period_start"], line["period_end"])
        widen(context.covered, context.state, (account, month), span)
    return line


def _call(record: Record, context: Context) -> Record:
    native, model = _text(record, "requestId"), _text(record, "modelId")
    if not native:
        raise Rejected("unknown_shape", "requestId is missing")
    failed = bool(record.get("errorCode"))
    profile = _profile(model)
    metadata = _object(record, "requestMetadata")
    tags, dropped = canonical_tags(metadata, context.tag_keys)
    context.dropped_tags.update(dropped)
    name = _resolved(model, profile, context)
    usage = _usage(_object(record, "output").get("outputBodyJson"))
    return {
        "native_id": native, "request_id": native,
        "occurred_at": instant(record.get("timestamp"), "timestamp", zone=None),
        "provider": "aws",
        "billing_account": _text(record, "accountId"),
        "project": profile,
        "principal": _principal(_object(record, "identity").get("arn"), context),
        "model_requested": name, "model_served": name,
        "region": _text(record, "region"),
        "operation": next((ours for word, ours in _OPERATIONS if word in (name or "").lower()), "chat"),
        "environment": metadata.get("environment") or metadata.get("env"),
        "feature": metadata.get("feature") or metadata.get("use_case"),
        "tags": tags,
        "requests": 1, "failed": 1 if failed else None,
        **_classes(record, usage, failed=failed),
    }  # fmt: skip


def _classes(record: Record, usage: Mapping[str, Any], *, failed: bool) -> dict[str, int | None]:
    given, made = _object(record, "input"), _object(record, "output")
    plain, output = (
        count(given.get("inputTokenCount"), "inputTokenCount"),
        count(made.get("outputTokenCount"), "output"),
    )
    if plain is None and output is None and not failed:
        raise Rejected("unknown_shape", "neither token counts nor an error")
    read = _either(given, record, "cacheReadInputTokenCount")
    written = _either(given, record, "cacheWriteInputTokenCount")
    hour = count(_object(usage, "cache_creation").get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens") or 0
    if hour > written:
        raise Rejected("cached_exceeds_input", "writes of one hour exceed all cache writes")
    classes = {
        "input_uncached": plain or 0, "cache_read": read, "cache_write_5m": written - hour, "cache_write_1h": hour,
        "output_visible": output or 0,
    }  # fmt: skip
    total = count(usage.get("totalTokens"), "totalTokens")
    if total is not None and total != sum(classes.values()):
        raise Rejected("unexplained_total", f"the classes add up to {sum(classes.values())}, the total is {total}")
    return {**classes}


def _either(given: Mapping[str, Any], record: Record, name: str) -> int:
    """A count that stands under ``input`` or beside it, or in both places alike."""
    found = {value for place in (given, record) if (value := count(place.get(name), name)) is not None}
    if len(found) > 1:
        raise Rejected("unknown_shape", f"{name} is given twice, differently")
    return found.pop() if found else 0


def _usage(body: Any) -> Mapping[str, Any]:
    """The usage in a logged body: a response, or the events of a stream, whose first holds the message."""
    if isinstance(body, list):
        body = body[0].get("message") if body and isinstance(body[0], Mapping) else None
    usage = body.get("usage") if isinstance(body, Mapping) else None
    return usage if isinstance(usage, Mapping) else {}


def _profile(arn: str | None) -> str | None:
    """The id of an application's own inference profile."""
    head, slash, tail = (arn or "").rpartition("/")
    return tail if slash and head.endswith(":application-inference-profile") else None


def _resolved(model: str | None, profile: str | None, context: Context) -> str | None:
    """The model that an id or ARN names; of what names none, its kind and id."""
    pairs = (item.partition("=") for item in str(_options(context).get("profiles") or "").split(","))
    known = {key.strip(): value.strip() for key, _, value in pairs if key.strip()}
    for name in (model, profile):
        if name and name in known:
            return known[name]
    if not model or not model.startswith("arn:"):
        return model
    kind, _, name = model.split(":", 5)[-1].partition("/")  # after arn:aws:bedrock:REGION:ACCOUNT
    return name if kind in ("foundation-model", "inference-profile") else f"{kind}/{name}"


def _principal(arn: Any, context: Context) -> str | None:
    """The role of a caller, without its session (which may name a person), or the user; only where that is chosen."""
    kept = _options(context).get("principals", "none")
    if not isinstance(arn, str) or kept not in ("roles", "all"):
        return None
    kind, _, rest = arn.rsplit(":", 1)[-1].partition("/")
    if kind == "assumed-role":
        return rest.split("/")[0] or None
    if kind == "role":
        return rest.rsplit("/", 1)[-1] or None
    return rest or None if kept == "all" and kind == "user" else None


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


SOURCE = Bedrock()
