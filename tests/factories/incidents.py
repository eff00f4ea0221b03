"""Incidents for tests, made by the operations that make real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from accounts import clock
from accounts.actors import Actor
from accounts.models import SiteRole, Team, User
from incidents import receivers
from incidents.models import Destination, Incident, OnCall, Postmortem, PostmortemRevision, TimelineEntry
from incidents.operations import contain, destinations, opening, resolve
from incidents.operations.postmortems import closing, draft, edit, publish
from rollouts import signals
from rollouts.models import Deployment
from tests.factories.accounts import CLOCKWORK, person
from tests.factories.rollouts import deployment as a_deployment


def incident(
    deployment: Deployment | None = None, *, severity: str = "SEV3", actor: Actor = CLOCKWORK, **fields: Any
) -> Incident:
    """An open incident about ``deployment`` (a fresh one unless said), opened by a machine."""
    fields.setdefault("title", "Schema-valid rate below 95 %")
    return opening.open_incident(actor=actor, severity=severity, deployment=deployment or a_deployment(), **fields)


def on_call(user: User, team: Team | None = None, **fields: Any) -> OnCall:
    """``user`` has been on call for a month, for ``team`` or for everything without one."""
    fields.setdefault("from_at", clock.now() - timedelta(days=30))
    return OnCall.objects.create(user=user, team=team, **fields)


def someone(name: str, *roles: str, **fields: Any) -> User:
    """A fresh person called ``name``, responder unless said."""
    user = person(*roles, name=name, **fields).user
    assert user is not None
    return user


def destination(kind: str = "webhook", address: str = "https://hooks.example/lastgood", **fields: Any) -> Destination:
    """A destination that wants to hear of everything, added by an admin."""
    fields.setdefault("name", f"Our {kind}")
    return destinations.create(actor=person(SiteRole.ADMIN), kind=kind, address=address, **fields)[0]


def last(room: Incident) -> TimelineEntry:
    """The newest entry of its timeline."""
    return room.timeline.latest("sequence")


def resolved(room: Incident) -> Incident:
    """``room`` with its containment waived, resolved by somebody, its one cause without a case."""
    contain.waive(room, actor=person(), reason="nothing runs")
    return resolve.resolve(
        room,
        actor=person(),
        origin="user_side",
        resolution="They stopped.",
        no_case_reason="Nothing of ours was wrong.",
    )


TEXTS = {"root_cause": "A tool schema.", "impact": "418 refunds.", "resolution": "Back.", "prevention": "A case."}


def page_of(room: Incident, actor: Actor, **texts: str) -> Postmortem:
    """The postmortem of ``room`` with every required text (``texts`` replace some) and every rollback answered."""
    page = draft.begin(room, actor=actor)
    versions = dict(page.sections.values_list("name", "version"))
    for name, text in (TEXTS | texts).items():
        edit.save_section(page, actor=actor, name=name, text=text, version=versions.get(name, 0))
    for row in page.escapes.all():
        edit.save_row(page, "escapes", row.question, actor=actor, version=row.version, values={"answer": "Too small."})
    return page


def signed(page: Postmortem, actor: Actor) -> PostmortemRevision:
    """``page`` published by ``actor`` and signed by a commander and an approver."""
    revision = publish.publish(page, actor=actor)
    publish.sign(revision, actor=person(SiteRole.COMMANDER), role="commander")
    publish.sign(revision, actor=person(SiteRole.APPROVER), role="approver")
    return revision


def written(room: Incident, actor: Actor) -> Incident:
    """``room`` with a whole postmortem by ``actor``, signed and closed."""
    signed(page_of(room, actor), actor)
    return closing.close(room, actor=actor)


@contextmanager
def nobody_listening() -> Iterator[None]:
    """As if the process died between the commit and the receiver."""
    signals.machine_moved.disconnect(dispatch_uid="incidents")
    try:
        yield
    finally:
        receivers.connect()
