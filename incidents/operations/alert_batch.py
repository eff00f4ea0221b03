"""One transaction's worth of alerts: read what is known, decide in memory, write by the set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q

from incidents.models import Incident, Integration, Receipt
from incidents.operations import alert_rows, expected, grouping, opening, paging, timeline, whereabouts
from incidents.operations.alert_case import Case, Newborn, Notes
from incidents.operations.known_alert import Known, Outcome
from incidents.reading import AlertSignal, Names, Said
from rollouts.models import Deployment

if TYPE_CHECKING:
    from incidents.operations.receive import Request

HELD_RULE = "The monitor says {word}: kept for the record. Only a person acknowledges, and only here."
#: The sender's words that the record keeps: somebody saw it elsewhere, which stops nothing here.
ACKNOWLEDGED = frozenset({"acknowledged", "acknowledge", "ack"})
UNMATCHED = "Nothing here goes by this key, so nothing was done."
#: From least to most telling, where one request names one alert twice.
STATUSES = ("duplicate", "suppressed", "updated", "resolved", "opened")


class Batch:
    """``run()`` writes receipts, alerts, incidents, entries and pages of ``requests``; each request's outcome."""

    def __init__(self, requests: Sequence[Request], integrations: dict[int, Integration]) -> None:
        self.requests = requests
        self.integrations = integrations
        self.alerts: dict[alert_rows.AlertKey, Known] = {}
        self.cases: dict[int, Case] = {}
        self.newborn: list[Case] = []
        self.by_deployment: dict[int, list[Case]] = {}
        self.by_group: dict[alert_rows.AlertKey, Case] = {}
        self.places: dict[tuple[int, Names], list[whereabouts.Place]] = {}
        self.deployments: dict[whereabouts.Place, Deployment] = {}
        self.spikes: dict[int, expected.Spike] = {}
        self.unmatched: list[int] = []  # receipts that only spoke of what is not known here

    def run(self) -> tuple[list[int], list[list[Outcome]]]:
        """Receipt ids and, per request, what each of its alerts came to."""
        for request, signal in self.signals():
            asked = (request.integration_id, signal.names)
            if asked not in self.places:
                settings = self.integrations[request.integration_id].settings
                self.places[asked] = list(whereabouts.places(signal.names, settings))
        self.deployments = whereabouts.find(place for places in self.places.values() for place in places)
        if any(request.reading.signals for request in self.requests):
            grouping.lock(
                integrations={request.integration_id for request, _ in self.signals()},
                deployments=[deployment.pk for deployment in self.deployments.values()],
            )
            self.load()
        arrived = [request for request in self.requests if request.receipt is None]
        new = iter(alert_rows.insert_receipts([self.receipt_row(request) for request in arrived]))
        receipts = [next(new) if request.receipt is None else request.receipt for request in self.requests]
        outcomes = [self.take(position, receipts[position]) for position in range(len(self.requests))]
        self.write(receipts)
        return receipts, outcomes

    def signals(self) -> Iterator[tuple[Request, AlertSignal]]:
        for request in self.requests:
            for signal in request.reading.signals:
                yield request, signal

    @staticmethod
    def receipt_row(request: Request) -> alert_rows.ReceiptRow:
        error = request.reading.error
        status = Receipt.Status.QUARANTINED if error else Receipt.Status.PROCESSED
        return alert_rows.ReceiptRow(
            request.integration_id, request.received_at, request.body, request.content_type[:100], status.value, error
        )

    # -- what is known ---------------------------------------------------------------------------------------------
    def load(self) -> None:
        """Newest alerts of the keys, their incidents, and the incidents new alerts could join, all locked."""
        rows = alert_rows.newest_alerts({(r.integration_id, s.dedup_key) for r, s in self.signals()})
        is_open = {(row.integration_id, row.dedup_key) for row in rows if not row.closed}
        new = [
            (request, signal)
            for request, signal in self.signals()
            if signal.said == Said.FIRING and (request.integration_id, signal.dedup_key) not in is_open
        ]
        groups = alert_rows.incidents_of_groups({(r.integration_id, s.group_key) for r, s in new if s.group_key})
        deployments = {found.pk for r, s in new if (found := self.deployment_of(r, s)) is not None}
        if deployments and any(expected.could_be_a_cold_cache(signal) for _, signal in new):
            self.spikes = expected.spikes(deployments, max(request.received_at for request, _ in new))
        explained = {spike.incident_id for spike in self.spikes.values()}
        wanted = {row.incident_id for row in rows} | set(groups.values()) | explained
        incidents = (
            Incident.objects.filter(
                Q(pk__in=wanted)
                | Q(deployment__in=deployments, resolved_at=None, contained_at=None) & ~Q(kind=Incident.Kind.DRILL)
            )
            .select_for_update(no_key=True, of=("self",))
            .order_by("pk")
        )
        for incident in incidents:
            case = self.cases[incident.pk] = Case(incident, incident.severity)
            if incident.is_open and incident.kind != Incident.Kind.DRILL and incident.deployment_id is not None:
                self.by_deployment.setdefault(incident.deployment_id, []).append(case)
        self.by_group = {group: self.cases[pk] for group, pk in groups.items() if self.cases[pk].is_open}
        for row in rows:
            case = self.cases[row.incident_id]
            key = (row.integration_id, row.dedup_key)
            closed = row.closed or not case.is_open
            self.alerts[key] = Known(case, row, row.firing, row.content_digest, row.severity_sent, closed)
        if any(signal.said == Said.RESOLVED for _, signal in self.signals()):
            counts = alert_rows.firing_counts(list(self.cases))
            for pk, case in self.cases.items():
                case.firing = counts.get(pk, 0)

    def deployment_of(self, request: Request, signal: AlertSignal) -> Deployment | None:
        for place in self.places[request.integration_id, signal.names]:
            if place in self.deployments:
                return self.deployments[place]
        return None

    # -- deciding --------------------------------------------------------------------------------------------------
    def take(self, position: int, receipt: int) -> list[Outcome]:
        """Apply one request, in the order its alerts stand in it, and draft the entries it leaves."""
        request = self.requests[position]
        notes: dict[int, Notes] = {}
        outcome = []
        for signal, digest in zip(request.reading.signals, request.reading.digests, strict=True):
            status, known = self.apply(request, signal, digest, notes)
            if known is not None:
                before = known.receipts.get(position, status)
                known.receipts[position] = max(before, status, key=STATUSES.index)
            rule = HELD_RULE.format(word=signal.word) if status == "suppressed" else ""
            outcome.append(Outcome(signal.dedup_key, status, known.case if known else None, rule))
        if outcome and all(each.case is None for each in outcome):
            self.unmatched.append(receipt)
        for note in notes.values():
            note.case.settle(note, request.received_at)
            note.receipts.append(receipt)
            if not note.case.notes or not note.case.notes[-1].absorbs(note):
                note.case.notes.append(note)
        return outcome

    def apply(
        self, request: Request, signal: AlertSignal, digest: str, notes: dict[int, Notes]
    ) -> tuple[str, Known | None]:
        """The status of one signal (CONTRACT §4) and the alert it is about, if there is one."""
        key = (request.integration_id, signal.dedup_key)
        known = self.alerts.get(key)
        if signal.said == Said.HELD:
            if signal.word in ACKNOWLEDGED and known is not None and known.case.is_open and not known.closed:
                self.note(request, known.case, notes).held.append(known.called(signal))
            return "suppressed", known
        if signal.said == Said.RESOLVED:
            return self.end(request, signal, known, notes)
        if known is None or known.closed:
            return self.begin(request, signal, digest, known, notes)
        return self.again(request, signal, digest, known, notes)

    def note(self, request: Request, case: Case, notes: dict[int, Notes]) -> Notes:
        if id(case) not in notes:
            notes[id(case)] = Notes(case, self.integrations[request.integration_id], request.received_at)
        return notes[id(case)]

    def end(
        self, request: Request, signal: AlertSignal, known: Known | None, notes: dict[int, Notes]
    ) -> tuple[str, Known | None]:
        if known is None:
            return "resolved", None
        if not known.firing:
            return ("resolved" if known.closed else "duplicate"), known
        known.firing, known.ended, known.changed = False, signal, True
        if not known.closed:
            known.case.firing -= 1
            self.note(request, known.case, notes).resolved.append(known.called(signal))
        return "resolved", known

    def again(
        self, request: Request, signal: AlertSignal, digest: str, known: Known, notes: dict[int, Notes]
    ) -> tuple[str, Known | None]:
        known.not_shown = signal.not_shown
        if known.firing and digest == known.digest:
            return "duplicate", known
        note = self.note(request, known.case, notes)
        if not known.firing:
            known.case.firing += 1
            note.again.append(signal)
        else:
            note.changed.append(signal)
        if signal.severity != known.severity_sent:
            note.severities.append(signal)
        known.firing, known.changed, known.ended = True, True, None
        known.said, known.digest, known.severity_sent = signal, digest, signal.severity
        return "updated", known

    def begin(
        self, request: Request, signal: AlertSignal, digest: str, earlier: Known | None, notes: dict[int, Notes]
    ) -> tuple[str, Known | None]:
        deployment = self.deployment_of(request, signal)
        integration = self.integrations[request.integration_id]
        group = (request.integration_id, signal.group_key)
        case, reason = self.home(deployment, group, integration, signal)
        opened = case is None
        if case is None:
            newborn = Newborn.of(signal, deployment, integration, earlier.case.incident if earlier else None)
            case = Case(None, newborn.severity, newborn=newborn)
            self.newborn.append(case)
            if deployment is not None:
                self.by_deployment.setdefault(deployment.pk, []).append(case)
        if signal.group_key:
            self.by_group.setdefault(group, case)
        note = self.note(request, case, notes)
        if reason.startswith(expected.LABEL):
            note.expected.append(signal)
        (note.opened if opened else note.joined).append(signal)
        note.severities.append(signal)
        case.firing += 1
        known = Known(case, None, True, digest, signal.severity, said=signal, not_shown=signal.not_shown)
        known.born = {
            "integration_id": integration.pk,
            "deployment_id": deployment.pk if deployment else None,
            "dedup_key": signal.dedup_key,
            "group_key": signal.group_key,
            "started_at_assumed": signal.started_at is None,
            "started_at": signal.started_at or request.received_at,
            "first_received_at": request.received_at,
            "grouped_by": reason if len(reason) <= 200 else reason[:199] + "…",
        }
        self.alerts[request.integration_id, signal.dedup_key] = known
        return ("opened" if opened else "updated"), known

    def home(
        self,
        deployment: Deployment | None,
        group: alert_rows.AlertKey,
        integration: Integration,
        signal: AlertSignal,
    ) -> tuple[Case | None, str]:
        """The incident a new alert joins, and why; None: one of its own."""
        candidates = self.by_deployment.get(deployment.pk, []) if deployment is not None else []
        candidates = [case for case in candidates if not case.is_contained]
        if candidates:
            best = min(reversed(candidates), key=lambda case: case.severity)
            return best, f"It is about {deployment}, like this incident, which was open and not contained."
        spike = self.spikes.get(deployment.pk) if deployment is not None else None
        if spike is not None and self.cases[spike.incident_id].is_open and expected.could_be_a_cold_cache(signal):
            return self.cases[spike.incident_id], spike.says
        if group[1] and group in self.by_group:
            return self.by_group[group], f"{integration.name} put it into one group with this incident: {group[1]}"
        about = f"of {deployment}" if deployment is not None else "of its group"
        return None, f"It opened this incident: no other {about} was open{' and not contained' if deployment else ''}."

    # -- writing ---------------------------------------------------------------------------------------------------
    def write(self, receipts: list[int]) -> None:
        births = [case.newborn.birth(case.notes[0]) for case in self.newborn if case.newborn is not None]
        for case, incident in zip(self.newborn, opening.open_many(births) if births else [], strict=True):
            case.incident = incident
        cases = [*self.cases.values(), *self.newborn]
        wakings = [waking for case in cases for waking in case.save_changes()]
        self.write_alerts(receipts)
        timeline.append_many([draft for case in cases for draft in case.entries()])
        if wakings:
            paging.page_many(wakings)
        if self.unmatched:
            Receipt.objects.filter(pk__in=self.unmatched).update(error=UNMATCHED)

    def write_alerts(self, receipts: list[int]) -> None:
        touched = [known for known in self.alerts.values() if known.receipts]
        ids = alert_rows.insert_alerts(
            [known.new_row(self.last_received(known)) for known in touched if known.row is None]
        )
        alert_rows.update_alerts(
            [known.changed_row(self.last_received(known)) for known in touched if known.row and known.changed]
        )
        alert_rows.count_repeats(
            [
                (known.row.id, len(known.receipts), self.last_received(known), known.not_shown)
                for known in touched
                if known.row is not None and not known.changed
            ]
        )
        alert_rows.link_receipts(
            [
                (known.row.id if known.row else ids[key], receipts[position], status)
                for key, known in self.alerts.items()
                for position, status in known.receipts.items()
            ]
        )

    def last_received(self, known: Known) -> datetime:
        return self.requests[max(known.receipts)].received_at
