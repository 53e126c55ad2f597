"""Azure OpenAI and Foundry: FOCUS and cost exports as lines, and metrics of Azure Monitor as usage.

Lines are of a resource, never of a deployment; the meter's text holds model, direction and deployment type
(``ingest.calc.azure_meters``). Provisioned throughput is billed by the hour for what is deployed, whatever is used: its
lines count ``ptu_hour``, and the metrics, tokens per deployment, say whose share of them it is. ``ProcessedPromptTokens``
contains cached tokens, ``GeneratedTokens`` contains reasoning; a bucket is an interval of one deployment. An export
states the month to date, and replaces what the one before stated of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingest.calc.azure_meters_lines import (
    DATASETS,
    export_identity,
    export_line,
    export_name,
    export_row,
    is_ai,
    is_export,
)
from ingest.calc.bill_meters import tags_of, unknown_meter, widen
from ingest.calc.focus_lines import ESSENTIAL
from ingest.calc.focus_lines_delivery import delivered, reading_of
from ingest.calc.identity import canonical_tags
from ingest.calc.reasons import Rejected
from ingest.calc.records import row_identity
from ingest.calc.values import count, instant
from ingest.pull import Option
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_METRICS = {
    "processedprompttokens": "input", "inputtokens": "input", "generatedtokens": "output", "outputtokens": "output",
    "tokentransaction": "total", "totaltokens": "total", "azureopenairequests": "requests", "modelrequests": "requests",
}  # fmt: skip
_DEPLOYMENT, _MODEL = "modeldeploymentname", "modelname"


class _Interval(Record):
    """What the metrics of an answer say of one deployment in one interval."""


class AzureOpenAI(RowSource):
    """A row of an export is a line; an interval of a deployment is a usage row."""

    kind = "azure_openai"
    layer = "meter"
    scopes = ("tokens.*",)
    line_scopes = ("*",)
    redelivers = True
    options = (
        Option("reading", "of FOCUS: lenient, or strict", "lenient"),
        Option("dataset", "of a cost export that is not FOCUS: actual or amortized", "actual"),
    )
    guide = Guide(
        "Azure OpenAI and Foundry",
        "In Cost Management create a daily export of the month to date, best in FOCUS, to a storage account, and connect "
        "that folder or import its files with `manage.py ingest_file FILE --source azure_openai`. For shares of provisioned "
        "throughput save the answer of Azure Monitor's metrics (ProcessedPromptTokens, GeneratedTokens, split by "
        "ModelDeploymentName) and import it likewise.",
        "Cost Management Reader on the billing scope; Monitoring Reader on the resource for metrics",
        "Billing account, subscription, resource, its tags, region, model, tier, commitment; deployment by metrics.",
        "Who called: costs are of a resource. Metrics have no cost, no cache and no reasoning split.",
    )

    def columns(self, names: Sequence[str], context: Context) -> None:  # noqa: ARG002
        """Refuse a table that is neither FOCUS nor a cost export. Raises NotThisKind."""
        if all(name in names for name in ESSENTIAL) or is_export(set(map(export_name, names))):
            return
        raise NotThisKind("neither a FOCUS nor a cost export of Azure")

    def is_page(self, document: Any) -> bool:
        """A list, or an answer of Azure Monitor."""
        return isinstance(document, list) or (isinstance(document, dict) and isinstance(document.get("value"), list))

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Rows of a list, or the intervals of an answer of Azure Monitor. Raises NotThisKind for an error."""
        if isinstance(document, dict) and isinstance(document.get("value"), list):
            yield from _intervals(document)
        elif isinstance(document, list):
            for index, item in enumerate(document):
                if isinstance(item, dict) and isinstance(item.get("value"), list):
                    yield from ((f"/{index}{pointer}", record) for pointer, record in _intervals(item))
                else:
                    yield f"/{index}", item
        elif isinstance(document, dict) and "error" not in document:
            yield "", document
        else:
            raise NotThisKind("an error that Azure answered, or no answer of it")

    def row(self, record: Record, context: Context) -> list[Record]:
        """One line, or one usage row. Raises Rejected, and Skip for other services of Azure."""
        if isinstance(record, _Interval):
            return [_usage(record, context)]
        if all(name in record for name in ESSENTIAL):
            return [_focus(record, context)]
        row = export_row(record)
        if not is_export(row):
            raise Rejected("unknown_shape", "neither a FOCUS row nor one of a cost export")
        if not is_ai(row):
            raise Skip("other_service")
        return [_line(row, context)]


