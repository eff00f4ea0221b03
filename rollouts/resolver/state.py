"""The served state: every answer that does not depend on the caller, encoded once per flip."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from rollouts.resolver.http import Answer
from rollouts.resolver.snapshot import Activation, Deployment, Key, Snapshot, Stop, Version

#: The three flags of a bundle, by their place in :class:`Answers`.
SUFFIXES = ("", ".version", ".enabled")


class Caller(NamedTuple):
    """What of an evaluation context changes an answer."""

    region: str = ""
    cohort: str = ""


#: The answers to ``<key>``, ``<key>.version`` and ``<key>.enabled``; None where there is nothing to serve.
type Answers = tuple[Answer | None, Answer | None, Answer | None]


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle in one environment: what everybody gets, and what callers in a stopped region or cohort get."""

    deployment: int
    key: str
    number: int | None
    activation: Activation | None
    stopped: bool
    writes_stopped: bool
    stopped_tools: tuple[str, ...]
    fallback: str
    everybody: Answers
    regions: Mapping[str, Answers]
    cohorts: Mapping[str, Answers]
    stops: tuple[Stop, ...] = ()

    @property
    def mark(self) -> int:
        """The epoch at which the active version became active; 0 while nothing ever did."""
        return self.activation.epoch if self.activation else 0

    def answers(self, caller: Caller) -> Answers:
        if self.regions and (found := self.regions.get(caller.region)):
            return found
        if self.cohorts and (found := self.cohorts.get(caller.cohort)):
            return found
        return self.everybody


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag key: a bundle and which of its three answers."""

    served: Served
    place: int


@dataclass(frozen=True, slots=True)
class Environment:
    """All flags of one environment. ``etag`` covers their content and the epoch, not the caller."""

    name: str
    epoch: int
    etag: str
    changed_at: int
    bundles: Mapping[str, Served]
    flags: Mapping[str, Flag]
    bulk: bytes
    by_caller: bool
    event: bytes
    stopped: tuple[Served, ...] = ()

    def bulk_for(self, caller: Caller) -> bytes:
        """Every answer for ``caller`` as the items of a JSON list."""
        if not self.by_caller:
            return self.bulk
        return b",".join(
            answer.body for served in self.bundles.values() for answer in served.answers(caller) if answer is not None
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What a resolver key allows: one environment. ``stream_token`` opens its change stream and nothing else."""

    digest: str
    environment: str
    expires_at: datetime | None
    stream_token: str

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class State:
    """What is served until the next flip. Never changed in place: a flip makes a new one."""

    environments: Mapping[str, Environment]
    versions: Mapping[str, Mapping[int, Version]]
    grants: Mapping[str, Grant]
    stream_grants: Mapping[str, Grant]

    def grant_of(self, secret: str, now: datetime) -> Grant | None:
        """What ``secret`` allows; None when it is unknown, revoked or expired."""
        grant = self.grants.get(hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest())
        return None if grant is None or grant.expired(now) else grant

    def stream_grant_of(self, token: str, now: datetime) -> Grant | None:
        grant = self.stream_grants.get(token)
        return None if grant is None or grant.expired(now) else grant


def build(snapshot: Snapshot, *, secret: str, now: datetime, before: State | None = None) -> State:
    """The state that serves ``snapshot``; ``secret`` keys the stream tokens."""
    grants = {key.digest: grant(key, secret) for key in snapshot.keys}
    return State(
        environments={
            name: build_environment(name, epoch, snapshot, now, before.environments.get(name) if before else None)
            for name, epoch in snapshot.epochs.items()
        },
        versions=snapshot.versions,
        grants=grants,
        stream_grants={found.stream_token: found for found in grants.values()},
    )


def grant(key: Key, secret: str) -> Grant:
    """The stream token is derived, so every resolver process accepts what another one handed out."""
    token = hmac.new(secret.encode(), f"change stream {key.digest}".encode(), hashlib.sha256).hexdigest()
    return Grant(key.digest, key.environment, key.expires_at, token)


def build_environment(
    name: str, epoch: int, snapshot: Snapshot, now: datetime, before: Environment | None
) -> Environment:
    deployments = sorted((row for row in snapshot.deployments if row.environment == name), key=lambda row: row.key)
    bundles = {row.key: serve(row, epoch) for row in deployments}
    bulk = b",".join(answer.body for served in bundles.values() for answer in served.everybody if answer is not None)
    narrow = [
        (served.key, kind, value, [answer.body for answer in answers if answer is not None])
        for served in bundles.values()
        for kind, group in (("region", served.regions), ("cohort", served.cohorts))
        for value, answers in sorted(group.items())
    ]
    etag = f"{epoch}-{hashlib.sha256(bulk + repr(narrow).encode()).hexdigest()[:24]}"
    changed_at = before.changed_at if before is not None and before.etag == etag else int(now.timestamp())
    told = orjson.dumps({"type": "refetchEvaluation", "etag": etag, "lastModified": changed_at, "epoch": epoch})
    return Environment(
        name=name,
        epoch=epoch,
        etag=etag,
        changed_at=changed_at,
        bundles=bundles,
        flags={
            f"{served.key}{suffix}": Flag(served, place)
            for served in bundles.values()
            for place, suffix in enumerate(SUFFIXES)
        },
        bulk=bulk,
        by_caller=bool(narrow),
        event=b"event: message\nid: " + etag.encode() + b"\ndata: " + told + b"\n\n",
        stopped=tuple(served for served in bundles.values() if served.stops),
    )


