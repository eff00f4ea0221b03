"""A resolver in a process of its own, for tests that need real sockets and a real PostgreSQL to lose."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from tests.processes import free_port

SECRET_KEY = "only-for-tests"
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Resolver:
    """A running resolver; ``url`` is its base URL."""

    url: str
    process: subprocess.Popen[bytes]

    def client(self, key: str = "", **options: Any) -> httpx.Client:
        """A client whose requests carry ``key``, if one is given."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10, trust_env=False, **options)

    def readiness(self) -> dict[str, Any]:
        """What ``/readyz`` says."""
        found: dict[str, Any] = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).json()
        return found

    def stop(self) -> float:
        """Ask it to stop; how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)
        return time.monotonic() - began


def wait_until(happened: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true answer of ``happened``; fails the test after ``seconds``. Connection errors mean "not yet"."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if found := happened():
                return found
        time.sleep(0.02)
    raise AssertionError(f"Not within {seconds:.0f} s: {what}")


@contextlib.contextmanager
def running_resolver(
    database_url: str,
    application: str = "workbench.resolver_asgi:application",
    *,
    wait: bool = True,
    **environment: str,
) -> Iterator[Resolver]:
    """A resolver on ``database_url``, as it runs in production: granian, one worker."""
    port = free_port()
    command = (
        "import sys; from workbench.processes import server, allow_many_open_files; import os;"
        f" allow_many_open_files(); argv = server({application!r}); os.execv(argv[0], argv)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=settings.BASE_DIR,
        start_new_session=True,
        env=os.environ
        | {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY, "PORT": str(port), "WEB_WORKERS": "1"}
        | {"DJANGO_SETTINGS_MODULE": "workbench.settings"}
        | environment,
    )
    resolver = Resolver(f"http://127.0.0.1:{port}", process)
    try:
        wait_until(lambda: httpx.get(f"{resolver.url}/healthz", trust_env=False).is_success, "the resolver listens")
        if wait:
            wait_until(lambda: resolver.readiness()["ready"], "the resolver has read its state")
        yield resolver
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
