"""How outcomes, benefits, benchmark runs and returns are described in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from allocation.calc import outcomes, outcomes_benchmarks
from allocation.calc.outcomes_benefits import NAMES as BENEFIT_NAMES
from allocation.models import Evidence
from allocation.value.outcomes import MAX_BATCH
from web.api.inline import inline_serializer

NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_EVIDENCE = serializers.ChoiceField(Evidence.choices)


def text(help_text: str = "", *, null: bool = False) -> serializers.CharField:
    """A text of an answer."""
    return serializers.CharField(help_text=help_text, allow_null=null, allow_blank=True)


def number(help_text: str = "", *, null: bool = False) -> serializers.CharField:
    """An exact number of an answer, as text."""
    return serializers.RegexField("^-?[0-9]+([.][0-9]+)?$", help_text=help_text, allow_null=null)


def _batch(name: str, names: tuple[str, ...], needed: tuple[str, ...]) -> dict[Any, Any]:
    """Rows are checked one by one, so that neighbours of a wrong one are kept: the schema only names the fields."""
    row = {"type": "object", "properties": {each: {} for each in names}, "required": list(needed)}
    rows = {"type": "array", "items": row, "maxItems": MAX_BATCH}
    return {
        "application/json": {
            "anyOf": [
                rows,
                {"type": "object", "required": [name], "properties": {name: rows}, "additionalProperties": False},
            ]
        },
        "application/x-ndjson": {"type": "string"},
    }


OUTCOMES_BODY = _batch("outcomes", outcomes.NAMES, ("source", "id", "at", "success"))
RUNS_BODY = _batch(
    "benchmark_runs", outcomes_benchmarks.NAMES, ("source", "id", "task_class", "model", "tasks", "score", "run_on")
)
OUTCOMES_EXAMPLE = OpenApiExample(
    "One resolved case", request_only=True, media_type="application/json",
    value={
        "outcomes": [
            {
                "source": "helpdesk", "id": "case-4711", "at": "2026-09-08T13:00:00Z", "feature": "triage", "success": True,
                "quality": "0.92", "rubric": "qa-v2", "value": "6.50", "currency": "USD", "evidence": "measured",
                "model": "gpt-5-mini", "tier": "moderate",
            }
        ]
    },
)  # fmt: skip

RUNS_EXAMPLE = OpenApiExample(
    "One run", request_only=True, media_type="application/json",
    value=[
        {
            "source": "own-evals", "id": "2026-08-code-low", "task_class": "coding",
            "features": ["completion"], "model": "gpt-5-mini",
            "effort": "low", "tasks": 225, "score": "0.81", "cost": "10.37", "currency": "USD", "run_on": "2026-08-08",
            "evidence": "measured",
        }
    ],
)  # fmt: skip
_REFUSED: dict[str, Any] = {
    "row": serializers.IntegerField(help_text="Of the batch, from 1; empty lines are none."), "reason": text(), "field": text(),
    "detail": text("What is wrong; never its content."),
}  # fmt: skip
_TAKEN: dict[str, Any] = {
    **{name: serializers.IntegerField() for name in ("received", "stored", "changed", "duplicate")},
    "late": serializers.IntegerField(help_text="Older than what is known; kept as history."),
    "refused": inline_serializer("RefusedRow", _REFUSED, many=True),
}
TAKEN = inline_serializer("TakenRows", _TAKEN)
_OUTCOME: dict[str, Any] = {
    **{name: text() for name in ("source", "id", "task", "setting", "spend_month", "feature", "tier", "model", "effort")},
    **{name: text() for name in ("rubric", "currency")},
    "at": serializers.DateTimeField(), "observed_at": serializers.DateTimeField(), "success": serializers.BooleanField(),
    "cost_centre": text(null=True), "team": text(null=True), "query": number("Hash of the trace.", null=True),
    **{name: number(null=True) for name in ("quality", "value", "cost", "fallback_cost")}, "evidence": _EVIDENCE,
    "counts": serializers.BooleanField(help_text="The attempt that its task counts by."),
    "claims": serializers.ListField(child=text(), help_text="Features that claim the task, where there are several."),
}  # fmt: skip
OUTCOME_PAGE = inline_serializer(
    "OutcomePage", {"results": inline_serializer("Outcome", _OUTCOME, many=True), "next": NEXT}
)
_RUN: dict[str, Any] = {
    **{name: text() for name in ("source", "id", "task_class", "model", "effort", "currency")},
    "observed_at": serializers.DateTimeField(), "run_on": serializers.DateField(),
    "features": serializers.ListField(child=text()),
    "tasks": serializers.IntegerField(), "score": number(), "cost": number("Of the whole run.", null=True),
    "input_tokens": number(null=True), "output_tokens": number(null=True), "evidence": _EVIDENCE,
}  # fmt: skip
RUN_PAGE = inline_serializer(
    "BenchmarkRunPage", {"results": inline_serializer("BenchmarkRun", _RUN, many=True), "next": NEXT}
)

BENEFIT_BODY: dict[Any, Any] = {
    "application/json": {
        "type": "object", "properties": {each: {} for each in BENEFIT_NAMES}, "additionalProperties": False,
        "required": ["effect", "month", "kind", "unit", "cost_centre", "realisation"],
    }
}  # fmt: skip
BENEFIT_EXAMPLE = OpenApiExample(
    "Cash that shows in a line of profit and loss", request_only=True, media_type="application/json",
    value={
        "effect": "handling-cost-support", "month": "2026-09", "kind": "cash", "pnl_line": "6420 Outsourced support",
        "unit": "USD",
        "cost_centre": "CC-100", "features": {"triage": "0.6", "answers": "0.4"}, "baseline": "91000", "actual": "62000",
        "realisation": "0.8", "evidence": "measured", "reference": "FIN-2026-118",
    },
)  # fmt: skip
BENEFIT: dict[str, Any] = {
    "id": serializers.IntegerField(), "month": text(), "kind": text("cash, capacity or quality."),
    **{name: text() for name in ("effect", "basis", "pnl_line", "unit", "cost_centre", "direction", "reference")},
    "team": text(null=True), "features": serializers.DictField(child=text()), "baseline": number(null=True),
    "actual": number(null=True), "realisation": number(),
    "amount": number("Realised, in the unit; null: what outcomes say.", null=True),
    "evidence": _EVIDENCE, "matures_on": serializers.DateField(), "state": text("claimed, attested, accepted or refused."),
    **{name: text() for name in ("claimed_by", "attested_by", "decided_by")},
    "approval": serializers.IntegerField(allow_null=True),
}  # fmt: skip
BENEFIT_OUT = inline_serializer("Benefit", dict(BENEFIT))
BENEFIT_LIST = inline_serializer(
    "BenefitPage", {"results": inline_serializer("BenefitRow", dict(BENEFIT), many=True), "next": NEXT}
)

COUNTS = ("queries", "tasks", "resolved", "attempts", "unproven", "valued", "scored")
AMOUNTS = (
    "loaded", "direct", "effective", "failed", "idle", "shared", "other", "correction", "blind", "named", "covered", "cash",
    "cash_open", "value", "fallback",
)  # fmt: skip
RATIOS = (
    "roi", "roi_direct", "blind_share", "named_share", "cost_per_resolved", "cost_per_resolved_with_people", "cost_per_task",
    "quality", "cost_per_quality", "value_per_money",
)  # fmt: skip
_MEANS = {
    "failed": "Usage of queries that outcomes name and of which none says success; of untraced attempts what they state.",
    "blind": "Loaded cost of which no outcome or accepted benefit names the feature or the query.",
    "named": "Part of `blind` that they name by cost centre or team alone.",
    "covered": "Loaded cost that outcomes speak of at the finest level that they name: query, feature, else cost centre.",
}
_UNIT = inline_serializer("BenefitInUnit", {"kind": text(), "unit": text(), "amount": number()}, many=True)
LINE: dict[str, Any] = {
    **{name: number(_MEANS.get(name, "")) for name in AMOUNTS}, **{name: serializers.IntegerField() for name in COUNTS},
    **{name: number("Null: too few, or nothing to say it of.", null=True) for name in RATIOS}, "benefits": _UNIT,
    "failed_beyond_usage": serializers.BooleanField(help_text="Failed attempts are said to cost more than the usage."),
    "parted": serializers.BooleanField(
        help_text="Outcomes of the line and the spend that they speak of lie partly in other lines (they name a cost centre, "
        "lines tell use cases apart): no ratio of the two is given."
    ),
}  # fmt: skip
