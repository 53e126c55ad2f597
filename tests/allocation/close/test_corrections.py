"""Late news about a frozen month: the month stays as it was, an open one bears the difference."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from allocation import rulebook
from allocation.close import manifest
from allocation.derived import allocate_days, refresh
from allocation.models import AllocatedCost, BillingPeriod, Charge, Correction, CostCentre, CostDaily, RuleVersion
from allocation.reallocating import restate
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery, costs
from allocation.verification import verify
from finops.periods import Period
from ingest import price_approvals
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
SEPTEMBER = date(2026, 9, 1)
DAY = date(2026, 9, 8)  # the day of payload()
RULES = """
- {id: r1, priority: 1, when: {tag.team: search}, to: {cost_centre: CC-100}}
- {id: r2, priority: 2, when: {tag.team: chat}, to: {shares: {CC-100: "0.5", CC-200: "0.5"}}}
"""


@pytest.fixture(autouse=True)
def prices_of_ten_and_twenty(ledger: None, tmp_path: Path) -> Iterator[None]:
    """1,000 input tokens cost 0.01, 1,000 output tokens 0.02."""
    price(tmp_path, "10", "20")
    rules(RULES)
    yield
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")


def price(folder: Path, given: str, output: str) -> None:
    path = folder / "prices.yaml"
    path.write_text(
        yaml.safe_dump([{"provider": "openai", "model": "gpt-5", "prices": {"input": given, "output": output}}])
    )
    load_overrides(path, actor="test")
    for asked in price_approvals.pending():
        price_approvals.approve(asked["id"], by="another")


def rules(text: str) -> None:
    rulebook.load(yaml.safe_load(text), actor="test")


def call(folder: Path, *numbers: int, **given: Any) -> None:
    given = {"prompt": 1000, "output": 1000} | given
    records = [payload(number, **given) for number in numbers]
    ingest_file(Import(write_lines(folder / f"{numbers[0]}.jsonl", records), "litellm"))
    refresh()


def close(month: date = SEPTEMBER, state: str = "soft_closed") -> None:
    newest = RuleVersion.objects.latest("number").number
    BillingPeriod.objects.create(month=month, state=state, frozen_versions={"rules": {"number": newest}})
    manifest.write(Period.month_of(month))


def frozen() -> list[list[tuple[Any, ...]]]:
    """All that is kept of September, as it is."""
    found = []
    with connection.cursor() as cursor:
        for table in ("charge", "allocated_cost", "cost_daily", "query_cost_daily"):
            key = "charge_id, part" if table == "allocated_cost" else "id"
            cursor.execute(f"SELECT * FROM {table} WHERE charge_date < '2026-10-01' ORDER BY {key}")
            found.append(cursor.fetchall())
    return found


def borne(**where: Any) -> dict[str | None, Decimal]:
    """Effective cost by cost centre in cost_daily."""
    rows = CostDaily.objects.filter(**where).order_by().values_list("cost_centre__code").annotate(Sum("effective_cost"))
    return {code: cost for code, cost in rows if cost}


def seen(month: str, *, restated: bool) -> Decimal:
    """What API and pages say of a month, as it was or as it is."""
    frame = costs(EVERYTHING, CostQuery(Period.month(month), restated=restated))
    return Decimal(str(frame["EffectiveCost"][0]))


def violations() -> list[tuple[str, list[str]]]:
    return [(check.id, check.examples) for check in verify() if not check.ok]


def test_ar2_late_usage_is_borne_by_the_open_month_and_the_closed_one_stays_byte_for_byte(tmp_path: Path) -> None:
    call(tmp_path, 1, 2)
    close()
    before = frozen()
    call(tmp_path, 3)
    assert frozen() == before
    # 2 calls at 0.03 stand; a third makes 0.09: 0.06 are taken back and 0.09 posted.
    assert borne(charge_date__lt="2026-10-01") == {"CC-100": Decimal("0.06")}
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("0.03")}
    assert set(
        CostDaily.objects.filter(charge_date__gte="2026-10-01", effective_cost__gt=0).values_list("basis", flat=True)
    ) == {"correction"}
    rows = Charge.objects.filter(correction__isnull=False)
    assert {(row.charge_class, row.corrects_date) for row in rows} == {("Correction", DAY)}
    assert {row.origin_id for row in rows} <= set(Charge.objects.filter(correction=None).values_list("id", flat=True))
    assert {row.cause for row in Correction.objects.all()} == {"late_usage"}
    assert not violations()


def test_ar3_a_reversal_takes_back_the_original_in_every_amount(tmp_path: Path) -> None:
    call(tmp_path, 1, 2)
    close()
    call(tmp_path, 3)
    same = ("price_class", "usage_key_id", "tier", "tier_estimated", "sku_id", "sku_price_id", "charge_category", "consumed_unit",
            "billing_currency", "provenance", "scope", "subject", "commitment_id", "commitment_status")  # fmt: skip
    amounts = ("consumed_quantity", "list_cost", "contracted_cost", "effective_cost", "billed_cost")
    originals = Charge.objects.filter(correction=None, charge_date=DAY).order_by("price_class")
    reversals = Charge.objects.filter(reversal=True).order_by("price_class")
    taken_back = [tuple(amount and -amount for amount in row) for row in originals.values_list(*amounts)]
    assert taken_back == list(reversals.values_list(*amounts))
    assert list(originals.values_list(*same)) == list(reversals.values_list(*same))
    assert [row.pk for row in originals] == [row.origin_id for row in reversals]


def test_a_second_refresh_posts_nothing_and_later_news_only_what_is_new(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    call(tmp_path, 2)
    count = Charge.objects.count()
    allocate_days([DAY])
    refresh()
    assert Charge.objects.count() == count
    call(tmp_path, 3)
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("0.06")}
    assert not violations()


def test_prices_that_change_later_are_corrected_in_the_open_month(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    before = frozen()
    price(tmp_path, "20", "40")
    refresh()
    assert frozen() == before
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("0.03")}
    assert [row.cause for row in Correction.objects.all()] == ["rerate"]
    assert not violations()


OTHERS = RULES.replace("tag.team: search}, to: {cost_centre: CC-100", "tag.team: search}, to: {cost_centre: CC-300")


def test_rules_that_change_later_leave_a_frozen_month_and_what_comes_late_for_it(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    rules(OTHERS)
    allocate_days([DAY])
    call(tmp_path, 2)
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("0.03")}
    assert not violations()


def test_a_frozen_month_that_is_allocated_anew_on_purpose_moves_its_cost_in_the_open_month(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    before = frozen()
    rules(OTHERS)
    restate(Period.month("2026-09"), by="ann")
    assert frozen() == before
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("-0.03"), "CC-300": Decimal("0.03")}
    assert [row.cause for row in Correction.objects.all()] == ["rules"]
    call(tmp_path, 2)
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("-0.03"), "CC-300": Decimal("0.06")}
    assert not violations()


def test_late_usage_keeps_the_shares_of_its_rule_and_nobody_bears_what_nobody_owns(tmp_path: Path) -> None:
    call(tmp_path, 1, team="chat")
    close()
    call(tmp_path, 2, team="chat")
    call(tmp_path, 3, team="unknown")
    assert borne(charge_date__gte="2026-10-01") == {
        "CC-100": Decimal("0.015"),
        "CC-200": Decimal("0.015"),
        None: Decimal("0.03"),
    }
    assert not violations()


def test_usage_without_a_price_that_comes_late_is_corrected_without_a_cost(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    call(tmp_path, 2, model="nobody-prices-this", model_group="nobody-prices-this")
    row = CostDaily.objects.get(charge_date__gte="2026-10-01", unpriced_tokens__gt=0)
    assert (row.unpriced_tokens, row.effective_cost) == (2000, 0)
    assert not violations()


def test_what_is_smaller_than_materiality_is_borne_by_finance_until_more_comes(tmp_path: Path, settings: Any) -> None:
    settings.MATERIALITY, settings.FINANCE_COST_CENTRE = Decimal("0.05"), "CC-FIN"
    CostCentre.objects.create(code="CC-FIN")
    call(tmp_path, 1)
    close()
    call(tmp_path, 2)
    assert borne(charge_date__gte="2026-10-01") == {"CC-FIN": Decimal("0.03")}
    call(tmp_path, 3)
    assert borne(charge_date__gte="2026-10-01") == {"CC-100": Decimal("0.06")}
    assert not violations()


def test_a_correction_lies_in_the_first_month_that_is_not_frozen(tmp_path: Path) -> None:
    call(tmp_path, 1)
    for month in (SEPTEMBER, date(2026, 10, 1)):
        close(month)
    call(tmp_path, 2)
    assert Correction.objects.get().posted_on >= date(2026, 11, 1)


def test_a_month_that_bore_corrections_can_freeze_too_and_corrects_nothing_twice(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    call(tmp_path, 2)
    bearing = Correction.objects.get().posted_on
    close(bearing.replace(day=1))
    call(tmp_path, 3)
    assert borne(charge_date=bearing) == {"CC-100": Decimal("0.03")}
    assert borne(charge_date__gt=bearing) == {"CC-100": Decimal("0.03")}
    assert not violations()


@pytest.mark.parametrize("table", ["charge", "allocated_cost", "cost_daily", "query_cost_daily"])
@pytest.mark.parametrize("change", ["UPDATE {} SET charge_date = charge_date", "DELETE FROM {}"])
def test_ar4_the_database_refuses_to_change_a_frozen_month(table: str, change: str, tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    with pytest.raises(DatabaseError, match="2026-09 is closed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(table))
    assert AllocatedCost.objects.exists()


def test_the_database_refuses_new_rows_in_a_frozen_month(tmp_path: Path) -> None:
    call(tmp_path, 1)
    close()
    with pytest.raises(DatabaseError, match="2026-09 is closed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO allocated_cost (charge_id, charge_date, part, quantity) SELECT charge_id, charge_date, 9, 0 "
                       "FROM allocated_cost LIMIT 1")  # fmt: skip


def test_a_restated_month_is_what_it_would_be_today_and_the_month_that_bears_it_is_without_it(tmp_path: Path) -> None:
    call(tmp_path, 1, 2)
    close()
    call(tmp_path, 3)
    bearing = f"{Correction.objects.get().posted_on:%Y-%m}"
    assert (seen("2026-09", restated=False), seen("2026-09", restated=True)) == (Decimal("0.06"), Decimal("0.09"))
    assert (seen(bearing, restated=False), seen(bearing, restated=True)) == (Decimal("0.03"), Decimal(0))
    by_day = costs(EVERYTHING, CostQuery(Period.month("2026-09"), ("ChargeDate", "x_Basis"), restated=True))
    assert set(zip(by_day["ChargeDate"], by_day["x_Basis"], strict=True)) == {(DAY, "direct"), (DAY, "correction")}
