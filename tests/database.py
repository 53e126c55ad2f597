"""Pytest plugin: a throw-away PostgreSQL and data folder for the run, set before pytest-django reads the settings.

Each process of a parallel run (`-n`) has a server of its own: tests make roles, end sessions and take servers away.
DATABASE_URL given: that server is used. `-p no:django` (the loop on pure calculations): nothing is started.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

PREFIX = "finops-tests-"
READ_ONLY = ("help", "version", "collectonly", "markers", "show_fixtures", "showfixtures")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    if pluginmanager.is_blocked("django"):  # its setting in pyproject.toml would be an unknown one
        parser.addini("DJANGO_SETTINGS_MODULE", "not used in this run")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if early_config.pluginmanager.is_blocked("django"):
        return
    data_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    data_dir.chmod(0o711)  # a server that runs as another user must get through; what it holds is closed
    atexit.register(shutil.rmtree, data_dir, ignore_errors=True)  # before the server's own handler, so it runs after it
    os.environ["FINOPS_DATA_DIR"] = str(data_dir)
    os.environ["FINOPS_API_RATE"] = "off"  # tests of the API ask more often than anybody may; test_probes sets it
    options = early_config.known_args_namespace
    if "DATABASE_URL" in os.environ or "DATABASE_URL_FILE" in os.environ:
        return
    if any(getattr(options, name, False) for name in READ_ONLY):
        return

    from finops.database import embedded

    _remove_abandoned()
    if getattr(options, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        return  # it only starts the processes that test
    os.environ["DATABASE_URL"] = embedded.ensure_running(data_dir, durable=False).url


def _remove_abandoned() -> None:
    """Stop and delete what killed runs left. A living run holds its lock; one just begun has no state yet."""
    from finops.database import embedded

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if embedded.recorded(folder) and embedded.leave(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # another user's
