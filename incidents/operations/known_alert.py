"""An alert as one batch knows it, and the row it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from incidents.operations import alert_rows
from incidents.operations.alert_case import Case
from incidents.reading import AlertSignal


@dataclass(slots=True)
class Known:
    """An alert; ``row`` is None until it is written."""

    case: Case
    row: alert_rows.AlertRow | None
    firing: bool
    digest: str
    severity_sent: str
    closed: bool = False
    changed: bool = False
    said: AlertSignal | None = None  # newest content, None while the row's stands
    ended: AlertSignal | None = None  # what ended it, while it does not fire
    not_shown: int | None = None
    born: dict[str, Any] = field(default_factory=dict)  # columns that never change
    receipts: dict[int, str] = field(default_factory=dict)  # position of the request → status

    def called(self, signal: AlertSignal) -> AlertSignal:
        """``signal``, which ends or holds this alert, under the title that it has: such a one often brings none."""
        if self.said is not None:
            return replace(signal, title=self.said.title)
        return replace(signal, title=self.row.title) if self.row is not None else signal

    def new_row(self, last_received: datetime) -> dict[str, Any]:
        """The columns of a new alert."""
        return self._content(last_received) | self.born | {"incident_id": self.case.written.pk}

    def changed_row(self, last_received: datetime) -> dict[str, Any]:
        """The columns that changed, with the id."""
        return self._content(last_received) | {"id": self.row.id if self.row is not None else None}

    def _content(self, last_received: datetime) -> dict[str, Any]:
        row: dict[str, Any] = {
            "firing": self.firing,
            "last_received_at": last_received,
            "received_count": len(self.receipts),
            "ended_at": None if self.ended is None else self.ended.ended_at or last_received,
        }
        if (signal := self.said) is not None:
            row |= {
                "title": signal.title,
                "severity_sent": signal.severity[:60],
                "labels": signal.labels,
                "annotations": signal.annotations,
                "links": signal.links,
                "not_shown": signal.not_shown,
                "started_at": signal.started_at,
                "content_digest": self.digest,
            }
        return row


@dataclass(slots=True)
class Outcome:
    """What one alert of one request came to."""

    key: str
    status: str
    case: Case | None
    rule: str = ""

    def as_json(self) -> dict[str, Any]:
        """One member of the answer's ``alerts``; to be asked once the batch is written."""
        incident = self.case.incident if self.case is not None else None
        said = {"key": self.key, "status": self.status, "incident": incident.ref if incident is not None else None}
        return said | {"rule": self.rule} if self.rule else said
