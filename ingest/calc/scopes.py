"""Charge scopes: what of a provider's bill a figure is about, so that layers are compared only where both speak.

A scope is ``tokens.<service tier>`` for anything priced by tokens and the unit's name for everything else. Sources
declare the scopes they cover as globs: Anthropic's cost report leaves out ``tokens.priority*``, its usage leaves out
``session`` (code execution).
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from finops.tokens import TOKEN_CLASSES

_STANDARD = {"", "default", "standard", "on_demand", "auto"}
_TOKENS = frozenset(TOKEN_CLASSES)


def charge_scope(price_class: str, mode: str, service_tier: str) -> str:
    """The scope of a charge by its class (token class or unit), mode (sync, batch) and served service tier."""
    if price_class not in _TOKENS and price_class != "request":
        return price_class or "other"
    if mode == "batch" or service_tier == "batch":
        return "tokens.batch"
    return f"tokens.{'standard' if service_tier.lower() in _STANDARD else service_tier.lower()}"


def covers(globs: Sequence[str], scope: str) -> bool:
    """Whether a source that declares these globs speaks about this scope; a glob with ``!`` before it takes out."""
    taken = any(fnmatchcase(scope, glob) for glob in globs if not glob.startswith("!"))
    return taken and not any(fnmatchcase(scope, glob[1:]) for glob in globs if glob.startswith("!"))
