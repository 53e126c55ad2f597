"""Scenarios: what a provider states of each bucket and call, as of which tick, and where it fails.

A *tick* is the provider's idea of time: a statement holds from its tick until the next one. The test turns the clock
(``FakeProvider.tick``), or every so many requests do (``Scenario.tick_every``), which also changes the truth between
two pages of one answer, as it does in life.
"""

import random
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

Values = Mapping[str, Any]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALWAYS = 1 << 30


@dataclass(frozen=True)
class Bucket:
    """One thing that an API states: usage of an hour, a cost line of a day, a call.

    ``api``: openai.ENDPOINT, openai.costs, anthropic.messages, anthropic.cost_report, litellm or langfuse. ``dims``: the
    fields it is grouped by, or that identify it. ``said``: (tick, what is stated from then on; None: nothing).
    """

    api: str
    start: datetime
    dims: Values
    said: tuple[tuple[int, Values | None], ...]

    def at(self, tick: int) -> Values | None:
        """What is stated at a tick."""
        stated = None
        for since, values in self.said:
            if since <= tick:
                stated = values
        return stated


def said(first: Values | None, **later: Values | None) -> tuple[tuple[int, Values | None], ...]:
    """Statements: ``said({...}, t2={...}, t5=None)``."""
    return (
        (0, first),
        *((int(name[1:]), values) for name, values in sorted(later.items(), key=lambda p: int(p[0][1:]))),
    )


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the requests ``first`` to ``first + times - 1`` whose path holds ``path``.

    ``do``: status (``status``, ``retry_after``: seconds or "date"), reset, stall, cut (half of the JSON as if it were
    all), broken (fewer bytes than announced), html, endless, loop (the same page again), no_cursor (more, and not
    where), or a change of schema: extra_field, null_optional, number_as_string, renamed, new_model, new_tier.
    """

    do: str
    path: str = ""
    first: int = 1
    times: int = 1
    status: int = 500
    retry_after: str | float | None = None
    body: str | None = None


@dataclass
class Scenario:
    """A provider's life."""

    buckets: list[Bucket] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # id -> name of projects, keys and workspaces
    key: str = "sk-admin-of-the-fake-provider"
    largest_page: int = ALWAYS  # buckets or rows; below the API's own limit it makes for more pages
    tick_every: int = 0  # requests; 0: only the test turns the clock
    skew: timedelta = timedelta(0)  # of the provider's clock
    _index: dict[str, Any] = field(default_factory=dict, repr=False)

    def of(self, api: str) -> list[Bucket]:
        """Its buckets of one API."""
        return [bucket for bucket in self.buckets if bucket.api == api]

    def between(self, api: str, low: datetime, high: datetime) -> list[Bucket]:
        """Its buckets of one API that begin in [low, high), in order."""
        sign = (id(self.buckets), len(self.buckets))
        if self._index.get("") != sign:
            self._index.clear()
            for bucket in sorted(self.buckets, key=lambda one: one.start):
                self._index.setdefault(bucket.api, []).append(bucket)
            self._index[""] = sign
        buckets = self._index.get(api, [])
        first, last = (bisect_left(buckets, at, key=lambda one: one.start) for at in (low, high))
        return buckets[first:last]


