"""Removing what practice left in the record; called by ``rollouts.operations.practice.remove``, never alone."""

from __future__ import annotations

import json

from django.db import connection
from django.db.models import Q

from incidents.models import Incident, SendAttempt
from incidents.operations import grouping, timeline
from rollouts.models import Deployment


def remove(agent_id: int) -> dict[str, int]:
    """Take away the incidents, alerts and receipts about one practice agent, in the caller's transaction.

    The database function does it and refuses any agent that is not marked as practice. Open pages are told.
    """
    deployments = Deployment.objects.filter(bundle__agent=agent_id).values_list("pk", flat=True)
    grouping.lock(integrations=(), deployments=deployments)  # no alert about them is being filed meanwhile
    refs = list(
        Incident.objects.filter(deployment__bundle__agent=agent_id).order_by("pk").values_list("ref", flat=True)
    )
    SendAttempt.objects.filter(Q(notice__entry__incident__ref__in=refs) | Q(page__incident__ref__in=refs)).delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT incidents_remove_practice(%s)::text", [agent_id])
        taken: dict[str, int] = json.loads(cursor.fetchone()[0])
    for ref in refs:
        timeline.notify(ref, "header", "board")
    return taken
