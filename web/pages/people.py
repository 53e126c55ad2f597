"""The page People: users, what they hold, their tokens and sessions. For admins; every change is audited."""

from collections.abc import Callable
from typing import Any

from axes.utils import reset as forget_failures
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from allocation import people
from allocation.models import CostCentre, Grant
from finops.models import User
from web import tokens
from web.models import Session
from web.pages.access import for_admins
from web.sessions import end_sessions

SHOWN = 100
_OWN = "nobody changes what they hold themselves: ask another administrator"


class PersonForm(forms.Form):
    """A new user."""

    name = forms.RegexField(
        r"^[\w.@+-]+\Z", max_length=150, label="User name", help_text="Letters, digits and @ . + - _"
    )


class GrantForm(forms.Form):
    """A role for a user."""

    user = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"list": "user-names", "autocomplete": "off"}))
    role = forms.ChoiceField(choices=Grant.Role.choices)
    cost_centre = forms.CharField(
        max_length=60, required=False, help_text="For viewer and owner: its code.",
        widget=forms.TextInput(attrs={"list": "centre-codes", "autocomplete": "off"}),
    )  # fmt: skip


@require_safe
@never_cache
@for_admins
def page(request: HttpRequest) -> HttpResponse:
    """Users by name."""
    return _shown(request)


@require_POST
@never_cache
@for_admins
def create(request: HttpRequest) -> HttpResponse:
    """A user; the password is in this answer and nowhere else."""
    form = PersonForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["name"]
        try:
            return _shown(request, made=(name, people.create_user(name=name, actor=_who(request))))
        except people.PeopleError as wrong:
            form.add_error("name", f"{wrong}.")
    return _shown(request, person=form, status=422)


@require_POST
@for_admins
def grant(request: HttpRequest) -> HttpResponse:
    """Give a role."""
    return _changed(request, people.grant, "{name} is {held} now.")


@require_POST
@for_admins
def revoke(request: HttpRequest) -> HttpResponse:
    """Take a role away; sessions of whoever held it end."""
    return _changed(request, people.revoke, "{name} is no {held} any more, and logged out.")


@require_POST
@for_admins
def switch(request: HttpRequest, number: int) -> HttpResponse:
    """Close an account, or open it again."""
    user, active = _user(number), request.POST.get("active") == "yes"
    try:
        if user == request.user and not settings.SELF_APPROVAL:
            raise people.PeopleError(_OWN)
        people.switch(name=user.username, active=active, actor=_who(request))
    except people.PeopleError as wrong:
        messages.error(request, f"{wrong}.".capitalize())
    else:
        messages.success(request, f"{user.username} {'may log in again' if active else 'is logged out and stays so'}.")
    return redirect("people")


@require_POST
@for_admins
def log_out(request: HttpRequest, number: int) -> HttpResponse:
    """End all sessions of a user, and forget their wrong passwords: they may try again."""
    user = _user(number)
    ended = end_sessions(user.pk)
    forget_failures(username=user.username)
    messages.success(request, f"{user.username}: {ended} session{'' if ended == 1 else 's'} ended, log-in unlocked.")
    return redirect("people")


@require_POST
@for_admins
def revoke_token(request: HttpRequest, number: int) -> HttpResponse:
    """Anybody's."""
    try:
        token = tokens.revoke(token=number if number < 2**63 else 0, actor=_who(request))
    except tokens.TokenError:
        raise Http404 from None
    messages.success(request, f"The token {token.prefix}... of {token.user.get_username()} is revoked.")
    return redirect("people")


def _changed(request: HttpRequest, change: Callable[..., None], told: str) -> HttpResponse:
    form = GrantForm(request.POST)
    if not form.is_valid():
        return _shown(request, grant=form, status=422)
    said = form.cleaned_data
    try:
        if said["user"] == _who(request) and not settings.SELF_APPROVAL:
            raise people.PeopleError(_OWN)
        code = said["cost_centre"] or None
        with transaction.atomic():
            change(name=said["user"], role=said["role"], cost_centre=code, actor=_who(request))
    except people.PeopleError as wrong:
        form.add_error(None, f"{wrong}.".capitalize())
        return _shown(request, grant=form, status=422)
    held = f"{said['role']} of {code}" if code else said["role"]
    messages.success(request, told.format(name=said["user"], held=held))
    return redirect("people")


def _user(number: int) -> User:
    user = User.objects.filter(pk=number).first() if number < 2**63 else None
    if user is None:
        raise Http404
    return user


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


def _shown(request: HttpRequest, *, made: Any = None, status: int = 200, **forms_given: forms.Form) -> HttpResponse:
    asked, now = request.GET.get("q", "").strip()[:150], timezone.now()
    rows = User.objects.order_by("username").select_related("sso_identity").prefetch_related("grants__cost_centre")
    found = list(rows.filter(username__icontains=asked)[: SHOWN + 1] if asked.isprintable() else [])
    counts = Session.objects.filter(user__in=found, expire_date__gt=now).values_list("user").annotate(Count("pk"))
    sessions = dict(counts)
    live = tokens.tokens().filter(Q(revoked_at=None) & Q(expires_at__gt=now)).order_by("user__username", "id")
    context = {
        "people": [
            {"user": user, "sessions": sessions.get(user.pk, 0), "sso": hasattr(user, "sso_identity"),
             "grants": sorted(user.grants.all(), key=lambda one: (one.role, str(one.cost_centre or "")))}
            for user in found[:SHOWN]
        ],
        "more": len(found) > SHOWN, "asked": asked, "made": made, "oidc": settings.OIDC,
        "person_form": forms_given.get("person", PersonForm()), "grant_form": forms_given.get("grant", GrantForm()),
        "tokens": [tokens.described(one, now) for one in live[:SHOWN]],
        "centres": CostCentre.objects.order_by("code").values_list("code", flat=True),
    }  # fmt: skip
    return render(request, "web/people.html", context, status=status)
