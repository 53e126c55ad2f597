"""What the tests of the pages about money share: people, their clients, and text as a reader sees it."""

import html
import re
from typing import Any

from django.test import Client

from tests.web.ledger import person

READERS, BLIND = ("analyst", "finance", "admin", "auditor"), ("viewer", "owner")


def client_of(role: str, name: str = "") -> Client:
    """A client of a person with a role; of viewers and owners of CC-100."""
    client = Client()
    client.force_login(person(name or role, role, "CC-100" if role in BLIND else ""))
    return client


def page(client: Client, path: str) -> str:
    """The markup of a page that is there."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    markup: str = answer.content.decode()
    assert "<script>" not in markup
    tags = re.sub(r'"[^"]*"', '""', " ".join(re.findall(r"<[^>]+>", markup)))
    assert not re.search(r"\son[a-z]+=", tags), "no inline script"
    return markup


def text(markup: str) -> str:
    """Words without markup, spaces as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def row(markup: str, name: str) -> str:
    """The table row that holds a text."""
    found: list[Any] = [each for each in re.findall(r"<tr[ >].*?</tr>", markup, re.S) if name in each]
    assert found, name
    return text(found[0])
