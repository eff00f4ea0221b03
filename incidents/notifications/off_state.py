"""Asking whether an off-state is there, through the guard that all of our connections to entered addresses pass."""

from __future__ import annotations

from time import perf_counter

from accounts.outbound import wire
from incidents.notifications.base import TransportError
from rollouts.off_state import Probe


def ask(address: str) -> Probe:
    """One GET, nobody followed elsewhere; the time runs until the answer's beginning has been read."""
    began = perf_counter()
    try:
        reply = wire.get(address)
    except TransportError as problem:
        return Probe(None, None, str(problem))
    return Probe(reply.status, (perf_counter() - began) * 1000)
