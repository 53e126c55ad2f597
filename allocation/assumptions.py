"""The assumption register in force, that of a month, and the one that ships with the product (allocation.calc.assumptions)."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from allocation.calc.assumptions import KIND, Register
from allocation.calc.assumptions import parse as of_document
from allocation.calc.closing import FROZEN
from allocation.costing import terms
from allocation.models import BillingPeriod, TermsVersion
from finops.documents import read_yaml
from finops.periods import Period

SHIPPED = Path(__file__).parent / "assumptions.yaml"
SHIPPED_BY = "shipped with the product"
__all__ = ["KIND", "in_force", "load", "load_default", "of", "parse", "shipped", "version"]


@lru_cache(maxsize=1)
def shipped_document() -> list[Any]:
    """The entries that ship with the product, as they are written."""
    written: list[Any] = read_yaml(SHIPPED.read_text(encoding="utf-8"))
    return written


@lru_cache(maxsize=1)
def shipped() -> Register:
    """The register that ships with the product."""
    return of_document(shipped_document())


def parse(document: Any) -> Register:
    """A document, and of the shipped register what it leaves out. Raises AgreementError naming entry and field."""
    return of_document(document).over(shipped())


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put a register in force; it changes no charge. Raises AgreementError.

    The version holds every entry, those too that the document leaves out: what a frozen month used does not follow a newer
    product.
    """
    own = set(of_document(document).entries)
    rest = [entry for entry in shipped_document() if entry["code"] not in own]
    return terms.load(KIND, [*document, *rest], of_document, actor=actor, charged=False)


def load_default() -> TermsVersion:
    """The shipped register as a version, unless people have loaded one of their own: frozen months name what they used.

    A newer product's register follows the shipped one before it; a site's own stays, and ``assumptions diff`` tells.
    """
    live = version()
    if live is not None and live.loaded_by != SHIPPED_BY:
        return live
    return load(shipped_document(), actor=SHIPPED_BY)


def version() -> TermsVersion | None:
    """The version in force; None: the shipped register holds and no version was made of it yet."""
    return TermsVersion.objects.filter(kind=KIND, live=True).first()


def in_force() -> Register:
    """The register in force."""
    found: Register = terms.in_force(KIND, parse)
    return found


def of(period: Period) -> Register:
    """The register that a month's figures hang on: of a frozen one that which was in force when it was frozen."""
    held = BillingPeriod.objects.filter(month=period.start, state__in=FROZEN).first()
    frozen = (held.frozen_versions if held else {}).get("terms", {}).get(KIND)
    if frozen is None:
        return in_force()
    found: Register = terms.of(KIND, frozen["sha256"], parse)
    return found
