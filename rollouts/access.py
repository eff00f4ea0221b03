"""What each door of this app needs, and the only way from (actor, key) to an object."""

from __future__ import annotations

from accounts.permissions import Permission, declare


def register() -> None:
    declare(
        {
            "asgi:/ofrep/": Permission.KEYED,
            "asgi:/api/stream": Permission.KEYED,
            "asgi:/api/public/v2/": Permission.KEYED,
        }
    )