def serve(deployment: Deployment, epoch: int) -> Served:
    """The answers of one deployment. The widest stop wins: whole, then region, then cohort."""
    stops = {stop.scope: stop for stop in deployment.stops}
    whole = stops.get("whole")
    tools = tuple(sorted(value for kind, value in map(split_scope, stops) if kind == "tool"))
    writes_stopped = "writes" in stops
    off = {scope: off_answers(deployment, stop, epoch) for scope, stop in stops.items() if narrows_callers(scope)}
    return Served(
        deployment=deployment.id,
        key=deployment.key,
        number=deployment.active.number if deployment.active else None,
        activation=deployment.activation,
        stopped=whole is not None,
        writes_stopped=writes_stopped,
        stopped_tools=tools,
        fallback=whole.fallback if whole else "",
        everybody=off_answers(deployment, whole, epoch)
        if whole
        else on_answers(deployment, epoch, tools, writes_stopped),
        regions={} if whole else {split_scope(scope)[1]: found for scope, found in off.items() if scope[0] == "r"},
        cohorts={} if whole else {split_scope(scope)[1]: found for scope, found in off.items() if scope[0] == "c"},
        stops=deployment.stops,
    )


def split_scope(scope: str) -> tuple[str, str]:
    """``region:eu`` → ``("region", "eu")``."""
    kind, _, value = scope.partition(":")
    return kind, value


def narrows_callers(scope: str) -> bool:
    return scope.startswith(("region:", "cohort:"))


def on_answers(deployment: Deployment, epoch: int, stopped_tools: tuple[str, ...], writes_stopped: bool) -> Answers:
    version = deployment.active
    if version is None:
        return (None, None, None)
    metadata = flag_metadata(deployment, epoch)
    value = bundle_value(deployment, version, stopped_tools, writes_stopped)
    return (
        flag_answer(deployment.key, value, "STATIC", version.label, metadata),
        flag_answer(f"{deployment.key}.version", version.label, "STATIC", version.label, metadata),
        flag_answer(f"{deployment.key}.enabled", True, "STATIC", "on", metadata),
    )


def off_answers(deployment: Deployment, stop: Stop, epoch: int) -> Answers:
    """While stopped: the off-state, and still which version would run."""
    version = deployment.active
    metadata = flag_metadata(deployment, epoch)
    stopped = {**metadata, "stop": stop.scope, "stopped_at": stop.engaged_at.isoformat()}
    value = {"enabled": False, "fallback": stop.fallback or None}
    label = version.label if version else ""
    return (
        flag_answer(deployment.key, value, "DISABLED", "off", stopped),
        flag_answer(f"{deployment.key}.version", label, "STATIC", label, metadata) if version else None,
        flag_answer(f"{deployment.key}.enabled", False, "DISABLED", "off", stopped),
    )


def bundle_value(
    deployment: Deployment, version: Version, stopped_tools: tuple[str, ...], writes_stopped: bool
) -> dict[str, Any]:
    """The object flag: everything an agent needs to behave as this version."""
    tools = version.part("tools", [])
    return {
        "key": deployment.key,
        "environment": deployment.environment,
        "version": {"number": version.number, "label": version.label, "digest": version.digest},
        "enabled": True,
        "writes_enabled": not writes_stopped,
        "prompt": version.part("prompt", {}),
        "model": version.part("model", {}),
        "tools": [tool for tool in tools if not (isinstance(tool, dict) and tool.get("name") in stopped_tools)],
        "stopped_tools": list(stopped_tools),
        "retrieval": version.part("retrieval", {}),
        "harness": version.part("harness", {}),
        "in_flight_policy": version.part("metadata", {}).get("in_flight_policy") or "",
    }


def flag_metadata(deployment: Deployment, epoch: int) -> dict[str, str | int | bool]:
    """OFREP allows text, numbers and booleans here, so what is unknown is left out."""
    metadata: dict[str, str | int | bool] = {
        "bundle": deployment.key,
        "environment": deployment.environment,
        "epoch": epoch,
    }
    if version := deployment.active:
        metadata |= {"version": version.number, "label": version.label, "digest": version.digest}
    return metadata


def flag_answer(key: str, value: Any, reason: str, variant: str, metadata: Mapping[str, Any]) -> Answer:
    return Answer(200, encode({"key": key, "value": value, "reason": reason, "variant": variant, "metadata": metadata}))


def encode(value: Any) -> bytes:
    """JSON. The slower encoder takes what the faster one refuses (very deep schemas, integers over 64 bits)."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
