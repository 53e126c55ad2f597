"""The watch policy in force: the site's own, loaded by version as all documents are, or the one that ships."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from allocation.costing import terms
from allocation.models import TermsVersion
from finops.documents import read_yaml
from forecasting.calc.watch_policy import Policy, parse

KIND = "watch_policy"
_SHIPPED = Path(__file__).parent / "watch_policy.yaml"


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put a policy in force; the same content again is the version it was. Raises PolicyError naming part and field."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


def in_force() -> Policy:
    """The policy, one query."""
    found: Policy = terms.in_force(KIND, _or_shipped)
    return found


def number() -> int:
    """Of the version in force; 0: the one that ships."""
    return TermsVersion.objects.filter(kind=KIND, live=True).values_list("number", flat=True).first() or 0


def _or_shipped(document: Any) -> Policy:
    return parse(document) if document else _shipped()  # of no document: an empty list


@lru_cache(maxsize=1)
def _shipped() -> Policy:
    return parse(read_yaml(_SHIPPED.read_bytes()))
