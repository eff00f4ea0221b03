"""One look at one room: who looks, at which step, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts import clock
from accounts.actors import Actor
from accounts.middleware import ActorRequest
from incidents.access import get_room
from incidents.models import Incident


@dataclass(frozen=True, slots=True)
class Visit:
    """``panel`` is the step that is looked at, which need not be the present one."""

    request: ActorRequest
    incident: Incident
    panel: str
    at: datetime

    @property
    def actor(self) -> Actor:
        """Who looks; the door lets nobody else in."""
        actor = self.request.actor
        if actor is None:
            raise PermissionError("a room is open to known actors only")
        return actor

    def again(self, panel: str = "") -> Visit:
        """The same visit after something changed, with the incident read anew."""
        incident = get_room(self.actor, self.incident.ref)
        return Visit(self.request, incident, panel or self.panel, clock.now())
