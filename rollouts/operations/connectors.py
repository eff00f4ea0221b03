"""Systems outside that do a part of a leg's work: added, tried, looked at again and disabled by an admin."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import User
from accounts.operations import audit
from accounts.outbound import signing
from accounts.outbound.errors import TransportError, shortened
from accounts.permissions import Permission, refusal, require
from accounts.secrets import Unsealable, seal
from rollouts.connectors import KINDS, Misconfigured
from rollouts.models import Agent, Connector, Environment
from rollouts.operations.leg_work import settings_of

MONTHS = 6
SECRET = 4096


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of asking whether it can be reached; ``answer`` is a sentence."""

    ok: bool
    answer: str
    took_ms: float


@transaction.atomic
def create(
    *,
    actor: Actor,
    kind: str,
    name: str,
    config: Mapping[str, str],
    legs: Iterable[str] = (),
    secret: str = "",
    agent: Agent | None = None,
    environment: Environment | None = None,
    at: datetime | None = None,
) -> tuple[Connector, str]:
    """A new connector, and the secret that signs what a webhook gets: it is shown this once.

    A home-grown way back carries a date six months ahead on which somebody looks at it again (R122).
    """
    require(actor, Permission.ADMIN)
    by = _admin(actor)
    at = at or clock.now()
    if kind not in KINDS:
        raise OperationRefused(f"A connector is {', '.join(KINDS)}, not {kind:.40}.", status=422)
    system = KINDS[kind]
    name = " ".join(name.split())
    if not name or len(name) > 100:
        raise OperationRefused("Give the connector a name of at most 100 characters.", status=422)
    wanted = list(dict.fromkeys(legs)) or (list(system.legs) if len(system.legs) == 1 else [])
    if not wanted or not set(wanted) <= set(system.legs):
        raise OperationRefused(f"{system.name} works for {', '.join(system.legs)}. Choose among them.", status=422)
    unknown = sorted(config.keys() - {line.name for line in system.lines})
    if unknown:
        known = ", ".join(line.name for line in system.lines)
        raise OperationRefused(f"{system.name} has the settings {known}; {unknown[0]:.40} is none.", status=422)
    try:
        checked = system.check(config)
    except Misconfigured as wrong:
        raise OperationRefused(str(wrong), status=422, details={"setting": wrong.name}) from None
    if len(secret) > SECRET:
        raise OperationRefused(f"A secret has at most {SECRET} characters.", status=422)
    if system.secret == "needed" and not secret:  # noqa: S105 (says whether there is one)
        raise OperationRefused(f"{system.name} needs its secret.", status=422)
    made = signing.new_secret() if system.secret == "made" else ""  # noqa: S105 (says where it comes from)
    kept = made or secret
    try:
        with transaction.atomic():
            connector = Connector.objects.create(
                kind=kind,
                name=name,
                agent=agent,
                environment=environment,
                legs=wanted,
                config=checked,
                secret=seal(kept) if kept else b"",
                review_due_at=in_months(at, MONTHS) if not system.undo_verb else None,
                created_at=at,
                created_by=by,
            )
    except IntegrityError:
        raise OperationRefused("There is a connector of this name. Give it another.") from None
    audit.record(actor, "add connector", str(connector), data=said(connector), at=at)
    return connector, made


@transaction.atomic
def disable(connector: Connector, *, actor: Actor, at: datetime | None = None) -> Connector:
    """Ask it nothing any more. Steps that wait for it are blocked, and say so."""
    found = _usable(connector, actor)
    found.disabled_at = at or clock.now()
    found.save(update_fields=["disabled_at"])
    audit.record(actor, "disable connector", str(found), at=at)
    return found


@transaction.atomic
def review(connector: Connector, *, actor: Actor, at: datetime | None = None) -> Connector:
    """Somebody looked whether the platform has a verb of its own by now; it is asked again in six months."""
    found = _usable(connector, actor)
    if found.review_due_at is None:
        raise OperationRefused(f"{found} uses its platform's own verb, so there is nothing to look at again.")
    found.review_due_at = in_months(at or clock.now(), MONTHS)
    found.save(update_fields=["review_due_at"])
    audit.record(actor, "review connector", str(found), data={"next": found.review_due_at.isoformat()}, at=at)
    return found


def test(connector: Connector, *, actor: Actor) -> Trial:
    """Really ask it, changing nothing there, and say what was answered. Outside any transaction."""
    require(actor, Permission.ADMIN)
    if connector.disabled_at is not None:
        raise OperationRefused(f"{connector} is disabled. Add it again.")
    begun = time.monotonic()
    try:
        answer, ok = KINDS[connector.kind].probe(settings_of(connector)).text, True
    except (TransportError, Unsealable) as error:
        answer, ok = str(error), False
    took = (time.monotonic() - begun) * 1000
    audit.record(actor, "test connector", str(connector), data={"ok": ok, "answer": shortened(answer, 300)})
    return Trial(ok, answer, took)


def in_months(at: datetime, months: int) -> datetime:
    """The same day so many months on, or the last there is of that month."""
    year, month = divmod(at.month - 1 + months, 12)
    for day in (at.day, 30, 29, 28):
        try:
            return at.replace(year=at.year + year, month=month + 1, day=day)
        except ValueError:
            continue
    raise ValueError(f"no day {at.day} in month {month + 1}")


def said(connector: Connector) -> dict[str, object]:
    """What the audit log keeps of it: never an address, which may be a secret in itself."""
    return {
        "kind": connector.kind,
        "legs": connector.legs,
        "agent": connector.agent.slug if connector.agent is not None else None,
        "environment": connector.environment_id,
    }


def _usable(connector: Connector, actor: Actor) -> Connector:
    require(actor, Permission.ADMIN)
    _admin(actor)
    found = Connector.objects.select_for_update(no_key=True).get(pk=connector.pk)
    if found.disabled_at is not None:
        raise OperationRefused(f"{found} is disabled. Add it again.")
    return found


def _admin(actor: Actor) -> User:
    """Connectors reach into what others run: a person answers for each."""
    if actor.user is None:
        raise NotPermitted(refusal(actor, Permission.ADMIN))
    return actor.user
