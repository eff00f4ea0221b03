"""Bundles: what exactly is running, what differs, what is safe to return to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Actor
from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import Rights, show, whole_number
from accounts.middleware import ActorRequest, forbidden
from rollouts import access, beside, diff, shared, signals, stack
from rollouts.body import PARTS
from rollouts.environments import differences
from rollouts.forms import PromoteForm, RulesForm
from rollouts.models import Bundle, BundleVersion, Deployment, Drift, Stop
from rollouts.operations import drift, gates, prompt_rules
from rollouts.operations.promote import promote as promote_version
from rollouts.pinned import lacking
from rollouts.telemetry import cache_forecast
from rollouts.text_diff import Span

PAGE = 50


@dataclass(frozen=True, slots=True)
class Pointer:
    """One environment of one bundle in the list."""

    environment: str
    deployment: Deployment
    last_good: str
    rolled_back: bool
    stopped: bool
    drifts: list[Drift]


@require_safe
def bundle_list(request: ActorRequest) -> HttpResponse:
    """Every bundle with what its environments serve."""
    q = request.GET.get("q", "").strip()[:100]
    at = now()
    bundles = Bundle.objects.select_related("agent").order_by("key")
    if q:
        bundles = bundles.filter(key__icontains=q)
    unreviewed = request.GET.get("drift") == "unreviewed"
    if unreviewed:
        bundles = bundles.filter(pk__in=drift.unreviewed_in_last_month(at).values("deployment__bundle"))
    shown = list(bundles[:200])
    deployments = (
        Deployment.objects.filter(bundle__in=shown)
        .select_related("active", "environment")
        .defer("active__body")
        .order_by("environment__position")
    )
    stopped = set(Stop.objects.filter(released_at=None).values_list("kill_switch__deployment_id", flat=True))
    found = list(deployments)
    labels = labels_of([(d.bundle_id, d.stack[-2]) for d in found if len(d.stack) > 1])
    drifts = drift.open_in(found, at)
    pointers: dict[int, list[Pointer]] = {}
    for deployment in found:
        good = stack.last_good_number(deployment.stack)
        pointers.setdefault(deployment.bundle_id, []).append(
            Pointer(
                deployment.environment_id,
                deployment,
                labels.get((deployment.bundle_id, good or 0), ""),
                deployment.standing_rollback_id is not None,
                deployment.pk in stopped,
                drifts.get(deployment.pk, []),
            )
        )
    rows = [(bundle, pointers.get(bundle.pk, [])) for bundle in shown]
    return show(request, "rollouts/bundles.html", {"rows": rows, "q": q, "unreviewed": unreviewed}, region="found")


def labels_of(wanted: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Labels by (bundle, number), in one query."""
    rows = BundleVersion.objects.filter(
        bundle_id__in={bundle for bundle, _ in wanted}, number__in={number for _, number in wanted}
    ).values_list("bundle_id", "number", "label")
    return {(bundle, number): label for bundle, number, label in rows}


@dataclass(frozen=True, slots=True)
class Column:
    """One environment of one bundle: its stack and what could be promoted into it."""

    deployment: Deployment
    rows: list[stack.StackRow]
    stops: list[Stop]
    drifts: list[Drift]


@require_safe
def bundle(request: ActorRequest, key: str) -> HttpResponse:
    """One bundle: a stack per environment, and every version, newest first."""
    found = access.get_bundle(request.actor, key)
    if found.key != key:
        return HttpResponseRedirect(reverse("rollouts:bundle", args=[found.key]))
    if old := request.GET.get("old"):  # the form that picks two versions: on to their address
        pair = [access.get_version(request.actor, key, name) for name in (old, request.GET.get("new", ""))]
        return HttpResponseRedirect(reverse("rollouts:diff", args=[key, *(version.label for version in pair)]))
    return bundle_page(request, found, RulesForm.of(prompt_rules.of(found)))


def bundle_page(request: ActorRequest, found: Bundle, form: RulesForm, *, status: int = 200) -> HttpResponse:
    """The bundle page, with the rules for its prompts as they were filled in."""
    at = now()
    deployments = list(
        Deployment.objects.filter(bundle=found)
        .select_related("bundle", "environment", "active", "standing_rollback__to_version")
        .defer("active__body", "standing_rollback__to_version__body")
        .order_by("environment__position")
    )
    engaged: dict[int, list[Stop]] = {}
    for stop in Stop.objects.filter(released_at=None, kill_switch__deployment__in=deployments).select_related(
        "kill_switch"
    ):
        engaged.setdefault(stop.kill_switch.deployment_id, []).append(stop)
    drifts = drift.open_in(deployments, at)
    columns = [Column(d, stack.view(d, at), engaged.get(d.pk, []), drifts.get(d.pk, [])) for d in deployments]
    before = whole_number(request.GET.get("before", ""))
    versions = BundleVersion.objects.filter(bundle=found).defer("body")
    if before is not None:
        versions = versions.filter(number__lt=before)
    page = list(versions[: PAGE + 1])
    active: dict[int, list[str]] = {}
    for deployment in deployments:
        if deployment.active is not None:
            active.setdefault(deployment.active.pk, []).append(deployment.environment_id)
    context = {
        "bundle": found,
        "columns": columns,
        "versions": [(version, active.get(version.pk, [])) for version in page[:PAGE]],
        "older": page[PAGE - 1].number if len(page) > PAGE else None,
        "newest": page[0] if page else None,
        "may": Rights(request.actor),
        "differences": differences(beside.running(found)),
        "drifts": drift.of_last_month(deployments, at)[:20],
        "surprises": drift.surprises(deployments, at),
        "form": form,
    }
    return show(request, "rollouts/bundle.html", context, region="stacks", status=status)


