"""Predictions over HTTP: the question in features alone, answers within a scope, and page = API = SQL of how they fared."""

import io
import json
from typing import Any

import numpy as np
import openpyxl
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from allocation.models import Grant, LearntPredictor, Prediction
from finops.models import User
from tests.web.ledger import bearer, centre, person
from tests.web.money_pages import client_of, page, text
from tests.web.predicted import asked, learnt, queries
from web.management.base import RefusedHere
from web.prediction_words import lies

pytestmark = pytest.mark.django_db
CHAT = {"feature": "chat", "prompt_tokens": 1000, "models": ["small", "large"], "tools": False}


def post(headers: dict[str, str], body: Any, **more: Any) -> Any:
    return Client().post("/api/v1/tiers/predict", body, content_type="application/json", **headers, **more)


@pytest.fixture
def ann() -> dict[str, str]:
    return bearer(person("ann", "analyst"), "write")


def test_a_prediction_has_tier_tokens_and_cost_of_every_candidate(ann: dict[str, str]) -> None:
    """Two thirds are the small model's, simple at 0.0015; a third the large one's, moderate at 0.02: 0.0077 on average."""
    learnt()
    found = post(ann, CHAT).json()
    assert (found["learnt_through"], found["BillingCurrency"], found["tier"], found["kept"]) == (
        "2026-09-30", "USD", "simple", None,
    )  # fmt: skip
    small, large = found["candidates"]
    assert (small["x_Model"], small["served_as"], small["tier"], small["queries"]) == ("small", None, "simple", 40 * 42)
    assert (large["x_Model"], large["served_as"], large["tier"], large["why"]) == (
        "large",
        "large-2026",
        "moderate",
        "",
    )
    assert large["cost"] == {"expected": "0.02", "low": "0.02", "high": "0.02", "expected_lies": "within"}
    assert float(small["cost"]["low"]) < float(small["cost"]["expected"]) < float(small["cost"]["high"])
    assert float(found["any_model"]["cost"]["expected"]) == pytest.approx((2 * 0.001495 + 0.02) / 3, rel=0.01)
    assert float(found["any_model"]["probabilities"]["moderate"]) == pytest.approx(1 / 3, abs=0.01)
    assert (small["output_tokens"]["expected"], small["calls"]) == ("149", "1.00")


