"""The page Account: what the reader holds, where they are logged in, their password and their tokens."""

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from allocation.models import Grant
from finops import audit
from finops.models import User
from web import tokens
from web.models import ApiToken, Session
from web.pages.access import is_admin
from web.sessions import end_sessions

MOST_TOKENS = 20  # active ones of one user, made here
# As they stand in User-Agent, the more particular before those that they pretend to be.
_BROWSERS = {
    "Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "HeadlessChrome": "Chrome", "Chrome": "Chrome", "Version": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
_OWN_SCOPES = (ApiToken.Scope.READ, ApiToken.Scope.WRITE)


class TokenForm(forms.Form):
    """A token of one's own. Scope ingest writes usage that everybody is charged by: an admin makes those."""

    scope = forms.ChoiceField(
        choices=[(scope.value, scope.label) for scope in _OWN_SCOPES],
        help_text="read may only look; write may all that you may.",
    )
    days = forms.IntegerField(min_value=1, max_value=tokens.DAYS_MAX, initial=90, help_text="How long it lives.")

    def __init__(self, *given: Any, admin: bool = False, **named: Any) -> None:
        super().__init__(*given, **named)
        if admin:
            self.fields["scope"].choices = ApiToken.Scope.choices  # type: ignore[attr-defined]


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """All of it."""
    return _shown(request)


@require_POST
@never_cache
def change_password(request: HttpRequest) -> HttpResponse:
    """A new one; sessions elsewhere end."""
    user = _user(request)
    if not user.has_usable_password():
        raise Http404
    form = PasswordChangeForm(user, request.POST)
    if not form.is_valid():
        return _shown(request, password=form, status=422)
    form.save()
    update_session_auth_hash(request, user)
    end_sessions(user.pk, but=request.session.session_key)
    audit.record(action="user.password", actor=user.username, subject=user.username)
    messages.success(request, "Your password is changed; you are logged out everywhere else.")
    return redirect("account")


@require_POST
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """A token; its secret is in this answer and nowhere else."""
    user, now = _user(request), timezone.now()
    form = TokenForm(request.POST, admin=is_admin(request))
    if form.is_valid():
        if ApiToken.objects.filter(user=user, revoked_at=None, expires_at__gt=now).count() >= MOST_TOKENS:
            form.add_error(None, f"You have {MOST_TOKENS} active tokens: revoke one first.")
        else:
            said = form.cleaned_data
            _, secret = tokens.create(
                username=user.username, scope=said["scope"], days=said["days"], actor=user.username
            )
            return _shown(request, secret=secret)
    return _shown(request, token=form, status=422)


@require_POST
def revoke_token(request: HttpRequest, number: int) -> HttpResponse:
    """One of one's own."""
    user = _user(request)
    if number >= 2**63 or not ApiToken.objects.filter(pk=number, user=user).exists():
        raise Http404
    token = tokens.revoke(token=number, actor=user.username)
    messages.success(request, f"The token {token.prefix}... is revoked.")
    return redirect("account")


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Log out everywhere but here."""
    ended = end_sessions(_user(request).pk, but=request.session.session_key)
    messages.success(request, f"You are logged out elsewhere ({ended} session{'' if ended == 1 else 's'}).")
    return redirect("account")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # LoginRequiredMiddleware saw to it
    return request.user


def _password_form(user: User) -> PasswordChangeForm | None:
    """Without the focus that Django gives it: the page is read from its top."""
    if not user.has_usable_password():
        return None
    form = PasswordChangeForm(user)
    form.fields["old_password"].widget.attrs.pop("autofocus", None)
    return form


def _browser(agent: str) -> str:
    """What a browser calls itself, in words: ``Firefox 140 on Linux``."""
    name = next((re.search(rf"({mark})/(\d+)", agent) for mark in _BROWSERS if f"{mark}/" in agent), None)
    system = next((words for mark, words in _SYSTEMS.items() if mark in agent), "")
    if name is None:
        return agent[:60] or "\N{EN DASH}"
    return f"{_BROWSERS[name[1]]} {name[2]}{' on ' if system else ''}{system}"


def _shown(
    request: HttpRequest, *, password: Any = None, token: Any = None, secret: str = "", status: int = 200
) -> HttpResponse:
    user, now = _user(request), timezone.now()
    current = request.session.session_key
    sessions = Session.objects.filter(user=user, expire_date__gt=now).order_by("-began_at")
    context = {
        "grants": Grant.objects.filter(user=user).select_related("cost_centre").order_by("role", "cost_centre__code"),
        "sessions": [
            {"row": row, "here": row.session_key == current, "browser": _browser(row.agent)} for row in sessions
        ],
        "tokens": [tokens.described(one, now) for one in tokens.tokens().filter(user=user).order_by("-id")],
        "password_form": password or _password_form(user),
        "token_form": token or TokenForm(admin=is_admin(request)), "secret": secret, "admin": is_admin(request),
    }  # fmt: skip
    return render(request, "web/account.html", context, status=status)
