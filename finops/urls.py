"""Every URL is web's; named by string, so that the kernel imports nothing above it."""

from django.urls import include, path

urlpatterns = [path("", include("web.urls"))]
handler404 = "web.api.problems.not_found"
handler500 = "web.api.problems.server_error"
