"""Django app."""

from django.apps import AppConfig


class AllocationConfig(AppConfig):
    """The allocation package."""

    name = "allocation"
    default_auto_field = "django.db.models.BigAutoField"
