"""The embedded PostgreSQL: the wheel's binaries, started, adopted and stopped by us; data below ``LASTGOOD_VAR``.

Everything lives in one folder of mode 0700, which is the only lock (authentication is ``trust``, no TCP)::

    <var>/postgres/           owned by the user the server runs as; a link when root's folders are closed to that user
        data/  run/           the cluster and its socket (the socket elsewhere when the path is too long for one)
        server.log

Failures are :class:`EmbeddedError`, whose text is one plain sentence saying what to do.
"""

from __future__ import annotations

from workbench.embedded.places import (
    DATABASE,
    EmbeddedError,
    connection_settings,
    make_var,
    read_or_make_secret,
    socket_directory,
)
from workbench.embedded.server import EmbeddedServer

__all__ = [
    "DATABASE",
    "EmbeddedError",
    "EmbeddedServer",
    "connection_settings",
    "make_var",
    "read_or_make_secret",
    "socket_directory",
]
