"""A signed POST to what a team built itself: it does the leg's work and says how much that was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from accounts.outbound import signing, wire
from rollouts.connectors.base import Answer, Job, Keep, Line, Misconfigured, Settings, address, version_json

REPEATS = {"safe": "It knows a repeated webhook-id and does it once", "ask": "Doing it twice would hurt: ask a person"}


class Webhook:
    """Standard Webhooks: the id of a message stays the same however often it is sent."""

    name = "Signed webhook"
    undo_verb = ""
    legs = ("flip", "prefix_cache", "semantic_cache", "histories", "baseline", "experiment", "downstream")
    lines = (
        Line("address", "Address", "Gets a signed POST. It may answer JSON with a count."),
        Line("repeat", "Twice", "safe: it knows a repeated webhook-id. ask: a person decides.", default="safe"),
    )
    secret = "made"  # noqa: S105 (says where the secret comes from)
    notifies = False

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        repeat = str(config.get("repeat") or "safe")
        if repeat not in REPEATS:
            raise Misconfigured("repeat", "Say safe or ask.")
        return {"address": address(config), "repeat": repeat}

    def twice_hurts(self, settings: Settings) -> bool:
        return settings.said("repeat") == "ask"

    def describe(self, job: Job, settings: Settings) -> dict[str, Any]:
        return {"method": "POST", "webhook-id": job.id, "body": body_of(job)}

    def run(self, job: Job, settings: Settings, progress: dict[str, Any], keep: Keep) -> Answer:
        reply = signing.post(settings.said("address"), encoded(body_of(job)), job.id, settings.secret)
        count = counted(reply)
        said = f"It answered {signing.answered(reply)}"
        return Answer(said, count, {"status": reply.status})

    def probe(self, settings: Settings) -> Answer:
        body = {"type": "lastgood.leg", "test": True}
        reply = signing.post(settings.said("address"), encoded(body), "test", settings.secret)
        return Answer(f"It answered {signing.answered(reply)}")


def body_of(job: Job) -> dict[str, Any]:
    """What a receiver reads (docs/rollback.md)."""
    return {
        "type": "lastgood.leg",
        "leg": job.leg,
        "rollback": job.rollback,
        "deployment": job.deployment,
        "from": version_json(job.bad),
        "to": version_json(job.good),
        "reason": job.reason,
        "incident": job.incident,
        "at": job.at.isoformat(),
        **job.extra,
    }


def encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def counted(reply: wire.Reply) -> int | None:
    """The ``count`` of a JSON answer; None when it says none."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    count = said.get("count") if isinstance(said, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**63 else None
