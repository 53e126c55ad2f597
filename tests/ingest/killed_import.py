"""A child process that imports a file and stops dead at a named point, so that a test can kill it there.

``python -m tests.ingest.killed_import PATH POINT``: half (facts copied, nothing counted), precommit (all done but the
commit) or committed (the second batch is in, the run not finished). Prints ``here`` and waits to be killed.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")
    import django

    django.setup()
    from ingest import facts, intake, reading, runs, services, streams, writer

    path, point = Path(sys.argv[1]), sys.argv[2]
    streams.BLOCK_SIZE, reading.GROUP_ROWS = 100_000, 500  # several batches from a small file
    intake.BATCH_ROWS = 1_000
    calls = {"copy": 0, "quarantine": 0, "write": 0}

    def stop() -> None:
        print("here", flush=True)  # noqa: T201  the parent waits for it
        time.sleep(60)

    def after(name: str, function: Any, at: str) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            calls[name] += 1
            if point == at and calls[name] == 2:
                stop()
            return result

        return wrapped

    facts.copy_direct = after("copy", facts.copy_direct, "half")
    runs.quarantine = after("quarantine", runs.quarantine, "precommit")  # the last statement of a batch
    writer.Writer.write = after("write", writer.Writer.write, "committed")  # type: ignore[method-assign]
    services.ingest_file(services.Import(path, "litellm"))


if __name__ == "__main__":
    main()
