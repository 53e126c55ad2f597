"""Pure calculation of forecasting: frames in, frames out."""
