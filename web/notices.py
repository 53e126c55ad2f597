"""What goes out when a statement is issued: a mail with the PDF, and a signed JSON body for webhooks.

A webhook gets ``X-Ledger-Timestamp`` (seconds since 1970) and ``X-Ledger-Signature: v1=HMAC``, the HMAC-SHA256 with
FINOPS_WEBHOOK_SECRET over the time stamp, a dot and the body, in hex. It is asked once each time; whoever calls tries again.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from allocation.calc import statement_policy
from allocation.calc.statement_policy import parse
from allocation.close import statement_views
from allocation.costing import terms
from allocation.models import Statement
from web import signed_posts, statement_sheet
from web.paper import statement as paper
from web.paper.scripts import plain

KIND = "statement"
EMAIL, WEBHOOK = "email", "webhook"


class NoticeError(ValueError):
    """It could not be sent; the message says why, and trying again may help."""


class Target(NamedTuple):
    """Where one statement goes."""

    channel: str
    address: str


def targets(statement: Statement) -> list[Target]:
    """Where the statement policy in force sends it."""
    policy = terms.in_force(statement_policy.KIND, parse).of(statement.cost_centre.code, statement.month)
    mails = [Target(EMAIL, address) for address in policy.email]
    return mails + ([Target(WEBHOOK, policy.webhook)] if policy.webhook else [])


def email(statement: Statement, address: str) -> EmailMultiAlternatives:
    """The mail: text, the same as HTML, and the PDF."""
    sheet = statement_sheet.read(statement)
    context = {"sheet": sheet, "address": _page(statement)}
    subject = f"Statement {plain(sheet.number)}, {plain(sheet.title)}: {sheet.charged}"
    told = EmailMultiAlternatives(subject, render_to_string("web/mail/statement.txt", context), to=[address])
    told.attach_alternative(render_to_string("web/mail/statement.html", context), "text/html")
    told.attach(f"{sheet.file_name}.pdf", paper.pdf(sheet), "application/pdf")
    return told


def body(statement: Statement) -> bytes:
    """The JSON of a webhook: what happened, and the statement with its document."""
    held = {
        "event": "statement.issued", "id": statement.pk, "month": f"{statement.month:%Y-%m}",
        "x_CostCentre": statement.cost_centre.code, "version": statement.version, "kind": statement.kind,
        "BillingCurrency": statement.currency,
        "amount": str(statement_views.at_minor_unit(statement.amount, statement.currency)),
        "charged": statement_views.charged(statement)._asdict(),
        "content_hash": statement.content_hash, "dispute_until": f"{statement.dispute_until or ''}",
        "url": _page(statement), "document": statement.document,
    }  # fmt: skip
    return json.dumps(held, ensure_ascii=False, sort_keys=True).encode()


def signature(content: bytes, at: datetime) -> dict[str, str]:
    """The headers that prove who sent it and when. Raises NoticeError without a secret."""
    if not settings.WEBHOOK_SECRET:
        raise NoticeError("webhooks need a secret to be signed with: set FINOPS_WEBHOOK_SECRET")
    return signed_posts.signature(settings.WEBHOOK_SECRET, content, at)


def send(statement: Statement, target: Target, at: datetime, **client: Any) -> None:
    """Send it to one target, once. Raises NoticeError.

    ``client``: what a test gives ingest.http.HttpClient. Addresses are refused as those of connections are.
    """
    if target.channel == EMAIL:
        try:
            email(statement, target.address).send()
        except OSError as error:  # also every error of smtplib
            raise NoticeError(f"the mail could not be sent: {' '.join(str(error).split())[:200]}") from error
        return
    content = body(statement)
    try:
        signed_posts.post(target.address, content, signature(content, at), **client)
    except signed_posts.PostFailed as error:
        raise NoticeError(str(error)) from None


def _page(statement: Statement) -> str:
    path = reverse("statement", args=[f"{statement.month:%Y-%m}", statement.cost_centre.code])
    return f"{settings.SITE_URL}{path}" if settings.SITE_URL else ""
