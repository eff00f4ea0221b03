"""Changes that others tell us of: kept, noted in the open incidents of the agent they name, opening none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from accounts.actors import Actor, Surface
from incidents.models import ChangeEvent, Incident, Integration, Receipt, TimelineEntry
from incidents.operations import alert_rows, bulk, timeline, whereabouts
from incidents.operations.refusals import short
from incidents.reading import ChangeSignal
from rollouts.models import Deployment
from rollouts.telemetry.facts import Change, ChangeKind

if TYPE_CHECKING:
    from incidents.operations.receive import Request

#: Of changes that name nobody, those nearest to the moment that was asked about; others' deploys are many.
UNNAMED = 5
MOST = 100


def record(requests: Sequence[Request], integrations: dict[int, Integration]) -> list[int]:
    """Keep one change per request, set-based, in the caller's transaction; their receipts."""
    told = [(request, request.reading.change) for request in requests if request.reading.change is not None]
    arrived = [request for request, _ in told if request.receipt is None]
    new = iter(alert_rows.insert_receipts([_receipt(request) for request in arrived]))
    receipts = [next(new) if request.receipt is None else request.receipt for request, _ in told]
    where = _deployments(told, integrations)
    rows = [
        ChangeEvent(
            integration_id=request.integration_id,
            receipt_id=receipt,
            deployment=deployment,
            summary=change.summary,
            source=change.source,
            at=_moment(change, request.received_at),
            at_assumed=_moment(change, request.received_at) != change.at,
            details=change.details,
            links=list(change.links),
        )
        for (request, change), receipt, deployment in zip(told, receipts, where, strict=True)
    ]
    bulk.insert(rows)
    _tell(rows, integrations)
    return receipts


def _moment(change: ChangeSignal, received_at: datetime) -> datetime:
    """When it happened; by its sender's clock only where that is not ahead of ours."""
    return min(change.at or received_at, received_at)


def _receipt(request: Request) -> alert_rows.ReceiptRow:
    content_type = request.content_type[:100]
    status = Receipt.Status.PROCESSED.value
    return alert_rows.ReceiptRow(request.integration_id, request.received_at, request.body, content_type, status, "")


def _deployments(
    told: Iterable[tuple[Request, ChangeSignal]], integrations: dict[int, Integration]
) -> list[Deployment | None]:
    """Which deployment each change names, None where it names none or one that is not known here."""
    places = [
        list(whereabouts.places(each.names, integrations[request.integration_id].settings)) for request, each in told
    ]
    found = whereabouts.find(place for each in places for place in each)
    return [next((found[place] for place in each if place in found), None) for each in places]


def _tell(rows: Sequence[ChangeEvent], integrations: dict[int, Integration]) -> None:
    """Note them in the open incidents of their deployments, which are locked in the order that all lock them."""
    about = {row.deployment_id for row in rows if row.deployment_id is not None}
    if not about:
        return
    open_ones = (
        Incident.objects.open()
        .filter(deployment__in=about)
        .exclude(kind=Incident.Kind.DRILL)
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    pairs = [(row, incident) for incident in open_ones for row in rows if row.deployment_id == incident.deployment_id]
    links = ChangeEvent.incidents.through
    links._default_manager.bulk_create(
        [links(changeevent_id=row.pk, incident_id=incident.pk) for row, incident in pairs]
    )
    timeline.append_many(
        [
            timeline.Draft(
                incident,
                TimelineEntry.Kind.CHANGE,
                f"Changed: {short(row.summary, 500)}{f' ({row.source})' if row.source else ''}",
                Actor.automation(integrations[row.integration_id].name, Surface.INTAKE),
                row.at,
                {"change": row.pk, "receipts": [row.receipt_id], "links": [link["href"] for link in row.links]},
                source=f"change:{row.pk}",
                ping=("triage",),
            )
            for row, incident in pairs
        ]
    )


def told_of(keys: Sequence[str], environment: str, since: datetime, until: datetime) -> Iterator[Change]:
    """The changes of a window for "What changed?": those about these agents, and the nearest that name nobody."""
    rows = ChangeEvent.objects.filter(at__gt=since, at__lte=until).select_related("integration", "deployment__bundle")
    about = rows.filter(deployment__bundle__key__in=keys, deployment__environment=environment)
    for row in [*about[:MOST], *rows.filter(deployment=None)[:UNNAMED]]:
        yield Change(
            at=row.at,
            minutes_before=0.0,
            kind=ChangeKind.TOLD,
            bundle_key=row.deployment.bundle.key if row.deployment is not None else "names no agent of ours",
            sentence=row.summary,
            actor_label=row.source or row.integration.name,
            actor_kind="automation",
            from_label="",
            to_label="",
            parts=(),
            same_bundle=True,
            pk=row.pk,
        )
