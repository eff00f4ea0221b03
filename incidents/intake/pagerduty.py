"""PagerDuty's Events API v2: what thousands of senders speak already. Events are alerts, change events are not."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from incidents.intake import fields
from incidents.reading import AlertSignal, ChangeSignal, Said, Unreadable

SOURCE = "pagerduty-events-v2"
SAID = {"trigger": Said.FIRING, "resolve": Said.RESOLVED, "acknowledge": Said.HELD}
SEVERITIES = ("critical", "error", "warning", "info")
#: A component is what others call a service.
FIELDS: fields.Vocabulary = fields.FIELDS | {"service": ("service", "component"), "severity": ("severity",)}
#: What PagerDuty's own Python client writes: an offset and a Z behind it.
DOUBLE_ZONE = re.compile(r"[+-]\d\d:\d\dZ$")
SUMMARY_LENGTH, SOURCE_LENGTH, LINKS = 1024, 300, 50


def parse(body: Any, settings: Mapping[str, Any]) -> list[AlertSignal] | ChangeSignal:
    """A stored body: without an action it is a change event."""
    is_change = isinstance(body, dict) and "event_action" not in body and isinstance(body.get("payload"), dict)
    return change(body, settings) if is_change else event(body, settings)


def event(body: Any, settings: Mapping[str, Any]) -> list[AlertSignal]:
    """One event: trigger, acknowledge or resolve."""
    body = an_object(body)
    action = fields.text_or_none(body.get("event_action"))
    said = SAID.get(action or "")
    payload = body.get("payload") if isinstance(body.get("payload"), dict) else {}
    key = fields.text_or_none(body.get("dedup_key"))
    severity = fields.text_or_none(payload.get("severity"))
    problems = [] if said else ["'event_action' must be trigger, acknowledge or resolve"]
    if said == Said.FIRING:
        if not payload:
            problems.append("'payload' is missing or blank")
        else:
            problems += missing(payload, "summary", "source", "severity")
            if severity is not None and severity not in SEVERITIES:
                problems.append(f"'payload.severity' must be one of {', '.join(SEVERITIES)}")
    elif said is not None and key is None:
        problems.append(f"'dedup_key' is missing or blank: {action} needs the key of an alert")
    if problems or said is None:
        raise Unreadable("; ".join(problems))
    words = fields.vocabulary(settings, FIELDS)
    details = payload.get("custom_details")
    places = [details, payload] if isinstance(details, dict) else [payload]
    title = fields.text_or_none(payload.get("summary")) or f"Event {key}"
    return [
        AlertSignal(
            dedup_key=fields.bounded_key(key or uuid.uuid4().hex),
            said=said,
            word=f"{action}d" if said == Said.HELD else "",
            title=fields.one_line(title),
            severity=severity or "",
            started_at=moment(payload) if said == Said.FIRING else None,
            ended_at=moment(payload) if said == Said.RESOLVED else None,
            labels=labels(payload),
            annotations=annotated(body, details),
            links=fields.links([*(link.get("href") for link in linked(body)), body.get("client_url")]),
            names=fields.names(places, words),
            header=fields.header(places, words),
        )
    ]


def change(body: Any, settings: Mapping[str, Any]) -> ChangeSignal:
    """One change event."""
    body = an_object(body)
    payload = body.get("payload")
    if not isinstance(payload, dict) or not payload:
        raise Unreadable("'payload' is missing or blank")
    if problems := missing(payload, "summary"):
        raise Unreadable("; ".join(problems))
    details = payload.get("custom_details")
    own = details if isinstance(details, dict) else {}
    names = fields.names([own, payload], fields.vocabulary(settings, FIELDS))
    return ChangeSignal(
        summary=fields.cut(" ".join(str(payload["summary"]).split()), SUMMARY_LENGTH),
        source=fields.cut(fields.text_or_none(payload.get("source")) or "", SOURCE_LENGTH),
        at=moment(payload),
        details=own or ({"details": details} if details else {}),
        links=tuple(
            {"href": link["href"], "text": fields.one_line(fields.text_or_none(link.get("text")) or link["href"])}
            for link in linked(body)
            if fields.is_link(link.get("href"))
        )[:LINKS],
        names=names,
    )


def an_object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unreadable("The event is not an object")
    return body


def missing(payload: Mapping[str, Any], *names: str) -> list[str]:
    """A sentence for each of ``names`` that the payload lacks."""
    return [f"'payload.{name}' is missing or blank" for name in names if fields.text_or_none(payload.get(name)) is None]


def moment(payload: Mapping[str, Any]) -> Any:
    """When it happened, as far as it was sent."""
    sent = payload.get("timestamp")
    return fields.time_or_none(sent[:-1] if isinstance(sent, str) and DOUBLE_ZONE.search(sent) else sent)


def labels(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload's own members, as they are told apart by."""
    return {name: value for name in ("source", "component", "group", "class") if (value := payload.get(name))}


def annotated(body: Mapping[str, Any], details: Any) -> dict[str, Any]:
    """Custom details, and who sent it with which pictures and links."""
    own = dict(details) if isinstance(details, dict) else {"custom_details": details} if details else {}
    for name in ("client", "client_url", "links", "images"):
        if body.get(name):
            own.setdefault(name, body[name])
    return own


def linked(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    links = body.get("links")
    return [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
