"""The page Anomalies: what the API says, in words, as files, and a form by which people say what one is."""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client

from finops.models import User
from forecasting.models import Anomaly
from tests.conftest import empty_ledger
from tests.forecasting.test_anomalies import SPIKED
from tests.web.ledger import person
from tests.web.test_api_anomalies import world
from web import formats

PAGE = "/budgets/anomalies/"


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        world()
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-100"), ("vera", "viewer", "CC-200")):
            person(name, role, code)
        yield
        empty_ledger()


@pytest.fixture
def live(made: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def client(name: str = "ann") -> Client:
    found = Client()
    found.force_login(User.objects.get(username=name))
    return found


def shown(who: str = "ann", search: str = "") -> str:
    answer = client(who).get(f"{PAGE}{search}")
    assert answer.status_code == 200
    return answer.content.decode()


def text(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


def test_every_amount_of_the_page_is_the_api_s_to_the_cent(live: None) -> None:
    said, markup = client().get("/api/v1/anomalies").json(), text(shown())
    (told,) = (row for row in said["results"] if row["told"])
    for name in ("actual", "expected", "impact"):
        assert formats.money(abs(Decimal(told[name])), "USD") in markup, name
    assert told["sentence"].split(", mostly")[0] in markup.replace(" , ", ", ").replace("  ", " ")
    assert formats.money(Decimal(said["least_impact"]), "USD") in markup
    assert f"{said['summary']['below']} not told" in markup
    for row in said["results"]:
        assert formats.money(Decimal(row["actual"]), "USD") in markup


def test_an_anomaly_is_drawn_with_its_day_marked_what_was_usual_and_links_to_why(live: None) -> None:
    markup = shown()
    figure = markup[markup.index("<figure") : markup.index("</figure>")]
    assert figure.count('class="inside"') == 1
    assert figure.count('class="outside"') == 28 + 4
    assert 'class="band"' in figure
    assert f"15 Sep: {formats.money(Decimal(550), 'USD')}, forecast" in figure
    assert "/explore/?month=2026-09&amp;by=feature&amp;granularity=day" in markup
    address = re.search(r'href="(/api/v1/bridge[^"]+)"', markup)
    assert address
    bridge = client().get(address[1].replace("&amp;", "&"))
    assert bridge.status_code == 200
    assert "More queries" in text(markup) or "more queries" in text(markup)


def test_those_below_the_gate_are_listed_apart_and_each_can_be_opened(live: None) -> None:
    markup = shown()
    assert '<details class="panel anomaly-rest" id="below">' in markup
    quiet = markup[markup.index('id="below"') :]
    numbers = re.findall(r'href="\?of=(\d+)"', quiet)
    assert len(numbers) == Anomaly.objects.filter(told=False, state="open").count() > 3
    opened = shown(search=f"?of={numbers[0]}")
    assert "The one you asked for" in opened
    assert f'id="anomaly-{numbers[0]}"' in opened
    assert client("vera").get(f"{PAGE}?of={Anomaly.objects.get(told=True).pk}").status_code == 404


def test_the_largest_by_money_are_drawn_and_all_others_are_links_with_their_count(
    live: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told or not is the gate's word; here all that are open are told, and two drawn."""
    quiet = list(Anomaly.objects.filter(told=False, state="open").values_list("pk", flat=True))
    Anomaly.objects.filter(pk__in=quiet).update(told=True)
    try:
        monkeypatch.setattr("web.pages.anomalies.DRAWN", 2)
        monkeypatch.setattr("web.pages.anomalies.LISTED", 1)
        markup = shown()
    finally:
        Anomaly.objects.filter(pk__in=quiet).update(told=False)
    ordered = sorted(Anomaly.objects.filter(state="open"), key=lambda row: -abs(row.impact))
    sizes = {str(row.pk): abs(row.impact) for row in ordered}
    drawn = re.findall(r'id="anomaly-(\d+)"', markup)
    assert [sizes[number] for number in drawn] == [abs(row.impact) for row in ordered[:2]]
    rest = len(ordered) - 2
    assert f"These are the 2 largest of {len(ordered)} by money; the other {rest} each open by their name." in text(
        markup
    )
    others = markup[markup.index('id="others"') :]
    assert sizes[re.findall(r'href="\?of=(\d+)"', others)[0]] == abs(ordered[2].impact)
    assert f"And {rest - 1} more: CSV, XLSX or the API." in text(others).replace(" ,", ",").replace(" .", ".")


def test_the_view_is_its_address(live: None) -> None:
    assert "No open anomaly matches" in text(shown(search="?month=2026-07"))
    assert client().get(f"{PAGE}?month=2026-99").status_code == 400, "what makes no sense is told, not left out"
    assert "all judged" in text(shown())
    assert "from $1.0k" in text(shown(search="?impact=1000"))
    assert "All spend" in text(shown(search="?month=2026-09&impact=100"))


def test_files_have_every_anomaly_of_the_view_exactly(live: None) -> None:
    answer = client().get(f"{PAGE}anomalies.csv?month=2026-09")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    first = SPIKED.replace(day=1)
    kept = {str(row.pk): row for row in Anomaly.objects.filter(last_day__gte=first)}
    assert {row["id"] for row in rows} == set(kept)
    assert all(Decimal(row["impact"]) == kept[row["id"]].impact for row in rows)
    book = openpyxl.load_workbook(io.BytesIO(client().get(f"{PAGE}anomalies.xlsx").content))
    assert book.sheetnames == ["Anomalies", "Days", "Feedback"]
    assert book["Anomalies"].max_row == Anomaly.objects.count() + 1
    assert book["Days"].max_row == 1 + sum(row.days.count() for row in Anomaly.objects.all())


def test_owners_see_and_judge_their_own_alone_and_viewers_have_no_form(live: None) -> None:
    mine = shown("olga")
    assert "All spend" not in mine
    assert "CC-100" in mine
    assert 'name="verdict"' in mine
    assert "CC-100" not in shown("vera")
    assert 'name="verdict"' not in shown("vera")
    number = Anomaly.objects.get(key=["CC-100"]).pk
    assert client("vera").post(f"{PAGE}{number}/say", {"verdict": "real"}).status_code == 404


def test_a_word_closes_one_and_the_precision_is_shown_with_how_many_said_so(live: None) -> None:
    assert "nobody judged one yet" in text(shown())
    number = Anomaly.objects.get(told=True).pk
    answer = client().post(
        f"{PAGE}{number}/say", {"verdict": "real", "note": "a loop", "back": "?month=2026-09"}, follow=True
    )
    assert answer.redirect_chain[0][0].endswith("?month=2026-09")
    markup = text(answer.content.decode())
    assert "Noted: All spend, 15 Sep 2026" in markup
    assert "100 %" in markup.replace("\u202f", " ").replace("\xa0", " ")
    assert "of 1 judged" in markup
    assert "real ann: a loop" in markup
    wrong = client().post(f"{PAGE}{number}/say", {"verdict": "odd"}, follow=True)
    assert "expected one of: real, expected, wrong" in text(wrong.content.decode())
    assert client().get(f"{PAGE}{number}/say").status_code == 405
