"""Whose cost it is: splits of shared cost, rate cards, adjustments, and what the rules leave open."""
