"""What the Resolve panel shows: causes, what their cases prove, the newest run, gates and how far the fix is out."""

from __future__ import annotations

from typing import Any

from incidents.forms import ResolveForm
from incidents.operations import proving
from incidents.views.visit import Visit


def proof(visit: Visit) -> proving.Standing:
    """Causes, cases and what runs say of them."""
    return visit.once("proof", lambda: proving.standing(visit.incident))


def resolve(visit: Visit) -> dict[str, Any]:
    """The form that resolves."""
    incident = visit.incident
    return {
        "form": ResolveForm(initial={"resolution": incident.resolution}),
        "causes": [each.cause for each in proof(visit).causes],
    }
