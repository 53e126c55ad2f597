"""What was meant to be spent, and what it is forecast to be."""

from forecasting.models.anomalies import Anomaly, AnomalyDay, AnomalyFeedback
from forecasting.models.budgets import Budget, BudgetLine, BudgetVersion
from forecasting.models.forecasts import Backtest, Forecast, ForecastDay, ForecastMonth, ForecastSeries
from forecasting.models.scenarios import Scenario, ScenarioRun, ScenarioVersion
from forecasting.models.watch import Alert, AlertNotice, CapDay, QueryCap, Silence, SpendDay, SpendHour

__all__ = [
    "Alert",
    "AlertNotice",
    "Anomaly",
    "AnomalyDay",
    "AnomalyFeedback",
    "Backtest",
    "Budget",
    "BudgetLine",
    "BudgetVersion",
    "CapDay",
    "Forecast",
    "ForecastDay",
    "ForecastMonth",
    "ForecastSeries",
    "QueryCap",
    "Scenario",
    "ScenarioRun",
    "ScenarioVersion",
    "Silence",
    "SpendDay",
    "SpendHour",
]
