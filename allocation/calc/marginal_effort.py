"""Which effort pays per kind of task, from benchmark runs: up the ladder of efforts of a model while a step is worth its cost.

Also what a resolved task costs when failures are tried again and people take over the rest: the equations of a plan, beside
which reports show what was observed.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from allocation.calc import marginal_rates as rates


class Effort(NamedTuple):
    """A model at one effort on a kind of task; ``cost``: of one task."""

    model: str
    effort: str
    tasks: int
    score: float
    cost: float
    currency: str
    evidence: str


class Step(NamedTuple):
    """From one effort to the next dearer one of the same model. ``low``, ``high``: bounds of the gain in score.

    ``worth_from``: the value of a resolved task from which the step pays; None: it gains nothing at any value.
    ``pays``: None where no value is known.
    """

    base: Effort
    candidate: Effort
    gain: float
    low: float
    high: float
    more: float
    shown: bool
    worth_from: float | None
    pays: bool | None


class Advice(NamedTuple):
    """One model on one kind of task: its efforts from the cheapest to the dearest, the steps, and the effort to use."""

    task_class: str
    model: str
    steps: list[Step]
    effort: Effort
    reason: str


def advise(task_class: str, efforts: Sequence[Effort], value: float | None) -> list[Advice]:
    """One piece of advice per model with a cost. ``value``: of a resolved task of this kind.

    The effort is raised while the next dearer one's score is higher beyond chance and, with a value, worth its cost.
    """
    by_model: dict[tuple[str, str], list[Effort]] = defaultdict(list)
    for each in efforts:
        by_model[each.model, each.currency].append(each)
    return [_advise(task_class, model, ladder, value) for (model, _), ladder in sorted(by_model.items())]


def _advise(task_class: str, model: str, efforts: list[Effort], value: float | None) -> Advice:
    ladder = sorted(efforts, key=lambda each: (each.cost, -each.score, each.effort))
    chosen, steps, reason = ladder[0], [], "only_one" if len(ladder) == 1 else "cheapest"
    for dearer in ladder[1:]:
        step = _step(chosen, dearer, value)
        steps.append(step)
        if step.shown and step.pays is not False:
            chosen, reason = dearer, "pays" if step.pays else "better"
    return Advice(task_class, model, steps, chosen, reason)


def _step(base: Effort, candidate: Effort, value: float | None) -> Step:
    """Runs of one effort are other draws than those of another: the difference is that of two samples."""
    gain, low, high = (
        float(each)
        for each in rates.newcombe(
            candidate.score * candidate.tasks, candidate.tasks, base.score * base.tasks, base.tasks
        )
    )
    more = candidate.cost - base.cost
    worth = more / gain if gain > 0 else None
    return Step(
        base,
        candidate,
        gain,
        low,
        high,
        more,
        low > 0,
        worth,
        None if value is None else worth is not None and value > worth,
    )


class Plan(NamedTuple):
    """What a task costs that is tried up to ``tries`` times and then done by people."""

    tries: float
    resolved: float
    machine: float
    people: float

    @property
    def cost(self) -> float:
        """Per task that the machine resolved."""
        return self.machine + self.people


def plan(cost: float, rate: float, tries: int, people: float = 0.0) -> Plan:
    """Independent tries at ``cost`` that each succeed with ``rate``: expected tries, share resolved, cost per resolved task.

    Expected tries (1 - (1-p)^k) / p; the machine's part of a resolved task costs cost / p whatever k is; people cost
    people x (1-p)^k / (1 - (1-p)^k). Raises ValueError outside 0 < rate <= 1, tries >= 1.
    """
    if not 0 < rate <= 1 or tries < 1:
        raise ValueError("a rate lies above 0 and up to 1, and there is at least one try")
    left = (1 - rate) ** tries
    return Plan((1 - left) / rate, 1 - left, cost / rate, people * left / (1 - left))
