"""A statement on the screen and on paper: one page that says it all, and what its reader may answer."""

import html
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader

from allocation.close import statements
from allocation.models import CostCentre, Statement
from finops.periods import Period
from tests.allocation.close.test_statements import adjustment
from tests.web.ledger import Usage, centre, freeze, load
from tests.web.money_pages import client_of, page, row, text
from web import statement_sheet
from web.paper import statement as paper
from web.paper.scripts import plain, visual

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)
ADDRESS = "/statements/2026-09/CC-100"


@pytest.fixture(autouse=True)
def on_friday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements.timezone, "now", lambda: FRIDAY)


def issue(*rows: Usage, name: str = "Search", code: str = "CC-100") -> Statement:
    centre(code, name=name)
    august = SEPTEMBER.previous().start
    load(*(rows or (
        Usage("1200.50", code, "chat", queries=120), Usage("34.50", code, "ops", model="gpt-5-mini", queries=5),
        Usage("1000", code, "chat", day=august, queries=100), Usage("7", "CC-200"),
    )))  # fmt: skip
    freeze()
    statements.issue(SEPTEMBER, "fin-1")
    return Statement.objects.get(cost_centre__code=code)


def sheet_of(statement: Statement) -> tuple[PdfReader, list[str]]:
    file = paper.pdf(statement_sheet.read(statement))
    reader = PdfReader(BytesIO(file))
    return reader, [each.extract_text() for each in reader.pages]


def test_the_page_says_amount_reason_drivers_basis_and_the_last_day() -> None:
    issue()
    told = text(page(client_of("owner"), ADDRESS))
    for words in (
        "Search", "CC-100", "September 2026", "Charged $1,235.00", "+$235.00 on August 2026",
        "Dispute by the end of 9 October 2026",
        "Up 235.00 USD on August 2026: +250.00 more queries, \u221215.50 a cheaper mix of models and tiers, "
        "+0.50 a higher cost per query.",  # 25 x 10; 120 x 10 + 34.50 - 125 x 10; 1200.50 - 120 x 10
        "gpt-5 simple, 120 queries, openai 97 % $1,200.50",
        "Direct Usage that the rules give to this cost centre. $1,235.00",
        "This month no budget $1,235.00", "Year to date no budget $2,235.00", "2 lines, which add up to $1,235.00",
    ):  # fmt: skip
        assert words in told, words


def test_the_pdf_is_one_page_a4_with_the_detail_behind_and_says_the_same() -> None:
    reader, pages = sheet_of(issue())
    assert len(pages) == 2
    assert {tuple(round(float(edge)) for edge in each.mediabox[2:]) for each in reader.pages} == {(595, 842)}  # A4
    for words in (
        "Search",
        "$1,235.00",
        "+$235.00",
        "gpt-5-mini",
        "9 October 2026",
        "Page 1 of 2",
        "Up 235.00 USD on August",
    ):
        assert words in pages[0], words
    assert "Detail" in pages[1]
    assert "$34.50" in pages[1]
    fonts = {str(font["/BaseFont"]) for each in reader.pages for font in _fonts(each)}
    assert all("DejaVuSansCondensed" in name for name in fonts if "Helvetica" not in name), "fonts are embedded"


def test_the_pdf_of_a_statement_is_the_same_bytes_whatever_becomes_of_it() -> None:
    statement = issue()
    before = paper.pdf(statement_sheet.read(statement))
    statements.dispute(statement, by="owner", reason="Not ours")
    assert paper.pdf(statement_sheet.read(Statement.objects.get(pk=statement.pk))) == before


def test_much_detail_goes_on_over_pages_and_the_first_stays_one() -> None:
    rows = [Usage(f"{n}.11", "CC-100", f"team-{n % 9}", model=f"model-{n}", tokens=n * 10**9) for n in range(1, 131)]
    _, pages = sheet_of(issue(*rows))
    assert len(pages) == 5  # 130 lines, 41 a page
    assert all(f"Page {n} of 5" in told for n, told in enumerate(pages, start=1))
    told = "\n".join(pages[1:])
    assert all(f"model-{n}\n" in told or f"model-{n} " in told for n in range(1, 131))
    assert "125 more" in pages[0]


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|'/c calc'!A1", "\u202eegrahC <b>bold</b>", "\u05e6\u05d5\u05d5\u05ea 12 \u05d7\u05d9\u05e4\u05d5\u05e9",
        "\u0641\u0631\u064a\u0642", "W" * 200, "\u68c0\u7d22\u56e2\u961f", "\U0001f600 \ue000 \x07",
    ],
)  # fmt: skip
def test_strange_names_stay_text_on_page_and_paper(name: str) -> None:
    statement = issue(name=name)
    markup = page(client_of("owner"), ADDRESS)
    assert "<b>bold</b>" not in markup
    assert f"<bdi>{html.escape(name, quote=True)}</bdi>" in markup
    _, pages = sheet_of(statement)
    assert "$1,235.00" in pages[0]
    assert "\u202e" not in pages[0]


