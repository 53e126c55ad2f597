"""The claims that ship with the product, checked (allocation.calc.claims_checked)."""

from functools import lru_cache
from pathlib import Path

from allocation import assumptions
from allocation.calc.claims_checked import Claim, check
from finops.documents import read_yaml

SHIPPED = Path(__file__).parents[1] / "claims.yaml"


@lru_cache(maxsize=1)
def checked() -> tuple[Claim, ...]:
    """All claims. With the shipped register: what a claim says does not change with what a site assumes."""
    return check(read_yaml(SHIPPED.read_text(encoding="utf-8")), assumptions.shipped())
