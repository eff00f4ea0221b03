"""The clock looks whether anything acts after a stop, and says so once when something does a minute later."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import clock
from rollouts import signals
from rollouts.models import Containment, Stop
from rollouts.telemetry.after_stop import acts_after

#: A standing stop is looked at for so long; ever less often, since each look reads all that came after it.
WATCHED = timedelta(hours=6)
SOONEST = timedelta(seconds=4)
#: One look for each sixtieth of its age: every minute at the end of an hour.
PART_OF_AGE = 60

logger = logging.getLogger(__name__)


def watch(at: datetime | None = None) -> int:
    """Look at every standing stop that is due; at how many."""
    at = at or clock.now()
    looked = 0
    for pk in _due(at):
        try:
            looked += _look(pk, at)
        except Exception:  # one stop that cannot be looked at hides no other
            logger.exception("stop %s could not be looked at", pk)
    return looked


def _due(at: datetime) -> list[int]:
    standing = Stop.objects.filter(released_at=None, engaged_at__gte=at - WATCHED).exclude(
        kill_switch__scope__startswith="cohort:"
    )
    due = Q(containment=None) | Q(containment__looked_at=None) | Q(containment__looked_at__lte=at - SOONEST)
    found = standing.filter(due).annotate(looked_at=F("containment__looked_at")).order_by("pk")
    return [
        stop.pk
        for stop in found[:500]
        if stop.looked_at is None or at - stop.looked_at >= (at - stop.engaged_at) / PART_OF_AGE
    ]


@transaction.atomic
def _look(pk: int, at: datetime) -> bool:
    """Whether this clock was the one to look: with two of them, each stop is looked at once."""
    stop = (
        Stop.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("kill_switch__deployment__bundle")
        .filter(pk=pk)
        .first()
    )
    acts = acts_after(stop, at) if stop is not None else None
    if stop is None or acts is None:
        return False
    known, _ = Containment.objects.get_or_create(stop=stop, defaults={"measured_at": at})
    first_late = acts.late > 0 and not known.late_acts
    Containment.objects.filter(pk=known.pk).update(
        acts_after=acts.total,
        late_acts=acts.late,
        acting_instances=acts.instances,
        last_act_at=acts.last_at,
        looked_at=at,
    )
    if first_late:
        signals.announce("stop_ignored", stop.pk)
    return True
