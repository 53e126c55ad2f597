"""Key figures: page, API, files and SQL say the same; who sees a part has figures of that part."""

import csv
import io
import random
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from finops.periods import Period
from tests.web.kpi_sql import ELSEWHERE, SQL, measured
from tests.web.ledger import Usage, bearer, load, person
from tests.web.money_pages import client_of, page, row, text
from tests.web.test_overview import ask
from web import kpi_labels, kpis

pytestmark = pytest.mark.django_db
CLASSES = ("input_uncached", "cache_read", "output_visible", "output_reasoning")
TIERS = ("simple", "moderate", "complex", "research")


@pytest.fixture
def usage() -> None:
    """Two months of usage of two cost centres and of nobody, some of it without a price."""
    dice = random.Random(8)
    rows = [
        Usage(
            dice.choice([f"{dice.randrange(1, 10**6)}.{dice.randrange(10**12):012}", None]),
            dice.choice(["CC-100", "CC-200", None]), day=date(2026, dice.choice([8, 9]), dice.randrange(1, 31)),
            tier=dice.choice(TIERS), tokens=dice.randrange(1, 10**7), queries=dice.randrange(1, 99),
            estimated=dice.random() < 0.3, estimate=f"{dice.randrange(100)}.25", price_class=dice.choice(CLASSES),
            model=f"m{number}",
        )
        for number in range(60)
    ]  # fmt: skip
    load(*rows)


def answered(client: Client, headers: dict[str, str], **asked: str) -> dict[str, Any]:
    answer = client.get("/api/v1/kpis", asked, **headers)
    assert answer.status_code == 200, answer.content[:300]
    return {each["code"]: each for each in answer.json()["results"]}


@pytest.mark.usefixtures("usage")
def test_every_figure_is_the_ratio_of_sums_that_sql_finds() -> None:
    found = answered(Client(), bearer(person("f", "finance")), month="2026-09")
    sums = measured("2026-09-01", "2026-10-01")
    checked = 0
    for kpi in kpis.registry().kpis:
        if kpi.measures <= set(SQL):
            above, below = (
                sum((sign * sums[name] for sign, name in side), Decimal(0)) for side in (kpi.numerator, kpi.denominator)
            )
            here = found[kpi.code]
            assert Decimal(here["numerator"]) == above, kpi.code
            assert Decimal(here["denominator"]) == below, kpi.code
            scale = 10**6 if kpi.unit == "per_million" else 1
            assert (here["value"] is None) is (below == 0), kpi.code
            assert not below or abs(Decimal(here["value"]) * below - above * scale) <= abs(below) / 10**11, kpi.code
            checked += below != 0
    assert checked >= 16


def test_every_measure_is_checked_by_sql_here_or_where_it_is_calculated() -> None:
    assert set(kpis.registry().measures) == set(SQL) | ELSEWHERE
    assert not set(SQL) & ELSEWHERE


@pytest.mark.usefixtures("usage")
def test_page_csv_and_workbook_say_what_the_api_says() -> None:
    client = client_of("finance")
    found = answered(client, {}, month="2026-09")
    markup = page(client, "/kpis/?month=2026-09")
    rows = {
        each["code"]: each
        for each in csv.DictReader(io.StringIO(client.get("/kpis/kpis.csv?month=2026-09").content.decode()))
    }
    book = load_workbook(io.BytesIO(client.get("/kpis/kpis.xlsx?month=2026-09").content))
    sheet = {cells[0].value: cells for cells in book["Key figures"].iter_rows(min_row=2)}
    for code, each in found.items():
        assert rows[code]["value"] == (each["value"] or "")
        assert rows[code]["previous"] == (each["previous"] or "")
        assert sheet[code][6].value == each["formula"]
        assert each["name"] in text(markup)
        assert each["formula"] in text(markup)
    coverage = Decimal(found["allocation_coverage"]["value"])
    assert f"{coverage * 100:.1f}" in row(markup, 'id="allocation_coverage"')
    assert ("met" if coverage >= Decimal("0.9") else "missed") in row(markup, 'id="allocation_coverage"')


