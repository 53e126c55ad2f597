"""Outcomes as sources state them: rows in, statements and refusals out. Neighbours of a row that is refused are kept."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from allocation.calc.outcomes_fields import EVIDENCE, Fields, Known, Refusal, Wrong
from ingest.calc.identity import query_ids

PRODUCTION, BENCHMARK = "production", "benchmark"
TIERS = ("", "simple", "moderate", "complex", "research")
NAMES = (
    "source", "id", "task", "at", "observed_at", "spend_month", "setting", "trace", "trace_source", "trace_account",
    "cost_centre", "team", "feature", "tier", "model", "effort", "success", "quality", "rubric", "value", "cost",
    "fallback_cost", "currency", "evidence",
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """What one source says of one attempt at one task, as of ``observed_at``."""

    source: str
    number: str
    observed_at: datetime
    task: str
    setting: str
    at: datetime
    spend_month: date
    query_id: int | None
    cost_centre_id: int | None
    team_id: int | None
    feature: str
    tier: str
    model: str
    effort: str
    success: bool
    quality: Decimal | None
    rubric: str
    value: Decimal | None
    cost: Decimal | None
    fallback_cost: Decimal | None
    currency: str
    evidence: str

    @property
    def content(self) -> dict[str, Any]:
        """All that it says, without what it is known by and since when."""
        return {name: value for name, value in asdict(self).items() if name not in ("source", "number", "observed_at")}

    @property
    def content_hash(self) -> str:
        """Equal for equal content."""
        said = {
            name: f"{each.normalize():f}" if isinstance(each, Decimal) else str(each)
            for name, each in self.content.items()
        }
        return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()


def parse(rows: Iterable[Any], known: Known, *, first: int = 1) -> tuple[list[Statement], list[Refusal]]:
    """Statements in the order of the rows, and why the other rows are none (allocation.calc.outcomes_fields).

    In: mappings of NAMES to texts, exact numbers or booleans; ``first``: number of the first row. Two rows on the same
    outcome of the same moment have to say the same; the second one that does not is refused.
    """
    taken: list[Statement] = []
    refused: list[Refusal] = []
    said: dict[tuple[str, str, datetime], str] = {}
    for number, row in enumerate(rows, start=first):
        try:
            found = _statement(row, known)
            key = (found.source, found.number, found.observed_at)
            if said.setdefault(key, found.content_hash) != found.content_hash:
                raise Wrong("contradicts", "id", "another row says something else of it at the same moment")
            taken.append(found)
        except Wrong as wrong:
            refused.append(Refusal(number, wrong.reason, wrong.field, wrong.detail))
    return taken, refused


def _statement(row: Any, known: Known) -> Statement:
    fields = Fields(row, NAMES)
    source, number = fields.id("source", 100), fields.id("id", 200)
    at = fields.instant("at", known.now)
    month = fields.month("spend_month", date(at.year, at.month, 1))
    if month > at.date():
        raise Wrong("contradicts", "spend_month", "lies after the outcome; cost works towards an outcome before it")
    success, value = fields.yes("success"), fields.money("value")
    if value and not success:
        raise Wrong("contradicts", "value", "what failed is worth nothing; leave it out")
    cost, fallback, quality = fields.money("cost"), fields.money("fallback_cost"), fields.share("quality")
    cost_centre, team = fields.owner(known)
    return Statement(
        source=source, number=number, observed_at=fields.instant("observed_at", known.now, known.now),
        task=fields.id("task", 300, f"{source}/{number}"), setting=fields.one_of("setting", (PRODUCTION, BENCHMARK), PRODUCTION),
        at=at, spend_month=month, query_id=_query(fields), cost_centre_id=cost_centre, team_id=team,
        feature=fields.text("feature", 200), tier=fields.one_of("tier", TIERS, ""), model=fields.text("model", 200),
        effort=fields.text("effort", 40), success=success, quality=quality, rubric=_rubric(fields, quality),
        value=value, cost=cost, fallback_cost=fallback,
        currency=fields.currency(needed=not (value is None and cost is None and fallback is None)),
        evidence=fields.one_of("evidence", EVIDENCE, "declared"),
    )  # fmt: skip


def _rubric(fields: Fields, quality: Decimal | None) -> str:
    """A score says by what it was scored, else scores of two rubrics would be averaged."""
    rubric = fields.id("rubric", 100, "")
    if quality is not None and not rubric:
        raise Wrong(
            "missing", "rubric", "has to be given beside a quality: the name and version of what it is scored by"
        )
    return rubric


def _query(fields: Fields) -> int | None:
    """The hash that facts know the trace by (ingest.calc.identity); the trace itself is not kept."""
    trace = fields.text("trace", 300)
    if not trace:
        return None
    kind, account = fields.id("trace_source", 40, "generic"), fields.text("trace_account", 200, "default")
    found, _ = query_ids(kind, pa.array([account]), pa.array([trace]))
    return int(found[0])
