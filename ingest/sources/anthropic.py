"""Anthropic's Admin API: usage of messages, the cost report and Claude Code's report, pulled or as files of pages.

What the fields hold, and what they leave out, is said in ``ingest.calc.anthropic_usage``. The cost report leaves out
Priority Tier; usage leaves out code execution: that is why both declare what they cover. Anthropic snaps buckets to
UTC. Pulls ask for hours unless told otherwise, in windows of whole days (168 hours fit a page), so that nothing is
counted twice where a connection changes from days to hours. Anthropic wishes to be asked once a minute at most.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ingest.calc.anthropic_usage import (
    CODE_FIELDS,
    COST_FIELDS,
    GROUPS,
    USAGE_FIELDS,
    code_lines,
    cost_line,
    span_of,
    usage_row,
)
from ingest.calc.bill_meters import unknown_meter
from ingest.calc.openai_usage import joined
from ingest.calc.reasons import Rejected
from ingest.name_lists import listed, named
from ingest.pull import Client, Name, Option, Page, PullFailed, Stream, Value, Window, follow
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_DAY = timedelta(days=1)
_PULLED = {"1h": (7 * _DAY, 168), "1d": (31 * _DAY, 31)}  # width -> chunk and buckets on a page: one page


class About(NamedTuple):
    """What a result's page says: the stream that was pulled, the result's bucket, and the time that the page covers.

    The time stands on the first result alone, lest it be told with each.
    """

    stream: str
    bucket: Record
    covered: tuple[tuple[datetime, datetime], ...] = ()


class Anthropic(RowSource):
    """A result of messages is a usage row; a cost, and a model of Claude Code's, is a line."""

    kind = "anthropic"
    layer = "provider_usage"
    scopes = ("tokens.*", "web_search")
    line_scopes = ("tokens.*", "!tokens.priority*", "web_search", "session", "session_usage", "other")
    pulled = True
    default_url = "https://api.anthropic.com/v1"
    secret = "admin API key"  # noqa: S105
    options = (
        Option("bucket_width", "1h, or 1d for fewer rows that cannot be matched with calls", "1h"),
        Option("speed", "yes: ask for fast mode apart (a beta of Anthropic's); no: where it refuses that", "yes"),
        Option("claude_code", "yes: pull what each developer used of Claude Code, by e-mail address; no", "yes"),
    )
    guide = Guide(
        "Anthropic",
        "In the Claude Console open Settings, Admin keys, create an Admin API key (sk-ant-admin...; organisations only) "
        "and connect with it. Or save answers of /v1/organizations/usage_report/messages, cost_report and "
        "usage_report/claude_code and import them with `manage.py ingest_file FILE --source anthropic`.",
        "an Admin API key; Anthropic has no narrower one, and only the role admin may create it",
        "workspace, API key, user or service account, model, service tier, fast mode, region, context window; billed cost "
        "by workspace and description; Claude Code's estimates by person",
        "Requests: usage has no count of them, so that queries and averages per query are unknown. Thinking tokens and end "
        "users; Priority Tier has no cost, code execution no usage. Costs know no API key.",
    )

    def is_page(self, document: Any) -> bool:
        """A page, a bucket, a day of Claude Code, a list of these, or an answer that is an error."""
        return isinstance(document, list) or (
            isinstance(document, dict) and bool({"data", "results", "error", "model_breakdown"}.intersection(document))
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every result with its bucket, or every person's day. Raises NotThisKind for errors and other documents.

        A pulled page of buckets without any result is one record that says so.
        """
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict) or document.get("type") == "error" or "error" in document:
            raise NotThisKind("an error that Anthropic answered, or no answer of it")
        paged = isinstance(document.get("data"), list)
        items = document["data"] if paged else [document]
        about = About(str(document.get("x_stream") or ""), {}, tuple(joined(map(span_of, items))))
        for index, item in enumerate(items):
            for pointer, record in _results(item):
                place = f"/data/{index}{pointer}" if paged else pointer
                if not isinstance(record, dict):
                    yield place, record
                    continue
                yield place, {**record, "x_page": about._replace(bucket=item)}
                about = about._replace(covered=())
        if about.covered and about.stream:
            yield "", {"x_page": about}

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row, or the lines, of a record. Raises Rejected, and Skip for what states no usage."""
        about = record.get("x_page")
        if not isinstance(about, About):
            raise Rejected("unknown_shape", "a result without its bucket")
        if len(record) == 1 and about.stream:
            _cover(about.stream, about, context)
            raise Skip("empty_page")
        names = record.keys() - {"x_page"}
        if "model_breakdown" in record:
            context.unknown_fields.update(names - CODE_FIELDS)
            return [Line(line) for line in code_lines(record)]
        if "amount" in record:
            _cover("cost_report", about, context)
            context.unknown_fields.update(names - COST_FIELDS)
            return [Line(cost_line(record, about.bucket, lambda kind: unknown_meter(context.unknown_fields, kind)))]
        if not names & USAGE_FIELDS:
            raise Rejected("unknown_shape", "neither usage nor costs")
        _cover("messages", about, context)
        context.unknown_fields.update(names - USAGE_FIELDS)
        return [usage_row(record, about.bucket)]

    def headers(self, secret: str) -> dict[str, str]:
        """The key, the API's version, and the beta without which it does not tell fast mode apart."""
        return {
            "x-api-key": secret, "anthropic-version": "2023-06-01", "anthropic-beta": "fast-mode-2026-02-01",
        }  # fmt: skip

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:
        """Messages, costs, and Claude Code, which is asked day by day."""
        chunk, _ = _PULLED.get(options.get("bucket_width") or "1h", _PULLED["1h"])
        found = [
            Stream("messages", _DAY, chunk, 3 * _DAY, states_all=True, operations=("chat",)),
            Stream("cost_report", _DAY, 31 * _DAY, 7 * _DAY, states_all=True, lines=True, kinds_of_cost=("",)),
        ]
        if _asked(options, "claude_code"):
            found.append(
                Stream("claude_code", _DAY, _DAY, 2 * _DAY, states_all=True, lines=True, kinds_of_cost=("notional",))
            )
        return found

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """The pages of a window, grouped by all that the report allows. Raises PullFailed."""
        width = options.get("bucket_width") or "1h"
        if width not in _PULLED:
            raise PullFailed("option bucket_width is neither 1h nor 1d")
        if stream.name == "claude_code":
            for day in range((window.end - window.start) // _DAY):
                date = f"{window.start + day * _DAY:%Y-%m-%d}"
                path = "/organizations/usage_report/claude_code"
                yield from follow(client, path, {"starting_at": date, "limit": 1_000})
            return
        asked: dict[str, Value] = {"starting_at": _iso(window.start), "ending_at": _iso(window.end)}
        if stream.name == "cost_report":
            path = "/organizations/cost_report"
            asked |= {"bucket_width": "1d", "group_by[]": ("workspace_id", "description"), "limit": 31}
        else:
            groups = GROUPS if _asked(options, "speed") else tuple(name for name in GROUPS if name != "speed")
            path = "/organizations/usage_report/messages"
            asked |= {"bucket_width": width, "group_by[]": groups, "limit": _PULLED[width][1]}
        for page in follow(client, path, asked):
            yield page._replace(document=page.document | {"x_stream": stream.name})

    def names(self, client: Client, options: dict[str, Any]) -> Iterator[Name]:  # noqa: ARG002
        """Of workspaces, archived ones too, of API keys and of users. Raises PullFailed."""
        for workspace in listed(
            client, "/organizations/workspaces", {"limit": 1_000, "include_archived": True}, cursor="after_id"
        ):
            yield from named("project", workspace)
        for what, path in (("api_key", "/organizations/api_keys"), ("principal", "/organizations/users")):
            for item in listed(client, path, {"limit": 1_000}, cursor="after_id"):
                yield from named(what, item)


def _results(item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict) and isinstance(item.get("results"), list) and "starting_at" in item:
        yield from ((f"/results/{index}", result) for index, result in enumerate(item["results"]))
    elif isinstance(item, dict) and "model_breakdown" in item:
        yield "", item
    else:
        raise NotThisKind("neither a bucket nor a day of Claude Code")


def _cover(stream: str, about: About, context: Context) -> None:
    context.covered.extend(Covered("", stream, *span) for span in about.covered)


def _asked(options: dict[str, Any], name: str) -> bool:
    return str(options.get(name) or "yes").strip().lower() not in ("no", "false", "0")


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


SOURCE = Anthropic()
