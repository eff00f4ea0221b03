"""Prometheus Alertmanager's webhook, version 4 and the older shapes that still arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents.intake import fields
from incidents.reading import AlertSignal, Said, Unreadable


def parse(body: Any, settings: Mapping[str, Any]) -> list[AlertSignal]:
    """One signal per alert of the group; an alert's own status counts before its group's."""
    if not isinstance(body, dict) or not isinstance(body.get("alerts"), list):
        raise Unreadable('This is not an Alertmanager notification: it has no list "alerts".')
    group_key = group_key_of(body)
    not_shown = body.get("truncatedAlerts")
    if not isinstance(not_shown, int) or isinstance(not_shown, bool) or not 0 <= not_shown < 2**31:
        not_shown = 0
    words = fields.vocabulary(settings, fields.FIELDS)
    return [signal(alert, body, group_key, not_shown, words) for alert in body["alerts"]]


def group_key_of(body: Mapping[str, Any]) -> str:
    """The group's key behind its receiver, since two receivers may both send ``{}/{}:{}``."""
    key = fields.text_or_none(body.get("groupKey"))
    if key is None:
        return ""
    receiver = fields.text_or_none(body.get("receiver"))
    return fields.bounded_key(f"{receiver} {key}" if receiver else key, fields.GROUP_KEY_LENGTH)


def signal(
    alert: Any, group: Mapping[str, Any], group_key: str, not_shown: int, words: fields.Vocabulary
) -> AlertSignal:
    """What one member of ``alerts`` says."""
    if not isinstance(alert, dict):
        raise Unreadable('A member of "alerts" is not an object.')
    labels, annotations = mapping(alert, "labels"), mapping(alert, "annotations")
    places = (labels, annotations)
    status = fields.text_or_none(alert.get("status")) or fields.text_or_none(group.get("status")) or ""
    title = fields.find((annotations,), ("summary", "title", "message", "description")) or labels.get("alertname")
    fingerprint = fields.text_or_none(alert.get("fingerprint"))
    return AlertSignal(
        dedup_key=fields.bounded_key(fingerprint) if fingerprint else fields.derived_key(labels),
        said=Said.RESOLVED if status.lower() == "resolved" else Said.FIRING,
        title=fields.one_line(fields.text_or_none(title) or "Alert without a title"),
        severity=fields.text_or_none(fields.find(places, words["severity"])) or "",
        started_at=fields.time_or_none(alert.get("startsAt")),
        ended_at=fields.time_or_none(alert.get("endsAt")),
        labels=labels,
        annotations=annotations,
        links=fields.links([alert.get("generatorURL"), *annotations.values()]),
        group_key=group_key,
        not_shown=not_shown,
        names=fields.names(places, words),
        header=fields.header(places, words),
    )


def mapping(alert: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object or missing."""
    value = alert.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f'"{name}" of an alert is not an object.')
    return value
