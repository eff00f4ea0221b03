"""The eval command's parent: ends it, and whatever it started, when the worker is gone.

A worker that is killed cannot end what it started. This process leads the command's process group and waits for the
end of its own standard input, which only the worker holds open: ``kill -9`` of the worker closes it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 2.0  # seconds between asking and killing
NOT_STARTED = 127


def main(argv: list[str]) -> int:
    """Run ``argv`` to its end; its exit status, or 128 and more when a signal ended it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # meant for the command; this one has to see it end
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        )
    except (OSError, ValueError) as error:
        print(f"The eval command cannot be started: {error}", file=sys.stderr, flush=True)
        return NOT_STARTED
    threading.Thread(target=end_with_the_worker, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def end_with_the_worker() -> None:
    """Wait until nobody holds the other end of standard input, then end the group, this process with it."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
