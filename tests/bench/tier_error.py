"""How wrong buckets over tiers are, on real requests: ``python -m tests.bench.tier_error AZURE.csv.gz MOONCAKE.csv.gz``.

Each recording is cut into runs of consecutive requests; every run is one provider's bucket, parted by the reference that
ships, and compared with what its requests are one by one. Prints the error of each tier's share of spend, what intervals
cover that rest on the other runs' errors, and the errors as allocation/tier_reference_v1.yaml states them.
"""

import csv
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from allocation.calc.bucket_errors import LEVELS, Known, covered, errors_of, known_buckets, stated
from allocation.calc.tier_spread_reference import parse_shapes, shape_of
from allocation.calc.tiers import parse_policy

ROOT = Path(__file__).parents[2]
POLICY = parse_policy(yaml.safe_load((ROOT / "allocation" / "tier_policy_v1.yaml").read_text(encoding="utf-8")))
REFERENCE = yaml.safe_load((ROOT / "allocation" / "tier_reference_v1.yaml").read_text(encoding="utf-8"))


def recording(path: Path) -> dict[str, Any]:
    """Tokens of the requests of a recording, as its columns are named."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if "ContextTokens" in rows[0]:
        found = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows]
    else:
        found = [
            (int(row["input_tokens"]) - int(row["prefix_cached_tokens"]), int(row["output_tokens"])) for row in rows
        ]
    return dict(zip(("input_uncached", "output_visible"), np.array(found, dtype=np.int64).T, strict=True))


def halves(known: Sequence[Known]) -> dict[float, Any]:
    """Coverage of every second bucket by the errors of those between, and the other way round."""
    one, two = known[::2], known[1::2]
    return {
        float(level): (covered(two, errors_of(one), float(level)) + covered(one, errors_of(two), float(level))) / 2
        for level in LEVELS
    }


def told(title: str, known: Sequence[Known]) -> list[str]:
    """Errors and coverage as lines."""
    lines, rates = [f"{title}: {len(known)} buckets"], halves(known)
    for n, row in enumerate(errors_of(known).rows()):
        lines.append(
            f"  {row['tier']:9} mean error {row['mean_error']:+6.2f} points, mean absolute {row['mean_absolute']:5.2f}, "
            f"largest {row['largest']:5.2f}; "
            + ", ".join(f"{100 * level:.0f} % interval covers {100 * rate[n]:.0f} %" for level, rate in rates.items())
        )
    return lines


def main(paths: Sequence[str]) -> None:
    """Print all of it."""
    every: list[Known] = []
    shapes = parse_shapes(REFERENCE["shapes"])
    for path in paths:
        tokens = recording(Path(path))
        own = shape_of(Path(path).name, tokens)
        known = known_buckets(tokens, POLICY, shapes)
        every += known
        print("\n".join(told(Path(path).name, known)))
        print(f"  its own shape: input {own.input:.4f}, output {own.output:.4f}, correlation {own.correlation:.4f}")
    print("\n".join(told("together", every)))
    print(yaml.safe_dump({"errors": stated(errors_of(every))}, sort_keys=False))


if __name__ == "__main__":
    main(sys.argv[1:])
