"""Fills a database with a quarter of postmortems and says how to look at it: JSON on one line."""

from __future__ import annotations

import json
import random
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from accounts.models import User


def main(count: int) -> None:
    """``count`` incidents with published postmortems in this quarter."""
    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from accounts.models import SiteRole, User

    person = User.objects.create_user("bench@example.com", name="Bench", roles=[SiteRole.ADMIN])
    fill(count, person)
    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    client.force_login(person)
    client.get("/review/")  # templates are compiled once
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/review/").status_code == 200
    print(json.dumps({"queries": len(asked), "session": client.cookies["sessionid"].value}), flush=True)


def fill(count: int, person: User) -> None:
    """Rows as the postmortem's operations leave them, in one statement per table."""
    from accounts import clock
    from accounts.actors import Actor
    from accounts.models import acted_by
    from incidents.models import (
        ActionItem,
        Cause,
        Diagnosis,
        Incident,
        Layer,
        LayerFinding,
        MovedVariable,
        Origin,
        Postmortem,
        PostmortemRevision,
    )
    from incidents.quarters import Quarter

    dice = random.Random(7)
    now = clock.now()
    begin = Quarter.of(now).start
    span = max((now - begin).total_seconds() - 3600, 60)
    by = acted_by(Actor.of_user(person))
    rooms = []
    for number in range(1, count + 1):
        opened = begin + timedelta(seconds=dice.uniform(0, span))
        contained = opened + timedelta(seconds=dice.lognormvariate(6, 1.2))
        resolved = contained + timedelta(seconds=dice.lognormvariate(9, 1.2))
        rooms.append(
            Incident(
                ref=f"INC-{100_000 + number}",
                title=f"Refund success below its threshold, take {number}",
                severity=dice.choice(["SEV1", "SEV2", "SEV3", "SEV3", "SEV4"]),
                diagnosis=dice.choice(Diagnosis.values),
                opened_at=opened,
                acknowledged_at=opened + timedelta(seconds=dice.lognormvariate(4, 1)),
                acknowledged_by=person,
                triaged_at=contained,
                contained_at=contained,
                resolved_at=resolved,
                documented_at=resolved + timedelta(days=dice.uniform(0.5, 5)),
            )
        )
    Incident.objects.bulk_create(rooms)
    pages = Postmortem.objects.bulk_create([Postmortem(incident=room, updated_at=now) for room in rooms])
    LayerFinding.objects.bulk_create(
        LayerFinding(postmortem=page, layer=layer, finding=dice.choice(LayerFinding.Finding.values), updated_at=now)
        for page in pages
        for layer in Layer.values
    )
    MovedVariable.objects.bulk_create(
        MovedVariable(postmortem=page, variable=variable, moved=dice.choice(MovedVariable.Moved.values), updated_at=now)
        for page in pages
        for variable in MovedVariable.Variable.values
    )
    Cause.objects.bulk_create(
        Cause(incident=room, origin=dice.choice(Origin.values), confidence="likely", at=now, **by) for room in rooms
    )
    ActionItem.objects.bulk_create(
        ActionItem(
            postmortem=page,
            position=position,
            text="Add a case",
            kind="eval_case",
            owner=person,
            due_on=(now + timedelta(days=dice.uniform(-30, 60))).date(),
            updated_at=now,
        )
        for page in pages
        for position in (1, 2)
    )
    PostmortemRevision.objects.bulk_create(
        PostmortemRevision(postmortem=page, number=1, content={}, digest="0" * 64, at=now, **by) for page in pages
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
