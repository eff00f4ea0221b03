"""The first start on an empty database: one account, one token, the keys, written where only the owner reads."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

CREDENTIALS = "credentials.json"


def ensure_first_start() -> str | None:
    """Make the first accounts unless there are some; returns a one-time sign-in link, or None on a later start.

    The file is written before the commit: a crash between the two leaves a file that the next start overwrites,
    never accounts whose password nobody knows.
    """
    try:  # until accounts.operations.first_start lands
        from accounts.operations.first_start import first_start
    except ModuleNotFoundError:
        return None
    with transaction.atomic():
        made = first_start(base_url=settings.BASE_URL)
        if made is None:
            return None
        write_private(Path(settings.VAR) / CREDENTIALS, made.credentials)
    return made.sign_in


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace ``path`` as a whole, mode 0600 from its first byte."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")  # mkstemp: mode 0600
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
