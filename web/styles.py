"""Which pages may set styles inline. Scripts never may; see settings.CONTENT_SECURITY_POLICY.

Dash and Plotly put style elements into the page: their pages say ``of_dashboards``. Pages that draw their own charts place
marks by style attributes and nothing else: their templates say ``{% inline_styles %}``. All others have neither.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from csp.constants import SELF, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponseBase

ResponseT = TypeVar("ResponseT", bound=HttpResponseBase)
_PLACED = "places_marks"  # of the request


def of_dashboards(response: ResponseT) -> ResponseT:
    """A page of Dash."""
    told: Any = response
    told._csp_replace = {"style-src": [SELF, UNSAFE_INLINE]}  # a nonce beside it would switch 'unsafe-inline' off
    return response


def dashboard(view: Callable[..., ResponseT]) -> Callable[..., ResponseT]:
    """A view of others that puts style elements into its page."""

    @wraps(view)
    def styled(*given: Any, **named: Any) -> ResponseT:
        return of_dashboards(view(*given, **named))

    return styled


def allow_attributes(request: HttpRequest) -> None:
    """From a template: style attributes, but no style elements."""
    setattr(request, _PLACED, True)


class StylesMiddleware:
    """Inside django-csp's middleware, which takes from the response what differs from the settings."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and note what was said."""
        response: Any = self._get_response(request)
        if getattr(request, _PLACED, False):
            response._csp_update = {**(getattr(response, "_csp_update", None) or {}), "style-src-attr": [UNSAFE_INLINE]}
        found: HttpResponseBase = response
        return found
