"""Every instance with its version, its region, and when it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from accounts.clock import now
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from rollouts.models import Activation, BundleVersion, Deployment, Instance, Stop

#: An instance that has not asked for so long is a state of its own.
SILENT = timedelta(minutes=5)
FORGOTTEN = timedelta(days=1)
WORST_FIRST = {"stopped": 0, "behind": 1, "silent": 2, "in_sync": 3}


@dataclass(frozen=True, slots=True)
class Cell:
    """One instance: ``state`` in_sync, behind, stopped or silent, ``label`` the version it fetched last."""

    instance: Instance
    state: str
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """One region of one deployment."""

    region: str
    cells: list[Cell]
    in_sync: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """One deployment and who runs it."""

    deployment: Deployment
    groups: list[Group]
    total: int
    in_sync: int
    silent: int
    mixed: list[tuple[str, int]]
    stops: list[Stop]
    last: Activation | None

    @property
    def state(self) -> str:
        """Of the whole: silent when nobody is heard, in sync when everybody who is heard is."""
        if self.silent == self.total:
            return "silent"
        return "in_sync" if self.in_sync + self.silent == self.total else "behind"


@require_safe
def fleet(request: ActorRequest, key: str = "") -> HttpResponse:
    """Instances by deployment and region, worst first; ``?view=table`` is the same as a table."""
    at = now()
    instances = list(
        Instance.objects.filter(last_seen_at__gte=at - FORGOTTEN, **({"deployment__bundle__key": key} if key else {}))
        .select_related("deployment__bundle")
        .order_by("deployment_id", "region", "name")[:2_000]
    )
    wanted = {instance.deployment_id for instance in instances}
    deployments = {
        d.pk: d
        for d in Deployment.objects.filter(pk__in=wanted)
        .select_related("bundle", "environment", "active")
        .defer("active__body")
    }
    labels = {
        (bundle, number): label
        for bundle, number, label in BundleVersion.objects.filter(
            bundle__deployments__in=wanted, number__in={i.version_number for i in instances if i.version_number}
        ).values_list("bundle_id", "number", "label")
    }
    stops: dict[int, list[Stop]] = {}
    for stop in Stop.objects.filter(released_at=None, kill_switch__deployment__in=wanted).select_related("kill_switch"):
        stops.setdefault(stop.kill_switch.deployment_id, []).append(stop)
    latest = {
        a.deployment_id: a
        for a in Activation.objects.filter(deployment__in=wanted)
        .select_related("version", "propagation")
        .defer("version__body")
        .order_by("deployment_id", "-pk")
        .distinct("deployment_id")
    }
    fleets = [
        gathered(
            deployments[pk],
            [i for i in instances if i.deployment_id == pk],
            labels,
            stops.get(pk, []),
            latest.get(pk),
            at,
        )
        for pk in deployments
    ]
    fleets.sort(key=lambda f: (f.state != "behind", f.deployment.environment_id != "prod", f.deployment.bundle.key))
    context = {"fleets": fleets, "view": request.GET.get("view", ""), "key": key, "may": Rights(request.actor)}
    return show(request, "rollouts/fleet.html", context, region="fleet")


def gathered(
    deployment: Deployment,
    instances: list[Instance],
    labels: dict[tuple[int, int], str],
    stops: list[Stop],
    last: Activation | None,
    at: datetime,
) -> Fleet:
    """One deployment's instances by region, worst regions and cells first."""
    active = deployment.active.number if deployment.active else None
    whole = any(stop.kill_switch.scope == "whole" for stop in stops)
    cells: dict[str, list[Cell]] = {}
    mixed: dict[str, int] = {}
    for instance in instances:
        silent = instance.last_seen_at < at - SILENT
        behind = instance.version_number != active
        state = "silent" if silent else "stopped" if whole else "behind" if behind else "in_sync"
        label = labels.get((deployment.bundle_id, instance.version_number or 0), "unknown version")
        cells.setdefault(instance.region or "no region", []).append(Cell(instance, state, label))
        if not silent:
            mixed[label] = mixed.get(label, 0) + 1
    groups = [
        Group(
            region,
            sorted(found, key=lambda cell: (WORST_FIRST[cell.state], cell.instance.name)),
            sum(cell.state == "in_sync" for cell in found),
        )
        for region, found in cells.items()
    ]
    groups.sort(key=lambda group: (group.in_sync / len(group.cells), group.region))
    everything = [cell for group in groups for cell in group.cells]
    return Fleet(
        deployment,
        groups,
        len(everything),
        sum(cell.state == "in_sync" for cell in everything),
        sum(cell.state == "silent" for cell in everything),
        sorted(mixed.items(), key=lambda pair: -pair[1]),
        stops,
        last,
    )
