"""Judge forecasts by the ledger's own past."""

from typing import Any

from django.core.management.base import CommandParser

from forecasting import backtests, forecasts
from forecasting.calc.baseline import ForecastError
from forecasting.models import Backtest
from web.forecast_words import level_name, scored
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option


class Command(LedgerCommand):
    """``backtest [--by DIMENSIONS] [--horizon N] [--origins N]``: scores by level of the hierarchy, stored for the page."""

    help = "Forecast again from days in the past and compare with what came, by level of the hierarchy."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        names = ",".join(forecasts.DIMENSIONS)
        parser.add_argument("--by", default=names, help=f"dimensions of the finest series, default {names}")
        parser.add_argument("--horizon", type=int, default=backtests.HORIZON, help="days, default %(default)s")
        parser.add_argument(
            "--origins", type=int, default=backtests.ORIGINS, help="forecasts made anew, default %(default)s"
        )
        parser.add_argument("--currency", default="", help="default: the site's")
        as_option(parser, help="who asks for it")

    def run(self, **options: Any) -> dict[str, Any]:
        names = [name.strip() for name in options["by"].split(",") if name.strip()]
        try:
            found = backtests.make(
                by=options["user"], dimensions=names, horizon=options["horizon"], origins=options["origins"],
                currency=options["currency"].upper(),
            )  # fmt: skip
        except ForecastError as refused:
            thin = "nothing was spent" in str(refused) or "hold no forecast" in str(refused)
            raise (RefusedHere if thin else WrongUse)(refused) from None
        self._told(found)
        return {
            "backtest": found.pk, "history_from": found.history_from.isoformat(), "until": found.until.isoformat(),
            "horizon": found.horizon, "origins": found.origins, "currency": found.currency, "refused": found.refused,
            "scores": found.scores,
        }  # fmt: skip

    def _told(self, found: Backtest) -> None:
        out = self.stdout
        out.write(
            f"{found.currency}, {found.horizon} days ahead from {', '.join(found.origins)}, of history since "
            f"{found.history_from}"
        )
        out.write(f"{'level':38} {'method':15} {'MASE':>6} {'WAPE':>7} {'WQL':>7} {'bias':>7} {'80 %':>7} {'95 %':>7}")
        for row in found.scores:
            cells = [
                scored(row["MASE"]), *(scored(row[name], share=True) for name in ("WAPE", "WQL", "Bias")),
                *(scored(row[name], share=True) for name in ("Coverage80", "Coverage95")),
            ]  # fmt: skip
            widths = (6, 7, 7, 7, 7, 7)
            figures = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
            out.write(f"{level_name(row['level']):38} {row['method']:15} {figures}")
        if found.refused:
            out.write(f"{found.refused} forecasts of finest series were refused: history too thin then")
