"""Serve a scenario until interrupted: ``python -m tests.fake_provider --port 8077 [--scenario FILE | --days 30]``."""

import argparse
import threading
from datetime import UTC, datetime
from pathlib import Path

from tests.fake_provider import FakeProvider, generate, load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_provider", description=__doc__)
    parser.add_argument("--port", type=int, default=8077)
    parser.add_argument("--scenario", type=Path, help="a YAML file; without it a scenario is generated")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--series", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    apis = ("openai", "anthropic", "litellm", "langfuse")
    scenario = (
        load(given.scenario)
        if given.scenario
        else generate(midnight, seed=given.seed, days=given.days, series=given.series, apis=apis)
    )
    with FakeProvider(scenario, given.port) as provider:
        print(f"serving {len(scenario.buckets):,} buckets at {provider.url}; the key is {scenario.key}", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{len(provider.requests)} requests answered")  # noqa: T201


if __name__ == "__main__":
    main()
