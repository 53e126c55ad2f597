"""Names that would run, lead away or break something, in every dimension, name, note and file name (acceptance c).

They come in as a person or a gateway would send them: by ingestion, by the API and by forms. Then every page is opened.
"""

import csv
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from openpyxl import load_workbook
from playwright.sync_api import Browser

from allocation import rulebook
from allocation.close import statements
from allocation.derived import refresh
from allocation.models import CostCentre, Grant, Statement
from finops import audit
from finops.models import User
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.browser.site import PASSWORD, logged_in
from tests.records import payload, write_lines
from tests.web.auth_matrix import MATRIX
from tests.web.ledger import bearer, freeze
from tests.web.test_api_auth import URLS
from web import notices

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LURE = "https://evil.invalid/x"
PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(2)>",
    "link": "javascript:alert(3)",
    "template": "{{7*7}}{% debug %}${7*7}#{7*7}",
    "plotly": f'<a href="{LURE}">click</a><b>%{{y}}</b><br>',
    "formula": f'=HYPERLINK("{LURE}","click")',
    "direction": "safe\u202egpj.exe\u2066",
    "newline": "a\r\nBcc: all@evil.invalid\r\n\r\n<h1>mail</h1>",
    "long": "W" * 250,
    "nullish": "null",
}
DAY = "2026-09-08T13:00:00.000000Z"
SKIPPED = {"logout", "sso-login", "sso-callback", "export-file", "metrics", "source-imported"}


def fill() -> None:
    """Everything that a name can be put into from outside."""
    fin = User.objects.create_user("ann", password=PASSWORD)
    for role in (Grant.Role.FINANCE, Grant.Role.ADMIN, Grant.Role.ANALYST):
        Grant.objects.create(user=fin, role=role)
    folder = Path(tempfile.mkdtemp(prefix="finops-hostile-"))
    records = []
    for number, (kind, text) in enumerate(PAYLOADS.items()):
        records.append(
            payload(
                number, at=DAY, team=f"t-{kind}", model=text, model_group=text, key=text, custom_llm_provider="openai",
                request_tags=[f"team:{text}", f"feature:{text}", f"environment:{text}", f"use_case:{text}",
                              f"cost_centre:{text}"],
            )
        )  # fmt: skip
        records.append(payload(f"priced-{number}", at=DAY, team=f"t-{kind}", prompt=1_000_000))
    name = re.sub(r"[/\x00]", "", PAYLOADS["attribute"])[:80]
    ingest_file(Import(write_lines(folder / f"{name}.jsonl", records), "litellm"))
    rules = [
        {"id": f"r{number}", "priority": number, "when": {"tag.team": f"t-{kind}"},
         "to": {"cost_centre": f"CC-{number}", "team": text if text.isprintable() and len(text) <= 60 else kind}}
        for number, (kind, text) in enumerate(PAYLOADS.items(), 1)
    ]  # fmt: skip
    rulebook.load(rules, actor="test")
    for number, text in enumerate(PAYLOADS.values(), 1):
        CostCentre.objects.filter(code=f"CC-{number}").update(name=text[:200])
        audit.record(
            action="test.note", actor=text, subject=text, details={"reason": text, "before": text, "after": [text]}
        )
    refresh()
    written(bearer(fin, "write"))
    freeze()
    statements.issue(Period.month("2026-09"), "ann")


def written(headers: dict[str, str]) -> None:
    """What the API takes as name, reason, note."""
    for number, text in enumerate(PAYLOADS.values()):
        for path, body in (
            ("adjustments", {"month": "2026-09", "currency": "USD", "reason": text,
                             "evidence": {"text": text, "link": "https://example.com/"},
                             "parts": [{"cost_centre": "CC-1", "amount": "1"}, {"cost_centre": "CC-2", "amount": "-1"}]}),
            ("outcomes", {"outcomes": [{"id": f"o-{number}", "use_case": text, "at": DAY, "result": "success"}]}),
            ("scenarios", {"name": f"s-{number}", "note": text, "title": text, "actions": []}),
            ("webhooks", {"url": LURE, "events": ["period.closed"], "secret": text[:16].ljust(16, "x")}),
        ):  # fmt: skip
            answer = Client().post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", **headers)
            assert answer.status_code < 500, (path, text, answer.content[:300])


def pages() -> list[str]:
    """Every page that answers a GET, with the month that has all the names."""
    api = ("/api/", "/v1/", "/healthz", "/readyz", "/dash/", "/static/")
    found = []
    for name, (_, path) in URLS.items():
        if name not in MATRIX.by_name or not MATRIX.by_name[name].get:
            continue
        if name in SKIPPED or path.startswith(api) or path.split("?")[0].endswith((".csv", ".xlsx", ".pdf", ".json")):
            continue
        found.append(path + ("" if "?" in path else "?month=2026-09" if name in WITH_MONTH else ""))
    return found + [
        f"/explore/?month=2026-09&by={by}" for by in ("model", "team", "feature", "environment", "cost_centre")
    ]


