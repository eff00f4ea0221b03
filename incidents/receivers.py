"""The machine's facts become the record's entries. An edge: the work is in operations/moves.py."""

from __future__ import annotations

from typing import Any

from accounts import permissions
from incidents.operations import moves, paging
from rollouts import signals


def connect() -> None:
    """Listen to the machine, tell it which incident a move belongs to, and the floor who is on call."""
    signals.machine_moved.connect(on_machine_moved, dispatch_uid="incidents")
    for hooks, hook in (
        (signals.incident_of_hooks, moves.incident_of),
        (permissions.on_call_hooks, paging.is_on_call),
    ):
        if hook not in hooks:
            hooks.append(hook)  # type: ignore[attr-defined]


def on_machine_moved(sender: Any, *, kind: str, pk: int, **extra: Any) -> None:
    """After commit: record the move now. Should this fail or never run, the clock finds the move."""
    moves.record(kind, pk)
