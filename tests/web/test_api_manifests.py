"""/api/v1/periods/{month}/manifest: all that was stored when a month was frozen, and who may read it."""

from pathlib import Path
from typing import Any

import pytest

from allocation import closing
from allocation.calc import manifests
from allocation.models import PeriodManifest
from finops.models import Approval
from tests.allocation.close.months import APPROVER, PREPARER, SEPTEMBER, calls, month_of_calls, soft_close
from tests.web.test_api_policies import ask, of
from web import approving

pytestmark = pytest.mark.usefixtures("ledger")
PATH = "periods/2026-09/manifest"


@pytest.fixture
def frozen(ledger: None, tmp_path: Path) -> None:
    month_of_calls(tmp_path)
    soft_close()


def opened_again() -> None:
    asked = closing.propose_reopen(SEPTEMBER, "a late invoice", by=PREPARER)
    approving.decide(Approval.objects.get(pk=asked.pk), by=APPROVER, accept=True)


def test_the_whole_manifest_is_told_and_its_hash_can_be_checked_by_who_reads_it(frozen: None) -> None:
    found = ask(of("reader", "auditor"), PATH, 200)
    kept = PeriodManifest.objects.get()
    assert (found["month"], found["version"], found["in_force"]) == ("2026-09", 1, True)
    assert found["document"] == kept.document
    assert found["sha256"] == kept.sha256 == manifests.digest(found["document"])
    assert {"charge", "allocated_cost", "cost_daily"} <= set(found["document"]["tables"])
    # 3 calls of 1,000 tokens at 1.25 and 1,000 at 10 a million: 0.01125 each, in two charges each
    charge: Any = found["document"]["tables"]["charge"]
    assert (charge["rows"], charge["sums"]["USD"]["effective_cost"]) == (6, "0.033750000000")
    assert {"rules", "prices", "tier_policy", "terms", "fx"} <= set(found["document"]["versions"])


def test_of_a_month_that_was_opened_again_each_version_is_told(frozen: None, tmp_path: Path) -> None:
    reader = of("reader", "analyst")
    first = ask(reader, PATH, 200)
    opened_again()
    assert ask(reader, PATH, 200) == first | {"in_force": False}, "the last that was frozen"
    calls(tmp_path, "2026-09-20")
    soft_close()
    second = ask(reader, PATH, 200)
    assert (second["version"], second["in_force"], second["document"]["tables"]["charge"]["rows"]) == (2, True, 8)
    assert ask(reader, f"{PATH}?version=1", 200) == first | {"in_force": False}
    assert ask(reader, f"{PATH}?version=2", 200) == second
    assert ask(reader, f"{PATH}?version=3", 404)["detail"] == "2026-09 has no manifest of version 3: it was not frozen."


def test_a_month_that_was_not_frozen_has_none(ledger: None) -> None:
    reader = of("reader", "finance")
    assert ask(reader, PATH, 404)["detail"] == "2026-09 has no manifest: it was not frozen."
    for month in ("2026-13", "september"):
        ask(reader, f"periods/{month}/manifest", 404)
    for wrong in ("0", "x", "", "-1", "9" * 30):
        assert ask(reader, f"{PATH}?version={wrong}", 400)["detail"].startswith("version: ")


def test_the_tree_and_drivers_of_a_frozen_month_are_those_it_was_frozen_with(ledger: None, tmp_path: Path) -> None:
    ann, bob = of("analyst-1", "analyst"), of("finance-1", "finance")

    def put(path: str, entries: Any) -> None:
        asked = ask(ann, path, 202, {"entries": entries})
        ask(bob, f"approvals/{asked['id']}/decision", 200, {"accept": True})

    put("cost-centres/tree", [{"code": "CC-1", "name": "Old"}, {"code": "CC-2"}])
    month_of_calls(tmp_path)
    soft_close()
    put("cost-centres/tree", [{"code": "CC-1", "name": "New"}, {"code": "CC-2"}])
    put("drivers", [{"month": "2026-09", "name": "headcount", "cost_centre": "CC-1", "value": "3"}])
    assert ask(ann, "cost-centres/tree?month=2026-09", 200)["entries"][0] == {"code": "CC-1", "name": "Old"}
    assert ask(ann, "cost-centres/tree?month=2026-10", 200)["entries"][0] == {"code": "CC-1", "name": "New"}
    told = ask(ann, "drivers?month=2026-09", 200)
    assert (told["version"], told["entries"]) == (None, []), "it was frozen without any"


@pytest.mark.parametrize(
    ("role", "status"),
    [("viewer", 403), ("owner", 403), ("analyst", 200), ("finance", 200), ("admin", 403), ("auditor", 200)],
)
def test_it_is_read_by_who_reads_periods_and_changed_by_nobody(frozen: None, role: str, status: int) -> None:
    client = of("reader", role)
    ask(client, PATH, status)
    ask(client, PATH, 405 if role == "finance" else 403, {})
