"""Log in and out: by password, or by single sign-on where it is set up."""

from math import ceil
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from allocation.costing.steps import DEMO
from finops.models import SiteMark
from finops.requests import client_address
from finops.sso_settings import Oidc

NEXT, ID_TOKEN = "sso_next", "sso_id_token"  # of the session
BACKEND = "django.contrib.auth.backends.ModelBackend"
PAGE = "web/login.html"


class LogIn(views.LoginView):
    """The form, and the way to the provider."""

    template_name = PAGE
    redirect_authenticated_user = True

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """With the provider, if there is one."""
        context = super().get_context_data(**named)
        demo = SiteMark.objects.filter(name=DEMO).exists()
        return {**context, "oidc": settings.OIDC, "name": context["form"]["username"].value() or "", "demo": demo}


class LogOut(views.LogoutView):
    """Ends our session, and the provider's where it offers that."""

    def post(self, request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
        """Ours first: it ends whatever the provider does."""
        id_token = request.session.get(ID_TOKEN)
        response = super().post(request, *given, **named)
        if not (settings.OIDC and id_token):
            return response
        from web import sso

        address = sso.log_out_address(settings.OIDC, id_token, _absolute(request, "login"))
        return HttpResponseRedirect(address) if address else response


@login_not_required
@require_GET
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """To the provider."""
    from web import sso

    oidc = _oidc()
    request.session[NEXT] = _safe(request, request.GET.get("next", ""))
    try:
        return sso.redirect_to_provider(oidc, request, _absolute(request, "sso-callback"))
    except sso.SsoError as wrong:
        return _refused(request, wrong)


@login_not_required
@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Back from it."""
    from web import sso

    oidc = _oidc()
    try:
        claims, id_token = sso.identify(oidc, request)
        user = sso.user_of(oidc, claims)
    except sso.SsoError as wrong:
        return _refused(request, wrong)
    target = request.session.pop(NEXT, "")
    request.log_in_way = "sso"  # type: ignore[attr-defined]  # told to web.log_in
    login(request, user, backend=BACKEND)
    request.session[ID_TOKEN] = id_token
    return redirect(target or settings.LOGIN_REDIRECT_URL)


def locked_out(request: HttpRequest, _response: object = None, credentials: Any = None) -> HttpResponse:
    """What is said to whoever tried too often (AXES_LOCKOUT_CALLABLE): nothing of the account, and when to come again."""
    name = (credentials or {}).get("username") or request.POST.get("username", "")
    tried = (
        AccessAttempt.objects.filter(username=name, ip_address=client_address(request)).order_by("attempt_time").last()
    )
    now = timezone.now()
    until = (tried.attempt_time if tried else now) + settings.AXES_COOLOFF_TIME
    seconds = max(ceil((until - now).total_seconds()), 1)
    context = {"locked_until": until, "minutes": ceil(seconds / 60), "oidc": settings.OIDC, "next": "", "name": name}
    response = render(request, PAGE, context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def _oidc() -> Oidc:
    if settings.OIDC is None:
        raise Http404
    found: Oidc = settings.OIDC
    return found


def _safe(request: HttpRequest, target: str) -> str:
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if allowed else ""


def _absolute(request: HttpRequest, name: str) -> str:
    path = reverse(name)
    return f"{settings.SITE_URL}{path}" if settings.SITE_URL else request.build_absolute_uri(path)


def _refused(request: HttpRequest, wrong: Exception) -> HttpResponse:
    return render(request, PAGE, {"refused": str(wrong), "oidc": settings.OIDC, "next": "", "name": ""}, status=403)
