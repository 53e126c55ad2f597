"""Django app."""

from django.apps import AppConfig


class ForecastingConfig(AppConfig):
    """The forecasting package."""

    name = "forecasting"
    default_auto_field = "django.db.models.BigAutoField"