WITH_MONTH = {
    "overview",
    "explore",
    "tiers",
    "tiers-agents",
    "roi",
    "budgets",
    "allocation",
    "statements",
    "reconciliation",
}


def no_scripts_links_or_frames(page: Any) -> list[str]:
    """What a name made of itself, if anything."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll('a[href],form[action],iframe,object,embed,base,meta[http-equiv=refresh]')]
            .map(e => e.getAttribute('href') || e.getAttribute('action') || e.tagName)
            .filter(v => /^\\s*(javascript|data|vbscript):/i.test(v) || new URL(v, document.baseURI).host.includes('evil')
                || ['IFRAME', 'OBJECT', 'EMBED', 'BASE', 'META'].includes(v))"""
        )
    ) + list(
        page.evaluate(
            "() => [...document.querySelectorAll('img[src=x], [onerror], [onload], [onclick]')].map(e => e.outerHTML)"
        )
    )


def test_no_page_runs_leads_away_or_breaks(browser: Browser, site: str) -> None:
    heard: list[str] = []
    page = logged_in(browser, site, "ann", "desk", heard)
    off: list[str] = []

    def only_here(route: Any) -> None:
        if route.request.url.startswith((site, "data:")):
            route.continue_()
        else:
            off.append(route.request.url)
            route.abort()

    page.context.route("**/*", only_here)

    wrong, seen = [], 0
    for path in pages():
        answer = page.goto(site + path)
        assert answer is not None
        if answer.status in (405, 404):  # a step, or an example id that is not there
            heard.clear()
            continue
        if page.url.split("?")[0].endswith("/overview/"):
            page.wait_for_selector("h1")  # drawn by a callback
        if answer.status >= 500 or page.locator("h1").count() == 0:
            wrong.append(f"{path}: {answer.status}")
        text = page.inner_text("body")
        seen += "<script>alert(1)</script>" in text or "onerror=alert(2)" in text
        wrong += [f"{path}: {found}" for found in no_scripts_links_or_frames(page)]
        wrong += [f"{path}: said {said}" for said in heard]
        if "4949" in text or "$49" in text:
            wrong.append(f"{path}: a template was run")
        heard.clear()
    assert not wrong, "\n".join(wrong)
    assert off == []
    assert seen >= 3  # the names are shown, as the words they are


@pytest.mark.parametrize("path", ["/exports/statement-2026-09.xlsx", "/explore/explore.xlsx?month=2026-09&by=model",
                                  "/tiers/tiers.xlsx?month=2026-09"])  # fmt: skip
def test_no_cell_of_a_workbook_is_a_formula_of_others(site: str, path: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    answer = client.get(path)
    assert answer.status_code == 200
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    load_workbook(io.BytesIO(body))  # opens
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        for part in book.namelist():
            assert b"evil.invalid" not in hyperlinks(book.read(part)), part
            for formula in formulas(part, book.read(part)):
                assert "evil" not in formula, (part, formula)


def formulas(name: str, content: bytes) -> list[str]:
    if not name.startswith("xl/worksheets/sheet"):
        return []
    return [each.text or "" for each in ElementTree.fromstring(content).iter() if each.tag.endswith("}f")]


def hyperlinks(content: bytes) -> bytes:
    return b" ".join(re.findall(rb"<hyperlink[^>]*>|Target=\"[^\"]*\"", content))


@pytest.mark.parametrize(
    "path", ["/explore/explore.csv?month=2026-09&by=model", "/overview/cost-centres.csv?month=2026-09"]
)
def test_no_field_of_a_csv_begins_a_formula(site: str, path: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    text = client.get(path).content.decode()
    for row in csv.reader(io.StringIO(text)):
        assert not [field for field in row if re.match(r"[=@\t\r]|[+-](?![\d.])", field)], row


def test_no_mail_gets_a_header_or_a_mark_of_others(site: str) -> None:
    rows = list(Statement.objects.select_related("cost_centre"))
    assert len(rows) >= len(PAYLOADS)
    for row in rows:
        message = notices.email(row, "owner@example.com").message()
        assert message.get_all("Bcc") is None
        assert not [part for part in message.walk() if "Bcc" in part]
        assert "\n" not in notices.email(row, "owner@example.com").subject
        [marked] = [
            part.get_payload(decode=True).decode() for part in message.walk() if part.get_content_type() == "text/html"
        ]
        for mark in ("<script", "<img src=x", "<h1>mail", 'href="javascript:', f'href="{LURE}'):
            assert mark not in marked


def test_the_list_of_pages_is_whole() -> None:
    assert len(pages()) >= 40
