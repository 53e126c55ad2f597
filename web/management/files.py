"""Files that people write and commands read."""

from pathlib import Path
from typing import Any

import yaml

from web.management.base import WrongUse


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises WrongUse with file and line."""
    try:
        with path.open(encoding="utf-8") as file:
            return yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path.name}: {error}") from None
