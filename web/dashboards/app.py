"""How Dash is mounted in Django: this is the one file that knows.

Dash is called as a WSGI application by a Django view, so that login, CSRF, security headers and compression are
Django's. All pages are one Dash application; which page is shown follows from the address, and a page is a function
from (scope, query string) to components. The scope is derived from the request's user in every callback.
"""

import logging
from io import BytesIO
from typing import Any

import flask
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from flask import Flask

from allocation import selectors
from allocation.scope import scope_of
from web import styles
from web.dashboards import blocks, overview

PREFIX = "/dash/"
PAGES = {"overview": overview.content}
_HOP_BY_HOP = {"content-length", "connection", "transfer-encoding", "set-cookie"}
_log = logging.getLogger(__name__)


class Shell(Dash):
    """Dash inside our own page."""

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]  # Dash calls it by keyword
        """The Django page around Dash's scripts; the only inline script carries the nonce of the response."""
        request = flask.request.environ["django.request"]
        renderer = parts["renderer"].replace("<script ", f'<script nonce="{request.csp_nonce}" ', 1)
        trusted = {name: mark_safe(parts[name]) for name in ("css", "config", "scripts")}  # noqa: S308  Dash's own tags
        page = {**trusted, "renderer": mark_safe(renderer)}  # noqa: S308
        if request.GET.get("month"):
            page["months"] = selectors.months(scope_of(request.user))  # for the menu beside it
        return render_to_string("web/dashboard.html", page, request=request)


def failed(error: Exception) -> Component:
    """What a reader sees when a view could not be made; the log has the reason."""
    _log.error("dashboard callback failed", exc_info=error)
    return blocks.message(
        "This view could not be computed",
        html.P("The figures behind it are untouched. Reload the page; if it happens again, an administrator finds the "
               "reason in the log of the web process."),
        html.P(blocks.view_link("Start from the default view", "?")),
    )  # fmt: skip


def build() -> Shell:
    """The Dash application: the address, the page it leads to, and the one callback between them."""
    app = Shell(
        "inference-ledger",
        server=Flask("inference-ledger"),  # type: ignore[arg-type]  # its annotation forgets what it documents
        requests_pathname_prefix=PREFIX,
        routes_pathname_prefix="/",
        csrf_token_name="csrftoken",  # noqa: S106  the name of Django's cookie
        serve_locally=True,
        update_title=None,  # type: ignore[arg-type]  # likewise
        add_log_handler=False,
        use_async=False,  # asgiref is importable, so Dash would go async and the ORM would refuse
        include_assets_files=False,
        enable_mcp=False,
        on_error=failed,
        title="Inference Ledger",
    )
    app.layout = html.Div([dcc.Location(id="address", refresh=False), html.Div(blocks.skeleton(), id="page")])
    app.callback(Output("page", "children"), Input("address", "pathname"), Input("address", "search"))(show)
    return app


def show(pathname: str | None, search: str | None) -> Any:
    """The page at an address, for the user who asks."""
    page = PAGES[(pathname or "").strip("/")]
    return page(scope_of(flask.request.environ["django.user"]), search or "")


@login_required
def respond(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer a request with Dash: the page itself (no path) or one of Dash's own addresses below PREFIX."""
    environ = {
        **request.environ,  # type: ignore[attr-defined]  # a WSGIRequest
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{path}",
        "wsgi.input": BytesIO(request.body),
        "CONTENT_LENGTH": str(len(request.body)),
        "django.request": request,
        "django.user": request.user,
    }
    status: list[Any] = []
    body = b"".join(_app.server.wsgi_app(environ, lambda line, headers, _=None: status.extend((line, headers))))
    response = HttpResponse(body, status=int(status[0].split()[0]))
    for name, value in status[1]:
        if name.lower() not in _HOP_BY_HOP:
            response[name] = value
    return styles.of_dashboards(response)


_app = build()
