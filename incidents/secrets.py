"""What telemetry says under a name that promises a secret is shown as set, never as what it is. Pure."""

from __future__ import annotations

import re
from typing import Any

SECRET = re.compile(r"pass(word|wd)?|secret|token$|api[_.-]?key|authorization|cookie|credential", re.IGNORECASE)
INSTEAD = "set, not shown"


def shown(name: str, value: Any) -> Any:
    """``value`` as it may be shown under ``name``, whatever lies inside it too."""
    if SECRET.search(name):
        return INSTEAD
    if isinstance(value, dict):
        return {str(key): shown(str(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown("", item) for item in value]
    return value
