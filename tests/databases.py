"""The test cluster and its databases: one migrated template, copied for whoever needs a database of their own.

The template holds the schema ``clock``, whose functions hide PostgreSQL's own on connections that name it in their
search path. Column defaults bind when they are created, so the schema is there before ``migrate`` runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from django.apps import apps
from django.conf import settings
from psycopg import sql

from workbench.embedded import EmbeddedServer, make_var
from workbench.embedded.places import SUPERUSER

#: Nothing in a test cluster outlives a power cut, so it need not wait for the disk.
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
SEARCH_PATH = "-c search_path=public,clock,pg_catalog"
TEMPLATE_LOCK = 7_311_004  # an advisory lock: two test workers build one template

SHIFTED_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.shift (by interval NOT NULL);
""" + "\n".join(
    f"""CREATE FUNCTION clock.{name}() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT pg_catalog.{name}() + coalesce((SELECT by FROM clock.shift LIMIT 1), interval '0') $$;"""
    for name in ("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp")
)


class Cluster:
    """The test run's share in the cluster: started by the first run that needs it, stopped by the last to leave."""

    def __init__(self, var: Path) -> None:
        make_var(var)
        self.server = EmbeddedServer(var, UNSAFE_AND_FAST)
        self._users: IO[str] = (var / "users.lock").open("a")

    def join(self) -> None:
        alone = self._try_lock(fcntl.LOCK_EX)
        if not alone:
            fcntl.flock(self._users, fcntl.LOCK_SH)
        self.server.start()
        if alone:
            drop_leftovers()
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def leave(self) -> None:
        if self._try_lock(fcntl.LOCK_EX):
            self.server.stop()
        self._users.close()

    def _try_lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._users, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def parameters() -> dict[str, Any]:
    """What psycopg needs to reach the server that tests use (embedded, or the one of ``DATABASE_URL``)."""
    given = settings.DATABASES["default"]
    found = {"user": given["USER"], "password": given["PASSWORD"], "host": given["HOST"], "port": given["PORT"]}
    return {name: value for name, value in found.items() if value}


def connect(name: str, **more: Any) -> psycopg.Connection[Any]:
    """An autocommit connection of its own, outside Django's."""
    return psycopg.connect(dbname=name, autocommit=True, **parameters(), **more)


def url_of(name: str) -> str:
    """The ``DATABASE_URL`` of a test database, its clock movable, for a process of its own."""
    given = parameters()
    user, password = quote(given.get("user", "")), quote(given.get("password", ""))
    host, port = given.get("host", ""), given.get("port", "")
    place = f"{user}:{password}@" if password else f"{user}@"
    options = quote(SEARCH_PATH)
    if host.startswith("/"):
        return socket_url(name, host)
    return f"postgresql://{place}{host}{f':{port}' if port else ''}/{name}?options={options}"


def socket_url(name: str, folder: str) -> str:
    """The same for a server on a socket, with its superuser."""
    return f"postgresql://{SUPERUSER}@/{name}?host={quote(folder, safe='')}&options={quote(SEARCH_PATH)}"


def template_name() -> str:
    """Named by everything the template is made of, so that it is rebuilt exactly when a migration changed."""
    digest = hashlib.sha256(SHIFTED_CLOCK.encode())
    for app in sorted(apps.get_app_configs(), key=lambda app: app.label):
        for path in sorted(Path(app.path).glob("migrations/*.py")):
            digest.update(f"{app.label}/{path.name}\n".encode() + path.read_bytes())
    return f"lastgood_template_{digest.hexdigest()[:16]}"


def ensure_template() -> str:
    """The name of the migrated template; the first caller builds it, others wait."""
    from django.core.management import call_command
    from django.db import connection

    from workbench.broker import ensure_schema

    name = template_name()
    with connect("postgres") as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if name in existing(admin, "lastgood_template_"):
            return name
        for old in existing(admin, "lastgood_template_"):
            drop(admin, old)
        unfinished = f"lastgood_template_unfinished_{os.getpid()}"
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
        with connect(unfinished) as fresh:
            fresh.execute(SHIFTED_CLOCK)
        ensure_schema(f"dbname={unfinished} " + " ".join(f"{k}={v}" for k, v in parameters().items()))
        with pointed_at(unfinished):
            call_command("migrate", verbosity=0, interactive=False)
            connection.close()
        # A library that installed something may hold its connection until it is collected.
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [unfinished])
        admin.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
        )
    return name


@contextlib.contextmanager
def pointed_at(name: str) -> Iterator[None]:
    """Django's connection on the database ``name`` for a while."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = before


@contextlib.contextmanager
def copied_database(purpose: str) -> Iterator[str]:
    """The name of a fresh, migrated database, dropped afterwards whoever is still connected."""
    template = ensure_template()
    name = f"lastgood_test_{purpose}_{os.getpid()}_{os.urandom(3).hex()}"
    with connect("postgres") as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield name
    finally:
        with connect("postgres") as admin:
            drop(admin, name)


def existing(admin: psycopg.Connection[Any], prefix: str) -> list[str]:
    rows = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]).fetchall()
    return [row[0] for row in rows]


def drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_leftovers() -> None:
    """What runs that were killed have left. Only called while no other run uses the cluster."""
    with connect("postgres") as admin:
        for name in [*existing(admin, "lastgood_test_"), *existing(admin, "lastgood_template_unfinished_")]:
            drop(admin, name)
