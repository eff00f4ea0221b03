"""Durations and numbers as every surface writes them: ``1 h 42 min``, ``10 320``, ``4.1 %``, ``412 ms``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts.clock import now

NARROW = "\u202f"


def duration(value: Any) -> str:
    """``45 s`` · ``12 min`` · ``1 h 42 min`` · ``3 d 4 h``, from a timedelta or seconds; empty for None."""
    if value is None or value == "":
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign, whole = ("−", -seconds) if seconds <= -1 else ("", max(seconds, 0))
    total = int(whole)
    if total < 60:
        return f"{sign}{total} s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 60:
        return f"{sign}{minutes} min"
    if hours < 24:
        rest = minutes % 60
        return f"{sign}{hours} h {rest} min" if rest else f"{sign}{hours} h"
    rest = hours % 24
    return f"{sign}{days} d {rest} h" if rest and days < 7 else f"{sign}{days} d"


def ago(at: datetime | None) -> str:
    """``4 min ago``: only ever an addition beside an absolute time."""
    if at is None:
        return ""
    passed = (now() - at).total_seconds()
    return "just now" if passed < 5 else f"{duration(passed)} ago"


def number(value: Any, digits: int = 0) -> str:
    """``10 320`` with narrow spaces; None is a dash."""
    if value is None or value == "":
        return "—"
    return f"{float(value):,.{digits}f}".replace(",", NARROW).replace("-", "−")


def percent(share: Any, digits: int = 1) -> str:
    """``4.1 %`` from a share between 0 and 1; None is a dash."""
    if share is None or share == "":
        return "—"
    return f"{float(share) * 100:.{digits}f}{NARROW}%".replace("-", "−")


def milliseconds(value: Any) -> str:
    """``412 ms`` below ten seconds, then ``12.4 s`` and ``3 min``; None is a dash."""
    if value is None or value == "":
        return "—"
    ms = float(value)
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else duration(ms / 1000)
