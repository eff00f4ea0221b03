"""What a benchmark stands on: a PostgreSQL of its own that keeps what it commits, and the real server on it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The ``DATABASE_URL`` of a fresh, migrated database on a server with PostgreSQL's own defaults."""
    from workbench.broker import ensure_schema
    from workbench.embedded import EmbeddedServer, connection_settings

    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as folder:
        var = Path(folder)
        var.chmod(0o711)
        server = EmbeddedServer(var)
        server.start()
        try:
            found = connection_settings(var)
            url = f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}"
            manage = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
            subprocess.run(manage, env=environment(url), cwd=ROOT, check=True)
            ensure_schema(url)
            yield url
        finally:
            server.stop()


def environment(database_url: str, **more: str) -> dict[str, str]:
    """What a process of ours needs to run on that database."""
    ours = {"DATABASE_URL": database_url, "SECRET_KEY": "only-for-benchmarks", "PRACTICE": "0"}
    return os.environ | {"DJANGO_SETTINGS_MODULE": "workbench.settings"} | ours | more


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(database_url: str, application: str = "workbench.asgi:application") -> Iterator[int]:
    """The port of a running server: one worker, as ``make run`` starts it."""
    port = free_port()
    command = (
        "import os; from workbench.processes import server, allow_many_open_files;"
        f" allow_many_open_files(); argv = server({application!r}); os.execv(argv[0], argv)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env=environment(database_url, PORT=str(port), WEB_WORKERS="1"),
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
