"""Django app of the kernel."""

from django.apps import AppConfig


class FinopsConfig(AppConfig):
    """Registers the database checks."""

    name = "finops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import finops.checks  # noqa: F401  registers itself once the apps are loaded
