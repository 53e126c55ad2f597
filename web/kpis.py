"""The registry of key figures, and their values."""

from functools import cache
from pathlib import Path

import yaml

from allocation.calc.kpis import Registry, Value, parse, value
from allocation.scope import Scope
from allocation.selectors import CostQuery
from web.kpi_measures import measures

_FILE = Path(__file__).with_name("kpis.yaml")


@cache
def registry() -> Registry:
    """What each figure means."""
    return parse(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def values(scope: Scope, query: CostQuery) -> list[Value]:
    """Every figure of a period, in the registry's order; one that this scope may not have is without a value."""
    found = measures(scope, query)
    return [value(kpi, found) for kpi in registry().kpis]
