"""A provider made up for tests: it speaks the pull APIs of OpenAI, Anthropic, LiteLLM and Langfuse over real HTTP.

What it states, when it states something else, and where it fails, a Scenario says. Nothing here imports the product:
``recomputation`` adds up what a scenario states in the end, to hold the product's totals against.

``python -m tests.fake_provider --port 8077 --days 30`` serves a generated one; ``--scenario FILE`` one that is written down.
"""

from tests.fake_provider.scenario import Bucket, Fault, Scenario, generate, load, said
from tests.fake_provider.server import FakeProvider, Request

__all__ = ["Bucket", "FakeProvider", "Fault", "Request", "Scenario", "generate", "load", "said"]
