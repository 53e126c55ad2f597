"""What a run says it cost: tokens and other units at list price, currencies apart, never summed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from ingest.models import IngestRun, PriceBookVersion
from ingest.prices import load_prices
from ingest.services import Import, ingest_file
from web.run_summary import summary

pytestmark = pytest.mark.usefixtures("ledger")
MAPPING = """
layer: gateway
provider: selfhosted
id: [id]
time: at
model: model
input: tokens
units: {image: images, web_search: searches}
reported_cost: {column: cost, currency: USD}
"""
D = Decimal
HEAD = "id,at,model,tokens,images,searches,cost\n"


@pytest.fixture(autouse=True)
def own_prices(ledger: None) -> Any:
    book = b"""
- {provider: selfhosted, model: us, prices: {input: '2', image: '0.04'}}
- {provider: selfhosted, model: eu, currency: EUR, prices: {input: '3', image: '0.05', web_search: '0.01'}}
"""
    load_prices(book, "o.yaml", actor="ann")
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()


def told(tmp_path: Path, *lines: str) -> dict[str, Any]:
    path = tmp_path / "u.csv"
    path.write_text(HEAD + "\n".join(lines))
    return summary(ingest_file(Import(path, "generic", mapping=yaml.safe_load(MAPPING))))


def test_units_are_counted_and_cost_what_they_cost(tmp_path: Path) -> None:
    # 1,000,000 x 2 / 1M + 5 x 0.04; one search has no price: its record counts as unpriced, once, though it has tokens too
    found = told(tmp_path, "1,2026-09-08T10:00:00Z,us,1000000,3,,1.5", "2,2026-09-08T11:00:00Z,us,,2,7,")
    assert (found["currency"], found["unpriced"]) == ("USD", 1)
    wanted = {"list_cost": "2.200000000000", "reported_cost": "1.500000000000", "billed_cost": "0.000000000000"}
    assert {name: found["totals"][name] for name in wanted} == wanted
    assert (Decimal(found["totals"]["image"]), Decimal(found["totals"]["web_search"])) == (5, 7)
    assert found["totals"]["input_uncached"] == "1000000"


def test_costs_of_several_currencies_stand_apart_and_nothing_sums_them(tmp_path: Path, capsys: Any) -> None:
    lines = "1,2026-09-08T10:00:00Z,us,1000000,,,0.5", "2,2026-09-08T10:00:00Z,eu,1000000,2,10,"
    found = told(tmp_path, *lines)
    assert found["currency"] == "mixed"
    assert not {"list_cost", "reported_cost", "billed_cost"} & found["totals"].keys()
    apart = found["totals"]["by_currency"].items()
    assert {code: {name: D(cost) for name, cost in costs.items()} for code, costs in apart} == {
        "USD": {"list_cost": D("2"), "reported_cost": D("0.5"), "billed_cost": 0},
        "EUR": {"list_cost": D("3.2"), "reported_cost": 0, "billed_cost": 0},  # 3 + 2 x 0.05 + 10 x 0.01
    }  # fmt: skip
    (tmp_path / "m.yaml").write_text(MAPPING)
    IngestRun.objects.all().delete()
    (tmp_path / "u.csv").write_text(HEAD + "\n".join(line.replace(",2026", "b,2026", 1) for line in lines))
    call_command("ingest_file", str(tmp_path / "u.csv"), "--source", "generic", "--mapping", str(tmp_path / "m.yaml"))
    assert "List cost 3.200000000000 EUR, 2.000000000000 USD; 0 records unpriced." in capsys.readouterr().out


def test_a_run_of_nothing_cost_nothing(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert (found["currency"], found["totals"]["list_cost"], found["unpriced"]) == ("USD", "0.000000000000", 0)
