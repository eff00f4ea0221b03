"""What each door of the wiring needs."""

from __future__ import annotations

from accounts.permissions import Permission, declare


def register() -> None:
    declare(
        {
            "url:healthz": Permission.PUBLIC,
            "url:readyz": Permission.PUBLIC,
            "url:api_docs": Permission.VIEW,
            "url:metrics": Permission.PUBLIC,  # counts only, no names
            "command:workbench": Permission.SHELL,
            "command:prepare": Permission.SHELL,
        }
    )
