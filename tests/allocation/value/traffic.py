"""Six weeks of calls as a gateway logs them: three use cases of two cost centres, whose lengths wander from day to day."""

import math
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from allocation import rulebook
from allocation.derived import refresh
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

FIRST, DAYS, A_DAY = date(2026, 8, 1), 35, 80
# use case -> share of queries, cost centre's team, effort, shares of tiers, mean log length of an answer
USE_CASES = {
    "chat": (0.5, "search", None, (0.8, 0.2, 0.0), 4.4),
    "analysis": (0.2, "risk", "high", (0.0, 0.3, 0.7), 7.2),
    "code": (0.3, "risk", None, (0.3, 0.4, 0.3), 5.6),
}
MODELS = {"gpt-5-mini": "gpt-5-mini-2025-08-07", "gpt-5": "gpt-5-2025-08-07"}  # asked for: served
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "risk"}, "to": {"cost_centre": "CC-2"}},
]


class Query(NamedTuple):
    """One query: what is known before its first call, and its calls."""

    trace: str
    at: datetime
    feature: str
    team: str
    effort: str
    model: str
    prompt: int
    calls: tuple[tuple[int, int, int], ...]  # prompt, output, of it reasoning


def traffic(seed: int = 1) -> list[Query]:
    """A_DAY queries on each of DAYS: a quarter of all is of several calls."""
    dice, wander, found = random.Random(seed), 0.0, []
    for day in range(DAYS):
        wander += dice.gauss(0, 0.04)
        for number in range(A_DAY):
            feature = dice.choices(list(USE_CASES), [use[0] for use in USE_CASES.values()])[0]
            _, team, effort, shares, length = USE_CASES[feature]
            kind = dice.choices(range(3), shares)[0]
            prompt = 1 + int(math.exp(dice.gauss(6.2, 0.8)))
            calls = []
            for _ in range((1, dice.randint(1, 3), dice.randint(4, 7))[kind]):
                output = 1 + int(math.exp(dice.gauss(length + wander, 0.5)))
                calls.append((prompt * (len(calls) + 1), output, output // 2 if effort else 0))
            at = datetime(FIRST.year, FIRST.month, FIRST.day, 6, tzinfo=UTC) + timedelta(days=day, minutes=10 * number)
            model = dice.choices(list(MODELS), (0.6, 0.4))[0]
            found.append(Query(f"t{day}-{number}", at, feature, team, effort or "", model, prompt, tuple(calls)))
    return found


def sent(folder: Path, queries: list[Query], name: str) -> None:
    """Through the pipeline that every import takes, as account "gw"."""
    rulebook.load(RULES, actor="test")
    ingest_file(Import(write_lines(folder / f"{name}.jsonl", map_all(queries)), "litellm", account="gw"))
    refresh()


def map_all(queries: list[Query]) -> list[dict[str, Any]]:
    """LiteLLM's records of all calls."""
    return [
        payload(
            f"{query.trace}-{number}", trace=query.trace, prompt=prompt, output=output, reasoning=reasoning,
            at=f"{query.at + timedelta(seconds=20 * number):%Y-%m-%dT%H:%M:%S.000000Z}", model=MODELS[query.model],
            model_group=query.model, model_parameters={"reasoning_effort": query.effort} if query.effort else {},
            request_tags=[f"team:{query.team}", f"feature:{query.feature}"],
        )
        for query in queries for number, (prompt, output, reasoning) in enumerate(query.calls)
    ]  # fmt: skip
