"""URLs. Everything needs a log-in unless the view says otherwise (LoginRequiredMiddleware)."""

from django.urls import include, path

from web import export_links, views
from web.pages import log_in

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", log_in.LogIn.as_view(), name="login"),
    path("login/sso/", log_in.begin, name="sso-login"),
    path("login/sso/callback/", log_in.callback, name="sso-callback"),
    path("logout/", log_in.LogOut.as_view(), name="logout"),
    path("overview/", views.dashboard, name="overview"),
    path("overview/cost-centres.csv", views.cost_centres_csv, name="overview-cost-centres-csv"),
    path("dash/<path:path>", views.dashboard, name="dash"),
    path("exports/files/<str:link>", export_links.download, name="export-file"),
    path("", include("web.pages.urls")),
    path("", include("web.api.urls")),
    path("", include("web.api.otlp")),
    path("", include("web.exports.urls")),
    path("", include("web.health")),
]
