"""What already holds the harm when somebody looks: a rollback or a stop that was pressed elsewhere, or before."""

from __future__ import annotations

from incidents.models import Incident
from rollouts.models import Rollback, Stop


def holding(incident: Incident) -> Rollback | Stop | None:
    """The standing rollback that was pressed after the harm began, else the widest standing stop; None without.

    A rollback from before the harm cannot have ended it: what went wrong since did so under the version it put there.
    A stop holds whenever it was pressed.
    """
    deployment = incident.deployment
    if deployment is None:
        return None
    if deployment.standing_rollback_id:
        rollback = (
            Rollback.objects.select_related("deployment__bundle", "from_version", "to_version", "user")
            .defer("from_version__body", "to_version__body")
            .get(pk=deployment.standing_rollback_id)
        )
        if rollback.flipped_at >= (incident.started_at or incident.opened_at):
            return rollback
    stops = list(
        Stop.objects.filter(kill_switch__deployment=deployment, released_at=None)
        .select_related("kill_switch__deployment__bundle", "user")
        .order_by("pk")
    )
    return min(stops, key=lambda stop: stop.kill_switch.scope != "whole", default=None)
