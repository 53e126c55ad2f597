"""Addresses of the pages that Django renders."""

from django.urls import path

from web.pages import data_health, runs, sources

urlpatterns = [
    path("sources/", sources.listing, name="sources"),
    path("imported/", sources.imported, name="source-imported"),
    path("connect/", sources.choose, name="connect"),
    path("connect/<slug:kind>/", sources.connect, name="connect-kind"),
    path("sources/<slug:name>/", sources.detail, name="source"),
    path("sources/<slug:name>/sync", sources.sync, name="source-sync"),
    path("sources/<slug:name>/switch", sources.switch, name="source-switch"),
    path("sources/<slug:name>/key", sources.replace_key, name="source-key"),
    path("sources/<slug:name>/accept", sources.accept, name="source-accept"),
    path("data-health/", data_health.page, name="data-health"),
    path("data-health/check", data_health.check_now, name="data-health-check"),
    path("data-health/quarantine/", data_health.quarantine, name="quarantine"),
    path("runs/", runs.listing, name="runs"),
    path("runs/<int:number>/", runs.detail, name="run"),
]