@require_POST
def change_rules(request: ActorRequest, key: str) -> HttpResponse:
    """Set what every further prompt of this bundle has to keep to."""
    found = access.get_bundle(request.actor, key)
    form = RulesForm(request.POST)
    actor = request.actor
    if form.is_valid() and isinstance(actor, Actor):
        try:
            prompt_rules.change(found, actor=actor, **form.cleaned_data)
        except OperationRefused as refused:
            form.add_error(None, str(refused))
        else:
            return HttpResponseRedirect(f"{reverse('rollouts:bundle', args=[found.key])}#rules")
    return bundle_page(request, found, form, status=422)


@require_safe
def version(request: ActorRequest, key: str, version: str) -> HttpResponse:
    """One version whole: its parts, digests, gates, and where it has run. A number redirects to the label."""
    found = access.get_version(request.actor, key, version)
    if found.label != version or found.bundle.key != key:
        return HttpResponseRedirect(reverse("rollouts:version", args=[found.bundle.key, found.label]))
    return version_page(request, found, PromoteForm())


def version_page(
    request: ActorRequest, found: BundleVersion, form: PromoteForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    """The version page, with the promotion form as it was filled in."""
    deployments = list(
        Deployment.objects.filter(bundle=found.bundle)
        .select_related("bundle", "environment", "active")
        .defer("active__body")
        .order_by("environment__position")
    )
    previous = BundleVersion.objects.defer("body").filter(bundle=found.bundle, number__lt=found.number).first()
    body: dict[str, Any] = found.body
    looked = gates.look(found)
    context = {
        "version": found,
        "bundle": found.bundle,
        "body": body,
        "metadata": found.metadata,
        "parts": [(part, found.part_digests.get(part, "")) for part in PARTS],
        "previous": previous,
        "deployments": [(d, looked.standing(d.environment_id), d.active_id == found.pk) for d in deployments],
        "board": looked.board("prod"),
        "sets": looked.sets,
        "runs": looked.runs,
        "gates": looked.results[:20],
        "postmortems": signals.written_about(found),
        "lacks": lacking(body),
        "warnings": list(found.warnings.all()),
        "dependents": shared.dependents(found),
        "history": looked.activations[:20],
        "at": now(),
        "form": form,
        "refusal": refusal,
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/version.html", context, status=status)


@require_POST
def promote(request: ActorRequest, key: str, version: str) -> HttpResponse:
    """Make this version the active one of an environment, with a waiver when gates have no result."""
    found = access.get_version(request.actor, key, version)
    form = PromoteForm(request.POST)
    actor = request.actor
    if not form.is_valid() or not isinstance(actor, Actor):
        return version_page(request, found, form, status=422)
    deployment = access.get_deployment(actor, found.bundle.key, form.cleaned_data["environment"])
    try:
        promote_version(
            deployment,
            found,
            actor=actor,
            waiver_reason=form.cleaned_data["waiver_reason"],
            waiver_expires_at=form.waiver_expires_at(now()),
        )
    except OperationRefused as refused:
        if refused.status == 403:
            return forbidden(request, str(refused))
        return version_page(request, found, form, refusal=str(refused), status=refused.status)
    return HttpResponseRedirect(reverse("rollouts:bundle", args=[found.bundle.key]))


@require_safe
def compare(request: ActorRequest, key: str, old: str, new: str) -> HttpResponse:
    """What moved from one version to another: the prompt by word, schemas by field."""
    before, after = access.get_version(request.actor, key, old), access.get_version(request.actor, key, new)
    moved = diff.compare(before.body, after.body, behaviour_unchanged=before.behaviour_digest == after.behaviour_digest)
    labels = BundleVersion.objects.filter(bundle=after.bundle).values_list("label", flat=True)[:100]
    context = {
        "bundle": after.bundle,
        "old": before,
        "new": after,
        "diff": moved,
        "spans": folded(moved.prompt),
        "parts": [(part, part in moved.parts) for part in PARTS],
        "labels": list(labels),
        "forecast": cache_forecast.forecast(before, after, now()),
    }
    return show(request, "rollouts/diff.html", context)


@dataclass(frozen=True, slots=True)
class Shown:
    """A stretch of the prompt; a long unchanged one is folded to its ends, ``hidden`` counts the words between."""

    kind: str
    text: str
    hidden: int = 0
    tail: str = ""


def folded(spans: tuple[Span, ...], keep: int = 200) -> list[Shown]:
    """Spans with long unchanged stretches folded."""
    shown = []
    for span in spans:
        if span.kind != "same" or len(span.text) <= keep * 3:
            shown.append(Shown(span.kind, span.text))
            continue
        middle = span.text[keep:-keep]
        shown.append(Shown("same", span.text[:keep], len(middle.split()), span.text[-keep:]))
    return shown
