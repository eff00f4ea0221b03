"""``make demo-reset``: remove practice data and start practice anew, whether the workbench runs or not.

What is not practice stays. Exit status 0 when a workbench runs and has been told; else this becomes one.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from workbench import settings
from workbench.child import say
from workbench.embedded import EmbeddedError, EmbeddedServer, make_var
from workbench.supervisor import LOCK_FILE


def running_at(var: Path) -> str:
    """Where the workbench of the supervisor that holds this folder's lock answers; blank when none does.

    It may have been started with another PORT than this command's.
    """
    with (var / LOCK_FILE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            address = lock.read().rpartition(", ")[2].strip()
            return address if address.startswith("http") else settings.BASE_URL
        return ""


def manage(*arguments: str, quietly: bool = False) -> bool:
    """Run a management command; whether it did what it should. It says itself why not."""
    argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    return subprocess.run(argv, stdout=subprocess.DEVNULL if quietly else None, check=False).returncode == 0


def main() -> int:
    """1 when it could not, after a sentence saying why."""
    var = Path(settings.VAR)
    make_var(var)
    runs = running_at(var)
    try:
        if settings.EMBEDDED and not runs:
            EmbeddedServer(var).start()  # the workbench below adopts it
    except EmbeddedError as error:
        say("lastgood", str(error))
        return 1
    if not runs and not manage("prepare", quietly=True):
        return 1
    if not manage("practice", "--anew"):
        return 1
    if runs:
        say("lastgood", f"Practice starts anew: {runs}/live")
        return 0
    os.execv(sys.executable, [sys.executable, "-m", "workbench.supervisor"])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
