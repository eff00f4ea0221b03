"""What runs: one command per process, the same under the supervisor, in containers and in tests.

``python -m workbench.processes server|resolver|worker|clock|slack`` becomes that process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

from workbench import settings

#: Open streams count against it, and past it every other request would hang.
BACKPRESSURE = 16_000
OPEN_FILES = 65_536
BEAT_FILE = "beat-schedule"


def server(application: str = "workbench.asgi:application") -> list[str]:
    """The ASGI server; streams that are still open are cut two seconds after it was told to stop."""
    return [
        *(sys.executable, "-m", "granian", application, "--interface", "asgi", "--loop", "uvloop"),
        *("--host", settings.HOST, "--port", str(settings.PORT), "--workers", str(settings.WEB_WORKERS)),
        *("--backlog", "4096", "--backpressure", str(BACKPRESSURE), "--no-ws", "--log-level", "warning"),
        *("--workers-kill-timeout", "2", "--respawn-failed-workers"),
    ]


def celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-q", "-A", "workbench.celery", *arguments, "--loglevel", "WARNING"]


def commands() -> dict[str, list[str]]:
    """Name → argument vector of every process that runs for long."""
    beat_file = str(Path(settings.VAR) / BEAT_FILE)
    return {
        "server": server(),
        "resolver": server("workbench.resolver_asgi:application"),
        "worker": celery(
            *("worker", "-P", "threads", "-c", str(settings.WORKER_THREADS), "-n", "worker@%h"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        "clock": celery("beat", "--schedule", beat_file, "--pidfile", ""),
        "slack": [sys.executable, str(settings.BASE_DIR / "manage.py"), "slack_socket"],
        "practice": [sys.executable, str(settings.BASE_DIR / "manage.py"), "practice"],
    }


def allow_many_open_files() -> None:
    """Raise this process's soft limit: thousands of streams are one file each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    with contextlib.suppress(ValueError, OSError):  # a system that caps it lower keeps its own limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(arguments: list[str]) -> str:
    """Become the named process; returns only with a sentence saying why not."""
    known = commands()
    if len(arguments) != 1 or arguments[0] not in known:
        return f"Usage: python -m workbench.processes {'|'.join(known)}"
    allow_many_open_files()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
    argv = known[arguments[0]]
    os.execv(argv[0], argv)  # noqa: S606
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
