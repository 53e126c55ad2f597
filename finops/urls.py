"""Every URL is web's; named by string, so that the kernel imports nothing above it."""

from django.urls import include, path

urlpatterns = [path("", include("web.urls"))]
