"""Without Chromium the browser tests say so: they are skipped on a desk and fail in CI."""

from pathlib import Path

import pytest

from tests.browser import chromium


def test_a_missing_browser_is_a_skip_on_a_desk_and_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "PATH", Path("/nowhere/chromium"))

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        chromium.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium at"):
        chromium.require()
