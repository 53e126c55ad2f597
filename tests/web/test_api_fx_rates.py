"""/api/v1/fx-rates: what was published, page by page, and rates that another person puts in force."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from allocation import fx_changes
from finops import fx
from finops.fx_files import Published
from finops.models import Approval, FxRate
from tests.web.test_api_policies import ask, of

pytestmark = pytest.mark.django_db
PATH = "fx-rates"
RATE = {"day": "2026-09-08", "base": "EUR", "quote": "USD", "rate": "1.1025"}


def kept() -> None:
    """Three days of EUR/USD, the second one corrected, and EUR/JPY on the first."""
    days = [(7, "USD", "1.1"), (7, "JPY", "160.5"), (8, "USD", "1.2"), (9, "USD", "1.3")]
    fx.load([Published(date(2026, 9, d), "EUR", q, Decimal(r)) for d, q, r in days], source="ecb", actor="test")
    fx.load([Published(date(2026, 9, 8), "EUR", "USD", Decimal("1.25"))], source="ecb", actor="test")


def test_rates_are_proposed_accepted_by_another_person_and_then_hold() -> None:
    ann, bob = of("ann", "analyst"), of("bob", "finance")
    other = RATE | {"quote": "JPY", "rate": "160.120"}
    found = ask(ann, PATH, 202, {"rates": [RATE, other], "source": "bank"})
    assert (found["rates"], found["corrected"], found["known"]) == (2, 0, 0)
    assert found["approval"]["details"]["rates"] == ["2026-09-08 EUR/USD 1.1025", "2026-09-08 EUR/JPY 160.12"]
    assert ask(ann, PATH, 200)["results"] == []
    number = found["approval"]["id"]
    ask(ann, f"approvals/{number}/decision", 403, {"accept": True})
    ask(bob, f"approvals/{number}/decision", 200, {"accept": True})
    assert ask(ann, f"{PATH}?quote=USD", 200)["results"] == [RATE | {"source": "bank", "holds": True}]
    held = fx.on_or_before("EUR", "USD", date(2026, 9, 8))
    assert held is not None
    assert (held.rate, held.source) == (Decimal("1.1025"), "bank")


def test_what_is_known_already_waits_for_nobody_and_a_correction_says_so() -> None:
    ann = of("ann", "finance")
    kept()
    known = {"day": "2026-09-09", "base": "EUR", "quote": "USD", "rate": "1.30"}
    nothing = {"approval": None, "rates": 0, "corrected": 0, "known": 1}
    assert ask(ann, PATH, 200, {"rates": [known]}) == nothing
    found = ask(ann, PATH, 202, {"rates": [known, known, known | {"day": "2026-09-08"}]})
    assert (found["rates"], found["corrected"], found["known"]) == (1, 1, 1)
    assert Approval.objects.get().subject == "manual: 1 rate of 2026-09-08"


@pytest.mark.parametrize(
    ("asked", "rates"),
    [
        ("", ["1.3", "1.25", "1.2", "160.5", "1.1"]),
        ("?base=EUR&quote=USD", ["1.3", "1.25", "1.2", "1.1"]),
        ("?quote=JPY", ["160.5"]),
        ("?base=USD", []),
        ("?from=2026-09-08", ["1.3", "1.25", "1.2"]),
        ("?to=2026-09-08", ["160.5", "1.1"]),
        ("?from=2026-09-08&to=2026-09-09&quote=USD", ["1.25", "1.2"]),
    ],
)
def test_filters_and_order_newest_first_and_what_holds_before_what_it_corrects(asked: str, rates: list[str]) -> None:
    kept()
    found = ask(of("ann", "auditor"), f"{PATH}{asked}", 200)["results"]
    assert [row["rate"] for row in found] == rates
    assert [row["rate"] for row in found if not row["holds"]] == [rate for rate in rates if rate == "1.2"]
    assert {(row["rate"], row["source"]) for row in found} & {("1.25", "ecb")} == set()
    assert all(row["source"] == ("ecb (2)" if row["rate"] == "1.25" else "ecb") for row in found)


@pytest.mark.parametrize("asked", ["", "&quote=USD&from=2026-09-08"])
def test_pages_of_any_size_join_to_the_whole(asked: str) -> None:
    kept()
    client = of("ann", "analyst")
    whole = ask(client, f"{PATH}?limit=1000{asked}", 200)["results"]
    for size in (1, 2, 3):
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = ask(client, f"{PATH}?limit={size}{asked}{cursor and f'&cursor={cursor}'}", 200)
            assert 1 <= len(answer["results"]) <= size
            found, cursor = found + answer["results"], answer["next"]
        assert found == whole


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("base=eur", "base: an ISO 4217 code such as USD"), ("quote=", "quote: an ISO 4217"), ("from=1.9.2026", "from: a day"),
        ("to=2026-02-30", "to: a day is written YYYY-MM-DD"), ("from=2026-09-08&to=2026-09-08", "to: the first day after"),
        ("day=2026-09-08", "day: no such parameter"), ("limit=0", "limit: "), ("cursor=WyJ4Il0", "cursor: "),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_a_problem_that_names_it(asked: str, message: str) -> None:
    assert ask(of("ann", "analyst"), f"{PATH}?{asked}", 400)["detail"].startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": "0"}, "entry 2: EUR/USD: a rate is above 0"), ({"rate": 1.1}, "entry 2: rate: is written as a text"),
        ({"rate": "NaN"}, "entry 2: EUR/USD: "), ({"day": "2026-02-30"}, "entry 2: '2026-02-30' is no day"),
        ({"quote": "XXQ"}, "entry 2: "), ({"quote": "EUR"}, "entry 2: EUR has no rate to itself"),
        ({"note": "x"}, "entry 2: has day, base, quote, rate"), ({"rate": "1.2"}, "entry 2: another rate of EUR/USD"),
    ],
)  # fmt: skip
def test_a_rate_that_cannot_be_used_is_named_with_its_field_and_nothing_is_asked_for(change: Any, message: str) -> None:
    detail = ask(of("ann", "analyst"), PATH, 400, {"rates": [RATE, RATE | change]})["detail"]
    assert detail.startswith(f"rates: {message}")
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "rates: the body is an object"), ([RATE], "rates: the body"), ({"rates": []}, "rates: a list of 1 to 20,000"),
        ({"rates": [RATE], "day": 1}, "rates: the body"), ({"rates": [1]}, "rates: entry 1: has day"),
        ({"rates": [RATE], "source": ""}, "source: a text of 1 to 80"), ({"rates": [RATE], "source": 3}, "source: "),
        ({"rates": [RATE], "source": "x" * 81}, "source: a text of 1 to 80"),
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_a_problem(body: Any, message: str) -> None:
    assert ask(of("ann", "analyst"), PATH, 400, body)["detail"].startswith(message)


def test_more_than_one_request_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fx_changes, "MOST", 1)
    rates = [RATE, RATE | {"day": "2026-09-09"}]
    assert ask(of("ann", "analyst"), PATH, 400, {"rates": rates})["detail"] == "rates: a list of 1 to 1 rates"


@pytest.mark.parametrize(
    ("role", "reads", "proposes"),
    [
        ("viewer", 403, 403), ("owner", 403, 403), ("analyst", 200, 202), ("finance", 200, 202), ("admin", 200, 403),
        ("auditor", 200, 403),
    ],
)  # fmt: skip
def test_analyst_and_finance_propose_and_admin_and_auditor_read(role: str, reads: int, proposes: int) -> None:
    client = of("someone", role)
    ask(client, PATH, reads)
    ask(client, PATH, proposes, {"rates": [RATE]})
    assert not FxRate.objects.exists()
