"""One look at one room: who looks, at which step, when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.urls import reverse

from accounts import clock
from accounts.actors import Actor
from accounts.middleware import ActorRequest
from incidents.access import get_room
from incidents.models import Incident, Step

T = TypeVar("T")


def panel_url(incident: Incident, step: str) -> str:
    """The address of a step's panel."""
    if step == Step.DOCUMENT:
        return reverse("incidents:postmortem", args=[incident.ref])
    return reverse("incidents:step", args=[incident.ref, step])


@dataclass(frozen=True, slots=True)
class Visit:
    """``panel`` is the step that is looked at, which need not be the present one."""

    request: ActorRequest
    incident: Incident
    panel: str
    at: datetime
    known: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def actor(self) -> Actor:
        """Who looks; the door lets nobody else in."""
        actor = self.request.actor
        if actor is None:
            raise PermissionError("a room is open to known actors only")
        return actor

    def once(self, name: str, ask: Callable[[], T]) -> T:
        """What ``ask`` answers, asked once however many regions need it."""
        if name not in self.known:
            self.known[name] = ask()
        answer: T = self.known[name]
        return answer

    def again(self, panel: str = "") -> Visit:
        """The same visit after something changed, with the incident read anew."""
        incident = get_room(self.actor, self.incident.ref)
        return Visit(self.request, incident, panel or self.panel, clock.now())
