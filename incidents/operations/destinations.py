"""Where notices go: added, changed, tried and disabled by an admin."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import Team
from accounts.operations import audit
from accounts.outbound import guard, signing, wire
from accounts.permissions import Permission, require
from accounts.secrets import Unsealable, seal, unseal
from incidents.models import Destination, Notice, Severity
from incidents.notifications import registry
from incidents.notifications.base import Message, TransportError
from incidents.notifications.events import EVENTS, trial
from incidents.operations.refusals import given, known, person

Kind = Destination.Kind
SLACK_CHANNEL = re.compile(r"#[^\s#@<>,]{1,80}|[CGD][A-Z0-9]{6,20}")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of sending a test; ``answer`` is a sentence."""

    ok: bool
    answer: str
    took_ms: float


@transaction.atomic
def create(
    *,
    actor: Actor,
    kind: str,
    name: str,
    address: str,
    events: Iterable[str] = (),
    least_severity: str = Severity.SEV4,
    team: Team | None = None,
    at: datetime | None = None,
) -> tuple[Destination, str]:
    """A new destination, and the secret that signs what a webhook gets: it is shown this once."""
    require(actor, Permission.ADMIN)
    by = person(actor, "add a destination")
    known(kind, Kind.values, "kind of destination")
    address = checked(kind, address)
    name, wanted, least = described(name, events, least_severity)
    secret = signing.new_secret() if kind == Kind.WEBHOOK else ""
    try:
        with transaction.atomic():
            destination = Destination.objects.create(
                kind=kind,
                name=name,
                address=address,
                secret=seal(secret) if secret else b"",
                events=wanted,
                least_severity=least,
                team=team,
                created_at=at or clock.now(),
                created_by=by,
            )
    except IntegrityError:
        raise OperationRefused("There is a destination with this address. Change that one.") from None
    audit.record(actor, "add destination", str(destination), data=said(destination), at=at)
    return destination, secret


@transaction.atomic
def change(
    destination: Destination,
    *,
    actor: Actor,
    name: str,
    events: Iterable[str],
    least_severity: str,
    team: Team | None,
    at: datetime | None = None,
) -> Destination:
    """Change what it hears of. Its kind and address stay; another address is another destination."""
    destination = usable(destination, actor)
    before = said(destination)
    destination.name, destination.events, destination.least_severity = described(name, events, least_severity)
    destination.team = team
    destination.save(update_fields=["name", "events", "least_severity", "team"])
    changes = {"from": before, "to": said(destination)}
    audit.record(actor, "change destination", str(destination), data=changes, at=at)
    return destination


@transaction.atomic
def rotate(destination: Destination, *, actor: Actor, at: datetime | None = None) -> str:
    """A new signing secret, shown this once; whatever is sent from now on is signed with it."""
    destination = usable(destination, actor)
    if destination.kind != Kind.WEBHOOK:
        raise OperationRefused("Only webhooks have a secret of their own.")
    secret = signing.new_secret()
    destination.secret = seal(secret)
    destination.save(update_fields=["secret"])
    audit.record(actor, "rotate destination secret", str(destination), at=at)
    return secret


@transaction.atomic
def disable(destination: Destination, *, actor: Actor, at: datetime | None = None) -> Destination:
    """Send nothing there any more, also what is waiting. It stays in the log."""
    destination = usable(destination, actor)
    destination.disabled_at = at or clock.now()
    destination.save(update_fields=["disabled_at"])
    waiting = Notice.objects.filter(destination=f"destination:{destination.pk}", done_at=None, given_up_at=None)
    waiting.update(given_up_at=destination.disabled_at, claimed_until=None, error="The destination was disabled.")
    audit.record(actor, "disable destination", str(destination), at=at)
    return destination


def test(destination: Destination, *, actor: Actor) -> Trial:
    """Really send a message that says it is a test, now, and say what was answered. Outside any transaction."""
    require(actor, Permission.ADMIN)
    if destination.disabled_at is not None:
        raise OperationRefused(f"{destination} is disabled. Add it again.")
    at = clock.now()
    message_id = f"test-{destination.pk}-{at:%Y%m%d%H%M%S%f}"
    subject, body = trial(destination.kind, destination.name, actor.label, at.isoformat(), message_id)
    begun = time.monotonic()
    try:
        answer, ok = send(destination, subject, body, message_id), True
    except TransportError as error:
        answer, ok = str(error), False
    took = (time.monotonic() - begun) * 1000
    audit.record(actor, "test destination", str(destination), data={"ok": ok, "answer": answer}, at=at)
    return Trial(ok, answer, took)


def send(destination: Destination, subject: str, body: str, message_id: str) -> str:
    """Hand a message to the destination's transport; what was answered, or TransportError."""
    try:
        secret = unseal(destination.secret) if destination.secret else ""
    except Unsealable as error:
        raise TransportError(str(error)) from None
    return registry.send(destination.kind, Message(destination.address, subject, body, message_id, secret))


def usable(destination: Destination, actor: Actor) -> Destination:
    """The locked row, when ``actor`` may change it and it is not disabled."""
    require(actor, Permission.ADMIN)
    found = Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)
    if found.disabled_at is not None:
        raise OperationRefused(f"{found} is disabled. Add it again.")
    return found


def described(name: str, events: Iterable[str], least_severity: str) -> tuple[str, list[str], str]:
    """Name, events and severity as they may be stored; the events in one order, each once."""
    name = " ".join(given(name, "Give the destination a name.").split())
    if len(name) > 100:
        raise OperationRefused("Give the destination a name of at most 100 characters.", status=422)
    asked = {known(event, list(EVENTS), "event") for event in events}
    least = known(least_severity, Severity.values, "severity")
    return name, [event for event in EVENTS if event in asked], least


def checked(kind: str, address: str) -> str:
    """``address`` when it has the shape that ``kind`` needs. Where a webhook's name leads is judged at every send."""
    address = given(address, "Enter the address.")
    if len(address) > 500:
        raise OperationRefused("That address is longer than 500 characters.", status=422)
    if kind == Kind.EMAIL:
        try:
            validate_email(address)
        except ValidationError:
            raise OperationRefused("That is no e-mail address.", status=422) from None
    elif kind == Kind.SLACK:
        if not SLACK_CHANNEL.fullmatch(address):
            raise OperationRefused("Enter a channel, like #incidents, or its id, like C024BE91L.", status=422)
    else:
        try:
            url = wire.target(address)
            if guard.is_numeric(url.host):
                guard.check(url.host, url.host)
        except guard.Refused as refusal:
            raise OperationRefused(str(refusal), status=422) from None
    return address


def said(destination: Destination) -> dict[str, object]:
    """What the audit log keeps of it: never the address of a webhook, which may be a secret in itself."""
    return {
        "kind": destination.kind,
        "name": destination.name,
        "events": destination.events,
        "least_severity": destination.least_severity,
        "team": destination.team.slug if destination.team is not None else None,
    }
