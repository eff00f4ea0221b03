"""One cluster: made, started, adopted, stopped. Only the standard library, since a supervisor holds this for days."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from workbench.embedded.places import (
    DATABASE,
    SOCKET_NAME,
    SUPERUSER,
    EmbeddedError,
    held,
    home_of,
    make_var,
    socket_directory,
)
from workbench.embedded.users import (
    MAJOR,
    NEUTRAL,
    SHARED_HOME,
    can_enter,
    identity,
    last_line,
    name_of,
    ordinary_user,
    reachable_binaries,
    run_as,
)

LOCALE = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
START_SECONDS = 120  # a long recovery is not a failure
STOP_SECONDS = 20
ORPHAN_SECONDS = 20  # how long backends of a killed server may hold its shared memory
NO_PROCESS = 999_999_999  # above every system's highest process number
SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # A laptop's share: processes that one small database never needs.
    "io_method": "sync",
    "max_logical_replication_workers": "0",
}


class EmbeddedServer:
    """One cluster below ``var``. :meth:`start` makes, starts or adopts it; :meth:`stop` ends it by pid."""

    def __init__(self, var: Path, settings: Mapping[str, str] | None = None) -> None:
        self.var = var
        self.settings = SERVER_SETTINGS | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return home_of(self.var)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def socket(self) -> Path:
        return socket_directory(self.var)

    def start(self) -> bool:
        """Have a server that answers and has the database; True if we started it, False if it ran already."""
        make_var(self.var)
        with held(self.var / "postgres.lock"):
            user = self._prepare_home()
            binaries = reachable_binaries(user)
            started = False
            if not self._adopt(binaries):
                self._make_cluster(binaries, user)
                self._launch(binaries, user)
                started = True
            self._create_database(binaries)
        return started

    def stop(self) -> None:
        """Fast stop: clients are disconnected, the data is written. A server that does not run is fine."""
        pid = self.pid()
        if self._process is not None:
            self._process.poll()  # so that one which ended already is not left a zombie
        if pid is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate (recovers at the next start)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if self._gone(pid, STOP_SECONDS):
                return
        raise EmbeddedError(f"The database server (process {pid}) does not stop; see {self.home / 'server.log'}.")

    def pid(self) -> int | None:
        """The living postmaster of this very cluster, or None. A pid file alone is never believed."""
        try:
            first = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
        except OSError:
            return None
        pid = int(first) if first.strip().isdigit() else 0
        return pid if pid > 1 and self._is_postmaster(pid) else None

    # -- steps of start ----------------------------------------------------------------------------------------------
    def _prepare_home(self) -> pwd.struct_passwd | None:
        """Create the home folder; returns the user the server must run as when we are root."""
        here = self.var / "postgres"
        if os.geteuid():
            try:
                here.mkdir(mode=0o700, exist_ok=True)
                (here / "run").mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise EmbeddedError(
                    f"{here} cannot be used ({error.strerror}). If an earlier start was made as root, start as root "
                    "again, or set LASTGOOD_VAR to a folder of your own."
                ) from error
            owner = here.stat().st_uid
            if owner != os.geteuid():
                raise EmbeddedError(
                    f"{here} belongs to the user {name_of(owner)}. Start as that user (or as root, if root made it), "
                    "or set LASTGOOD_VAR to a folder of your own."
                )
            user = None
        else:
            user = self._prepare_home_as_root(here)
        self._prepare_socket_directory(user)
        return user

    def _prepare_home_as_root(self, here: Path) -> pwd.struct_passwd:
        if here.exists():
            owner = here.stat().st_uid
            if owner == 0:
                if any(here.resolve().iterdir()):
                    raise EmbeddedError(f"{here} belongs to root, and PostgreSQL refuses to run as root: remove it.")
                here.resolve().rmdir()  # an interrupted first start
            else:
                return pwd.getpwuid(owner)
        if here.is_symlink():
            here.unlink()  # its target is gone
        user = ordinary_user(self.var)
        here.mkdir(mode=0o700)
        os.chown(here, user.pw_uid, user.pw_gid)
        if not can_enter(here, user):
            # Root's own folders are usually closed to others. We open nothing: the data goes where it can live.
            here.rmdir()
            try:
                SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
                elsewhere = Path(tempfile.mkdtemp(dir=SHARED_HOME, prefix="data-"))
                os.chown(elsewhere, user.pw_uid, user.pw_gid)
                if not can_enter(elsewhere, user):
                    elsewhere.rmdir()
                    raise PermissionError(13, "closed to others too")
            except OSError as error:
                raise EmbeddedError(
                    f"PostgreSQL refuses to run as root, and the user {user.pw_name} cannot reach {self.var} nor "
                    f"{SHARED_HOME} ({error.strerror}). Set LASTGOOD_VAR to a folder which {user.pw_name} can reach, "
                    "or start as an ordinary user."
                ) from error
            here.symlink_to(elsewhere)
        return user

    def _prepare_socket_directory(self, user: pwd.struct_passwd | None) -> None:
        uid, gid = (user.pw_uid, user.pw_gid) if user else (os.geteuid(), os.getegid())
        folder = self.socket
        try:
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, gid)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, 0} or stat.S_IMODE(found.st_mode) & 0o077:
                raise EmbeddedError(
                    f"{folder} must be a folder of mode 0700 that belongs to {name_of(uid)}: remove it and start again."
                ) from None
            if found.st_uid == 0 and uid:
                os.chown(folder, uid, gid)

    def _adopt(self, binaries: Path) -> bool:
        """True if a server of this cluster answers; one that is coming up or going down is waited for."""
        deadline = time.monotonic() + START_SECONDS
        while (pid := self.pid()) is not None:
            if self._answers(binaries):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"The database server (process {pid}) runs but does not answer; see {self.home / 'server.log'}."
                )
            time.sleep(0.1)
        # Whatever the lock files name now is dead, or a stranger to whom a reboot or a container gave the number.
        for path in (self.data / "postmaster.pid", self.socket / f"{SOCKET_NAME}.lock"):
            name_nobody(path)
        return False

    def _make_cluster(self, binaries: Path, user: pwd.struct_passwd | None) -> None:
        version = self.data / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != MAJOR:
                raise EmbeddedError(
                    f"{self.data} was made by PostgreSQL {found}; this version of Lastgood brings {MAJOR}. Dump it "
                    "with the version that made it, or move the folder away to begin anew."
                )
            return
        unfinished = self.home / "data.new"  # renamed when whole, so that a killed initdb leaves no half cluster
        shutil.rmtree(unfinished, ignore_errors=True)
        done = run_as(
            user,
            [binaries / "initdb", "-D", unfinished, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", *LOCALE],
        )
        if done.returncode:
            raise EmbeddedError(f"The database could not be made in {self.home}: {last_line(done.stderr)}")
        if self.data.exists():
            self.data.rmdir()  # empty, else it had a PG_VERSION; an OSError here names what is in the way
        unfinished.rename(self.data)

    def _launch(self, binaries: Path, user: pwd.struct_passwd | None) -> None:
        log = self.home / "server.log"
        if log.exists() and log.stat().st_size > 10_000_000:
            log.replace(log.with_suffix(".log.1"))
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        orphans_until = time.monotonic() + ORPHAN_SECONDS
        while True:
            with log.open("ab") as out:
                began = out.tell()
                self._process = process = subprocess.Popen(
                    [binaries / "postgres", "-D", self.data, "-k", self.socket, *options],
                    cwd="/",
                    env=os.environ | NEUTRAL,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,  # Ctrl-C must not reach it before its clients have ended
                    **identity(user),
                )
            if self._wait_until_ready(process, binaries):
                return
            with log.open("rb") as written:
                written.seek(began)
                said = written.read().decode(errors="replace")
            if "shared memory block" in said and time.monotonic() < orphans_until:
                time.sleep(0.3)  # the last backends of a killed server are still leaving
                continue
            raise EmbeddedError(f"The database server did not start: {last_line(said)} (see {log})")

    def _wait_until_ready(self, process: subprocess.Popen[bytes], binaries: Path) -> bool:
        """True once it answers, False if it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            if self._answers(binaries):
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(
                    f"The database server was not ready within {START_SECONDS} seconds; see {self.home / 'server.log'}."
                )
            time.sleep(0.03)
        return False

    def _create_database(self, binaries: Path) -> None:
        if DATABASE not in self._psql(binaries, "SELECT datname FROM pg_database").split():
            self._psql(binaries, f'CREATE DATABASE "{DATABASE}"')

    # -- questions ---------------------------------------------------------------------------------------------------
    def _answers(self, binaries: Path) -> bool:
        return run_as(None, [binaries / "pg_isready", "-q", "-h", self.socket, "-t", "2"]).returncode == 0

    def _psql(self, binaries: Path, statement: str) -> str:
        done = run_as(
            None, [binaries / "psql", "-XAtq", "-h", self.socket, "-U", SUPERUSER, "-d", "postgres", "-c", statement]
        )
        if done.returncode:
            raise EmbeddedError(f"The database server refused a statement: {last_line(done.stderr)}")
        return done.stdout.strip()

    def _is_postmaster(self, pid: int) -> bool:
        """Whether that process is a postmaster on our data: its working folder says so, else its command line."""
        if Path("/proc/self/cwd").exists():
            try:
                return os.path.samefile(f"/proc/{pid}/cwd", self.data)
            except OSError:
                return False
        listed = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return str(self.data) in listed.stdout

    def _gone(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is not None and self._process.pid == pid:
                if self._process.poll() is not None:
                    return True
            elif not self._is_postmaster(pid):
                return True
            time.sleep(0.02)
        return False


def name_nobody(lock: Path) -> None:
    """Make a lock file of PostgreSQL name no living process. Its other lines stay: they tell which shared memory
    must be free of orphans before a server may start."""
    try:
        first, _, rest = lock.read_text().partition("\n")
    except FileNotFoundError:
        return
    if rest and first.strip().isdigit():
        lock.write_text(f"{NO_PROCESS}\n{rest}")
    else:
        lock.unlink()  # empty after a crash
