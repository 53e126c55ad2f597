"""Labels that routers give queries, by number: what ingest stores beside a fact's flags and tier policies map to tiers."""

LABEL_BITS = 8  # a fact's flags hold the label's number above so many bits
# Append, never renumber: the numbers are stored.
ROUTER_LABELS = {
    "SIMPLE": 1, "MEDIUM": 2, "COMPLEX": 3, "REASONING": 4, "MODERATE": 5, "RESEARCH": 6, "EASY": 7, "HARD": 8, "LOW": 9,
    "HIGH": 10, "WEAK": 11, "STRONG": 12, "SMALL": 13, "LARGE": 14, "CHEAP": 15, "PREMIUM": 16,
}  # fmt: skip
UNKNOWN = 127  # a label that is not listed: kept as such, and decides nothing
