"""The prompts API of Langfuse, so that its SDK resolves prompts from bundles by changing its host. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from accounts import clock
from rollouts.resolver import credentials
from rollouts.resolver.feed import Feed
from rollouts.resolver.http import JSON, NO_STORE, Answer, Receive, Refused, Scope, Send, json_answer
from rollouts.resolver.ofrep import not_yet, printable
from rollouts.resolver.sightings import Uses
from rollouts.resolver.snapshot import Version
from rollouts.resolver.state import Environment, Grant, Served, State, encode

PREFIX = "/api/public/v2/prompts"
#: Their label → our environment.
LABELS = {"production": "prod", "staging": "staging", "dev": "dev"}
LABEL_OF = {environment: label for label, environment in LABELS.items()}
CHALLENGE = b'Basic realm="lastgood"'
PAGE, LARGEST_PAGE = 50, 100


class Prompts:
    """The Langfuse door over one feed."""

    def __init__(self, feed: Feed, uses: Uses) -> None:
        self._feed = feed
        self._uses = uses

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET …/prompts`` and ``GET …/prompts/<name>``; everything that would write is refused with 403."""
        state = self._feed.state
        if state is None:
            raise Refused(not_yet(self._feed))
        secret = credentials.basic_password(scope)
        now = clock.now()
        grant = credentials.grant_for(state, secret, now, challenge=CHALLENGE)
        self._uses.used(grant.digest, now)
        environment = credentials.environment_of(state, grant)
        if scope["method"] != "GET":
            sentence = "Labels and prompts move by pushing and promoting bundles, not through this door."
            raise Refused(failure(403, sentence, "ForbiddenError"))
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=50)
        name = scope["path"][len(PREFIX) :].removeprefix("/")
        answer = one(state, environment, grant, name, query) if name else several(state, environment, query)
        await answer.send(send)


def one(state: State, environment: Environment, grant: Grant, name: str, query: Mapping[str, list[str]]) -> Answer:
    """The prompt ``name``: the version asked for by number, else the active one of the label's environment.

    A key is bound to one environment and reads only that one's label. A number names a version that never
    changes, whichever environment runs it, so any number may be read with any key.
    """
    versions, served = state.versions.get(name), environment.bundles.get(name)
    if versions is None or served is None:
        return failure(404, f"Prompt not found: no bundle has the key {printable(name)}.", "LangfuseNotFoundError")
    if wanted := query.get("version", [""])[0]:
        if not (wanted.isdecimal() and len(wanted) < 10):
            return failure(400, "version must be a whole number.", "InvalidRequestError")
        version = versions.get(int(wanted))
        missing = f"Prompt not found: {name} has no version {int(wanted)} that is still kept at hand."
    else:
        label = query.get("label", [LABEL_OF.get(grant.environment, grant.environment)])[0]
        if LABELS.get(label, label) != grant.environment:
            if label not in LABELS:
                sentence = f"Prompt not found: the labels here are {', '.join(LABELS)}."
                return failure(404, sentence, "LangfuseNotFoundError")
            sentence = f"This key is bound to {grant.environment}, the label {label} belongs to {LABELS[label]}."
            return failure(403, sentence, "ForbiddenError")
        version = None if served.number is None else versions.get(served.number)
        missing = f"Prompt not found: {name} has no active version in {grant.environment}."
    if version is None:
        return failure(404, missing, "LangfuseNotFoundError")
    return Answer(200, encode(prompt_of(state, served, version)), (JSON, NO_STORE))


def several(state: State, environment: Environment, query: Mapping[str, list[str]]) -> Answer:
    """What there is, a page at a time."""
    names = sorted(name for name in environment.bundles if state.versions.get(name))
    if only := query.get("name", [""])[0]:
        names = [name for name in names if name == only]
    limit = min(max(1, number(query, "limit", PAGE)), LARGEST_PAGE)
    page = max(1, number(query, "page", 1))
    data = [summary(state, environment.bundles[name]) for name in names[(page - 1) * limit : page * limit]]
    pages = -(-len(names) // limit)
    meta = {"page": page, "limit": limit, "totalItems": len(names), "totalPages": pages}
    return Answer(200, encode({"data": data, "meta": meta}), (JSON, NO_STORE))


def number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    given = query.get(name, [""])[0]
    return int(given) if given.isdecimal() and len(given) < 10 else default


def prompt_of(state: State, served: Served, version: Version) -> dict[str, Any]:
    """One version in Langfuse's shape; what that shape has no place for is under ``config``."""
    prompt = version.part("prompt", {})
    at = version.created_at.isoformat()
    return {
        "id": f"{served.key}:{version.number}",
        "type": "text",
        "name": served.key,
        "version": version.number,
        "prompt": prompt.get("text") or "",
        "config": config_of(served, version),
        "labels": labels_of(state, served.key, version.number),
        "tags": [],
        "commitMessage": commit_message(version),
        "createdAt": at,
        "updatedAt": at,
        "createdBy": str(version.part("metadata", {}).get("author") or ""),
        "projectId": "lastgood",
        "resolutionGraph": None,
    }


def config_of(served: Served, version: Version) -> dict[str, Any]:
    """Everything but the text. This protocol cannot stop a caller, so an agent has to look at ``enabled``."""
    tools = version.part("tools", [])
    return {
        "bundle": served.key,
        "label": version.label,
        "digest": version.digest,
        "enabled": not served.stopped,
        "writes_enabled": not (served.stopped or served.writes_stopped),
        "fallback": served.fallback or None,
        "model": version.part("model", {}),
        "tools": [tool for tool in tools if not (isinstance(tool, dict) and tool.get("name") in served.stopped_tools)],
        "stopped_tools": list(served.stopped_tools),
        "few_shots": version.part("prompt", {}).get("few_shots") or [],
        "retrieval": version.part("retrieval", {}),
        "harness": version.part("harness", {}),
    }


def summary(state: State, served: Served) -> dict[str, Any]:
    versions = state.versions[served.key]
    newest = versions[max(versions)]
    labels = sorted({label for held in versions for label in labels_of(state, served.key, held)})
    return {
        "name": served.key,
        "type": "text",
        "versions": sorted(versions),
        "labels": labels,
        "tags": [],
        "lastUpdatedAt": newest.created_at.isoformat(),
        "lastConfig": config_of(served, newest),
    }


def labels_of(state: State, key: str, wanted: int) -> list[str]:
    """The labels of the environments where version ``wanted`` is active."""
    return sorted(
        LABEL_OF.get(environment.name, environment.name)
        for environment in state.environments.values()
        if (found := environment.bundles.get(key)) is not None and found.number == wanted
    )


def commit_message(version: Version) -> str | None:
    change = version.part("metadata", {}).get("change")
    return str(change.get("what") or "") or None if isinstance(change, dict) else None


def failure(status: int, sentence: str, error: str) -> Answer:
    return json_answer(status, {"message": sentence, "error": error})
