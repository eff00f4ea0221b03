"""Stopping the harm from Slack: one press, no version; everybody in the channel sees from, to, time, who and why."""

from __future__ import annotations

import re

from accounts.permissions import Permission, require
from accounts.words import milliseconds
from incidents import access
from incidents.models import Incident
from incidents.operations import contain as containing
from incidents.slack import blocks
from incidents.slack.acting import told
from incidents.slack.asking import Ask, Reply, first_word
from incidents.slack.whereabouts import CHOICES, NAMED, here
from rollouts.models import Deployment, Rollback, Stop
from rollouts.operations import kill_switch
from rollouts.operations import roll_back as machine

SCOPE = re.compile(r"whole|writes|(region|tool|cohort):\S+")
#: What a press stops unless it says more: the agent goes on reading.
NARROWEST = "writes"
EVERYTHING = "whole"


def rollback(ask: Ask) -> Reply:
    """rollback [ref | agent[/environment]] [reason]"""
    incident, deployment, rest = _target(ask)
    reason = blocks.plain(rest)
    if incident is not None:
        return told(ask, incident, _rolled_back(containing.roll_back(incident, actor=ask.actor, reason=reason)))
    if deployment is not None:
        done, _ = machine.roll_back(deployment, actor=ask.actor, reason=reason)
        return Reply(_rolled_back(done), to_channel=True)
    return _which(ask, "rollback", "Roll back", rest)


def stop(ask: Ask) -> Reply:
    """stop [ref | agent[/environment]] [scope] [reason]"""
    incident, deployment, rest = _target(ask)
    scope, reason = first_word(rest)
    if not SCOPE.fullmatch(scope):
        scope, reason = NARROWEST, rest
    if scope == EVERYTHING and not ask.asked.pressed and (incident or deployment):
        return _sure(ask, incident, incident.deployment if incident is not None else deployment, reason)
    reason = blocks.plain(reason)
    if incident is not None:
        stopped = containing.stop(incident, actor=ask.actor, scope=scope, reason=reason)
        return told(ask, incident, _stopped(stopped))
    if deployment is not None:
        stopped = kill_switch.stop(deployment, actor=ask.actor, scope=scope, reason=reason)
        return Reply(_stopped(stopped), to_channel=True)
    return _which(ask, "stop", "Stop", rest)


def _sure(ask: Ask, incident: Incident | None, deployment: Deployment | None, reason: str) -> Reply:
    """Wider than needed takes a second press: what it does stands beside it."""
    require(ask.actor, Permission.CONTAIN, deployment)
    about = incident.ref if incident is not None else str(deployment)
    words = blocks.escape(f"Stop all of {deployment or about}? It answers nobody until a person releases it.")
    press = blocks.button("stop", "Stop all of it", f"{about} {EVERYTHING} {reason}".strip(), style="danger")
    return Reply(words, (blocks.section(words), blocks.actions(press)))


def _target(ask: Ask) -> tuple[Incident | None, Deployment | None, str]:
    """The incident or deployment that is meant, and what else was typed; neither, when that is not clear.

    Where a card stands, "3 customers were charged twice" is a reason and not INC-3: a bare number or an agent's key
    names something only when no words follow it. ``INC-3`` and ``billing/prod`` always do.
    """
    named, rest = first_word(ask.text)
    found = here(ask)
    alone = not found or not rest or SCOPE.fullmatch(rest) is not None
    if NAMED.fullmatch(named) or (alone and named.isascii() and named.isdigit()):
        return access.get_incident(ask.actor, named), None, rest
    deployment = _deployment(named) if alone or "/" in named else None
    if deployment is not None:
        return None, deployment, rest
    return (found[0] if len(found) == 1 else None), None, ask.text


def _deployment(name: str) -> Deployment | None:
    """Where the agent that this word names runs, if it names one; prod when no environment is said."""
    key, _, environment = name.partition("/")
    return (
        Deployment.objects.select_related("bundle__agent", "environment", "active", "standing_rollback")
        .filter(bundle__key=key, environment_id=environment or "prod")
        .first()
        if key
        else None
    )


def _which(ask: Ask, verb: str, word: str, rest: str) -> Reply:
    """One button per agent with an open incident; where nothing is open, per agent that runs."""
    choices: dict[int | None, tuple[str, str]] = {}
    incidents = here(ask) or access.incidents_for(ask.actor).open().order_by("severity", "-opened_at")[:50]
    for incident in incidents:
        if incident.deployment is not None:
            choices.setdefault(incident.deployment_id, (str(incident.deployment), incident.ref))
    if not choices:
        running = Deployment.objects.exclude(active=None).filter(environment_id="prod").select_related("bundle")
        choices = {row.pk: (str(row), str(row)) for row in running.order_by("bundle__key")[:CHOICES]}
    if not choices:
        return Reply("Nothing runs here yet.")
    buttons = [
        blocks.button(verb, f"{word} {name}", f"{value} {rest}".strip(), style="danger", number=number)
        for number, (name, value) in enumerate(list(choices.values())[:CHOICES])
    ]
    effect = "its last good version, at once" if verb == "rollback" else "its writes stop, at once"
    text = f"Which agent? One press: {effect}."
    return Reply(text, (blocks.section(text), blocks.actions(*buttons)))


def _rolled_back(done: Rollback) -> str:
    versions = f"{blocks.escape(done.from_version.label)} → {blocks.escape(done.to_version.label)}"
    took = milliseconds(done.committed_ms)
    return f"⤺ Rolled back *{blocks.escape(str(done.deployment))}*: {versions} in {took}. {_who_when_why(done)}"


def _stopped(done: Stop) -> str:
    where = blocks.escape(str(done.kill_switch.deployment))
    return f"■ Stopped *{where}*: {blocks.escape(done.kill_switch.scope)}. {_who_when_why(done)}"


def _who_when_why(done: Rollback | Stop) -> str:
    at = done.flipped_at if isinstance(done, Rollback) else done.engaged_at
    glyph = blocks.GLYPHS[done.actor_kind]
    why = blocks.escape(done.reason) or "not said yet"
    return f"By {glyph} {blocks.escape(done.actor_label)}, {blocks.moment(at)}. Why: {why}"
