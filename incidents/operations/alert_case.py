"""An incident as one batch of alerts sees it: what it becomes, and what its record will say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.actors import Actor, Surface
from incidents.models import DetectionSource, Incident, Integration, Owed, TimelineEntry
from incidents.operations import grouping, opening, paging, timeline
from incidents.reading import AlertSignal
from rollouts.models import Deployment

#: Columns of the header that are texts, and how long they may be.
HEADER_LENGTHS = {"reference": 300, "metric": 200, "comparator": 20, "window": 60}
TITLES_IN_AN_ENTRY = 5


@dataclass(slots=True)
class Notes:
    """What one request (or several alike) did to one incident; becomes its entries."""

    case: Case
    integration: Integration
    at: datetime
    receipts: list[int] = field(default_factory=list)
    opened: list[AlertSignal] = field(default_factory=list)
    joined: list[AlertSignal] = field(default_factory=list)
    changed: list[AlertSignal] = field(default_factory=list)
    again: list[AlertSignal] = field(default_factory=list)
    resolved: list[AlertSignal] = field(default_factory=list)
    severities: list[AlertSignal] = field(default_factory=list)
    expected: list[AlertSignal] = field(default_factory=list)  # of those joined, what a rollback's forecast explains
    held: list[AlertSignal] = field(default_factory=list)  # acknowledged where they came from
    raised: tuple[str, str, str] | None = None  # from, to, the sender's word
    recovered: bool = False
    relapsed: bool = False

    def absorbs(self, later: Notes) -> bool:
        """Take in a later request that only brought more alerts, as this one did: one entry tells of both."""
        if self.integration.pk != later.integration.pk or not (self.only_joined and later.only_joined):
            return False
        self.joined += later.joined
        self.receipts += later.receipts
        return True

    @property
    def only_joined(self) -> bool:
        others = (
            self.opened, self.changed, self.again, self.resolved, self.held, self.raised, self.recovered, self.relapsed
        )  # fmt: skip
        return bool(self.joined) and not any(others)

    @property
    def actor(self) -> Actor:
        return Actor.automation(self.integration.name, Surface.INTAKE)


@dataclass(slots=True)
class Case:
    """An incident, there already or (``incident`` None until written) about to be opened."""

    incident: Incident | None
    severity: str
    newborn: Newborn | None = None
    firing: int = 0
    notes: list[Notes] = field(default_factory=list)
    changes: set[str] = field(default_factory=set)
    recovered_at: datetime | None = None

    @property
    def written(self) -> Incident:
        """Its row, once it is there."""
        if self.incident is None:
            raise RuntimeError("asked for an incident's row before it was written")
        return self.incident

    @property
    def is_open(self) -> bool:
        return self.incident is None or self.incident.is_open

    @property
    def is_contained(self) -> bool:
        return self.incident is not None and self.incident.contained_at is not None

    # -- deciding --------------------------------------------------------------------------------------------------
    def settle(self, notes: Notes, at: datetime) -> None:
        """After one request: a severity raised (never lowered), recovered, or firing again."""
        said = [
            (severity, signal.severity)
            for signal in notes.severities
            if (severity := grouping.severity_of(signal.severity, notes.integration.settings)) is not None
        ]
        if said and min(said)[0] < self.severity:
            worst, word = min(said)
            if notes.opened and self.newborn is not None:  # several alerts of one request: it opens as the worst
                self.newborn.severity = worst
            else:
                notes.raised = (self.severity, worst, word)
                self.changes.add("severity")
            self.severity = worst
        recovered_at = self.incident.recovered_at if self.incident is not None else self.recovered_at
        if notes.resolved and self.firing == 0 and recovered_at is None:
            notes.recovered = True
            self.set_recovered(at)
        elif recovered_at is not None and (notes.joined or notes.again or notes.opened):
            notes.relapsed = True
            self.set_recovered(None)
        if self.incident is not None and notes.joined and not any(self.incident.header.values()):
            for name, value in header_of(notes.joined[0]).items():
                setattr(self.incident, f"header_{name}", value)
                self.changes.add(f"header_{name}")

    def set_recovered(self, at: datetime | None) -> None:
        self.recovered_at = at
        if self.incident is not None:
            self.incident.recovered_at = at
        self.changes.add("recovered_at")

    # -- writing ---------------------------------------------------------------------------------------------------
    def save_changes(self) -> Iterator[paging.Waking]:
        """Write what changed about an incident that was there (or is, by now); whom that wakes."""
        incident = self.written
        if self.changes:
            if "severity" in self.changes:
                incident.severity = self.severity
            if "recovered_at" in self.changes:
                incident.recovered_at = self.recovered_at
            incident.save(update_fields=sorted(self.changes))
        for notes in self.notes:
            if notes.raised is not None:
                yield paging.Waking(incident, notes.actor, f"raised to {notes.raised[1]}", notes.at)

    def entries(self) -> Iterator[timeline.Draft]:
        """What the record says of it, request by request."""
        kinds = TimelineEntry.Kind
        for notes in self.notes:
            if notes.opened and self.newborn is not None:
                yield self.newborn.birth(notes).first_entry(self.written)
            elif notes.joined:
                text = f"{counted(notes.joined, 'alert')} joined: {titles(notes.joined)}{not_shown(notes.joined)}"
                if notes.expected:
                    text += f". Expected: the prefix cache is cold since the rollback ({titles(notes.expected)})"
                yield self.draft(notes, kinds.ALERT, text, notes.joined)
            if notes.changed:
                yield self.draft(notes, kinds.ALERT, f"Changed: {titles(notes.changed)}", notes.changed, is_key=False)
            if notes.raised:
                before, after, word = notes.raised
                text = f"Severity {before} → {after}: the monitor says {word}"
                yield self.draft(notes, kinds.SEVERITY, text, notes.severities)
            if notes.resolved:
                text = f"{counted(notes.resolved, 'alert')} resolved: {titles(notes.resolved)}"
                yield self.draft(notes, kinds.ALERT_RESOLVED, text, notes.resolved)
            if notes.again or notes.relapsed:
                again = notes.again or [*notes.opened, *notes.joined]
                yield self.draft(notes, kinds.FIRING_AGAIN, f"Firing again: {titles(again)}", again)
            if notes.held:
                text = f"{counted(notes.held, 'alert')} acknowledged by the sender, not here: {titles(notes.held)}"
                yield self.draft(notes, kinds.ALERT, text, notes.held)
            if notes.recovered:
                yield self.draft(notes, kinds.RECOVERED, "Recovered: every alert has resolved", [])

    def draft(
        self, notes: Notes, kind: str, text: str, signals: Sequence[AlertSignal], *, is_key: bool = True
    ) -> timeline.Draft:
        data = data_of(notes, signals)
        ping = ("rail", "detect", "exits", "board")
        return timeline.Draft(self.written, kind, text, notes.actor, notes.at, data, is_key, ping=ping)


@dataclass(slots=True)
class Newborn:
    """What an incident is opened with."""

    first: AlertSignal
    severity: str
    said_severity: bool
    deployment: Deployment | None
    earlier: Incident | None

    @classmethod
    def of(
        cls, signal: AlertSignal, deployment: Deployment | None, integration: Integration, earlier: Incident | None
    ) -> Newborn:
        """The incident that this alert opens; ``earlier`` is one that the same alert was in before."""
        severity = grouping.severity_of(signal.severity, integration.settings)
        return cls(signal, severity or grouping.UNSAID, severity is not None, deployment, earlier)

    def birth(self, notes: Notes) -> opening.Birth:
        """What ``opening`` is told; ``notes`` are those of the request that opened it."""
        signal = self.first
        owed: list[tuple[str, str]] = []
        if not self.said_severity:
            word = f"no severity we know (“{signal.severity[:60]}”)" if signal.severity else "no severity"
            owed.append((Owed.Kind.SEVERITY, f"Set severity: the monitor sent {word}."))
        if self.deployment is None:
            raw = signal.names.raw
            owed.append(
                (Owed.Kind.DEPLOYMENT, f"Which agent? The alert says “{raw[:200]}”." if raw else "Which agent?")
            )
        return opening.Birth(
            actor=notes.actor,
            title=signal.title,
            at=notes.at,
            severity=self.severity,
            deployment=self.deployment,
            detection_source=DetectionSource.ALERT,
            text=self.text(notes),
            data=data_of(notes, [*notes.opened, *notes.joined]),
            header=header_of(signal),
            owed=tuple(owed),
            started_at=signal.started_at,
            repeat_of_id=self.earlier.pk if self.earlier is not None else None,
        )

    def text(self, notes: Notes) -> str:
        """The first sentence of the record."""
        text = f"Opened by {notes.integration.name}: {self.first.title}"
        if notes.joined:
            text += f" (and {counted(notes.joined, 'more alert')})"
        text += not_shown(notes.opened)
        return f"{text}. The same alert had opened {self.earlier.ref}." if self.earlier is not None else text


def header_of(signal: AlertSignal) -> dict[str, Any]:
    """The header of R001 as sent: ``reference`` is the most exact name of the agent that the sender gave."""
    header = {"at": signal.started_at, "reference": signal.names.raw, **signal.header}
    for name, length in HEADER_LENGTHS.items():
        if (text := header.get(name)) is not None and len(text) > length:
            header[name] = text[: length - 1] + "…"
    return {name: value for name, value in header.items() if value is not None}


def data_of(notes: Notes, signals: Sequence[AlertSignal]) -> dict[str, Any]:
    """Where an entry's evidence is: the receipts, and the first links the alerts carried."""
    links = list(dict.fromkeys(link for signal in signals for link in signal.links))
    return {"receipts": notes.receipts, "alerts": len(signals), "links": links[:20]}


def counted(signals: Sequence[AlertSignal], what: str) -> str:
    return f"{len(signals)} {what}{'' if len(signals) == 1 else 's'}"


def titles(signals: Sequence[AlertSignal]) -> str:
    """Their titles, each once, the first few of them."""
    each = list(dict.fromkeys(signal.title for signal in signals))
    more = f"; and {len(each) - TITLES_IN_AN_ENTRY} more" if len(each) > TITLES_IN_AN_ENTRY else ""
    return "; ".join(each[:TITLES_IN_AN_ENTRY]) + more


def not_shown(signals: Sequence[AlertSignal]) -> str:
    count = max((signal.not_shown for signal in signals), default=0)
    return f" ({count} not shown by the sender)" if count else ""