def test_hebrew_reads_from_right_to_left_with_its_numbers_and_arabic_is_joined() -> None:
    assert visual("\u05d0\u05d1\u05d2 12 (abc)") == "(abc) 12 \u05d2\u05d1\u05d0"
    assert visual("Team \u05d0\u05d1 7, x") == "Team 7 \u05d1\u05d0, x"
    beh, alef = "\u0628", "\u0627"
    assert visual(beh + beh + alef) == "\ufe8e\ufe92\ufe91"  # initial, medial, final: drawn last to first
    assert plain("a\u202eb\u2066\n c\x00") == "ab c"


def test_everybody_sees_the_statements_of_their_scope_alone() -> None:
    own, other = issue(), Statement.objects.get(cost_centre__code="CC-200")
    for role, seen in (
        ("owner", {own}),
        ("viewer", set()),
        ("admin", set()),
        ("finance", {own, other}),
        ("auditor", {own, other}),
    ):
        client = client_of(role)
        assert page(client, "/statements/?month=2026-09").count('href="/statements/2026-09/CC-') == len(seen), role
        for each in (own, other):
            expected = 200 if each in seen else 404
            assert client.get(f"/statements/{each.pk}.pdf").status_code == expected, role
            assert client.get(f"/statements/2026-09/{each.cost_centre.code}").status_code == expected, role
        assert len(client.get("/statements/statements.csv?month=2026-09").content.splitlines()) == 1 + len(seen)


def answer(client: Client, statement: Statement, **said: str) -> str:
    response = client.post(f"/statements/{statement.pk}/answer", said, follow=True)
    return text(response.content.decode()) if response.status_code == 200 else str(response.status_code)


def test_an_owner_disputes_with_a_reason_and_finance_resolves_it() -> None:
    statement = issue()
    owner, finance = client_of("owner"), client_of("finance")
    assert "say why it is disputed" in answer(owner, statement, answer="dispute", reason=" ")
    assert "disputed; finance answers" in answer(owner, statement, answer="dispute", reason="Not our key <i>")
    assert "Resolve the dispute" in page(finance, ADDRESS)
    assert "Resolve the dispute" not in page(owner, ADDRESS)
    assert answer(owner, statement, answer="resolve", reason="mine") == "403"
    told = answer(finance, statement, answer="resolve", reason="x", adjustment="ADJ-7")
    assert "an adjustment is named by its number" in told
    moved = adjustment("CC-100")
    told = answer(finance, statement, answer="resolve", reason="Moved", adjustment=str(moved.pk))
    assert f"Resolved by adjustment {moved.pk} finance" in told
    assert "Not our key <i>" in told
    held = Statement.objects.get(pk=statement.pk)
    assert (held.state, held.amount) == ("accepted", statement.amount)


def test_viewers_analysts_and_auditors_answer_nothing() -> None:
    statement = issue()
    for role in ("analyst", "auditor"):
        client = client_of(role)
        assert answer(client, statement, answer="accept") == "403", role
        assert "Is it right?" not in page(client, ADDRESS)
    for role in ("viewer", "admin"):
        assert answer(client_of(role), statement, answer="accept") == "404", role
    assert Statement.objects.get(pk=statement.pk).state == "issued"


def test_a_form_without_its_token_is_refused() -> None:
    statement = issue()
    client = Client(enforce_csrf_checks=True)
    client.force_login(client_of("owner").request().wsgi_request.user)
    assert client.post(f"/statements/{statement.pk}/answer", {"answer": "accept"}).status_code == 403


def test_the_list_narrows_by_state_and_adds_up() -> None:
    statement = issue()
    statements.accept(statement, by="owner")
    markup = page(client_of("finance"), "/statements/?month=2026-09&state=accepted")
    assert "Search" in row(markup, "CC-100")
    assert "$1,235.00" in row(markup, ">All")
    assert "CC-200" not in markup
    assert "$1,242.00" in row(page(client_of("auditor"), "/statements/"), ">All")


def test_without_statements_the_page_says_when_they_come() -> None:
    assert "No statement is drafted yet" in text(page(client_of("finance"), "/statements/"))
    client = client_of("auditor")
    assert client.get("/statements/?month=2026-13").status_code == 400
    assert client.get("/statements/?state=lost").status_code == 400
    assert client.get("/statements/2026-09/none").status_code == 404
    assert client.get(f"/statements/{2**70}.pdf").status_code == 404


def test_formula_like_codes_stay_text_in_the_csv() -> None:
    CostCentre.objects.create(code="=1+1", name="@SUM(A1)")
    issue(Usage("5", "=1+1"), code="=1+1", name="")
    told = client_of("finance").get("/statements/statements.csv?month=2026-09").content.decode()
    assert ",'=1+1,'@SUM(A1)," in told
    assert client_of("auditor").get("/statements/2026-09/=1+1").status_code == 200


def _fonts(each: Any) -> list[Any]:
    return [font.get_object() for font in each["/Resources"]["/Font"].values()]
