"""The label of a prompt in Langfuse, moved to the version that this agent was taken back to."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from accounts.http import whole_number
from accounts.outbound import signing, wire
from accounts.outbound.errors import Forbidden, TransportError
from rollouts.connectors.base import Answer, Job, Keep, Line, Misconfigured, Settings, address


class LangfuseLabel:
    name = "Langfuse label"
    undo_verb = "PATCH …/versions/{version} newLabels"
    legs = ("flip",)
    lines = (
        Line("address", "Host", "Like https://cloud.langfuse.com."),
        Line("public_key", "Public key", "Its secret key is the secret."),
        Line("prompt", "Prompt", "Empty: called as the agent is.", required=False),
        Line("label", "Label", "The one its readers ask for.", default="production"),
        Line("version_in", "Version", "Member of a version's metadata that holds Langfuse's number.", required=False),
    )
    secret = "needed"  # noqa: S105 (says whether there is one)
    notifies = False

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        kept = {line.name: str(config.get(line.name) or line.default).strip()[:200] for line in self.lines}
        kept["address"] = address(config).rstrip("/")
        if not kept["public_key"]:
            raise Misconfigured("public_key", "Enter the public key, like pk-lf-….")
        if ":" in kept["public_key"]:
            raise Misconfigured("public_key", "A public key holds no colon.")
        return kept

    def twice_hurts(self, settings: Settings) -> bool:
        return False  # a label that is there stays there

    def describe(self, job: Job, settings: Settings) -> dict[str, Any]:
        version = version_of(job, settings)
        return {
            "method": "PATCH",
            "path": path(settings.said("prompt") or job.key, version),
            "body": {"newLabels": [settings.said("label")]},
        }

    def run(self, job: Job, settings: Settings, progress: dict[str, Any], keep: Keep) -> Answer:
        name, label, version = settings.said("prompt") or job.key, settings.said("label"), version_of(job, settings)
        was = standing(name, settings)
        said = read(ask("PATCH", path(name, version), settings, {"newLabels": [label]}))
        labels = said.get("labels")
        if isinstance(labels, list) and label not in labels:
            raise TransportError(f"It answered, and version {version} still lacks the label {label}.")
        before = f", was at {was}" if was is not None else ""
        return Answer(f"{label} of {name} is at version {version}{before}.", 1, {"from": was, "to": version})

    def probe(self, settings: Settings) -> Answer:
        name = settings.said("prompt")
        query = f"?name={quote(name, safe='')}&limit=1" if name else "?limit=1"
        said = read(ask("GET", f"/api/public/v2/prompts{query}", settings))
        found = said.get("data")
        return Answer(f"It answers, and shows {len(found) if isinstance(found, list) else 0} of its prompts.")


def version_of(job: Job, settings: Settings) -> int:
    """Langfuse's own number of the good version: ours, unless the version's metadata names another."""
    member = settings.said("version_in")
    if not member:
        return job.good.number
    told = whole_number(str(job.good.metadata.get(member) or ""))
    if told is None:
        raise Forbidden(f"{job.good.label} says no number of Langfuse in metadata.{member}.")
    return told


def path(name: str, version: int) -> str:
    return f"/api/public/v2/prompts/{quote(name, safe='')}/versions/{version}"


def standing(name: str, settings: Settings) -> int | None:
    """The version that has the label now; None when Langfuse does not say."""
    try:
        said = read(
            ask("GET", f"/api/public/v2/prompts/{quote(name, safe='')}?label={quote(settings.said('label'))}", settings)
        )
    except Forbidden:
        raise
    except TransportError:
        return None
    version = said.get("version")
    return version if isinstance(version, int) else None


def ask(method: str, where: str, settings: Settings, body: Mapping[str, Any] | None = None) -> wire.Reply:
    """One request, by HTTP Basic; a refusal of the keys is final until somebody enters others."""
    pair = base64.b64encode(f"{settings.said('public_key')}:{settings.secret}".encode()).decode()
    headers = {
        "Authorization": f"Basic {pair}",
        "Content-Type": "application/json",
        "User-Agent": "Lastgood-Connectors/1",
    }
    content = json.dumps(body).encode() if body is not None else b""
    reply = wire.ask(method, settings.said("address") + where, content, headers)
    if reply.status in {401, 403}:
        raise Forbidden(f"It refused the keys: {signing.answered(reply)}")
    return signing.taken(reply)


def read(reply: wire.Reply) -> dict[str, Any]:
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = None
    return said if isinstance(said, dict) else {}
