"""Any monitor that can post JSON: one object, a list of them, or ``{"alerts": [...]}``; fields in docs/alerts.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from incidents.intake import fields
from incidents.reading import AlertSignal, Said, Unreadable

#: What each thing may be called; an integration's ``settings["fields"]`` replaces a line.
FIELDS: fields.Vocabulary = fields.FIELDS | {
    "key": ("dedup_key", "fingerprint", "alert_id", "id"),
    "group": ("group_key", "group"),
    "title": ("title", "summary", "message", "trigger", "alertname", "name", "description"),
    "status": ("status", "state"),
    "severity": ("severity", "priority"),
    "started_at": ("started_at", "startsAt", "start", "timestamp"),
    "ended_at": ("ended_at", "endsAt", "end"),
    "url": ("url", "link", "links", "runbook_url", "dashboard_url"),
}
#: Only these end an alert; "no data", "deleted" or "assigned" do not.
RESOLVED = frozenset({"resolved", "resolve", "ok", "closed", "close", "recovered", "recovery"})
HELD = frozenset({"acknowledged", "acknowledge", "ack", "assigned", "silenced", "suppressed", "muted", "snoozed",
                  "ignored", "deleted", "test"})  # fmt: skip


def parse(body: Any, settings: Mapping[str, Any]) -> list[AlertSignal]:
    """One signal per object."""
    envelope: Mapping[str, Any] = {}
    if isinstance(body, dict) and isinstance(body.get("alerts"), list):
        envelope, alerts = {name: value for name, value in body.items() if name != "alerts"}, body["alerts"]
    else:
        alerts = body if isinstance(body, list) else [body]
    if not all(isinstance(alert, dict) for alert in alerts):
        raise Unreadable('This is not an alert: an object, a list of objects or {"alerts": [...]} is expected.')
    words = fields.vocabulary(settings, FIELDS)
    return [signal(alert, envelope, words) for alert in alerts]


def signal(alert: Mapping[str, Any], envelope: Mapping[str, Any], words: fields.Vocabulary) -> AlertSignal:
    """What one object says; what it leaves out is taken from the envelope around it."""

    def named(what: str) -> Any:
        return fields.find(places, words[what])

    inner = [alert.get(name) for name in ("labels", "annotations", "details", "custom_details")]
    places = [alert, *(place for place in inner if isinstance(place, dict)), envelope]
    labels = alert.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    annotations = {name: value for name, value in alert.items() if value is not labels}
    title = fields.text_or_none(named("title"))
    status = (fields.text_or_none(named("status")) or "").lower()
    said = Said.RESOLVED if status in RESOLVED else Said.HELD if status in HELD else Said.FIRING
    if title is None and not alert:
        raise Unreadable("This is not an alert: the object is empty.")
    urls = named("url")
    names = fields.names(places, words)
    key = fields.text_or_none(named("key"))
    return AlertSignal(
        dedup_key=fields.bounded_key(key) if key else derived(alert, labels, title, names, urls),
        said=said,
        word=status if said == Said.HELD else "",
        title=fields.one_line(title or "Alert without a title"),
        severity=fields.text_or_none(named("severity")) or "",
        started_at=fields.time_or_none(named("started_at")),
        ended_at=fields.time_or_none(named("ended_at")),
        labels=labels,
        annotations=annotations,
        links=fields.links(urls if isinstance(urls, list) else [urls]),
        group_key=fields.bounded_key(fields.text_or_none(named("group")) or "", fields.GROUP_KEY_LENGTH),
        names=names,
        header=fields.header(places, words),
    )


def derived(alert: Mapping[str, Any], labels: Mapping[str, Any], title: str | None, names: Any, urls: Any) -> str:
    """An identity for an alert without one: what stays the same from its beginning to its end."""
    host = fields.find([alert, labels], ("hostname", "host", "instance"))
    trigger = parse_qs(urlsplit(urls).query).get("triggerid") if fields.is_link(urls) else None
    if trigger:  # Zabbix: the trigger is the alert, the event is one of its occurrences
        return fields.derived_key("triggerid", trigger[0], host)
    named = [names.reference, names.bundle, names.agent, names.variant, names.service, names.environment]
    return fields.derived_key(title, host, named, fields.text_or_none(alert.get("metric")), labels)
