"""The page Tier policy, its API and the command behind it: the same figures, of real imports with buckets among them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from allocation import policies
from allocation.derived import refresh
from allocation.models import Grant, TierDiff, TierPolicy, TierRule
from finops.documents import read_yaml
from finops.models import User
from ingest.services import Import, ingest_file
from tests.web.ledger import centre
from tests.web.tier_traffic import taken

pytestmark = pytest.mark.usefixtures("ledger")
COARSE = {"order": ["C1", "S1"], "C1": {"tier": "complex", "any": ["calls>=2"]}, "S1": {"tier": "simple"}}


@pytest.fixture(autouse=True)
def one_policy(ledger: None) -> Iterator[None]:
    yield
    TierDiff.objects.all().delete()
    TierRule.objects.filter(policy__version__gt=1).delete()
    TierPolicy.objects.filter(version__gt=1).delete()
    TierPolicy.objects.update(live=True)


def bucketed(folder: Path, days: int = 28) -> None:
    """A provider's daily buckets of a model that no gateway sees, and of one that the calls of ``taken`` are of."""
    start = 1788220800  # 2026-09-01
    results = [
        {"object": "organization.usage.completions.result", "input_tokens": 4_000_000, "output_tokens": 700_000,
         "input_cached_tokens": 0, "input_audio_tokens": 0, "output_audio_tokens": 0, "num_model_requests": 2_000,
         "project_id": "proj", "user_id": None, "api_key_id": "key", "model": model, "batch": False, "service_tier": None}
        for model in ("gpt-4.1", "gpt-4o-mini")
    ]  # fmt: skip
    page = {"object": "page", "has_more": False, "next_page": None, "data": [
        {"object": "bucket", "start_time": start + 86_400 * n, "end_time": start + 86_400 * (n + 1), "results": results}
        for n in range(days)
    ]}  # fmt: skip
    path = folder / "usage.json"
    path.write_text(json.dumps(page), encoding="utf-8")
    ingest_file(Import(path, "openai"))
    refresh()


@pytest.fixture
def analyst() -> Client:
    user = User.objects.create_user("analyst", password="x")
    Grant.objects.create(user=user, role=Grant.Role.ANALYST)
    client = Client()
    client.force_login(user)
    return client


def sql(text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("reclassify", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def test_page_api_and_sql_say_the_same_and_a_dry_run_can_be_read(analyst: Client, tmp_path: Path) -> None:
    taken(tmp_path, 60)
    bucketed(tmp_path, 8)
    found = analyst.get("/api/v1/tiers/ledger?month=2026-09").json()
    cube = sql(
        "SELECT CASE WHEN tier = '' THEN 'no tier' WHEN tier_estimated THEN 'bucket-estimated' ELSE 'observed' END, "
        "sum(effective_cost), sum(queries) FROM cost_daily WHERE charge_date >= '2026-09-01' "
        "AND charge_date < '2026-10-01' AND billing_currency = 'USD' GROUP BY 1"
    )
    assert {(row["basis"], Decimal(row["cost"]), int(row["Queries"])) for row in found["coverage"] if row["Queries"] != "0"} == {
        (basis, cost, int(queries)) for basis, cost, queries in cube
    }  # fmt: skip
    estimated = found["estimated"]
    assert sum(Decimal(row["cost"]) for row in estimated["results"]) == Decimal(estimated["cost"])
    assert sum(Decimal(estimated[source]) for source in ("observed", "reference", "whole")) == pytest.approx(
        Decimal(estimated["cost"])
    )
    for row in estimated["results"]:
        if row["low_80"] is not None:
            assert Decimal(row["low_95"]) <= Decimal(row["low_80"]) <= Decimal(row["cost"]) <= Decimal(row["high_80"])
    text = analyst.get("/tiers/policy/?month=2026-09").content.decode()
    for row in found["rules"]:
        assert f"<code>{row['condition'].replace('>', '&gt;')}</code>" in text
        assert f"{int(row['Queries']):,}" in text
    assert "parted over tiers" in text
    lines = analyst.get("/tiers/policy/rules.csv?month=2026-09").content.decode().splitlines()
    assert len(lines) == 1 + len(found["rules"])
    (tmp_path / "coarse.yaml").write_text(json.dumps(COARSE), encoding="utf-8")
    looked = run("--from", "2026-09-01", "--to", "2026-09-30", "--policy", str(tmp_path / "coarse.yaml"), "--dry-run")
    assert looked["dry_run"] is True
    assert TierPolicy.objects.get(live=True).version == 1
    policies.load(COARSE, actor="test")
    kept = run("--from", "2026-09-01", "--to", "2026-09-30", "--dry-run")
    assert kept["matrix"] == looked["matrix"]
    answer = analyst.get("/api/v1/tier-policies/2/diff").json()["results"]
    assert [(row["applied"], row["matrix"]) for row in answer] == [(False, kept["matrix"])]
    assert analyst.get("/api/v1/tier-policies/2/diff?start=2026-09-02").json()["results"] == []
    assert analyst.get("/api/v1/tier-policies/2/diff?start=today").status_code == 400
    assert analyst.get("/api/v1/tier-policies/9/diff").status_code == 404
    page = analyst.get("/tiers/policy/?month=2026-09").content.decode()
    assert f"{kept['moved_queries']:,} of {kept['queries']:,} single queries move" in page
    done = run("--from", "2026-09-01", "--to", "2026-09-30")
    assert done["tiers"] == kept["tiers"]
    after = sql(
        "SELECT tier, sum(effective_cost) FROM cost_daily WHERE charge_date >= '2026-09-01' AND charge_date < '2026-10-01' "
        "AND tier <> '' GROUP BY 1"
    )
    assert {(row["tier"], Decimal(row["after"])) for row in done["tiers"] if Decimal(row["after"])} == set(after)


def test_an_empty_site_is_told_how_to_begin_and_an_owner_sees_no_rules(analyst: Client) -> None:
    page = analyst.get("/tiers/policy/").content.decode()
    assert "No query has a tier yet" in page
    assert "version 1" in page
    owner = User.objects.create_user("owner", password="x")
    Grant.objects.create(user=owner, role=Grant.Role.VIEWER, cost_centre=centre("CC-100"))
    client = Client()
    client.force_login(owner)
    assert client.get("/tiers/policy/").status_code == 403
    assert client.get("/api/v1/tiers/ledger?month=2026-09").json()["rules"] is None
    assert client.get("/api/v1/tier-policies/1/diff").status_code == 403


def test_the_policy_that_ships_is_read_as_it_is_written() -> None:
    assert TierPolicy.objects.get(live=True).policy == read_yaml(policies.DEFAULT.read_text(encoding="utf-8"))
