"""The site's signing key: from the environment, else made once and kept in the data folder."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from finops.env import env


def secret_key(data_dir: Path) -> str:
    """FINOPS_SECRET_KEY, else the key in DATA_DIR/secret_key (0600), made at random on first use.

    There is no default value in the source, so no two sites share a key by accident.
    """
    if given := env("FINOPS_SECRET_KEY", ""):
        return given
    path = data_dir / "secret_key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=data_dir, prefix="secret_key.", delete=False) as file:  # 0600
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)  # whole or not at all: another process may be making one too
        os.unlink(file.name)
    return path.read_text(encoding="utf-8")
