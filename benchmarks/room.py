"""Fills a database with one long incident and says how to look at it: JSON on one line, for ``benchmarks.page``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from accounts.actors import Actor
    from incidents.models import Incident

ENTRIES = 5_000


def main() -> None:
    """An agent with two versions, its incident with 5 000 entries, acknowledged and rolled back."""
    django.setup()
    from django.conf import settings
    from django.db import connection, transaction
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from accounts import clock
    from accounts.actors import Actor
    from accounts.models import SiteRole, User
    from incidents.operations import acknowledge, contain, opening, timeline
    from rollouts.models import Deployment
    from rollouts.operations.promote import promote
    from rollouts.operations.push import push
    from rollouts.practice.bundles import BAD, GOOD, KEY, VERSIONS
    from rollouts.practice.spans import ENVIRONMENT

    person = User.objects.create_user("bench@example.com", name="Bench", roles=[SiteRole.ADMIN])
    actor = Actor.of_user(person)
    for label in (GOOD, BAD):
        version, _ = push(KEY, VERSIONS[label], actor=actor)
        deployment = Deployment.objects.get(bundle__key=KEY, environment=ENVIRONMENT)
        expires = clock.now() + timedelta(days=1)
        promote(deployment, version, actor=actor, waiver_reason="A benchmark.", waiver_expires_at=expires)
    deployment.refresh_from_db()
    incident = opening.open_incident(
        actor=actor, title="Refund success is 71 %", severity="SEV1", deployment=deployment
    )
    acknowledge.acknowledge(incident, actor=actor)
    with transaction.atomic():
        write(timeline.lock(incident), actor)
    contain.roll_back(incident, actor=actor)
    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    client.force_login(person)
    paths = {step: f"/i/{incident.ref}/{step}/" for step in ("contain", "triage", "detect")}
    queries = {}
    for step, path in paths.items():
        client.get(path)  # templates are compiled once
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        queries[step] = len(asked)
    print(json.dumps({"paths": paths, "queries": queries, "session": client.cookies["sessionid"].value}), flush=True)


def write(incident: Incident, actor: Actor) -> None:
    """Notes up to ``ENTRIES``, chained as ``timeline.append`` chains them, in one statement."""
    from accounts import clock
    from accounts.models import acted_by
    from incidents.models import TimelineEntry
    from incidents.operations import timeline

    entries = []
    for sequence in range(incident.last_sequence + 1, ENTRIES + 1):
        at = clock.now()
        entry = TimelineEntry(
            incident=incident,
            sequence=sequence,
            at=at,
            recorded_at=at,
            kind=TimelineEntry.Kind.NOTE,
            text=f"Note {sequence} of a long night.",
            is_key=sequence % 10 == 0,
            previous_digest=incident.last_digest,
            **acted_by(actor),
        )
        incident.last_sequence, incident.last_digest = sequence, timeline.digest(entry)
        entry.digest = incident.last_digest
        entries.append(entry)
    TimelineEntry.objects.bulk_create(entries, batch_size=1000)
    incident.save(update_fields=["last_sequence", "last_digest"])
    assert timeline.first_broken(incident) is None


if __name__ == "__main__":
    main()
