"""Comparisons and advice on effort as the page ROI & outcomes shows them: figures with their intervals, in words."""

import math
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.marginal import Found
from allocation.calc.marginal_effort import Advice, Step
from allocation.calc.marginal_rates import Interval
from allocation.scope import Scope
from allocation.value import roi_marginal
from allocation.value.roi_marginal import Answer
from finops.periods import Period
from web import formats

SHOWN = 12
VERDICTS = {
    "too_few": "too few to say", "not_comparable": "no like tasks on both sides", "little_overlap": "too little in common to say",
    "mix": "the mix explains it",
    "better": "resolves more", "worse": "resolves fewer", "no_worse": "no worse", "not_shown": "no difference shown",
}  # fmt: skip
WHY = {
    "only_one": "the only one that was tried", "cheapest": "dearer does not pay", "pays": "worth its cost",
    "better": "scores more; what a task is worth is not known",
}  # fmt: skip


class Evidence(NamedTuple):
    """What the page shows of it."""

    comparisons: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    efforts: roi_marginal.Efforts


def of(scope: Scope, period: Period, currency: str) -> Evidence:
    """Comparisons with anything on both sides, and the efforts for a month's mix."""
    answers = [roi_marginal.answer(scope, each, currency) for each in roi_marginal.questions(scope)]
    efforts = roi_marginal.efforts(scope, period, currency)
    return Evidence(
        [_comparison(each) for each in answers[:SHOWN]],
        [{"of": each, "advice": [_advice(one, currency) for one in each.advice]} for each in efforts.classes],
        efforts,
    )


def _comparison(answer: Answer) -> dict[str, Any]:
    asked, found, currency = answer.question, answer.found, answer.currency
    return {
        "asked": asked, "found": found, "verdict": VERDICTS[found.verdict], "sentence": _sentence(answer),
        "rates": (_rate(found.base.resolved, found.base.tried), _rate(found.candidate.resolved, found.candidate.tried)),
        "difference": points(found.difference),
        "costs": tuple(_cost(arm.cost_per_task, currency) for arm in (found.base, found.candidate)),
        "costed": _costed(found),
        "returned": times(found.returned), "extra": _span(found.extra, currency),
    }  # fmt: skip


def _sentence(answer: Answer) -> str:
    asked, found = answer.question, answer.found
    alike = {"paired": "on the same", "matched": "at one fixed mix, of", "none": "of"}[found.method]
    told = f"{alike} {formats.whole(found.used)} tasks{_rests_on(found)}"
    if found.simpson:
        told += f"; overall {points(found.crude)[0]}: that is another mix of tasks, not the {asked.dimension}"
    if found.no_worse is not None:
        told += f"; margin {_percent(found.margin or 0)} declared from {asked.since}"
    return told


def _rests_on(found: Found) -> str:
    """How many kinds of tasks a difference rests on, and what part of each side these are."""
    of = found.overlap
    if found.method == "none":
        return f"; none of {formats.whole(of.kinds)} kinds is on both sides" if of.kinds else ""
    kinds = f" in {formats.whole(of.shared)} of {formats.whole(of.kinds)} kinds" if found.method == "matched" else ""
    told = f"{kinds}: {_percent(of.base_tasks)} and {_percent(of.candidate_tasks)} of the tasks"
    if math.isnan(of.base_cost) or math.isnan(of.candidate_cost):
        return told
    return f"{told}, {_percent(of.base_cost)} and {_percent(of.candidate_cost)} of their cost"


def _costed(found: Found) -> str:
    """Of how many tasks the cost is known, where not of all."""
    if all(arm.costed == arm.tried for arm in (found.base, found.candidate)):
        return ""
    return f"known of {formats.whole(found.base.costed)}, {formats.whole(found.candidate.costed)}"


def _advice(advice: Advice, currency: str) -> dict[str, Any]:
    return {
        "model": advice.model, "effort": advice.effort.effort or "standard", "why": WHY[advice.reason],
        "score": _percent(advice.effort.score), "tasks": advice.effort.tasks, "cost": _cost(advice.effort.cost, currency),
        "steps": [_step(step, currency) for step in advice.steps],
    }  # fmt: skip


def _step(step: Step, currency: str) -> dict[str, Any]:
    names = [each.effort or "standard" for each in (step.base, step.candidate)]
    if not step.shown:
        verdict = "does not pay: chance explains the gain" if step.gain > 0 else "does not pay: scores no more"
    elif step.pays is None:
        verdict = f"pays from {_cost(step.worth_from or 0.0, currency)} a resolved task on"
    else:
        verdict = (
            "pays" if step.pays else f"does not pay below {_cost(step.worth_from or 0.0, currency)} a resolved task"
        )
    gain = points(Interval(step.gain, step.low, step.high))
    return {"names": names, "gain": gain, "more": _cost(step.more, currency), "verdict": verdict}


def points(interval: Interval) -> tuple[str, str]:
    """A difference of rates in points, and its bounds; dashes where nothing is claimed."""
    if math.isnan(interval.low):
        return formats.NONE, ""
    return (
        f"{_signed(interval.estimate * 100)} points",
        f"{_signed(interval.low * 100)} to {_signed(interval.high * 100)}",
    )


def times(interval: Interval) -> tuple[str, str]:
    """A return, and its bounds."""
    if math.isnan(interval.low):
        return formats.NONE, ""
    return _percent(interval.estimate), f"{_percent(interval.low)} to {_percent(interval.high)}"


def _span(interval: Interval, currency: str) -> tuple[str, str]:
    if math.isnan(interval.low):
        return formats.NONE, ""
    return _cost(interval.estimate, currency), f"{_cost(interval.low, currency)} to {_cost(interval.high, currency)}"


def _rate(resolved: int, tried: int) -> str:
    return f"{formats.whole(resolved)} of {formats.whole(tried)}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", formats.MINUS)


def _percent(value: float) -> str:
    return formats.percent(Decimal(repr(float(value))))


def _cost(value: float, currency: str) -> str:
    return formats.NONE if math.isnan(value) else formats.unit_cost(Decimal(repr(float(value))), currency)
