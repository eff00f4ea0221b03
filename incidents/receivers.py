"""The machine's facts become the record's entries. An edge: the work is in operations/moves.py."""

from __future__ import annotations

from typing import Any

from accounts import permissions
from accounts.locks import patient
from incidents.notifications import off_state
from incidents.operations import changes, moves, paging, practice
from incidents.operations.postmortems import attached
from rollouts import signals
from rollouts.telemetry import changes as what_changed


def connect() -> None:
    """Listen to the machine, tell it which incident a move belongs to and what to remove and what was written
    about a version, the floor who is on call; and let it ask addresses through our guard."""
    signals.machine_moved.connect(on_machine_moved, dispatch_uid="incidents")
    if moves.incident_of not in signals.incident_of_hooks:
        signals.incident_of_hooks.append(moves.incident_of)
    if moves.told_at not in signals.told_at_hooks:
        signals.told_at_hooks.append(moves.told_at)
    if practice.remove not in signals.remove_practice_hooks:
        signals.remove_practice_hooks.append(practice.remove)
    if attached.written_about not in signals.written_about_hooks:
        signals.written_about_hooks.append(attached.written_about)
    if off_state.ask not in signals.ask_hooks:
        signals.ask_hooks.append(off_state.ask)
    if changes.told_of not in what_changed.told_hooks:
        what_changed.told_hooks.append(changes.told_of)
    if paging.is_on_call not in permissions.on_call_hooks:
        permissions.on_call_hooks.append(paging.is_on_call)


@patient("The room is held by somebody else; the clock records the move when it is free.")
def on_machine_moved(sender: Any, *, kind: str, pk: int, **extra: Any) -> None:
    """After commit: record the move now. Should this fail, never run or have to wait, the clock finds the move."""
    moves.record(kind, pk)
