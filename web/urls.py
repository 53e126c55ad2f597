"""URLs. Everything needs a log-in unless the view says otherwise (LoginRequiredMiddleware)."""

from django.contrib.auth import views as auth
from django.urls import include, path

from web import views

urlpatterns = [
    path("", views.home, name="home"),
    path(
        "login/", auth.LoginView.as_view(template_name="web/login.html", redirect_authenticated_user=True), name="login"
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("overview/", views.dashboard, name="overview"),
    path("overview/cost-centres.csv", views.cost_centres_csv, name="overview-cost-centres-csv"),
    path("dash/<path:path>", views.dashboard, name="dash"),
    path("", include("web.pages.urls")),
    path("", include("web.api.urls")),
    path("", include("web.api.otlp")),
    path("", include("web.exports.urls")),
    path("", include("web.health")),
]
