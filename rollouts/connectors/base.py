"""What a connector is told, what it answers, and what every kind of connector can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from accounts.outbound import guard, wire


class Misconfigured(Exception):
    """A setting cannot work; ``str()`` is one sentence that says what to enter. ``name`` is the setting's."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, as a form shows it."""

    name: str
    label: str
    help: str = ""
    required: bool = True
    default: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one connector is set, with its secret opened."""

    config: Mapping[str, Any]
    secret: str = ""

    def said(self, name: str) -> str:
        return str(self.config.get(name) or "")


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two versions."""

    number: int
    label: str
    digest: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    activated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: a leg of the rollback from ``bad`` to ``good``.

    ``id`` is the same however often it is tried; ``chain`` ties a deployment, its incident and its rollback together.
    ``extra`` is what the leg adds, such as the treatment of a cohort.
    """

    id: str
    chain: str
    leg: str
    deployment: str
    key: str
    environment: str
    bad: Version
    good: Version
    rollback: int
    reason: str
    by: str
    at: datetime
    incident: str | None = None
    incident_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: one sentence, how many things it was about (None: nobody said), and what was answered."""

    text: str
    count: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


#: Keeps how far a long job has got and holds on to it; raises when somebody else has it by now.
Keep = Callable[[dict[str, Any]], None]


class Kind(Protocol):
    """One kind of system. ``run`` and ``probe`` raise TransportError; Forbidden when trying again helps nothing.

    ``undo_verb`` is what its platform calls the way back, blank where there is none: that way is home-grown, and is
    looked at again after six months. ``notifies``: it tells rather than does, so it waits until work has drained.
    ``secret``: made (by us, shown once), needed or optional.
    """

    @property
    def name(self) -> str: ...
    @property
    def undo_verb(self) -> str: ...
    @property
    def legs(self) -> tuple[str, ...]: ...
    @property
    def lines(self) -> tuple[Line, ...]: ...
    @property
    def secret(self) -> str: ...
    @property
    def notifies(self) -> bool: ...

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """The settings as they are stored; Misconfigured otherwise. Asks nothing of the network."""

    def twice_hurts(self, settings: Settings) -> bool:
        """Whether doing it again, because nobody knows how the first try ended, could do harm."""

    def describe(self, job: Job, settings: Settings) -> dict[str, Any]:
        """What it is going to ask, for the evidence: never a secret."""

    def run(self, job: Job, settings: Settings, progress: dict[str, Any], keep: Keep) -> Answer:
        """Do it, within seconds or telling ``keep`` in between."""

    def probe(self, settings: Settings) -> Answer:
        """Ask whether it can be reached, changing nothing there."""


def address(config: Mapping[str, str], name: str = "address") -> str:
    """A web address in shape, its machine judged where it is named by number."""
    given = str(config.get(name) or "").strip()
    if not given:
        raise Misconfigured(name, "Enter the address.")
    if len(given) > 500:
        raise Misconfigured(name, "That address is longer than 500 characters.")
    try:
        url = wire.target(given)
        if guard.is_numeric(url.host):
            guard.check(url.host, url.host)
    except guard.Refused as refusal:
        raise Misconfigured(name, str(refusal)) from None
    return given


def version_json(version: Version) -> dict[str, Any]:
    return {"number": version.number, "label": version.label, "digest": version.digest}
