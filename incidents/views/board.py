"""What burns, who has it, and what will need somebody next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.clock import now
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from incidents.models import Incident, OnCall, Owed, Receipt, Severity, Step
from rollouts.models import RollbackLeg, Stop

STEPS: list[str] = [step.value for step in Step if step != Step.CLOSED]
#: As many rows as anybody reads, of the worst; the list has the rest.
BOARD = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One open incident on the board. ``waiting``: nobody holds it."""

    incident: Incident
    deployment: str
    step_state: str
    step_word: str
    age: timedelta
    waiting: bool
    first_waiting: bool
    tone: str


@dataclass(frozen=True, slots=True)
class Watch:
    """One line of what may need somebody next."""

    word: str
    tone: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the live board shows."""

    rows: list[Row]
    total: int
    waiting: int
    watch: list[Watch]
    last: Incident | None
    on_call: list[str]

    @property
    def title(self) -> str:
        """The page's title, state first."""
        if not self.rows:
            return "All quiet"
        waiting = f", {self.waiting} not acknowledged" if self.waiting else ""
        return f"{self.total} open{waiting}"


def step_of(incident: Incident) -> tuple[str, str]:
    """The glyph and the words of where the work stands: ``("running", "Contain 3/5")``."""
    if incident.step == Step.CLOSED:
        return "done", "Closed"
    place = STEPS.index(incident.step) + 1
    return ("running" if incident.acknowledged_at else "open"), f"{Step(incident.step).label} {place}/5"


def read_board(at: datetime) -> Board:
    """Open incidents, worst first and unheld before held; then what to watch."""
    found = Incident.objects.open().for_lists().annotate(held=Q(acknowledged_by__isnull=False))
    incidents = list(found.order_by("severity", "held", "opened_at", "pk")[:BOARD])
    total, waiting = len(incidents), sum(incident.acknowledged_by_id is None for incident in incidents)
    if total == BOARD:
        total = Incident.objects.open().count()
        waiting = Incident.objects.open().filter(acknowledged_by=None).count()
    first = next((i.pk for i in incidents if i.acknowledged_by_id is None), None)
    rows = []
    for incident in incidents:
        state, word = step_of(incident)
        nobody = incident.acknowledged_by_id is None
        worst = incident.severity in {Severity.SEV1, Severity.SEV2}
        deployment = incident.deployment
        rows.append(
            Row(
                incident,
                f"{deployment.bundle.key}/{deployment.environment_id}" if deployment else "",
                state,
                word,
                at - incident.opened_at,
                nobody,
                incident.pk == first,
                "urgent" if nobody and worst else "",
            )
        )
    last = Incident.objects.filter(resolved_at__isnull=False).order_by("-resolved_at").first()
    return Board(rows, total, waiting, watch(), last, [] if rows else on_call_now(at))


def watch() -> list[Watch]:
    """Stops that stand, rollbacks with legs open, what is owed, and requests nobody could read."""
    lines = [
        Watch("stopped", "crit", f"{stop.kill_switch.deployment} · {stop.kill_switch.scope}", "/fleet/")
        for stop in Stop.objects.filter(released_at=None).select_related("kill_switch__deployment__bundle")[:3]
    ]
    unfinished = ["open", "running", "failed", "blocked"]
    legs = (
        RollbackLeg.objects.filter(state__in=unfinished)
        .select_related("rollback__deployment__bundle")
        .order_by("-rollback_id")[:60]
    )
    by_rollback: dict[int, list[RollbackLeg]] = {}
    for leg in legs:
        by_rollback.setdefault(leg.rollback_id, []).append(leg)
    for group in list(by_rollback.values())[:3]:
        rollback = group[0].rollback
        failed = sum(leg.state == "failed" for leg in group)
        count = f"{len(group)} leg{'s' if len(group) != 1 else ''} open" + (f", {failed} failed" if failed else "")
        url = f"/i/{rollback.pressed_in}/contain/" if rollback.pressed_in else "/fleet/"
        lines.append(Watch("rollback", "crit" if failed else "warn", f"{rollback.deployment}: {count}", url))
    owed = Owed.objects.filter(given_at=None, incident__resolved_at=None).select_related("incident").first()
    if owed:
        lines.append(Watch("owed", "warn", f"{owed.incident.ref}: {owed.text}", f"/i/{owed.incident.ref}/"))
    unread = Receipt.objects.filter(status=Receipt.Status.QUARANTINED).count()
    if unread:
        requests = f"{unread} request{'s' if unread != 1 else ''} could not be read"
        lines.append(Watch("quarantine", "warn", requests, reverse("incidents:receipts")))
    return lines


def on_call_now(at: datetime) -> list[str]:
    """Names of who is on call at ``at``."""
    shifts = OnCall.objects.filter(Q(to_at=None) | Q(to_at__gt=at), from_at__lte=at, user__is_active=True)
    shifts = shifts.select_related("user")
    return list(dict.fromkeys(shift.user.display_name for shift in shifts))


@require_safe
def live(request: ActorRequest) -> HttpResponse:
    """The live board."""
    template = "incidents/board.html" if request.headers.get("HX-Target") == "section#board" else "incidents/live.html"
    context = {"board": read_board(now()), "may": Rights(request.actor)}
    return show(request, template, context, fragment=template == "incidents/board.html")
