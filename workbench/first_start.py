"""The first start on an empty database: one account, one token, the keys, written where only the owner reads."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from incidents.operations.first_start import first_start, sign_in_link

CREDENTIALS = "credentials.json"


def ensure_first_start() -> str:
    """Make the first accounts unless there are some; returns a one-time sign-in link for whoever started this.

    The file is written before the commit: a crash between the two leaves a file that the next start overwrites,
    never accounts whose password nobody knows.
    """
    with transaction.atomic():
        credentials = first_start(settings.BASE_URL)
        if credentials is not None:
            write_private(Path(settings.VAR) / CREDENTIALS, credentials)
        return sign_in_link(settings.BASE_URL)


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
