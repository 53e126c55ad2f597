"""Django app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web package."""

    name = "web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what ends sessions."""
        from web import log_in  # noqa: F401  its receivers register themselves