def load(path: Path, today: datetime | None = None) -> Scenario:
    """A scenario from YAML. A start is a time, or relative to midnight UTC today: ``-3d5h``."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    midnight = today or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    plain = {name: document[name] for name in ("names", "key", "largest_page", "tick_every") if name in document}
    made = Scenario(
        faults=[Fault(**fault) for fault in document.get("faults", [])],
        skew=timedelta(seconds=document.get("skew_seconds", 0)), **plain,
    )  # fmt: skip
    if options := document.get("generate"):
        made = replace(made, buckets=generate(midnight, **options).buckets)
    for item in document.get("buckets", []):
        stated = tuple(
            (entry.pop("tick", 0), None if entry.get("gone") else entry) for entry in map(dict, item["said"])
        )
        made.buckets.append(Bucket(item["api"], _instant(item["start"], midnight), item.get("dims", {}), stated))
    return made


def _instant(text: Any, midnight: datetime) -> datetime:
    if isinstance(text, datetime):
        return text if text.tzinfo else text.replace(tzinfo=UTC)
    relative = re.fullmatch(r"([+-]?)(?:(\d+)d)?(?:(\d+)h)?", str(text))
    if relative is None:
        return datetime.fromisoformat(str(text))
    distance = timedelta(days=int(relative[2] or 0), hours=int(relative[3] or 0))
    return midnight - distance if relative[1] == "-" else midnight + distance


def generate(
    today: datetime, *, seed: int = 1, days: int = 30, series: int = 4, hours: int = 24, restated: float = 0.0,
    late: float = 0.0, gone: float = 0.0, apis: tuple[str, ...] | list[str] = ("openai",),
) -> Scenario:  # fmt: skip
    """``days`` before ``today`` of ``series`` per API, hourly; shares of them restated, late or gone at ticks 1 to 3."""
    dice = random.Random(seed)
    buckets: list[Bucket] = []
    for api in apis:
        buckets += _usage(dice, api, today, days, series, hours)
    buckets = [_unsteady(dice, bucket, restated, late, gone) for bucket in buckets]
    if "openai" in apis:
        buckets += list(_costs(buckets, today, days))
    names = {f"proj_{n}": f"Project {n}" for n in range(series)} | {f"key_{n}": f"Key {n}" for n in range(series)}
    return Scenario(buckets, names=names)


_MODELS = {
    "openai": ("gpt-5", "gpt-5-mini", "gpt-4.1", "o3"),
    "anthropic": ("claude-opus-4-5", "claude-haiku-4-5", "claude-sonnet-4-5", "claude-sonnet-4-5"),
    "litellm": ("gpt-5", "gpt-5-mini", "gpt-4.1", "o3"),
    "langfuse": ("gpt-5", "gpt-5-mini", "gpt-4.1", "o3"),
}


def _usage(dice: random.Random, api: str, today: datetime, days: int, series: int, hours: int) -> Iterator[Bucket]:
    for day in range(days, 0, -1):
        for hour in range(hours):
            start = today - day * DAY + hour * HOUR
            for n in range(series):
                yield _one(dice, api, start, n)


def _one(dice: random.Random, api: str, start: datetime, n: int) -> Bucket:
    model = _MODELS[api][n % 4]
    uncached, cached, output = dice.randrange(1, 90_000), dice.randrange(50_000), dice.randrange(1, 20_000)
    if api == "openai":
        dims = {"project_id": f"proj_{n}", "user_id": None, "api_key_id": f"key_{n}", "model": f"{model}-2026-01-01",
                "batch": n % 3 == 2, "service_tier": "default"}  # fmt: skip
        values = {"input_tokens": uncached + cached, "input_cached_tokens": cached, "output_tokens": output,
                  "num_model_requests": dice.randrange(1, 200)}  # fmt: skip
        return Bucket("openai.completions", start, dims, said(values))
    if api == "anthropic":
        dims = {"account_id": None, "api_key_id": f"key_{n}" if n else None, "service_account_id": None,
                "workspace_id": f"wrkspc_{n}" if n else None, "model": model, "service_tier": "standard",
                "context_window": "0-200k", "inference_geo": "global"}  # fmt: skip
        values = {"uncached_input_tokens": uncached, "cache_read_input_tokens": cached, "output_tokens": output,
                  "ephemeral_5m_input_tokens": dice.randrange(500), "ephemeral_1h_input_tokens": dice.randrange(300)}  # fmt: skip
        return Bucket("anthropic.messages", start, dims, said(values))
    at = start + timedelta(microseconds=dice.randrange(3_600_000_000))
    dims = {"id": f"call-{dice.getrandbits(64):016x}", "model": model, "key": f"key_{n}", "team": f"team-{n % 2}"}
    values = {"input": uncached, "cached": cached, "output": output, "reasoning": dice.randrange(500),
              "cost": f"0.{dice.randrange(1, 10**8):08d}"}  # fmt: skip
    return Bucket(api, at, dims, said(values))


def _unsteady(dice: random.Random, bucket: Bucket, restated: float, late: float, gone: float) -> Bucket:
    """Perhaps another one: stated later than others, stated otherwise later on, or no longer stated."""
    values, die = bucket.at(0), dice.random()
    assert values is not None
    if bucket.api in ("litellm", "langfuse"):  # calls do not change: they only come late
        return replace(bucket, said=((0, None), (dice.randrange(1, 4), values))) if die < late else bucket
    if die < restated:
        grown = {name: value + dice.randrange(1, 1_000) for name, value in values.items() if isinstance(value, int)}
        if "input_cached_tokens" in values:  # a part of the input
            grown["input_tokens"] += grown["input_cached_tokens"] - values["input_cached_tokens"]
        return replace(bucket, said=(*bucket.said, (dice.randrange(1, 4), grown)))
    if die < restated + late:
        return replace(bucket, said=((0, None), (dice.randrange(1, 4), values)))
    if die < restated + late + gone:
        return replace(bucket, said=(*bucket.said, (dice.randrange(1, 4), None)))
    return bucket


def _costs(buckets: list[Bucket], today: datetime, days: int) -> Iterator[Bucket]:
    """A made-up price list's cost of each day, project and model: per million 2 for input, 8 for output."""
    for day in range(days, 0, -1):
        start = today - day * DAY
        lines: dict[tuple[str, str], int] = {}
        for bucket in buckets:
            if bucket.api == "openai.completions" and start <= bucket.start < start + DAY:
                values = bucket.at(0) or bucket.said[-1][1] or {}
                for name, field_name in (("input", "input_tokens"), ("output", "output_tokens")):
                    place = (str(bucket.dims["project_id"]), f"{bucket.dims['model']}, {name}")
                    lines[place] = lines.get(place, 0) + values.get(field_name, 0)
        for (project, item), tokens in lines.items():
            price = 2 if item.endswith("input") else 8
            amount = f"{tokens * price // 10**6}.{tokens * price % 10**6:06d}"
            dims = {"project_id": project, "line_item": item, "api_key_id": None}
            yield Bucket("openai.costs", start, dims, said({"amount": amount, "quantity": tokens}))
