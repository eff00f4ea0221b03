"""The environment epoch: one counter that every runtime, stream and cache goes by."""

from __future__ import annotations

from django.db import connection
from django.db.models import F

from rollouts.models import Environment

#: NOTIFY channel; the payload is ``<environment> <epoch>``.
CHANNEL = "lastgood_epoch"


def bump(environment: str) -> int:
    """Count one change of what ``environment`` serves, and wake its resolvers at commit. Locks the row until then."""
    Environment.objects.filter(name=environment).update(epoch=F("epoch") + 1)
    epoch = Environment.objects.values_list("epoch", flat=True).get(name=environment)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{environment} {epoch}"])
    return epoch
