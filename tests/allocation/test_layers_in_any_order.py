"""Whatever layers state of the same calls, and in whatever order they come, who rules is charged exactly."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from allocation.derived import refresh
from allocation.models import Charge
from allocation.verification import verify
from tests.allocation.stated import KINDS, line, state, total, whole_day
from tests.conftest import empty_ledger
from tests.state import dump

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
INPUT = D("0.00000125")  # gpt-5

call = st.tuples(st.integers(1, 500), st.booleans(), st.booleans())  # tokens; seen by the gateway; traced


@pytest.mark.slow
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)  # fmt: skip
@given(
    calls=st.lists(call, min_size=1, max_size=6),
    order=st.lists(st.sampled_from(["gate", "spans", "usage", "costs"]), min_size=1, max_size=4, unique=True),
    billed=st.integers(0, 10_000),
    eager=st.booleans(),
)
def test_charges_are_the_ruling_layers_under_every_subset_and_order(
    monkeypatch: pytest.MonkeyPatch, calls: list[Any], order: list[str], billed: int, eager: bool
) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    empty_ledger()
    seen = {
        "gate": [(n, tokens) for n, (tokens, gate, _) in enumerate(calls) if gate],
        "spans": [(n, tokens) for n, (tokens, _, spans) in enumerate(calls) if spans],
    }
    money = D(billed).scaleb(-7)

    def give(kind: str) -> None:
        if kind == "usage":
            tokens = sum(item[0] for item in calls)
            state("usage", [{"native_id": "day", "requests": len(calls), "input_uncached": tokens}], [whole_day()])
        elif kind == "costs":
            state("costs", [line(str(money), native_id="c", model_served="gpt-5")], [whole_day()])
        elif kind == "gate":
            state("gate", [{"native_id": f"c{n}", "input_uncached": tokens} for n, tokens in seen["gate"]])
        else:
            rows = [
                {"native_id": f"s{n}", "input_uncached": tokens, "request_id": f"c{n}"} for n, tokens in seen["spans"]
            ]
            state("spans", rows)

    for kind in order:
        give(kind)
        if eager:
            refresh()
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []
    gate, spans = (dict(seen[kind]) if kind in order else {} for kind in ("gate", "spans"))
    both = (
        gate.keys() & spans.keys()
    )  # matched by id; of the others in the hour the larger sum: they may be the same calls
    apart = max(sum(tokens for n, tokens in side.items() if n not in both) for side in (gate, spans))
    if "costs" in order:
        assert total() == total("billed_cost") == money
    elif "usage" in order:
        assert total() == sum(item[0] for item in calls) * INPUT
    else:
        assert total() == (sum(gate[n] for n in both) + apart) * INPUT
    rows = sorted(
        Charge.objects.values_list("provenance", "cause", "price_class", "consumed_quantity", "effective_cost"), key=str
    )
    cube = dump()["cube"]
    empty_ledger()
    for kind in sorted(order):
        give(kind)
    refresh()
    again = Charge.objects.values_list("provenance", "cause", "price_class", "consumed_quantity", "effective_cost")
    assert sorted(again, key=str) == rows
    assert dump()["cube"] == cube
