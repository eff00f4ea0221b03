"""``python -m workbench.embedded start|stop``: the database alone, for manage.py commands while nothing else runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from workbench.embedded import EmbeddedError, EmbeddedServer

USAGE = "Usage: python -m workbench.embedded start|stop"


def main(arguments: list[str]) -> str | None:
    """Do it; returns the sentence of a failure."""
    beside = Path(__file__).resolve().parent.parent.parent / "var"
    server = EmbeddedServer(Path(os.environ.get("LASTGOOD_VAR") or beside).expanduser().resolve())
    try:
        match arguments:
            case ["start"]:
                server.start()
                print(f"PostgreSQL runs: process {server.pid()}, socket in {server.socket}")
            case ["stop"]:
                server.stop()
            case _:
                return USAGE
    except EmbeddedError as error:
        return str(error)
    return None


sys.exit(main(sys.argv[1:]))
