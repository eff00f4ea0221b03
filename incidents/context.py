"""What every page shows around its content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def chrome(request: HttpRequest) -> dict[str, Any]:
    """The frame of every page."""
    return {}
