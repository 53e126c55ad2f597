"""URLs of the exports."""

from django.urls import URLPattern, URLResolver, re_path

from web.exports.views import statement

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^exports/statement-(?P<month>[0-9]{4}-[0-9]{2})\.xlsx$", statement, name="export-statement"),
]
