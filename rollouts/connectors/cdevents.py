"""Delivery events in the words of CDEvents: deployed, its incident, rolled back, tied together by one chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from accounts.outbound import signing, wire
from rollouts.connectors.base import Answer, Job, Keep, Line, Settings, Version, address

SPEC = "0.5.1"
KIND = "0.3.0"


class CDEvents:
    name = "CDEvents"
    undo_verb = "dev.cdevents.service.rolledback"
    legs = ("flip",)
    lines = (
        Line("address", "Address", "Gets CloudEvents as application/cloudevents+json."),
        Line("source", "Source", "Who says it.", default="/lastgood"),
    )
    secret = "optional"  # noqa: S105 (says whether there is one)
    notifies = True

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        source = str(config.get("source") or "/lastgood").strip()[:200]
        return {"address": address(config), "source": source or "/lastgood"}

    def twice_hurts(self, settings: Settings) -> bool:
        return False  # an event's id is always the same, which is how receivers know it

    def describe(self, job: Job, settings: Settings) -> dict[str, Any]:
        return {"method": "POST", "events": [event["type"] for event in events(job, settings.said("source"))]}

    def run(self, job: Job, settings: Settings, progress: dict[str, Any], keep: Keep) -> Answer:
        told, last = int(progress.get("told") or 0), None
        chain = events(job, settings.said("source"))
        for number, event in enumerate(chain):
            if number < told:
                continue
            last = send(event, settings)
            keep({"told": number + 1})
        answer = f"It answered {signing.answered(last)}" if last is not None else "All were told before."
        return Answer(f"{len(chain)} events. {answer}", len(chain), {"chainId": job.chain})

    def probe(self, settings: Settings) -> Answer:
        source = settings.said("source")
        context = {"id": "test", "source": source, "type": f"dev.cdevents.service.published.{KIND}", "version": SPEC}
        data = {"context": context, "subject": {"id": "test", "content": {}}, "customData": {"test": True}}
        reply = send(
            {"specversion": "1.0", "id": "test", "source": source, "type": context["type"], "data": data}, settings
        )
        return Answer(f"It answered {signing.answered(reply)}")


def events(job: Job, source: str) -> list[dict[str, Any]]:
    """The chain of one rollback, oldest first. What was never recorded is left out."""
    found = []
    before: str | None = None
    if job.bad.activated_at is not None:
        found.append(event(job, source, "service.deployed", job.bad, job.bad.activated_at, before))
        before = found[-1]["id"]
    if job.incident is not None:
        found.append(event(job, source, "incident.detected", job.bad, job.incident_at or job.at, before))
        before = found[-1]["id"]
    found.append(event(job, source, "service.rolledback", job.good, job.at, before))
    return found


def event(job: Job, source: str, verb: str, version: Version, at: datetime, before: str | None) -> dict[str, Any]:
    """One event inside its CloudEvent; its id follows from what it tells, so that told twice it is one."""
    kind = f"dev.cdevents.{verb}.{KIND}"
    identity = str(uuid5(NAMESPACE_URL, f"{source}/{job.chain}/{verb}/{job.rollback}"))
    purl = f"pkg:generic/{quote(job.key)}@sha256:{version.digest}"
    content: dict[str, Any] = {"environment": {"id": job.environment}, "artifactId": purl}
    subject = {"id": job.deployment, "source": source, "content": content}
    if verb.startswith("incident."):
        content |= {"service": {"id": job.deployment}, "description": job.reason}
        subject["id"] = job.incident or ""
    context: dict[str, Any] = {
        "specversion": SPEC,
        "id": identity,
        "chainId": job.chain,
        "source": source,
        "type": kind,
        "timestamp": at.isoformat(),
    }
    if before is not None:
        context["links"] = [{"linkType": "PATH", "from": {"contextId": before}}]
    return {
        "specversion": "1.0",
        "id": identity,
        "source": source,
        "type": kind,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": {"context": context, "subject": subject},
    }


def send(event: Mapping[str, Any], settings: Settings) -> wire.Reply:
    headers = {"Content-Type": "application/cloudevents+json", "User-Agent": "Lastgood-Connectors/1"}
    if settings.secret:
        headers["Authorization"] = f"Bearer {settings.secret}"
    return signing.taken(wire.post(settings.said("address"), json.dumps(event).encode(), headers))
