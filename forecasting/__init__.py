"""What it will cost: forecasts, scenarios, budgets. Stands on allocated history only."""