@pytest.mark.usefixtures("usage")
def test_who_sees_one_cost_centre_has_its_figures_and_none_that_need_all_cost() -> None:
    own, whole = (
        answered(Client(), bearer(person(*who)), month="2026-09")
        for who in (("v", "viewer", "CC-100"), ("a", "analyst"))
    )
    assert own["allocation_coverage"]["value"] is None
    assert whole["allocation_coverage"]["value"] is not None
    assert Decimal(own["cost_per_query"]["denominator"]) < Decimal(whole["cost_per_query"]["denominator"])
    assert own["unexplained_share"]["numerator"] is None


def test_without_any_cost_the_page_says_what_to_do_and_still_explains() -> None:
    shown = text(page(client_of("finance"), "/kpis/"))
    assert "There is no cost yet" in shown
    assert "What a user asked" in shown


def test_a_month_that_is_none_is_told() -> None:
    client = client_of("finance")
    for path in ("/kpis/", "/kpis/kpis.csv", "/kpis/kpis.xlsx", "/api/v1/kpis"):
        answer = client.get(path, {"month": "2026-13"})
        assert answer.status_code == 400, path
        assert "2026-13" in answer.content.decode(), path


def test_every_figure_leads_to_a_page_that_is_there() -> None:
    for kpi in kpis.registry().kpis:
        assert reverse(kpi.page), kpi.code


@pytest.mark.parametrize("role", ["viewer", "owner", "analyst", "finance", "admin", "auditor"])
def test_nobody_is_led_to_a_page_that_is_closed_to_them(role: str) -> None:
    client = client_of(role)
    for link in set(re.findall(r'<tr id="[a-z_]+"><th[^>]*><a href="([^"]+)"', page(client, "/kpis/"))):
        assert client.get(link).status_code == 200, link


@pytest.mark.usefixtures("usage")
def test_figures_of_two_months_add_up_by_their_sums() -> None:
    headers = bearer(person("f", "finance"))
    months = [answered(Client(), headers, month=month) for month in ("2026-08", "2026-09")]
    both = measured(str(Period.month("2026-08").start), str(Period.month("2026-09").end))
    assert sum(Decimal(month["cost_per_query"]["denominator"]) for month in months) == both["queries"]
    assert sum(Decimal(month["cost_per_query"]["numerator"]) for month in months) == both["query_cost"]


_LABEL = re.compile(r"<(?:dt|th)\b[^>]*>([^<{]+)")


def test_no_template_shows_a_key_figure_without_its_definition() -> None:
    """A label of a card or a column that the registry knows is written by the tag kpi, which takes the words from there."""
    bare, tagged = [], set()
    for path in sorted(Path("web/templates").rglob("*.html")):
        if path.name == "kpis.html" or path.parent.name in ("mail", "paper"):
            continue
        source = path.read_text(encoding="utf-8")
        bare += [f"{path.name}: {label.strip()}" for label in _LABEL.findall(source) if kpi_labels.code_of(label)]
        tagged |= set(re.findall(r'{% kpi "([^"]+)"', source))
    assert bare == [], 'write them {% kpi "Label" %}'
    assert len(tagged) >= 10
    assert {label.lower() for label in tagged} <= {
        *kpi_labels.LABELS,
        *(kpi.name.lower() for kpi in kpis.registry().kpis),
    }


def test_labels_name_figures_that_there_are() -> None:
    codes = {kpi.code for kpi in kpis.registry().kpis}
    assert set(kpi_labels.LABELS.values()) <= codes
    assert kpi_labels.code_of(" Cost  per Query ") == "cost_per_query"
    assert kpi_labels.code_of("Cost per banana") is None


def test_a_definition_is_reached_by_hover_focus_and_click_and_leads_to_its_row() -> None:
    load(Usage("8", "CC-100"), Usage("2", None))
    client = client_of("finance")
    markup = page(client, "/tiers/?month=2026-09")
    (tip,) = set(
        re.findall(
            r'<a class="defined" data-kpi="cost_per_query" href="([^"]+)" title="([^"]+)">Cost per query', markup
        )
    )
    assert tip[0] == "/kpis/#cost_per_query"
    assert "What one answer costs on average" in tip[1]
    assert "query_cost / queries" in tip[1]
    assert 'id="cost_per_query"' in page(client, "/kpis/")
    overview = str(ask(client, "?month=2026-09").json())
    for code in ("all_in_cost_per_query", "allocation_coverage", "unpriced_share", "unexplained_share"):
        assert f"'data-kpi': '{code}'" in overview
    with pytest.raises(KeyError):
        Template('{% load ledger %}{% kpi "Cost per banana" %}').render(Context())
