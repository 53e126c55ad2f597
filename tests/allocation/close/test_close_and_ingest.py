"""A close and late usage at the same time: each call ends once, in the closed month or in a correction (5 c).

By default both stop where the refresher's lock is taken or let go, and one is interrupted once. At length:
FINOPS_TEST_INTERRUPTIONS=2 tries all orders of these points (who stands before the lock goes on when it is free), and of every
other lock and commit too those with as many interruptions; FINOPS_TEST_RANDOM_RUNS=200 lets them meet by chance so many times.
"""

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum

from allocation import closing
from allocation.closing import GatesHold
from allocation.derived import refresh
from allocation.models import BillingPeriod, Charge, CostDaily
from allocation.verification import verify
from finops import locks
from tests.allocation.close.kept import Kept
from tests.allocation.close.months import APPROVER, PREPARER, SEPTEMBER, calls, month_of_calls
from tests.interleaving import Wanted, every_lock, explore

pytestmark = pytest.mark.usefixtures("ledger")
logger = logging.getLogger(__name__)
AT_LENGTH = int(os.environ.get("FINOPS_TEST_INTERRUPTIONS", "0"))
ANY_NUMBER = 10**6
CALL = Decimal("0.01125")  # gpt-5: 1,000 input at 1.25 and 1,000 output at 10 per million
RUNS = int(os.environ.get("FINOPS_TEST_RANDOM_RUNS", "10"))


def total(rows: Any) -> Decimal:
    return rows.aggregate(cost=Sum("effective_cost"))["cost"] or Decimal(0)


def each_call_ended_once(count: int) -> None:
    """All calls cost the same: what September and its corrections hold is so many times the cost of one."""
    refresh()
    last = list(SEPTEMBER.days())[-1]
    assert total(Charge.objects.as_is(SEPTEMBER.start, last)) == count * CALL
    assert total(CostDaily.objects.all()) == count * CALL
    assert BillingPeriod.objects.get().state == "soft_closed"
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def soft_close() -> None:
    """As a person does: again, where usage came in while the step looked."""
    for _ in range(20):
        try:
            closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER)
        except GatesHold as held:
            assert [gate.code for gate in held.failing] == ["recomputed"]  # noqa: PT017
        else:
            return
    pytest.fail("the month never closes")


@pytest.fixture(scope="module")
def begun(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A preliminary September with three calls."""
    with django_db_blocker.unblock():
        month_of_calls(tmp_path_factory.mktemp("september"))
        closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)
        return Kept()


@pytest.fixture
def september(ledger: None, begun: Kept) -> Kept:
    begun.put_back()
    return begun


def refreshers_lock(_sql: str, params: Any) -> bool:
    return locks.REFRESHER in (params or ())


@pytest.mark.parametrize(
    ("wanted", "interruptions", "waits"),
    [(refreshers_lock, ANY_NUMBER, False), (every_lock, AT_LENGTH, True)]
    if AT_LENGTH
    else [(refreshers_lock, 1, True)],
)
def test_in_every_order_of_locks_and_commits_each_call_ends_once(
    wanted: Wanted, interruptions: int, waits: bool, september: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scenario() -> dict[str, Any]:
        september.put_back()
        return {"late usage": lambda: calls(tmp_path, "2026-09-15"), "close": soft_close}

    orders = explore(monkeypatch, scenario, lambda: each_call_ended_once(4), interruptions, wanted, waits=waits)
    ours, theirs = (max(len(order.points[name]) for order in orders) for name in ("late usage", "close"))
    told = "%s orders of %s and %s points; if nobody ever waited there were %.1e"
    logger.info(told, len(orders), ours, theirs, math.comb(ours + theirs, theirs))
    assert len(orders) >= 10


@pytest.mark.parametrize("seed", range(RUNS))
def test_however_imports_refreshes_and_a_close_meet_by_chance_each_call_ends_once(
    seed: int, september: Kept, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    works: list[Callable[[], object]] = [soft_close, refresh]
    days = [f"2026-09-{dice.randrange(1, 31):02}" for _ in range(dice.randrange(1, 5))]
    works += [lambda day=day: calls(tmp_path, day) for day in days]
    failed: list[BaseException] = []

    def later(work: Callable[[], object], seconds: float) -> None:
        time.sleep(seconds)
        try:
            work()
        except BaseException as error:  # noqa: BLE001  told below
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=later, args=(work, dice.random() / 2)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed
    each_call_ended_once(3 + len(days))
