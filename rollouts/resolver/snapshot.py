"""What PostgreSQL said at one moment: rows, not yet answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable bundle version; ``body`` is the pushed body without its label."""

    number: int
    label: str
    digest: str
    body: dict[str, Any]
    created_at: datetime

    def part(self, name: str, default: Any) -> Any:
        return self.body.get(name) or default


@dataclass(frozen=True, slots=True)
class Stop:
    """One engaged kill switch; ``id`` is the engagement's."""

    scope: str
    fallback: str
    engaged_at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True)
class Activation:
    """The newest flip of a deployment."""

    id: int
    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """A pointer: which version of ``key`` is active in ``environment``, and what is stopped there."""

    id: int
    key: str
    environment: str
    active: Version | None
    stops: tuple[Stop, ...] = ()
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A resolver key that is not revoked; ``digest`` is the SHA-256 of its secret."""

    digest: str
    environment: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is served. ``versions`` holds, per bundle key, what can be asked for by number."""

    epochs: Mapping[str, int]
    deployments: tuple[Deployment, ...]
    versions: Mapping[str, Mapping[int, Version]]
    keys: tuple[Key, ...]