def _focus(record: Record, context: Context) -> Line:
    try:
        reading = reading_of(context.state, context.options, context.unknown_fields)
    except ValueError as error:
        raise NotThisKind(str(error)) from None
    row = reading.cleaned(record)
    if not is_ai(row):
        raise Skip("other_service")
    line, stated = delivered(row, reading, context)
    if stated:
        span = Covered(stated.account, "lines", stated.start, stated.end)
        widen(context.covered, context.state, stated[:2], span)
    return Line(line)


def _line(row: Record, context: Context) -> Line:
    dataset = str(context.options.get("dataset") or "actual")
    if dataset not in DATASETS:
        raise NotThisKind(f"dataset is {' or '.join(DATASETS)}, not {dataset[:40]!r}")
    line = Line(export_line(row, dataset, lambda meter: unknown_meter(context.unknown_fields, meter)))
    tags = tags_of(row.get("tags"), "tags")
    line["tags"], dropped = canonical_tags(tags, context.tag_keys)
    context.dropped_tags.update(dropped)
    line["native_id"] = row_identity(export_identity(row, line, tags), context.state)
    account, start = line["billing_account"], line["period_start"]
    if account and line["charge_category"] == "Usage":
        key = (account, line["billing_period"] or start.date().replace(day=1))
        widen(context.covered, context.state, key, Covered(account, "lines", start, line["period_end"]))
    return line


def _intervals(answer: Record) -> Iterator[tuple[str, Record]]:
    """One record per resource, combination of dimensions and instant, with every metric that speaks of it."""
    found: dict[str, tuple[str, Record]] = {}
    for number, metric in enumerate(_objects(answer["value"])):
        resource = str(metric.get("id") or "").partition("/providers/Microsoft.Insights/")[0]
        name = str(_name(metric)).lower()
        for place, series in enumerate(_objects(metric.get("timeseries"))):
            dimensions = {
                str(_name(item)).lower(): item.get("value") for item in _objects(series.get("metadatavalues"))
            }
            for at, datum in enumerate(_objects(series.get("data"))):
                key = json.dumps([resource, sorted(dimensions.items()), str(datum.get("timeStamp"))])
                pointer = f"/value/{number}/timeseries/{place}/data/{at}"
                record = _Interval(
                    resource=resource, dimensions=dimensions, timeStamp=datum.get("timeStamp"), metrics={},
                    interval=str(answer.get("interval")), region=str(answer.get("resourceregion") or "") or None,
                )  # fmt: skip
                found.setdefault(key, (pointer, record))[1]["metrics"][name] = datum.get("total")
    yield from found.values()


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise NotThisKind("no answer of Azure Monitor")
    return value


def _name(item: Mapping[str, Any]) -> Any:
    name = item.get("name")
    return name.get("value") if isinstance(name, Mapping) else name


def _usage(record: Record, context: Context) -> Record:
    values: dict[str, int] = {}
    for name, value in record["metrics"].items():
        ours = _METRICS.get(name)
        if ours is None:
            context.unknown_fields[f"metric {name[:60]}"] += 1
        elif (number := count(value, name)) is not None:
            values[ours] = number
    if not values:
        raise Skip("no_value")
    total = values.get("total")
    both = values.get("input", 0) + values.get("output", 0)
    if total is not None and total != both:
        raise Rejected("unexplained_total", f"input and output are {both}, the total is {total}")
    dimensions, resource = record["dimensions"], record["resource"]
    deployment = dimensions.get(_DEPLOYMENT)
    path = resource.strip("/").split("/")
    native = [resource, record["interval"], str(record["timeStamp"]), *sorted(map(list, dimensions.items()))]
    return {
        "native_id": json.dumps(native, separators=(",", ":")),
        "occurred_at": instant(record["timeStamp"], "timeStamp", zone=None),
        "provider": "azure",
        "host": path[-1] or None,
        "project": f"/subscriptions/{path[1]}" if len(path) > 1 and path[0] == "subscriptions" else None,
        "region": record["region"],
        "model_requested": deployment, "model_served": dimensions.get(_MODEL) or deployment or "(all deployments)",
        "operation": "chat",
        "requests": values.get("requests", 0),
        "input_uncached": values.get("input", 0), "output_visible": values.get("output", 0),
    }  # fmt: skip


SOURCE = AzureOpenAI()
