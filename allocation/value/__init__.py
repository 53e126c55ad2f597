"""What cost is worth and why it changes: bridge, tiers, outcomes, assumptions."""
