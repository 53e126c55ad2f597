"""Django app."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """The ingest package."""

    name = "ingest"
    default_auto_field = "django.db.models.BigAutoField"
