"""Loaded by every Python process that a test starts: it follows the clock file that the test moves.

``LASTGOOD_MOVED_CLOCK`` names a file that holds the distance from the true time, in seconds.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

POLL_SECONDS = 0.02
MONOTONIC_BEGAN = time.time() - time.monotonic()  # while both are still true


def follow(path: Path) -> None:
    traveller = None
    seen = ""
    while True:
        with suppress(OSError, ValueError):
            said = path.read_text()
            if said != seen and said:
                moment = datetime.fromtimestamp(MONOTONIC_BEGAN + time.monotonic() + float(said), UTC)
                if traveller is None:
                    traveller = time_machine.travel(moment, tick=True).start()
                else:
                    traveller.move_to(moment, tick=True)
                seen = said
        time.sleep(POLL_SECONDS)


def start_following() -> None:
    threading.Thread(target=follow, args=[Path(os.environ["LASTGOOD_MOVED_CLOCK"])], daemon=True).start()


if "LASTGOOD_MOVED_CLOCK" in os.environ:
    import time_machine  # by the main thread: an import that a fork interrupts is never finished

    start_following()
    os.register_at_fork(after_in_child=start_following)  # threads stay behind in the parent
