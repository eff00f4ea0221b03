"""What each door of this app needs, and the only way from (actor, ref) to an object."""

from __future__ import annotations

from accounts.permissions import Permission, declare


def register() -> None:
    declare(
        {
            "asgi:/intake/": Permission.KEYED,
            "url:incidents:major": Permission.VIEW,
            "url:incidents:styleguide": Permission.VIEW,
        }
    )
