"""What is told of an incident, and in which words: one event is one entry of its timeline."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from incidents import links
from incidents.models import Destination, TimelineEntry

Kind = TimelineEntry.Kind
#: The kinds of entries that destinations may hear of, and the word for each.
EVENTS: dict[str, str] = {
    Kind.OPENED: "Opened",
    Kind.DECLARED: "Declared",
    Kind.SEVERITY: "Severity changed",
    Kind.ACKNOWLEDGED: "Acknowledged",
    Kind.LAPSED: "Acknowledgement lost",
    Kind.ROLLBACK: "Rolled back",
    Kind.ROLL_FORWARD: "Rolled forward",
    Kind.STOP: "Stopped",
    Kind.RELEASE: "Released",
    Kind.CONTAINED: "Contained",
    Kind.RECOVERED: "Recovered",
    Kind.FIRING_AGAIN: "Firing again",
    Kind.RESOLVED: "Resolved",
    Kind.REOPENED: "Reopened",
    Kind.DOCUMENTED: "Postmortem closed",
    Kind.PUBLISHED: "Postmortem published",
}
SCHEMA = "lastgood.event/1"
TEST = "test"


def written(kind: str, entry: TimelineEntry, message_id: str) -> tuple[str, str]:
    """Subject and body for a destination of ``kind`` about ``entry``, whose incident says how things stand now."""
    incident = entry.incident
    word = EVENTS[entry.kind]
    seen = {
        "entry": entry,
        "said": entry.text.removesuffix("."),
        "incident": incident,
        "word": word,
        "room": links.room(incident.ref),
        "by_person": entry.actor_kind == "person",
    }
    effect = one_line(render_to_string(f"notifications/effects/{entry.kind}.txt", seen))
    subject = one_line(f"{incident.severity} {incident.ref} {word.lower()}: {incident.title}", 300)
    if kind == Destination.Kind.WEBHOOK:
        return subject, event(entry, effect, message_id)
    if kind == Destination.Kind.SLACK:
        safe = {name: escaped(text) for name, text in {"effect": effect, "title": one_line(incident.title)}.items()}
        return subject, render_to_string("notifications/slack.txt", seen | safe).strip()
    return subject, render_to_string("notifications/mail.txt", seen | {"effect": effect}).lstrip()


def event(entry: TimelineEntry, effect: str, message_id: str) -> str:
    """The JSON of ``lastgood.event/1`` (docs/notifications.md)."""
    incident = entry.incident
    return as_json(
        {
            "schema": SCHEMA,
            "id": message_id,
            "kind": entry.kind,
            "at": entry.at.isoformat().replace("+00:00", "Z"),
            "incident": {
                "ref": incident.ref,
                "title": incident.title,
                "severity": incident.severity,
                "step": incident.step,
                "status": incident.status,
                "deployment": str(incident.deployment) if incident.deployment is not None else None,
                "url": links.room(incident.ref),
            },
            "actor": {"kind": entry.actor_kind, "label": entry.actor_label},
            "text": f"{incident.severity} {incident.ref}: {effect}",
            "data": entry.data,
        }
    )


def trial(kind: str, name: str, by: str, at: str, message_id: str) -> tuple[str, str]:
    """Subject and body of a test: marked as one, so that nobody runs."""
    subject = f"Test from Lastgood to {name}"
    text = f"This is a test from Lastgood, sent by {by}. Nothing has happened. {settings.BASE_URL}"
    if kind == Destination.Kind.WEBHOOK:
        actor = {"kind": "person", "label": by}
        said: dict[str, Any] = {"schema": SCHEMA, "id": message_id, "kind": TEST, "at": at, "incident": None}
        return subject, as_json(said | {"actor": actor, "text": text, "data": {}})
    return subject, escaped(text) if kind == Destination.Kind.SLACK else f"{text}\n"


def as_json(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def one_line(text: str, room: int = 400) -> str:
    """``text`` without line breaks, which would end a mail's subject; shortened to ``room`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= room else f"{line[: room - 1]}…"


def escaped(text: str) -> str:
    """``text`` as Slack shows it: its three signs of control mean themselves, so nobody is mentioned or linked."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
