"""Exchange rates: what files say, which rate holds for a day, and corrections that change no row."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops import audit, fx
from finops.fx_files import FxFileError, Published, published, read
from finops.models import AuditEvent, FxRate

DAY = date(2026, 9, 8)
D = Decimal
WIDE = """Date,USD,JPY,CYP,
2026-09-08,1.1025,160.12,N/A,
2026-09-07,1.1,160,N/A,
"""


def rate(base: str, quote: str, value: str, age: int = 0) -> Published:
    return Published(DAY - timedelta(days=age), base, quote, D(value))


def load(*rates: Published) -> fx.Loaded:
    return fx.load(rates, source="ecb", actor="finance")


def test_the_banks_wide_file_is_a_rate_of_the_euro_for_each_day_and_currency() -> None:
    assert read(WIDE.splitlines()) == [
        rate("EUR", "JPY", "160", 1), rate("EUR", "USD", "1.1", 1), rate("EUR", "JPY", "160.12"), rate("EUR", "USD", "1.1025"),
    ]  # fmt: skip


def test_a_narrow_file_may_have_its_columns_in_any_order_and_a_mark_before_them() -> None:
    assert read(["\ufeffquote,rate,day,base", "USD,1.1,2026-09-08,GBP", ""]) == [rate("GBP", "USD", "1.1")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2", "line 1: expected Date,USD,JPY"),
        ("", "line 1: expected"),
        ("Date,USD\n2026-09-31,1", "line 2: '2026-09-31' is no day"),
        ("Date,USD\n2026-09-08,1;5", "line 2: EUR/USD"),
        ("Date,USD\n2026-09-08,0", "line 2: EUR/USD: a rate is above 0"),
        ("Date,USD\n2026-09-08,-1", "a rate is above 0"),
        ("Date,USD\n2026-09-08,NaN", "not a finite amount"),
        ("Date,Dollar\n2026-09-08,1", "'Dollar' is not an ISO 4217"),
        ("day,base,quote,rate\n2026-09-08,EUR,EUR,1", "line 2: EUR has no rate to itself"),
        ("day,base,quote,rate\n2026-09-08,EUR", "line 2: '' is not an ISO 4217"),
        ("Date,USD\n2026-09-08,1\n2026-09-08,2", "line 3: another rate of EUR/USD on 2026-09-08 stands above"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_line(text: str, message: str) -> None:
    with pytest.raises(FxFileError) as caught:
        read(text.splitlines())
    assert message in str(caught.value)


RATES = st.decimals(D("0.0001"), 10**5, places=6)


@given(usd=RATES, jpy=RATES)
def test_direct_inverse_and_cross_rates_are_exact(usd: Decimal, jpy: Decimal) -> None:
    table = {(DAY, "EUR", "USD"): usd, (DAY, "EUR", "JPY"): jpy}
    assert fx.between(table, "EUR", "USD", DAY) == Fraction(usd)
    assert fx.between(table, "USD", "EUR", DAY) == 1 / Fraction(usd)
    assert fx.between(table, "USD", "JPY", DAY) == Fraction(jpy) / Fraction(usd)
    assert fx.between(table, "USD", "USD", DAY) == 1
    assert fx.between(table, "USD", "GBP", DAY) is None


@pytest.mark.django_db
def test_the_last_rate_on_or_before_a_day_holds_for_five_days() -> None:
    load(rate("EUR", "USD", "1.1", 1), rate("EUR", "USD", "1.3", -1))
    found = [fx.on_or_before("EUR", "USD", DAY + timedelta(days=n)) for n in (-2, -1, 0, 1, 6, 7)]
    values = [each and (each.rate, each.day) for each in found]
    before, after = (D("1.1"), DAY - timedelta(days=1)), (D("1.3"), DAY + timedelta(days=1))
    assert values == [None, before, before, after, after, None]


@pytest.mark.django_db
def test_a_cross_rate_is_that_of_one_day_and_rounded_once() -> None:
    load(rate("EUR", "USD", "1.1"), rate("EUR", "JPY", "163", 0), rate("EUR", "GBP", "0.8", 3))
    assert fx.on_or_before("USD", "JPY", DAY) == fx.Rate(D("148.181818181818"), DAY, "ecb"), "163 / 1.1"
    assert fx.on_or_before("USD", "GBP", DAY) is None, "no day has both"


@pytest.mark.django_db
def test_the_month_average_is_over_the_days_that_were_published() -> None:
    load(rate("EUR", "USD", "1", 7), rate("EUR", "USD", "1.2"), rate("EUR", "USD", "99", 8))
    assert fx.month_average("EUR", "USD", DAY) == fx.Rate(D("1.1"), DAY, "month average of ecb"), (
        "1 and 8 September; 31 August is another month"
    )
    assert fx.month_average("EUR", "USD", date(2026, 10, 1)) is None


@pytest.mark.django_db
def test_loading_again_is_nothing_new_and_a_correction_is_a_row_that_holds_from_then_on() -> None:
    assert load(rate("EUR", "USD", "1.1"))[:3] == (1, 0, 0)
    assert load(rate("EUR", "USD", "1.1")) == fx.Loaded(0, 1, 0, None)
    assert load(rate("EUR", "USD", "1.2"), rate("EUR", "JPY", "160")) == fx.Loaded(2, 0, 1, (DAY, DAY))
    rows = FxRate.objects.filter(quote="USD").order_by("pk").values_list("rate", "source")
    assert list(rows) == [(D("1.1"), "ecb"), (D("1.2"), "ecb (2)")]
    held = fx.on_or_before("EUR", "USD", DAY)
    assert held is not None
    assert held.rate == D("1.2")


@pytest.mark.django_db
def test_what_is_loaded_is_in_the_audit_trail() -> None:
    fx.load([published("2026-09-08", "EUR", "USD", "1.1")], source=fx.MANUAL, actor="ann")
    (event,) = AuditEvent.objects.filter(action="fx.load")
    assert (event.actor, event.subject, event.details["rate"]) == ("ann", "manual", "2026-09-08 EUR/USD 1.100000000000")
    assert list(audit.broken_links()) == []
