"""The machine's facts become the record's entries."""

from __future__ import annotations


def connect() -> None:
    """Listen to the machine."""
