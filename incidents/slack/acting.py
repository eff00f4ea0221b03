"""What people do from Slack: each verb reads what was typed, calls one operation, and says what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import User
from incidents import access, links
from incidents.forms import SEVERITY_MEANINGS
from incidents.models import Incident, Origin, Severity, SlackIdentity, Step
from incidents.operations import acknowledge as acknowledging
from incidents.operations import declare as declaring
from incidents.operations import duty as duties
from incidents.operations import exits, proving
from incidents.operations import note as noting
from incidents.operations import resolve as resolving
from incidents.operations import severity as severities
from incidents.slack import blocks
from incidents.slack.asking import Ask, RefusedWithLinks, Reply, first_word
from incidents.slack.whereabouts import has_card_here, here, incident_of
from rollouts.models import Deployment

MENTION = re.compile(r"<@([A-Z0-9]{2,20})(?:\|[^>]*)?>|([UW][A-Z0-9]{2,19})")
DECLARATION = re.compile(r"sev([1-4])\s+(\S.*)", re.IGNORECASE | re.DOTALL)
LEVEL = re.compile(r"(?:SEV)?([1-4])", re.IGNORECASE)


def ack(ask: Ask) -> Reply:
    """ack [ref]"""
    incident, _ = incident_of(ask, "ack", numbers=True)
    incident = acknowledging.acknowledge(incident, actor=ask.actor)
    return told(ask, incident, f"{mention(ask)} has {blocks.room(incident)}.")


def note(ask: Ask) -> Reply:
    """note [ref] <text>"""
    incident, text = incident_of(ask, "note")
    noting.add(incident, actor=ask.actor, text=blocks.plain(text))
    return Reply(f"✔ On the timeline of {blocks.room(incident)}.")


def sev(ask: Ask) -> Reply:
    """sev [ref] <1-4> [reason]"""
    second, words = first_word(first_word(ask.text)[1])
    # Of two numbers the first is the incident; where a card stands only when no words follow: "2 4 regions are down".
    both = LEVEL.fullmatch(second) is not None and (not words or not here(ask))
    incident, rest = incident_of(ask, "sev", numbers=both)
    word, reason = first_word(rest)
    level = LEVEL.fullmatch(word)
    if level is None:
        raise OperationRefused("Say how bad it is: `sev 1` (worst) to `sev 4`.", status=422)
    before = incident.severity
    incident = severities.set_severity(
        incident, actor=ask.actor, severity=f"SEV{level[1]}", reason=blocks.plain(reason)
    )
    return told(ask, incident, f"{blocks.room(incident)}: {before} → {incident.severity}, says {mention(ask)}.")


def role(ask: Ask) -> Reply:
    """role [ref] <duty> [@person]; somebody else has to accept."""
    incident, rest = incident_of(ask, "role")
    duty, whom = first_word(rest)
    accepting = duty.lower() == "accept" and ask.asked.pressed
    if accepting:
        duty, whom = first_word(whom)
    duty = duty.lower()
    match = MENTION.fullmatch(whom.strip())
    receiver = (match[1] or match[2]) if match else ask.asked.user if whom.strip() in {"", "me"} else ""
    if not receiver:
        raise OperationRefused("Name somebody by a mention, like `role commander @mara`.", status=422)
    if accepting and receiver != ask.asked.user:
        raise NotPermitted(f"Only the person asked can accept. Type `role {duty}` to take it yourself.")
    if receiver == ask.asked.user:
        incident = duties.assign(incident, actor=ask.actor, user=somebody(ask.actor), duty=duty)
        return told(ask, incident, f"{mention(ask)} is {blocks.escape(duty)} of {blocks.room(incident)}.")
    return _offer(ask, incident, duty, receiver)


def _offer(ask: Ask, incident: Incident, duty: str, receiver: str) -> Reply:
    """Nobody is made responsible by others: the person named presses Accept."""
    person = SlackIdentity.objects.select_related("user").filter(team_id=ask.asked.team, slack_user_id=receiver).first()
    if person is None:
        raise OperationRefused("That person is not linked yet. They type `/incident link` first.")
    duties.refuse_offering(person.user, duty, actor=ask.actor)
    text = f"<@{receiver}>: {mention(ask)} asks you to be {duty} of {blocks.room(incident)}."
    accept = blocks.button("role", "Accept", f"{incident.ref} accept {duty} {receiver}", style="primary")
    return Reply(text, (blocks.section(text), blocks.actions(accept)), to_channel=True)


def declare(ask: Ask) -> Reply:
    """declare [text]: a dialog; declare sev2 <text>: at once"""
    fields = ask.asked.fields
    if fields is not None:
        return _declared(
            ask, fields.get("title", ""), fields.get("severity", ""), fields.get("agent", ""), fields.get("note", "")
        )
    whole = DECLARATION.fullmatch(ask.text.strip())
    if whole is not None:
        return _declared(ask, blocks.plain(whole[2]), f"SEV{whole[1]}")
    return Reply(
        f"The dialog did not open. Type it: `declare sev3 what is wrong`, or open {links.declare()}",
        view=_declare_dialog(ask),
    )


def _declared(ask: Ask, title: str, severity: str, agent: str = "", note: str = "") -> Reply:
    incident = declaring.declare(
        actor=ask.actor,
        title=title,
        severity=severity or Severity.SEV3,
        deployment=access.find_deployment(ask.actor, agent) if agent else None,
        note=note,
    )
    return told(ask, incident, f"{mention(ask)} declared {blocks.headline(incident)}")


def _declare_dialog(ask: Ask) -> blocks.Block:
    levels = [(level.value, f"{level.value}: {meaning}") for level, meaning in SEVERITY_MEANINGS.items()]
    running = Deployment.objects.exclude(active=None).select_related("bundle")
    agents = [(str(row), str(row)) for row in running.order_by("-environment__position", "bundle__key")[:100]]
    shown = [
        blocks.field(
            "title",
            "What is wrong",
            blocks.words(blocks.plain(ask.text), longest=300),
            hint="As a customer would say it, like “Refund agent pays twice”.",
        ),
        blocks.field("severity", "Severity", blocks.choice(levels, Severity.SEV3)),
        *([blocks.field("agent", "Agent", blocks.choice(agents), optional=True)] if agents else []),
        blocks.field("note", "What you have seen", blocks.words(lines=True), optional=True),
    ]
    kept = json.dumps({"channel": ask.asked.channel})
    return blocks.dialog("declare", "Declare an incident", shown, submit="Declare", kept=kept)


def resolve(ask: Ask) -> Reply:
    """resolve [ref]: a dialog with what is missing, else with where it came from and what fixed it"""
    incident, _ = incident_of(ask, "resolve", numbers=True)
    fields = ask.asked.fields
    if fields is not None:
        incident = _resolved(ask, incident, fields)
        return told(ask, incident, f"{mention(ask)} resolved {blocks.headline(incident)}")
    if not incident.is_open:
        raise OperationRefused(f"{incident.ref} is resolved already.")
    page = links.step(incident.ref, Step.RESOLVE)
    return Reply(f"The dialog did not open. Resolve it in {page}", view=_resolve_dialog(ask, incident))


def _resolved(ask: Ask, incident: Incident, fields: Mapping[str, str]) -> Incident:
    """Resolve; the dialog has closed, so a refusal names everything unmet, each with where it is done."""
    try:
        return resolving.resolve(
            incident,
            actor=ask.actor,
            resolution=fields.get("resolution", ""),
            origin=fields.get("origin", ""),
            no_case_reason=fields.get("no_case_reason", ""),
        )
    except OperationRefused as refusal:
        if "reasons" not in refusal.details:
            raise
        shown = f"{blocks.room(incident)} cannot be resolved yet:\n{_orders(incident, refusal.details['reasons'])}"
        raise RefusedWithLinks(refusal, shown) from None


def _orders(incident: Incident, texts: Iterable[str]) -> str:
    """What is still to do, a line each, leading to the panel where it is done."""
    containing = set(exits.unmet(incident, Step.CONTAIN))
    steps = ((text, Step.CONTAIN if text in containing else Step.RESOLVE) for text in texts)
    return "\n".join(f"• {blocks.link(links.step(incident.ref, step), text)}" for text, step in steps)


def _resolve_dialog(ask: Ask, incident: Incident) -> blocks.Block:
    kept = json.dumps({"channel": ask.asked.channel, "text": incident.ref})
    why = proving.unmet(proving.standing(incident))  # what the dialog itself can settle
    missing = [text for text in exits.unmet(incident, Step.RESOLVE) if text not in why]
    head = blocks.section(blocks.headline(incident))
    if missing:
        shown = [head, blocks.section(f"*Still missing*\n{_orders(incident, [*missing, *why])}")]
        return blocks.dialog("resolve", f"Resolve {incident.ref}", shown, kept=kept)
    shown = [
        head,
        *([blocks.section(_orders(incident, why))] if why else []),
        blocks.field(
            "resolution",
            "What makes it right",
            blocks.words(incident.resolution, lines=True),
            hint="Name the system, not the person: “The new prompt had no output schema”.",
        ),
        blocks.field("origin", "Where it came from", blocks.choice(Origin.choices), optional=True),
        blocks.field("no_case_reason", "Why a cause without a case gets none", blocks.words(lines=True), optional=True),
    ]
    return blocks.dialog("resolve", f"Resolve {incident.ref}", shown, submit="Resolve", kept=kept)


def told(ask: Ask, incident: Incident, text: str) -> Reply:
    """Everybody in the channel is told; by the incident's card, where that stands here."""
    return Reply(text, to_channel=not has_card_here(ask, incident))


def mention(ask: Ask) -> str:
    """The person who asks, by the name they have here: mentioning would call them."""
    return f"◍ {blocks.escape(ask.actor.label)}"


def somebody(actor: Actor) -> User:
    """The person who acts."""
    if actor.person is None:
        raise NotPermitted("Only a person holds a duty.")
    return actor.person
