"""Where the embedded PostgreSQL lives, and what settings need of it: no process is started here."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATABASE = "lastgood"
SUPERUSER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # bytes that fit a sockaddr_un on every system we run on
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - a 0700 folder in it, checked before use; TMPDIR may differ between processes


class EmbeddedError(RuntimeError):
    """The embedded database cannot be used; the text says why and what to do."""


def home_of(var: Path) -> Path:
    """The folder that holds the cluster, links followed."""
    return Path(os.path.realpath(var / "postgres"))


def socket_directory(var: Path) -> Path:
    """Where the server's socket is: inside the home, or a short 0700 folder under /tmp named by the home's hash."""
    inside = home_of(var) / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return inside
    return SHORT_FOLDER / f"lastgood-{hashlib.sha256(os.fsencode(home_of(var))).hexdigest()[:16]}"


def connection_settings(var: Path) -> dict[str, Any]:
    """Django's connection settings for the database ``lastgood`` on the embedded server of ``var``."""
    return {
        "NAME": DATABASE,
        "USER": SUPERUSER,
        "PASSWORD": "",
        "HOST": str(socket_directory(var)),
        "PORT": "",
        "OPTIONS": {},
    }


def read_or_make_secret(var: Path) -> str:
    """The secret key below ``var`` (mode 0600); the first caller makes it, whoever loses the race reads it."""
    path = var / "secret_key"
    if not path.exists():
        make_var(var)
        fd, temporary = tempfile.mkstemp(dir=var, prefix=".secret_key")  # mkstemp: mode 0600
        try:
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            os.unlink(temporary)
    return path.read_text().strip()


def make_var(var: Path) -> None:
    """Create ``var``; open to traversal whatever the umask, since all that is private in it is 0600 or 0700."""
    try:
        if not var.is_dir():
            var.mkdir(parents=True, exist_ok=True)
            var.chmod(0o755)
    except OSError as error:
        raise not_writable(var, error) from error
    if not os.access(var, os.W_OK | os.X_OK):
        raise not_writable(var, PermissionError(13, "it belongs to somebody else"))


def not_writable(var: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(f"{var} cannot be written ({error.strerror}). Set LASTGOOD_VAR to a folder of your own.")


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` (waits for it). The kernel frees it with its holder, so it is never stale."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
