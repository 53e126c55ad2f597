"""OpenCost: allocations of a cluster's cost, as its API answers them, as lines of self-hosted cost.

``totalCost`` contains every part with its adjustment and what is shared; the parts must add up to it. An allocation
gives a line for its GPUs (``gpuCost`` and ``gpuCostAdjustment``, with ``gpuHours``) and one for the rest. ``__idle__``
and ``__unallocated__`` are allocations like any other, with lines of their own. An answer is a list of sets, one per
step; a set states everything there is of its window. OpenCost writes no currency: it is the option's.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ingest.calc.bill_meters import Meter, counted, exact, meter_columns, signed, widen
from ingest.calc.identity import canonical_tags
from ingest.calc.reasons import Rejected
from ingest.calc.values import instant
from ingest.pull import Option
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_PARTS = ("cpuCost", "gpuCost", "ramCost", "pvCost", "networkCost", "loadBalancerCost")
_WHOLES = ("sharedCost", "externalCost")
_TOLERANCE = Decimal("0.000001")  # its parts are floats, and so is their sum


class OpenCost(RowSource):
    """One record per allocation."""

    kind = "opencost"
    layer = "cost_report"
    line_scopes = ("gpu_hour", "other")
    redelivers = True
    options = (
        Option("currency", "in which the cluster's prices are set up", "USD"),
        Option("model_label", "label of a workload that names the model it serves", "model"),
    )
    guide = Guide(
        "OpenCost",
        "Save the answer of `/allocation?window=yesterday&aggregate=namespace&step=1d&includeIdle=true` and import it with "
        "`manage.py ingest_file FILE --source opencost`, or connect the folder that a job saves it to.",
        "",
        "Cluster, namespace, labels as tags, GPU hours; what is idle or unallocated, as lines of its own.",
        "Tokens, requests and callers: those come from the meters of the inference servers.",
    )

    def is_page(self, document: Any) -> bool:
        """An answer of the API."""
        return isinstance(document, list) or (isinstance(document, dict) and "data" in document)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every allocation of every set. Raises NotThisKind for other documents and failed answers."""
        sets = document.get("data") if isinstance(document, dict) else document
        if isinstance(document, dict) and document.get("code") not in (None, 200):
            raise NotThisKind("an error that OpenCost answered")
        if not isinstance(sets, list) or not all(item is None or isinstance(item, dict) for item in sets):
            raise NotThisKind("no allocations of OpenCost")
        for index, items in enumerate(sets):
            clusters = {cluster for item in (items or {}).values() if (cluster := _cluster(item))}
            sole = clusters.pop() if len(clusters) == 1 else None
            for name, item in (items or {}).items():
                good = isinstance(item, dict)
                yield f"/data/{index}/{name}", {**item, "name": name, "sole_cluster": sole} if good else item

    def row(self, record: Record, context: Context) -> list[Record]:
        """The lines of one allocation: its GPUs, and what else it cost. Raises Rejected."""
        if "totalCost" not in record:
            raise Rejected("unknown_shape", "no allocation: totalCost is missing")
        total, gpu = _amount(record, "totalCost"), _amount(record, "gpuCost") + _amount(record, "gpuCostAdjustment")
        parts = sum((_amount(record, name) + _amount(record, f"{name}Adjustment") for name in _PARTS), Decimal(0))
        parts += sum((_amount(record, name) for name in _WHOLES), Decimal(0))
        if abs(parts - total) > _TOLERANCE * max(Decimal(1), abs(total)):
            raise Rejected("unexplained_total", f"the parts add up to {parts:f}, totalCost is {total:f}")
        hours = _amount(record, "gpuHours")
        common = _common(record, context)
        lines = []
        if gpu or hours:
            meter = Meter(common["model_served"], "gpu_hour")
            lines.append(_line(common, "gpu", gpu, meter_columns(meter) | counted(meter, hours, None, None)))
        if parts - gpu:
            lines.append(_line(common, "rest", total - gpu, meter_columns(Meter(common["model_served"]))))
        if not lines:
            raise Skip("no_cost")
        return [*lines]


def _line(common: Record, part: str, cost: Decimal, columns: Record) -> Line:
    amount = exact(cost, part)
    return Line(
        common | columns | {
            "native_id": json.dumps([*common["native_id"], part], separators=(",", ":")),
            "description": f"{common['description']}: {'GPU' if part == 'gpu' else 'CPU, memory, storage, network, shared'}",
            "list_cost": None, "contracted_cost": amount, "effective_cost": amount, "billed_cost": amount,
        }
    )  # fmt: skip


def _common(record: Record, context: Context) -> Record:
    options = context.options
    properties = _object(record, "properties")
    labels = _object(properties, "labels")
    window = _object(record, "window")
    start, end = (
        instant(window.get(name) or record.get(name), f"window.{name}", zone=None) for name in ("start", "end")
    )
    cluster = _text(properties, "cluster") or _text(record, "sole_cluster")
    name = str(record.get("name") or "")
    if cluster:
        widen(context.covered, context.state, (cluster, start), Covered(cluster, "lines", start, end))
    tags, dropped = canonical_tags(labels, context.tag_keys)
    context.dropped_tags.update(dropped)
    return {
        "native_id": [cluster, start.isoformat(), end.isoformat(), name],
        "period_start": start, "period_end": end,
        "provider": "selfhosted",
        "billing_account": cluster,
        "project": _text(properties, "namespace") or name or None,  # __idle__ and __unallocated__ have no namespace
        "model_served": _text(labels, str(options.get("model_label") or "model")),
        "resource_id": _text(properties, "providerID") or _text(properties, "node"),
        "environment": _text(labels, "environment") or _text(labels, "env"),
        "tags": tags,
        "charge_category": "Usage",
        "description": name,
        "billing_currency": str(options.get("currency") or "USD"),
    }  # fmt: skip


def _amount(record: Record, name: str) -> Decimal:
    return signed(record.get(name), name) or Decimal(0)


def _cluster(item: Any) -> str | None:
    properties = item.get("properties") if isinstance(item, Mapping) else None
    return _text(properties, "cluster") if isinstance(properties, Mapping) else None


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) and value else None


SOURCE = OpenCost()
