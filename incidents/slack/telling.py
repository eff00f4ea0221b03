"""What Slack shows when asked: only to whoever asks, until they press "Post here"."""

from __future__ import annotations

from django.conf import settings

from accounts import clock
from accounts.errors import NotFound
from incidents import access, links
from incidents.models import Incident, OnCall, Responder, SlackIdentity, Step
from incidents.operations import exits
from incidents.operations.slack_identity import sign_link
from incidents.slack import blocks
from incidents.slack.asking import POST, Ask, Asked, Reply
from incidents.slack.whereabouts import incident_of
from rollouts.models import RollbackLeg

SHOWN = 20
LEG_SIGNS = {
    RollbackLeg.State.OPEN: "○",
    RollbackLeg.State.RUNNING: "▶",
    RollbackLeg.State.DONE: "✔",
    RollbackLeg.State.FAILED: "✖",
    RollbackLeg.State.BLOCKED: "⊘",
    RollbackLeg.State.WAIVED: "⤼",
    RollbackLeg.State.NOT_APPLICABLE: "✔",
}


def menu(ask: Ask) -> Reply:
    """Buttons; there is no syntax to remember."""
    text = "What do you want to do?"
    first = blocks.actions(
        blocks.button("declare", "Declare an incident", "", style="primary"),
        blocks.button("list", "What is open", ""),
        blocks.button("ack", "Acknowledge", ""),
        blocks.button("rollback", "Roll back", "", style="danger"),
        blocks.button("stop", "Stop", "", style="danger"),
    )
    second = blocks.actions(
        blocks.button("oncall", "Who is on call", ""),
        blocks.button("legs", "Rollback legs", ""),
        blocks.button("help", "All commands", ""),
    )
    return Reply(text, (blocks.section(text), first, second))


def status(ask: Ask) -> Reply:
    """status [ref]"""
    incident, _ = incident_of(ask, "status", numbers=True)
    return shown(ask, f"status {incident.ref}", blocks.headline(incident), blocks.facts(facts_of(incident)))


def facts_of(incident: Incident) -> list[tuple[str, str]]:
    """What a reader needs first: where it stands, who has it, what it is about, what to press next."""
    commander = incident.responders.select_related("user").filter(duty=Responder.Duty.COMMANDER, to_at=None).first()
    return [
        ("Step", f"{Step(incident.step).label} · {incident.status}"),
        ("Held by", f"◍ {_name(incident.acknowledged_by)}" if incident.acknowledged_by else "nobody yet"),
        ("Commander", f"◍ {_name(commander.user)}" if commander else "nobody yet"),
        ("Agent", blocks.escape(str(incident.deployment)) if incident.deployment else "not known yet"),
        ("Harm", harm(incident)),
        ("Opened", blocks.moment(incident.opened_at)),
        ("Next", blocks.escape(str(exits.do_next(incident)))),
    ]


def harm(incident: Incident) -> str:
    """The number that says how bad, against its limit, as the monitor sent it."""
    if incident.header_metric is None:
        return "no number was sent"
    value = "?" if incident.header_value is None else incident.header_value
    limit = f", limit {incident.header_comparator or ''} {incident.header_threshold}".rstrip()
    text = f"{incident.header_metric} {value}{limit if incident.header_threshold is not None else ''}"
    return blocks.escape(blocks.cut(text, 300))


def list_open(ask: Ask) -> Reply:
    """list"""
    found = list(access.incidents_for(ask.actor).open().order_by("severity", "-opened_at")[: SHOWN + 1])
    if not found:
        return shown(ask, "list", "✔ Nothing is open.")
    lines = [
        f"{blocks.headline(row)} · {Step(row.step).label} · "
        f"{_name(row.acknowledged_by) if row.acknowledged_by else '*nobody has it*'}"
        for row in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        lines.append("… and more, on the board.")
    # A section holds 3000 characters: four incidents each, however long their titles.
    parts = [blocks.section("\n".join(lines[start : start + 4])) for start in range(0, len(lines), 4)]
    return shown(ask, "list", f"{len(found[:SHOWN])} open", *parts)


def legs(ask: Ask) -> Reply:
    """legs [ref]"""
    incident, _ = incident_of(ask, "legs", numbers=True)
    newest = incident.machine_moves.filter(kind="rollback").order_by("-object_id").values("object_id")[:1]
    found = list(RollbackLeg.objects.filter(rollback__in=newest).select_related("closed_by"))
    if not found:
        return shown(ask, f"legs {incident.ref}", f"{blocks.room(incident)} has no rollback yet.")
    lines = [
        f"{LEG_SIGNS[RollbackLeg.State(leg.state)]} {leg.get_kind_display()}: {leg.get_state_display().lower()}"
        f"{f' by {_name(leg.closed_by)}' if leg.closed_by else ''}"
        for leg in found
    ]
    text = f"Legs of the rollback in {blocks.room(incident)}"
    return shown(ask, f"legs {incident.ref}", text, blocks.section("\n".join(lines)))


def on_call(ask: Ask) -> Reply:
    """oncall [team]"""
    at = clock.now()
    shifts = OnCall.objects.filter(from_at__lte=at, user__is_active=True).exclude(to_at__lte=at)
    wanted = ask.text.strip()
    if wanted:
        shifts = shifts.filter(team__slug__iexact=wanted)
    teams: dict[str, list[str]] = {}
    for shift in shifts.select_related("user", "team").order_by("team__name", "from_at")[:100]:
        team = shift.team.name if shift.team else "Everything without a team"
        teams.setdefault(team, []).append(f"◍ {_name(shift.user)}")
    if not teams and wanted:
        raise NotFound(f"Nobody is on call for {wanted}.")
    lines = [f"*{blocks.escape(team)}* {', '.join(names)}" for team, names in teams.items()]
    return shown(ask, f"oncall {wanted}".strip(), "\n".join(lines) or "Nobody is on call. Admins are paged.")


def help_text(lines: list[str]) -> Reply:
    """Every verb with what it takes."""
    command = settings.SLACK_COMMAND[0] if settings.SLACK_COMMAND else "/incident"
    text = "\n".join(f"`{command} {line}`" for line in lines)
    pin = "Put a message on the timeline: react with :pushpin:, or choose “Add to the timeline” from its menu."
    return Reply("All commands", (blocks.section(text), blocks.context(pin)))


def link(asked: Asked, delivery: int) -> Reply:
    """A link that says which Slack user is whose, for ten minutes, once."""
    known = SlackIdentity.objects.select_related("user").filter(team_id=asked.team, slack_user_id=asked.user).first()
    if known is not None:
        return Reply(f"You are linked to ◍ {_name(known.user)}. An admin can undo that in Settings › People.")
    url = links.link_slack(sign_link(delivery))
    return Reply(f"{blocks.link(url, 'Say who you are')}: open this and sign in. It works once, for ten minutes.")


def shown(ask: Ask, again: str, text: str, *more: blocks.Block) -> Reply:
    """A reading, with a button that shows it to everybody: ``again`` is the command that asks for it."""
    where = () if ask.asked.to_channel else (blocks.actions(blocks.button(POST, "Post here", again)),)
    as_of = blocks.context(f"as of {blocks.moment(clock.now())}")
    return Reply(text, (blocks.section(text), *more, as_of, *where), to_channel=ask.asked.to_channel)


def _name(user: object) -> str:
    return blocks.escape(str(user))
