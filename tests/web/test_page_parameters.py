"""What pages may be asked: an address that asks for something else is answered with its name, and no page makes one."""

import html
import inspect
import re
from collections import Counter
from contextlib import suppress
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import NoReverseMatch, Resolver404, get_resolver, resolve, reverse

from tests.web.ledger import Usage, load
from tests.web.money_pages import client_of, page
from web.dashboards.state import MOVERS
from web.pages import parameters
from web.pages.wrong import WrongParameter

pytestmark = pytest.mark.django_db
OPENED = 6  # addresses of one page that are opened, with other parameters each; the others are checked


def two_months() -> None:
    load(
        Usage("10", "CC-100", "search", feature="chat"),
        Usage("20", "CC-200", tier="complex", model="o5"),
        Usage("3", None),
    )
    load(Usage("7", "CC-100"), Usage("2", currency="EUR"))
    load(Usage("8", "CC-100", day=Usage("1").day.replace(month=8)))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/tiers/?foo=1", "foo: no such parameter; possible: month, cost_centre, "),
        ("/tiers/tiers.csv?foo=1", "foo: no such parameter"),
        ("/tiers/?compare=zzz", "compare: a month is written YYYY-MM"),
        ("/tiers/?vs=zzz", "vs: a month is written YYYY-MM"),
        ("/explore/?filter[x_Nope]=a", "filter[x_Nope]: no such parameter"),
        ("/explore/?vs=zzz", "vs: a month is written YYYY-MM"),
        ("/explore/?vs=2026-08&compare=2026-08", "vs: is another name of compare"),
        ("/explore/?by=model,model", "by: at most 2 of cost_centre, "),
        ("/explore/?by=model,tier,team", "by: at most 2 of cost_centre, "),
        ("/explore/?granularity=year", "granularity: one of total, month, day"),
        ("/explore/?span=99", "span: one of 1, 3, 6, 12"),
        ("/explore/?cost=Dear", "cost: one of "),
        ("/explore/?currency=XXX", "currency: 'XXX' is not an ISO 4217 currency code"),
        ("/explore/?month=2026-09&month=2026-08", "month: given twice"),
        ("/explore/?%00=1", "?: no such parameter"),
        ("/explore/?model=" + "x" * 201, "model: at most 200 characters"),
        ("/explore/?" + "&".join(["model=a"] * 51), "model: at most 50 times"),
        ("/explore/?" + "&".join(f"{name}=a" for name in ("model", "tier", "team") for _ in range(67)), "more than 200"),
        ("/explore/bridge.csv?drill=nobody", "drill: one of "),
        ("/queries/?bin=foo", "bin: a bin as -60"),
        ("/queries/?bin=5..-5", "bin: a bin as -60"),
        ("/queries/?unknown=1", "unknown: no such parameter"),
        ("/queries/?day=2026-13-01", "day: the day '2026-13-01' is none"),
        ("/queries/1/?day=x", "day: the day 'x' is none"),
        ("/roi/?first=2026-09&last=2026-08", "first: no such parameter; possible: month, by"),
        ("/roi/?by=zzz", "by: one of cost_centre, feature, team"),
        ("/forecast/?unknown=1", "unknown: no such parameter"),
        ("/forecast/?by=nonsense", "by: at most 7 of "),
        ("/overview/?foo=1", "foo: no such parameter"),
        ("/overview/?movers=team", "movers: one of model, provider"),
        ("/overview/cost-centres.csv?cost=x", "cost: one of "),
        ("/budgets/anomalies/?impact=7", "impact: one of 100, "),
        ("/budgets/alerts/?severity=loud", "severity: one of "),
        ("/budgets/watch/?verdict=fine", "verdict: one of stop, warn, allow"),
        ("/calculators/?nothing=1", "nothing: no such parameter; possible: calculator, "),
        ("/calculators/?calculator=none", "calculator: one of "),
        ("/calculators/claims/?verdict=true", "verdict: one of "),
        ("/periods/?foo", "foo: the page has no parameters"),
        ("/audit/?from=zz", "from: no such parameter"),
        ("/account/?token=x", "token: the page has no parameters"),
    ],
)  # fmt: skip
def test_an_address_that_asks_for_what_cannot_be_is_answered_with_its_name(address: str, told: str) -> None:
    answer = client_of("finance").get(address)
    assert answer.status_code == 400
    said = html.unescape(answer.content.decode())
    assert told in said
    assert f'href="{urlsplit(address).path}"' in said, "the way to the page without it"


