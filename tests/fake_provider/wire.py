"""The answers of the four APIs, from what a scenario states at a tick. Shapes as in the providers' references.

OpenAI does not snap: the first bucket of an answer begins at ``start_time``. Fields that a request does not group by are
null and their buckets are added up. A width that is larger than an hour adds hours up.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from tests.fake_provider.scenario import Bucket, Scenario, Values

Document = dict[str, Any]
Query = Mapping[str, list[str]]
_WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
_LIMITS = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}  # of buckets: default, most


class Wrong(Exception):
    """The request is not one that the API understands: status and message."""


class Expired(Exception):
    """The cursor belongs to another query."""


def parsed(query: str) -> Query:
    """Parameters; ``group_by[]`` and ``group_by`` are the same."""
    return {name.removesuffix("[]"): values for name, values in parse_qs(query).items()}


def openai_usage(scenario: Scenario, tick: int, endpoint: str, query: Query) -> Document:
    """A page of /v1/organization/usage/ENDPOINT."""
    if endpoint == "costs":
        return _openai_page(scenario, tick, "openai.costs", query, {"1d": (7, 180)}, _cost)
    kind = f"organization.usage.{endpoint}.result"
    return _openai_page(
        scenario, tick, f"openai.{endpoint}", query, _LIMITS, lambda dims, v: {"object": kind, **v, **dims}
    )


def _cost(dims: Values, values: Values) -> Document:
    amount = {"value": float(values["amount"]), "currency": "usd"}
    quantity = {"quantity": values.get("quantity"), "quantity_unit": "tokens"}
    return {"object": "organization.costs.result", "amount": amount, **quantity, **dims}


def _openai_page(
    scenario: Scenario, tick: int, api: str, query: Query, limits: Mapping[str, tuple[int, int]],
    result: Callable[[Values, Values], Document],
) -> Document:  # fmt: skip
    if "start_time" not in query:
        raise Wrong("start_time is required")
    start = datetime.fromtimestamp(int(query["start_time"][0]), UTC)
    end = datetime.fromtimestamp(int(query["end_time"][0]), UTC) if "end_time" in query else datetime.now(UTC)
    width = _WIDTHS[query.get("bucket_width", ["1d"])[0]]
    default, most = limits[query.get("bucket_width", ["1d"])[0]]
    limit = _limit(query, default, most, scenario)
    borders, following = _cut(_borders(start, end, width), limit, query)
    data = [
        {
            "object": "bucket", "start_time": int(low.timestamp()), "end_time": int(high.timestamp()),
            "results": [result(dims, values) for dims, values in _grouped(scenario, api, tick, low, high, query)],
        }
        for low, high in borders
    ]  # fmt: skip
    return {"object": "page", "data": data, "has_more": following is not None, "next_page": following}


def anthropic_page(scenario: Scenario, tick: int, report: str, query: Query) -> Document:
    """A page of /v1/organizations/usage_report/messages or of /cost_report; both snap to buckets."""
    if "starting_at" not in query:
        raise Wrong("starting_at: Field required")
    name = query.get("bucket_width", ["1d"])[0]
    width, (default, most) = _WIDTHS[name], _LIMITS[name]
    start = _snapped(_time(query["starting_at"][0]), width)
    end = _time(query["ending_at"][0]) if "ending_at" in query else datetime.now(UTC)
    borders, following = _cut(_borders(start, end, width), _limit(query, default, most, scenario), query)
    api = "anthropic.cost_report" if report == "cost_report" else "anthropic.messages"
    data = [
        {
            "starting_at": _iso(low), "ending_at": _iso(high),
            "results": [
                {**dims, **values} if report == "cost_report" else _anthropic(dims, values)
                for dims, values in _grouped(scenario, api, tick, low, high, query)
            ],
        }
        for low, high in borders
    ]  # fmt: skip
    return {"data": data, "has_more": following is not None, "next_page": following}


def _anthropic(dims: Values, values: Values) -> Document:
    made = {f"ephemeral_{ttl}_input_tokens": values[f"ephemeral_{ttl}_input_tokens"] for ttl in ("5m", "1h")}
    plain = {name: value for name, value in values.items() if not name.startswith(("ephemeral", "web_search"))}
    searches = {"web_search_requests": values.get("web_search_requests", 0)}
    return {**plain, "cache_creation": made, "server_tool_use": searches, **dims}


def litellm_page(scenario: Scenario, tick: int, query: Query) -> Document:
    """A page of /spend/logs/v2. Numbered pages: a row that comes between two of them shifts the rest."""
    if "start_date" not in query or "end_date" not in query:
        raise Wrong("start_date and end_date are required")
    start, end = (_time(query[name][0]) for name in ("start_date", "end_date"))
    size, page = (
        _limit({"limit": query.get("page_size", ["50"])}, 50, 1_000, scenario),
        int(query.get("page", ["1"])[0]),
    )
    rows = [
        (bucket, values) for bucket in scenario.of("litellm")
        if start <= bucket.start <= end and (values := bucket.at(tick)) is not None
    ]  # fmt: skip
    rows.sort(key=lambda row: row[0].start, reverse=query.get("sort_order", ["desc"])[0] != "asc")
    chosen = [_spend_log(*row) for row in rows[(page - 1) * size : page * size]]
    pages = -(-len(rows) // size)
    return {"data": chosen, "total": len(rows), "page": page, "page_size": size, "total_pages": pages}


def _spend_log(bucket: Bucket, values: Values) -> Document:
    dims, prompt, completion = bucket.dims, values["input"] + values["cached"], values["output"] + values["reasoning"]
    usage = {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": values["cached"]},
        "completion_tokens_details": {"reasoning_tokens": values["reasoning"]},
    }  # fmt: skip
    return {
        "request_id": dims["id"], "session_id": "s", "call_type": "acompletion", "api_key": dims["key"], "cache_hit": "False",
        "startTime": _iso(bucket.start), "endTime": _iso(bucket.start), "model": dims["model"], "model_group": dims["model"],
        "team_id": dims["team"], "spend": float(values["cost"]), "total_tokens": prompt + completion,
        "prompt_tokens": prompt, "completion_tokens": completion, "request_tags": [f"team:{dims['team']}"],
        "custom_llm_provider": "openai", "api_base": "", "status": "success", "agent_id": None,
        "metadata": {"user_api_key_alias": dims["key"], "usage_object": usage},
    }  # fmt: skip


def langfuse_page(scenario: Scenario, tick: int, query: Query) -> Document:
    """A page of /api/public/v2/observations, the newest first; the cursor is a time and an id."""
    start, end = _time(query["fromStartTime"][0]), _time(query["toStartTime"][0])
    rows = [
        (bucket, values) for bucket in scenario.of("langfuse")
        if start <= bucket.start < end and (values := bucket.at(tick)) is not None
    ]  # fmt: skip
    rows.sort(key=lambda row: (row[0].start, row[0].dims["id"]), reverse=True)
    if "cursor" in query:
        last = json.loads(base64.b64decode(query["cursor"][0]))
        rows = [row for row in rows if [_iso(row[0].start), row[0].dims["id"]] < last]
    size = _limit(query, 50, 1_000, scenario)
    chosen = rows[:size]
    more = len(rows) > size
    cursor = _token([_iso(chosen[-1][0].start), chosen[-1][0].dims["id"]]) if more else None
    return {"data": [_observation(*row) for row in chosen], "meta": {"cursor": cursor}}


def _observation(bucket: Bucket, values: Values) -> Document:
    usage = {
        "input": values["input"], "input_cached_tokens": values["cached"], "output": values["output"],
        "output_reasoning_tokens": values["reasoning"],
    }  # fmt: skip
    return {
        "id": bucket.dims["id"], "traceId": f"trace-{bucket.dims['id']}", "type": "GENERATION", "startTime": _iso(bucket.start),
        "environment": "default", "projectId": bucket.dims["team"], "providedModelName": bucket.dims["model"],
        "usageDetails": {**usage, "total": sum(usage.values())}, "totalCost": float(values["cost"]), "level": "DEFAULT",
    }  # fmt: skip


def names_page(scenario: Scenario, prefix: str) -> Document:
    """A list of projects, keys or workspaces."""
    data = [{"id": key, "name": name} for key, name in scenario.names.items() if key.startswith(prefix)]
    return {"object": "list", "data": data, "first_id": None, "last_id": None, "has_more": False}


def _grouped(
    scenario: Scenario, api: str, tick: int, low: datetime, high: datetime, query: Query
) -> Iterator[tuple[Document, Document]]:
    """What is stated of a bucket, added up over the fields that the request does not group by."""
    asked = set(query.get("group_by", ()))
    sums: dict[tuple[Any, ...], tuple[Document, Document]] = {}
    for bucket in scenario.between(api, low, high):
        if (values := bucket.at(tick)) is None:
            continue
        by_description = api == "anthropic.cost_report" and "description" in asked
        dims = {name: value if name in asked or by_description else None for name, value in bucket.dims.items()}
        _, total = sums.setdefault(tuple(dims.values()), (dims, {}))
        for name, value in values.items():
            total[name] = total[name] + value if name in total else value
    yield from sums.values()


def _borders(start: datetime, end: datetime, width: timedelta) -> list[tuple[datetime, datetime]]:
    borders, at = [], start
    while at < end:
        following = min(end, _snapped(at, width) + width)
        borders.append((at, following))
        at = following
    return borders


def _cut(
    borders: Sequence[tuple[datetime, datetime]], limit: int, query: Query
) -> tuple[Sequence[tuple[datetime, datetime]], str | None]:
    """The buckets of a page, and the cursor of the next one, which knows the query that it belongs to."""
    same = sorted((name, values) for name, values in query.items() if name not in ("page", "limit"))
    first = 0
    if "page" in query:
        try:
            belongs, first = json.loads(base64.b64decode(query["page"][0]))
        except ValueError:
            raise Wrong("page is no cursor of ours") from None
        if belongs != json.loads(json.dumps(same)):
            raise Expired
    more = first + limit < len(borders)
    return borders[first : first + limit], _token([same, first + limit]) if more else None


def _token(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def _limit(query: Query, default: int, most: int, scenario: Scenario) -> int:
    limit = int(query.get("limit", [str(default)])[0])
    if not 1 <= limit <= most:
        raise Wrong(f"limit must be between 1 and {most}")
    return min(limit, scenario.largest_page)


def _snapped(at: datetime, width: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % width


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
