"""What the demo assumes: which recorded workload stands for which priced model, how large, growing how, owned by whom.

Token counts per request, hours and clients are measured; everything in this file is an assumption, and
`data/ORIGIN.md` and `NOTES` say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

TILE_DAYS = 14  # length of the recording that is repeated
LOST_ACCOUNT, LOST_MONTH, LOST_DAY = (
    "anthropic-main",
    1,
    16,
)  # whose export of one day never came: month, days after its 1st


class Model(NamedTuple):
    """A priced model, in force from the first day of the demo's month ``from_month`` (0: the first)."""

    from_month: int
    provider: str
    name: str


@dataclass(frozen=True)
class Stream:
    """One recorded workload as one bill. ``size`` and growth multiply the recording; growth is per tile of 14 days."""

    workload: str
    account: str  # billing account at the provider
    clients: int  # as many of the largest clients stay apart; the rest are one client
    size: float
    growth: float  # of requests
    depth: float  # growth of output tokens per request: test-time compute
    models: tuple[Model, ...]
    projects: tuple[str, ...]  # clients by size, in turn
    unowned: frozenset[int] = frozenset()  # clients by rank that belong to `sandbox`, which no rule catches
    slow: int = 0  # the clients of odd rank change to a new model this many months later
    apart: Mapping[int, Model] = field(default_factory=dict)  # clients by rank that use a model of their own


STREAMS = (
    Stream(
        "m-small", "openai-main", clients=14, size=0.045, growth=1.02, depth=1.0, slow=1,
        models=(Model(0, "openai", "gpt-5.4-mini"), Model(1, "openai", "gpt-5.6-luna")),
        projects=("support-chat", "search-ranking", "support-mail", "search-answers"), unowned=frozenset({14}),
    ),
    Stream(
        "m-mid", "anthropic-main", clients=20, size=0.012, growth=1.02, depth=1.0, slow=1,
        models=(Model(0, "anthropic", "claude-haiku-4-5"), Model(2, "anthropic", "claude-haiku-5-5")),
        projects=("support-chat", "search-answers", "code-review", "support-mail", "search-ranking"), unowned=frozenset({5, 12}),
        apart={
            19: Model(0, "selfhosted", "ledger-llama-70b-ft"),  # a model of the site's own: no book has its price
            18: Model(0, "selfhosted", "ledger-qwen3-32b"),  # another, on the fleet of `agreements`
        },
    ),
    Stream(
        "deepseek-r1", "deepseek-main", clients=16, size=0.4, growth=1.06, depth=1.07,
        models=(Model(0, "deepseek", "deepseek-v4-pro"),),
        projects=("risk-models", "code-agents", "risk-memos", "search-deep"), unowned=frozenset({1, 2, 16}),
        # Rank 13 is the client with by far the longest answers: 8,461 output tokens a request.
        apart={
            13: Model(0, "openai", "gpt-5.6-terra"), 0: Model(0, "openai", "gpt-5.6-sol"), 3: Model(0, "openai", "gpt-5.6-sol"),
        },
    ),
    Stream(
        "mm-image", "google-main", clients=8, size=0.5, growth=1.03, depth=1.0,
        models=(Model(0, "google", "gemini-2.5-flash"),),
        projects=("claims-vision", "claims-vision", "shared-vision"),
    ),
)  # fmt: skip

# What the pages may show beside a figure: measured, tiled, simulated or assumed, and what that means here.
NOTES = {
    "hours, clients and tokens per request of provider usage": (
        "measured", "ServeGen: two weeks (m-small, m-mid) and one day (deepseek-r1, mm-image) of production traffic."
    ),
    "days beyond the recording": ("tiled", "The recording is repeated; two weeks give months, one day gives two weeks."),
    "volume, growth, test-time compute": (
        "assumed", "Declared factors per workload: size, growth of requests and growth of output per request."
    ),
    "models and prices": (
        "assumed", "Each workload stands for a priced model; prices themselves are the book's, dated and real."
    ),
    "OpenAI's cost report": (
        "simulated", "The computed cost of the demo's usage, less 2 % on one model, plus a day's web searches at a fixed price."
    ),
    "cost centres, teams, environments": ("assumed", "Clients of the recordings are given to made-up teams by rules."),
    "tokens of single requests": ("measured", "Azure LLM inference trace 2023 (code) and Mooncake conversations."),
    "dates of single requests": ("tiled", "Runs of consecutive requests are moved to the demo's days, a run a day."),
    "traces of several calls": ("simulated", "Some consecutive requests are joined into one query."),
    "traces of agents": (
        "simulated", "As many calls per task as the assumption register states; each call with the lengths of a real request."
    ),
    "predictions before calls": (
        "simulated", "Asked for as if a gateway had, for some queries of the last days; what came is the demo's usage."
    ),
    "agent runs": ("measured", "Total tokens and cost of Aider benchmark runs; calls and traces are simulated."),
    "a lost export": (
        "simulated", "One day of anthropic-main never reached the ledger; its invoice shows it, reconciliation finds it."
    ),
    "contracts, commitments, own GPUs, other charges": (
        "assumed", "Made-up terms, marked *example*; what they cost is computed from the demo's usage."
    ),
    "invoices": (
        "simulated", "Derived from what the ledger computed, with planted variances, marked *example*."
    ),
    "exchange rates": ("simulated", "A made-up course of EUR/USD, marked *example*."),
    "use of coding seats": ("simulated", "Made-up tokens of seven people; they cost nothing beyond their seats."),
    "outcomes of own cases, and benefits": (
        "simulated", "Made-up cases with drawn results, source *example-simulated*; benefits are examples of three people."
    ),
    "benchmark answers and runs": ("measured", "RouterArena's answers of two models; Aider's runs at several efforts."),
    "forecasts at closes": (
        "simulated", "Made of the days before each close as they are known now, dated as if made then."
    ),
    "calendar events": ("assumed", "A made-up campaign of the month ahead, marked *example*."),
    "how often agents run": ("assumed", "The benchmark is repeated more often from month to month."),
}  # fmt: skip
