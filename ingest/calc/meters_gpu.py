"""Readings of GPUs as NVIDIA's DCGM exporter gives them, as GPU hours, active GPU hours and watt hours.

A GPU hour is time that a GPU was there, busy or not; the active part is its engine's (or, without profiling fields, its
utilisation's) share of that time. Energy is a counter of millijoules. A GPU that is cut into MIG instances appears as
itself and as its instances: hours are those of the instances by their slices, and the rest, with the energy of the
whole, is the GPU's own.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN as _EVEN
from decimal import Decimal
from typing import Any

from finops.tokens import UNITS
from ingest.calc.counters import Interval, Reading, increase
from ingest.calc.prometheus_text import Sample, is_blank, number
from ingest.calc.reasons import Rejected

ENERGY, POWER = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_POWER_USAGE"
ENGINE, UTILISATION = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"
NAMES = (ENERGY, POWER, ENGINE, UTILISATION)
_PRESENT = "DCGM_FI_"  # any field of the exporter says that the GPU is there
_SLICES = re.compile(r"([0-9]+)g\.")
_FOUR_SLICES = "A30"  # other GPUs have seven
_SURE = timedelta(hours=1)  # a longer gap says nothing about how busy a GPU was
_HOUR, _INSTANT = Decimal(3_600), timedelta(microseconds=1)
_MILLIJOULES = 3_600_000  # in a watt hour
_PICO = Decimal("0.000000000001")


def readings(samples: Iterable[Sample | Rejected]) -> Iterator[dict[str, Any]]:
    """One record for every GPU and instant ``{meter, at, parts, energy, power}``; one for everything that is no value.

    ``parts``: the GPU or its instances, with labels and the active share where it is known.
    """
    found: dict[tuple[str, datetime | None], dict[str, Any]] = defaultdict(lambda: {"parts": {}, ENERGY: {}, POWER: {}})
    for sample in samples:
        if isinstance(sample, Rejected):
            yield {"reason": sample.reason, "detail": sample.detail}
            continue
        if not sample.name.startswith(_PRESENT):
            continue
        if is_blank(sample.value):
            yield {"blank": sample.name}
            continue
        gpu = found[_meter(sample.labels), sample.at]
        part = gpu["parts"].setdefault(sample.labels.get("GPU_I_ID", ""), {"labels": {}, "active": {}})
        part["labels"] |= {name: value for name, value in sample.labels.items() if value}
        if sample.name in (ENERGY, POWER):
            gpu[sample.name].setdefault(sample.labels.get("GPU_I_ID", ""), sample.value)
        elif sample.name in (ENGINE, UTILISATION):
            part["active"][sample.name] = sample.value
    for (meter, at), gpu in sorted(
        found.items(), key=lambda item: (item[0][1] or datetime.min.replace(tzinfo=UTC), item[0][0])
    ):
        yield {"meter": meter, "at": at, **gpu}


def reading_of(record: Mapping[str, Any], at: datetime | None) -> Reading:
    """The reading that a record states; ``at``: its time where it has none of its own. Raises Rejected."""
    if "reason" in record:
        raise Rejected(record["reason"], record["detail"])
    time = record["at"] or at
    if time is None:
        raise Rejected("missing_time", "a scrape does not say when it was taken: give --at")
    values: dict[str, Decimal] = {}
    for name in (ENERGY, POWER):
        stated = record[name]
        if stated:  # the whole GPU's, which instances may repeat
            values[_text([name])] = _positive(stated.get("", next(iter(stated.values()))), name)
    for part in record["parts"].values():
        about = _about(part["labels"])
        values[_text(["gpu", about])] = Decimal(1)
        active = part["active"]
        if ENGINE in active:
            values[_text(["active", about])] = _share(_positive(active[ENGINE], ENGINE), ENGINE)
        elif UTILISATION in active:
            values[_text(["active", about])] = _share(_positive(active[UTILISATION], UTILISATION) / 100, UTILISATION)
    return Reading(record["meter"], None, time, values)


def usage(interval: Interval) -> Iterator[dict[str, Any]]:
    """One usage row for a GPU, or for each of its instances and the rest of it. Raises Rejected."""
    after = {key: (json.loads(key), value) for key, value in interval.after.values.items()}
    parts = [what[1] for what, _ in after.values() if what[0] == "gpu"]
    active = {_text(what[1]): value for what, value in after.values() if what[0] == "active"}
    hours = (Decimal(round(interval.length.total_seconds() * 1_000_000)) / 1_000_000 / _HOUR).quantize(_PICO, _EVEN)
    instances = [part for part in parts if part.get("instance")]
    whole = next((part for part in parts if not part.get("instance")), {"host": parts[0].get("host")} if parts else {})
    shares = [(part, (hours * _slices(part)).quantize(_PICO, _EVEN)) for part in instances]
    rest = hours - sum((share for _, share in shares), Decimal(0))
    if rest < -_PICO * 7:
        raise Rejected("unexplained_total", "the MIG instances of a GPU have more slices than it has")
    for part, share in [*shares, (whole, max(rest, Decimal(0)))]:
        own = part is whole
        busy = active.get(_text(part)) if interval.length <= _SURE and not (own and instances) else None
        units = {
            "gpu_hour": share,
            "gpu_active_hour": share * busy if busy is not None else None,
            "watt_hour": _energy(interval, hours) if own else None,
        }
        rounded = {unit: value.quantize(_PICO, _EVEN) for unit, value in units.items() if value}
        if not rounded:  # a GPU that is its instances and nothing more
            continue
        yield {
            "native_id": _text([interval.after.meter, part.get("instance"), interval.after.at.isoformat()]),
            "occurred_at": interval.after.at - _INSTANT,
            "provider": "selfhosted",
            "host": part.get("host"),
            "project": part.get("namespace"),
            "model_served": part.get("model"),
            "operation": "gpu" if part.get("pod") else "gpu_idle",
            "requests": 0,
            "units": [{"unit": UNITS[unit], "quantity": value} for unit, value in rounded.items()],
        }


def _energy(interval: Interval, hours: Decimal) -> Decimal | None:
    energy, power = _text([ENERGY]), _text([POWER])
    if interval.before and energy in interval.before.values and energy in interval.after.values:
        before, after = ({energy: reading.values[energy]} for reading in (interval.before, interval.after))
        return increase(before, after, {energy: ENERGY})[energy] / _MILLIJOULES
    if energy not in interval.after.values and power in interval.after.values and interval.length <= _SURE:
        return interval.after.values[power] * hours
    return None


def _meter(labels: Mapping[str, str]) -> str:
    uuid = labels.get("UUID")
    return uuid or _text([labels.get(name) for name in ("Hostname", "gpu", "device")])


def _about(labels: Mapping[str, str]) -> dict[str, str]:
    """What a usage row says of a part. The pod's name is not kept: that there is one says that the GPU is in use."""
    own = "dcgm-exporter" in labels.get("pod", "")  # Prometheus names the exporter's own pod where the GPU has none
    namespace = labels.get("exported_namespace") or (None if own else labels.get("namespace"))
    about = {
        "instance": labels.get("GPU_I_ID"), "profile": labels.get("GPU_I_PROFILE"), "host": labels.get("Hostname"),
        "model": labels.get("modelName"), "namespace": namespace,
        "pod": "1" if labels.get("exported_pod") or (labels.get("pod") and not own) else None,
    }  # fmt: skip
    return {name: value for name, value in about.items() if value}


def _slices(part: Mapping[str, str]) -> Decimal:
    match = _SLICES.search(part.get("profile", ""))
    if match is None:
        raise Rejected("unknown_shape", "GPU_I_PROFILE names no slices")
    return Decimal(int(match[1])) / (4 if _FOUR_SLICES in part.get("model", "") else 7)


def _positive(value: Any, name: str) -> Decimal:
    exact = number(value, name)
    if exact < 0:
        raise Rejected("negative", name)
    return exact


def _share(value: Decimal, name: str) -> Decimal:
    if value > 1:
        raise Rejected("too_large", f"{name} is above all of it")
    return value


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
