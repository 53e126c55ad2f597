"""Django app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web package."""

    name = "web"
    default_auto_field = "django.db.models.BigAutoField"