def test_an_unknown_kind_is_unknown_and_says_why(ann: dict[str, str]) -> None:
    assert post(ann, CHAT).json()["any_model"]["why"].startswith("nothing has been learnt yet")
    learnt()
    found = post(ann, CHAT | {"feature": "never seen"}).json()
    assert (found["tier"], found["any_model"]["why"], found["any_model"]["cost"]) == (
        "unknown", "no query of this use case, effort and model", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens"), ({"prompt_tokens": 10**9 + 1}, "prompt_tokens"),
        ({"prompt_tokens": "many"}, "prompt_tokens"), ({"prompt": "Dear Ann"}, "prompt"), ({"models": ["m"] * 21}, "models"),
        ({"feature": "\ud800"}, "feature"), ({"trace": "a\x00b"}, "trace"), ({"trace_source": "litellm"}, "trace_source"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_refused_by_its_field(ann: dict[str, str], changed: dict[str, Any], field: str) -> None:
    answer = post(ann, json.dumps(CHAT | changed))
    assert answer.status_code == 400
    assert field in json.dumps(answer.json())
    assert "Ann" not in answer.content.decode()


def test_a_token_that_reads_asks_nothing_and_an_owner_asks_of_own_queries(ann: dict[str, str]) -> None:
    learnt()
    olga = person("olga", "owner", "CC-200")
    assert post(bearer(olga, "read"), CHAT).status_code == 403
    own = bearer(olga, "write")
    assert post(own, CHAT).json()["tier"] == "unknown"
    assert post(own, {"feature": "reports", "prompt_tokens": 1000, "effort": "high"}).json()["tier"] == "complex"
    refused = post(own, CHAT | {"cost_centre": "CC-100"})
    assert (refused.status_code, "is not yours" in refused.content.decode()) == (400, True)


def test_a_cost_centre_that_does_not_exist_is_refused(ann: dict[str, str]) -> None:
    learnt()
    refused = post(ann, CHAT | {"cost_centre": "CC-NOPE"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "cost_centre: there is no such cost centre")
    assert post(ann, CHAT | {"cost_centre": "CC-100"}).status_code == 200


def test_a_prediction_with_its_trace_is_kept_once_under_one_key(ann: dict[str, str]) -> None:
    learnt()
    body = CHAT | {"trace": "t1", "trace_source": "litellm", "trace_account": "gw"}
    first, replayed = (post(ann, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    assert (first.json()["kept"], replayed.json()["kept"], post(ann, body).json()["kept"]) == (True, True, False)
    row = Prediction.objects.get()
    assert (row.asked_by, row.feature, row.candidates["small"]["tier"], row.request["prompt_tokens"]) == (
        "ann", "chat", "simple", 1000,
    )  # fmt: skip
    assert set(row.candidates) == {"*", "small", "large-2026"}


def rows_of(headers: dict[str, str], search: str = "") -> list[dict[str, Any]]:
    answer = Client().get(f"/api/v1/tiers/predictions{search}", **headers)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_tracking_is_the_same_on_the_page_by_the_api_and_in_sql(ann: dict[str, str]) -> None:
    """100 of 130 within: 76.9 %, which may be 77 by chance."""
    learnt()
    asked(130, 100)
    centre("CC-200")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE cost BETWEEN cost_low AND cost_high), count(*) FILTER (WHERE "
            "predicted = tier) FROM allocation_prediction WHERE began_at IS NOT NULL"
        )
        assert cursor.fetchone() == (130, 100, 130)
    [whole, chat] = rows_of(ann, "?slice=asked")
    assert whole == chat | {"x_Feature": None}
    assert (whole["bounded"], whole["covered"], whole["above"], whole["coverage"]) == (130, 100, 30, "0.7692")
    assert (whole["hit_rate"], whole["majority_tier"], whole["verdict"]) == ("1.0000", "simple", "as_stated")
    body = page(client_of("analyst"), "/tiers/predict/")
    words = text(body)
    assert "76.9 % 69.0 % to 83.3 %" in words.replace("\u202f", " ")
    assert "1 not come yet" in words
    for row in rows_of(ann, "?slice=held_out"):
        assert f"{float(row['coverage']) * 100:.1f}" in words


def test_an_owner_sees_own_tracking_alone(ann: dict[str, str]) -> None:
    learnt()
    asked(30, 30, code="CC-100")
    own = bearer(person("olga", "owner", "CC-200"))
    assert {row["x_Feature"] for row in rows_of(own)} == {None, "reports"}
    assert {row["x_Feature"] for row in rows_of(ann)} == {None, "reports", "chat"}


def test_the_page_predicts_the_commonest_kind_and_what_is_asked_for() -> None:
    learnt()
    client = client_of("analyst")
    words = text(page(client, "/tiers/predict/"))
    assert "Most likely simple" in words
    assert "large-2026" in words
    words = text(page(client, "/tiers/predict/?feature=reports&prompt_tokens=1,000&effort=high"))
    assert "Most likely complex" in words
    assert "$0.30" in words
    words = text(page(client, "/tiers/predict/?feature=reports&prompt_tokens=9999&effort=high"))
    assert "Unknown: prompts seen have 512 to 1023 tokens" in words
    words = text(page(client, "/tiers/predict/?feature=never&prompt_tokens=10"))
    assert "Unknown: no query of this use case, effort and model" in words
    words = text(page(client, "/tiers/predict/?prompt_tokens=many"))
    assert "a whole number from 0 to 1,000,000,000" in words


def test_a_mean_beyond_its_interval_says_that_a_few_queries_pull_it(ann: dict[str, str]) -> None:
    """95 of 100 queries cost 0.001 to 0.002, five cost 5: 0.25 on average, and four of five far less."""
    number = np.arange(60 * 42)
    learnt(queries(cost=np.where(number % 20 == 7, 5.0, 0.001 + number % 10 / 1e4)))
    found = post(ann, {"feature": "chat", "prompt_tokens": 1000}).json()["any_model"]["cost"]
    assert float(found["low"]) <= float(found["high"]) < float(found["expected"])
    assert found["expected_lies"] == "above"
    words = text(page(client_of("analyst"), "/tiers/predict/"))
    assert "and the mean lies above as a few cost far more" in words
    assert "mean pulled up by a few" in words
    assert [lies(mean, (2, 4)) for mean in (1, 2, 4, 5, None)] == ["below", "within", "within", "above", None]
    assert lies(1, None) is None


def test_an_owner_chooses_among_own_centres_and_sees_no_others() -> None:
    learnt()
    one, two = client_of("owner"), client_of("owner", "olga")
    Grant.objects.create(user=User.objects.get(username="olga"), role="owner", cost_centre=centre("CC-200"))
    words = text(page(one, "/tiers/predict/"))
    assert "Most likely simple" in words
    assert "reports" not in words
    assert "reports" not in text(page(one, "/tiers/predict/?cost_centre=CC-200"))
    assert "Nothing was predicted. cost centre: is not yours" in text(page(one, "/tiers/predict/?cost_centre=CC-200"))
    assert "Most likely complex" in text(page(two, "/tiers/predict/?cost_centre=CC-200"))
    other = Client()
    other.force_login(person("otto", "owner", "CC-300"))
    assert "Nothing is known of queries of yours yet" in text(page(other, "/tiers/predict/"))


def test_files_hold_the_view_exactly() -> None:
    learnt()
    client = client_of("analyst")
    lines = client.get("/tiers/predict/prediction.csv?feature=chat&prompt_tokens=1000").content.decode().splitlines()
    assert lines[0].startswith("x_Model,tier,why,queries,simple")
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["", "simple"],
        ["small", "simple"],
        ["large-2026", "moderate"],
    ]
    book = openpyxl.load_workbook(io.BytesIO(client.get("/tiers/predict/prediction.xlsx").content))
    assert book.sheetnames == ["Prediction", "Predicted and came"]
    tracked = client.get("/tiers/predict/predictions.csv").content.decode().splitlines()
    assert len(tracked) == 1 + 3 + 1  # all, chat and reports held out; nothing asked for


def test_the_empty_page_says_what_is_missing() -> None:
    client = client_of("analyst")
    words = text(page(client, "/tiers/predict/"))
    assert "Nothing has been learnt yet" in words
    assert "manage.py predictions learn" in words
    assert client.get("/tiers/predict/prediction.csv").status_code == 200


def test_the_command_prints_coverage_and_the_hit_rate_beside_the_majority(capsys: pytest.CaptureFixture[str]) -> None:
    learnt(queries(40), queries(40, tier="moderate", attachments=True))
    call_command("predictions", "show", "--json")
    *lines, last = capsys.readouterr().out.strip().splitlines()
    assert "tier hit 100.0% of 560, always simple 50.0%" in lines[0]
    assert json.loads(last)["results"][0]["hit_rate"] == "1.0000"


def test_learning_without_single_calls_is_refused() -> None:
    with pytest.raises(RefusedHere, match="no source states single calls"):
        call_command("predictions", "learn")
    assert not LearntPredictor.objects.exists()
