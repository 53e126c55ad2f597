"""Debian's Chromium for the browser tests; no browser is downloaded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

PATH = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def require() -> None:
    """Skip with a plain message where there is no Chromium; in CI its absence is a failure."""
    if PATH.exists():
        return
    told = f"no Chromium at {PATH}: install it (apt-get install chromium) or name one in CHROMIUM"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(told)
    pytest.skip(told)


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium that talks to nobody but the pages under test."""
    require()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(PATH), args=FLAGS)
        try:
            yield started
        finally:
            started.close()
