"""Three months of calls whose queries fall into all tiers, with cheap and dear queries far apart, taken in as a log."""

import random
from pathlib import Path
from typing import Any

from allocation import rulebook
from allocation.derived import refresh
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

MONTHS = ("07", "08", "09")
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-100", "team": "search"}},
    {"id": "r2", "priority": 2, "when": {"environment": "dev"}, "to": {"shares": {"CC-200": "0.7", "CC-300": "0.3"}}},
]
KINDS = {"simple": (1, 0, 0.62), "moderate": (2, 250, 0.2), "complex": (5, 1_100, 0.15), "research": (21, 1_500, 0.03)}


def taken(folder: Path, queries: int = 260) -> None:
    """So many queries a month, their reasoning growing by half from month to month."""
    rulebook.load(RULES, actor="test")
    chance = random.Random(5)
    records: list[dict[str, Any]] = []
    for number, month in enumerate(MONTHS):
        for query in range(queries):
            kind = chance.choices(list(KINDS), [share for *_, share in KINDS.values()])[0]
            calls, reasoning, _ = KINDS[kind]
            tags = [f"team:{chance.choice(['search', 'other'])}", f"env:{chance.choice(['dev', 'prod'])}"]
            for call in range(calls):
                thought = int(reasoning * 1.5**number * chance.uniform(0.6, 1.4))
                output = (
                    int(chance.lognormvariate(4.2, 0.5)) if kind == "simple" else int(chance.lognormvariate(6.2, 0.4))
                )
                model = chance.choice(["gpt-5-mini", "gpt-5"])
                records.append(
                    payload(
                        f"{month}-{query}-{call}", model=model, model_group=model, prompt=int(chance.lognormvariate(6.5, 0.5)),
                        output=min(output, 290) + thought if kind == "simple" else output + thought, reasoning=thought,
                        trace=f"t{month}-{query}", request_tags=tags,
                        at=f"2026-{month}-{1 + query % 28:02d}T{call % 24:02d}:10:00Z",
                    )
                )  # fmt: skip
    ingest_file(Import(write_lines(folder / "tiers.jsonl", records), "litellm"))
    refresh()
