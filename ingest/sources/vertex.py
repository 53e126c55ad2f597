"""Google Vertex AI and the Gemini API: rows of the billing export as lines, usageMetadata of responses as usage.

The rules of the export stand in ``ingest.calc.google_meters_lines``. In ``usageMetadata`` cached tokens are inside the
prompt, thoughts and tool prompts outside of the counts that they look part of (``ingest.calc.bodies``); of a response
nothing else is read. A response stands alone, as ``body`` of a line ``{at, body}``, or as ``full_response`` of the
table that Vertex's request-response logging writes.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ingest.calc.bill_meters import unknown_meter, widen
from ingest.calc.bodies import Usage, usage_of
from ingest.calc.google_meters_lines import (
    FIELDS,
    ZONE,
    billing_identity,
    billing_lines,
    billing_tags,
    covered_until,
    pacific_day,
)
from ingest.calc.identity import SEPARATOR, canonical_tags
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json, row_identity
from ingest.calc.values import instant
from ingest.pull import Option
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_BODIES = ("usageMetadata", "body", "full_response")
_TIMES = ("at", "logging_time", "createTime")
_IDS = ("responseId", "request_id")
_TRAFFIC = {"ON_DEMAND": None, "TRAFFIC_TYPE_UNSPECIFIED": None, "PROVISIONED_THROUGHPUT": "provisioned"}


class Vertex(RowSource):
    """A row of the export is a charge and its credits; a response is one usage row."""

    kind = "vertex"
    layer = "provider_usage"
    scopes = ("tokens.*",)
    line_scopes = ("*",)
    issuer_zone = ZONE
    e_notation = True
    redelivers = True
    options = (Option("services", "service descriptions to take, separated by commas; * for all", "*"),)
    guide = Guide(
        "Google Vertex AI and Gemini API",
        "Turn on the detailed billing export to BigQuery; save its rows of the services Vertex AI and Gemini API by a "
        "scheduled EXPORT DATA query, the whole invoice month each time, as JSON lines or Parquet; connect that bucket or "
        "import the files with `manage.py ingest_file FILE --source vertex`.",
        "BigQuery Data Viewer on the export's dataset and BigQuery Job User",
        "Billing account, project, region, request labels as tags, model, tier and modality by SKU; cost and credits.",
        "Requests and callers, other than by labels.",
    )

    def columns(self, names: Sequence[str], context: Context) -> None:  # noqa: ARG002
        """Refuse a table that is neither a billing export nor one of logged responses. Raises NotThisKind."""
        export = all(name in names for name in ("sku", "cost", "usage_start_time", "currency"))
        if not export and not any(name in names for name in _BODIES):
            raise NotThisKind("neither rows of Google's billing export nor logged responses")

    def row(self, record: Record, context: Context) -> list[Record]:
        """The lines of a billing row, or the usage of a response. Raises Rejected, and Skip for other services."""
        if "sku" in record or "cost_type" in record:
            context.unknown_fields.update(name for name in record if name not in FIELDS)
            _asked_for(record, context)
            return list(_lines(record, context))
        if any(name in record for name in _BODIES):
            return _usage(record, context)
        raise Rejected("unknown_shape", "neither a billing row nor a response with usageMetadata")


def _asked_for(record: Record, context: Context) -> None:
    globs = str(context.options.get("services") or "*")
    service = record.get("service")
    name = str(service.get("description") or "").lower() if isinstance(service, Mapping) else ""
    if globs != "*" and not any(fnmatchcase(name, glob.strip().lower()) for glob in globs.split(",")):
        raise Skip("other_service")


def _lines(record: Record, context: Context) -> list[Line]:
    lines = [Line(row) for row in billing_lines(record, lambda text: unknown_meter(context.unknown_fields, text))]
    tags, dropped = canonical_tags(billing_tags(record), context.tag_keys)
    context.dropped_tags.update(dropped)
    charge = lines[0]
    native = row_identity(billing_identity(record, charge), context.state)
    for number, line in enumerate(lines):
        line["tags"] = tags
        line["native_id"] = f"{native}{SEPARATOR}credit{SEPARATOR}{number}" if number else native
    day, month = charge["charge_date"], charge["billing_period"]
    account = charge["billing_account"]
    if account and charge["charge_category"] == "Usage" and month == day.replace(day=1):
        span = Covered(account, "lines", charge["period_start"], covered_until(charge["period_end"]))
        widen(context.covered, context.state, (account, month), span)
    return lines


def _usage(record: Record, context: Context) -> list[Record]:
    body = _body(record)
    failed = "usageMetadata" not in body and "error" in body
    (usage,) = [Usage(None, None, {}, {}, None)] if failed else usage_of("gemini", body)
    value = next((place[name] for name in _TIMES for place in (record, body) if place.get(name)), None)
    at = context.at if value is None and context.at else instant(value, "at", zone=None, formats=("rfc3339", "epoch_s"))
    metadata = body.get("usageMetadata") or {}
    traffic = str(metadata.get("trafficType") or "ON_DEMAND")
    native = next((str(place[name]) for name in _IDS for place in (body, record) if place.get(name)), None)
    model = usage.model or next((record[name] for name in ("model", "model_version") if record.get(name)), None)
    if failed and not model:
        raise Skip("failed_without_model")
    return [
        {
            "native_id": native or row_identity({"at": str(at), "usage": metadata}, context.state),
            "request_id": native,
            "occurred_at": at, "charge_date": pacific_day(at),
            "provider": "google",
            "model_served": str(model).rsplit("/", 1)[-1] if model else None,
            "service_tier_served": usage.service_tier or _TRAFFIC.get(traffic, traffic.lower()),
            "operation": "chat",
            "requests": 1, "failed": 1 if failed else None,
            **usage.classes,
        }
    ]  # fmt: skip


def _body(record: Record) -> Mapping[str, Any]:
    body = record if "usageMetadata" in record else record.get("body", record.get("full_response"))
    if isinstance(body, str):
        body = load_json(body.encode("utf-8", "surrogatepass"))
    if not isinstance(body, Mapping):
        raise Rejected("unknown_shape", "the response is not an object")
    return body


SOURCE = Vertex()
