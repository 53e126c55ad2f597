"""A close and the refresher at the same time: every row ends exactly once, in the closed month or in a correction."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from allocation import closing
from allocation.close import freeze
from allocation.derived import refresh
from allocation.models import BillingPeriod, Charge
from allocation.verification import verify
from finops import locks
from ingest.services import Import, ingest_file
from tests.allocation.close.months import APPROVER, PREPARER, SEPTEMBER, month_of_calls
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
CALL = Decimal("0.01125")  # 1,000 tokens at 1.25 and 1,000 at 10 a million


@pytest.fixture(autouse=True)
def preliminary_september(ledger: None, tmp_path: Path) -> None:
    month_of_calls(tmp_path)  # three calls
    closing.close_step(SEPTEMBER, "preliminary", by=PREPARER)


def one_more(folder: Path) -> None:
    record = payload("more", at="2026-09-20T13:00:00.000000Z", prompt=1_000, output=1_000)
    ingest_file(Import(write_lines(folder / "more.jsonl", [record]), "litellm"))


def on_its_own(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connection.close()


def waiting_for_the_lock(number: int) -> None:
    """Until so many sessions wait for the refresher's lock."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone()[0] >= number:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits for the lock")


def charged() -> dict[bool, Decimal]:
    """EffectiveCost by whether it is a correction."""
    rows = Charge.objects.order_by().values_list("charge_class").annotate(Sum("effective_cost"))
    return {name == "Correction": cost for name, cost in rows}


def sound() -> bool:
    return [(check.id, check.examples) for check in verify() if not check.ok] == []


@pytest.mark.parametrize("first", ["refresh", "close"])
def test_what_was_committed_before_a_close_is_in_the_month_whoever_comes_first(first: str, tmp_path: Path) -> None:
    one_more(tmp_path)
    works: dict[str, Callable[[], Any]] = {
        "refresh": refresh,
        "close": lambda: closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER),
    }
    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Any]] = []
        with transaction.atomic():
            locks.hold(locks.REFRESHER)
            for number, name in enumerate(sorted(works, key=lambda name: name != first), 1):
                futures.append(pool.submit(on_its_own, works[name]))
                waiting_for_the_lock(number)
        for future in futures:
            future.result(timeout=120)
    assert BillingPeriod.objects.get().state == "soft_closed"
    assert charged() == {False: 4 * CALL}
    assert sound()


def test_what_comes_while_a_close_is_under_way_is_a_correction_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def versions(period: Any) -> Any:  # under the lock, after the month was made anew
        late.append(pool.submit(on_its_own, lambda: (one_more(tmp_path), refresh())))
        waiting_for_the_lock(1)
        return as_ever(period)

    late: list[Future[Any]] = []
    as_ever = freeze.versions
    monkeypatch.setattr(freeze, "versions", versions)
    with ThreadPoolExecutor(1) as pool:
        closing.close_step(SEPTEMBER, "soft_closed", by=APPROVER)
        late[0].result(timeout=120)
    assert charged() == {False: 3 * CALL, True: CALL}
    assert sound()


def test_two_who_freeze_a_month_at_the_same_time_freeze_it_once() -> None:
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            locks.hold(locks.REFRESHER)
            futures = [
                pool.submit(on_its_own, lambda by=by: closing.close_step(SEPTEMBER, "soft_closed", by=by))  # type: ignore[misc]
                for by in (APPROVER, "carl")
            ]
            waiting_for_the_lock(2)
        outcomes = [future.exception(timeout=120) for future in futures]
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [closing.StepError]
    assert BillingPeriod.objects.get().manifests.count() == 1