def test_an_empty_value_says_nothing_and_forms_may_send_it() -> None:
    two_months()
    client = client_of("finance")
    for address in (
        "/explore/?month=&by=&currency=&tier=",
        "/roi/?by=&month=",
        "/queries/?bin=&day=",
        "/audit/?actor=&start=",
    ):
        assert client.get(address).status_code == 200, address


def test_the_base_is_named_compare_and_vs_is_taken_too() -> None:
    load(Usage("10", queries=50), Usage("5", day=Usage("1").day.replace(month=7), queries=50))
    client = client_of("finance")
    for path in ("/explore/", "/tiers/"):
        named, as_told = (page(client, f"{path}?month=2026-09&{name}=2026-07") for name in ("compare", "vs"))
        assert "compare=2026-07" in named
        assert re.sub(r"nonce=\S+|value=\S+", "", named) == re.sub(r"nonce=\S+|value=\S+", "", as_told)


def test_who_is_not_logged_in_learns_nothing_of_parameters() -> None:
    answer = Client().get("/tiers/?foo=1")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login/")


def test_what_is_posted_is_not_asked() -> None:
    answer = client_of("finance").post("/tiers/?foo=1")
    assert answer.status_code == 405


def test_the_names_in_the_table_are_those_of_pages() -> None:
    known = {each.name for each in get_resolver("web.urls").url_patterns if getattr(each, "name", None)}
    known |= {each.name for each in get_resolver("web.pages.urls").url_patterns} | {"export-statement"}
    assert set(parameters.TAKES) <= known
    for movers in MOVERS:
        parameters.check("overview", QueryDict(f"movers={movers}"))


@pytest.mark.parametrize("name", ["cost_centre", "tier"])
def test_a_filter_may_be_given_several_times_where_the_page_takes_all_of_them(name: str) -> None:
    several = QueryDict(f"{name}=a&{name}=b")
    parameters.check("explore", several)
    with pytest.raises(WrongParameter, match="given twice"):
        parameters.check("forecast", several)


def test_no_page_makes_an_address_that_pages_refuse() -> None:
    """By its links and forms, from every page that has no argument; of files the links to them are walked."""
    two_months()
    client, walked, opened = client_of("finance"), set[tuple[str, frozenset[str]]](), Counter[str]()
    waiting = [("/", path) for path in pages_without_arguments()]
    for before, address in waiting:
        split = urlsplit(address)
        if split.path.startswith(("/api/", "/static/", "/logout", "/login", "/dash/")):
            continue
        kind = view_of(split.path), frozenset(name for name, _ in parse_qsl(split.query, keep_blank_values=True))
        assert kind[0], f"{before} leads to {address}, which is nowhere"
        if kind in walked:
            continue
        walked.add(kind)
        if kind[0] in parameters.TAKES:
            parameters.check(kind[0], QueryDict(split.query))
        opened[kind[0]] += 1
        if opened[kind[0]] > OPENED:  # those of Explore alone are thousands
            continue
        answer = client.get(address)
        assert answer.status_code != 400, (before, address, answer.content)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        markup = answer.content.decode()
        for link in re.findall(r'<a [^>]*href="([^"#]*)', markup):
            if (whole := urljoin(address, html.unescape(link))).startswith("/"):
                waiting.append((address, whole))
        for form in re.findall(r'<form(?=[^>]*method="get").*?</form>', markup, re.S):
            action = re.search(r'action="([^"]*)"', form.partition(">")[0])
            name = view_of(urlsplit(urljoin(address, action[1] if action else "")).path)
            fields = set(re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', form))
            assert fields <= set(parameters.takes_of(name, QueryDict(split.query))), (address, name)
    assert len(walked) > 60


def test_every_parameter_that_a_page_reads_by_name_may_be_asked() -> None:
    """Also those of links that only stand where there is more than a page: the older approvals were refused once."""
    read = 0
    for each in get_resolver("web.pages.urls").url_patterns:
        source = inspect.getsource(inspect.unwrap(each.callback))
        named = set(re.findall(r"request\.GET(?:\.get\(|\.getlist\(|\[)\"(\w+)\"", source))
        named |= {"before"} if "before_of(" in source else set()
        assert named <= set(parameters.takes_of(each.name, QueryDict())), each.name
        read += len(named)
    assert read > 15


def pages_without_arguments() -> list[str]:
    found = []
    for each in get_resolver("web.pages.urls").url_patterns:
        with suppress(NoReverseMatch):
            found.append(reverse(each.name))
    return [path for path in found if path.endswith("/")]


def view_of(path: str) -> str:
    """Its name; '' where there is none."""
    with suppress(Resolver404):
        return resolve(path).view_name
    return ""
