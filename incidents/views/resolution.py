"""What the Resolve panel shows: causes, what their cases prove, runs, gates, and how far the fix is out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from accounts.models import SiteRole, User
from incidents.forms import CauseForm, ResolveForm
from incidents.models import Confidence
from incidents.operations import exits, proving
from incidents.operations.window import window_of
from incidents.views.frame_of_room import owed
from incidents.views.visit import Visit
from rollouts.models import BundleVersion, Deployment, EvalResult, EvalRun
from rollouts.operations import eval_runs, gates
from rollouts.operations.promote import obstacles
from rollouts.telemetry import questions
from rollouts.telemetry.facts import Dimension

#: How many runs of a set the panel names.
SHOWN = 5
CANARY = "Not built yet: promotion goes from staging to prod."


@dataclass(frozen=True, slots=True)
class RunView:
    """One eval run. ``regressions``: cases that fail now and passed on another version; ``flaky``: mixed over tries."""

    run: EvalRun
    progress: eval_runs.Progress
    regressions: list[str]
    flaky: list[str]

    @property
    def share(self) -> float:
        return self.progress.percent / 100

    @property
    def is_over(self) -> bool:
        return self.run.state not in {EvalRun.State.QUEUED, EvalRun.State.RUNNING}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way out: ``state`` as a glyph. ``blocked``: what nobody can waive; ``missing``: what a waiver
    may stand in for."""

    name: str
    state: str
    word: str
    note: str
    deployment: Deployment | None = None
    blocked: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def may_come(self) -> bool:
        """Whether promoting there would change anything."""
        return self.deployment is not None and self.state != "done"


def proof(visit: Visit) -> proving.Standing:
    """Causes, cases and what runs say of them."""
    return visit.once("proof", lambda: proving.standing(visit.incident))


def unmet(visit: Visit) -> list[str]:
    """What keeps the incident from being resolved."""

    def ask() -> list[str]:
        return exits.unmet(visit.incident, "resolve", proof=lambda _: proof(visit), owed=lambda _: owed(visit))

    return visit.once("unmet", ask)


def lead(visit: Visit) -> str:
    """The one thing to press next: the first unmet gate's action."""
    found = proof(visit)
    if visit.incident.resolved_at is not None:
        return "document"
    if len(unmet(visit)) > len(proving.unmet(found)):
        return "contain"
    if not found.causes:
        return "cause"
    if any(not each.cases and not each.cause.no_case_reason for each in found.causes):
        return "case"
    for each in [proof for cause in found.causes if not cause.cause.proof_waived_reason for proof in cause.cases]:
        if not proving.unproven(each, found.fix):
            continue
        if each.bad is not None and each.on_bad.n == 0:
            return "bad"
        if each.on_bad.k == 0:
            return "case"
        if found.fix is None or found.fix == each.bad:
            return "promote"
        return "fix" if each.on_fix.n == 0 else "promote"
    return "all" if found.red is not None else "resolve"


def causes(visit: Visit) -> dict[str, Any]:
    """Why it happened, with how sure we are."""
    return {
        "proof": proof(visit),
        "confidences": Confidence.choices,
        "cause_form": CauseForm(),
        "lead": lead(visit),
    }


def cases(visit: Visit) -> dict[str, Any]:
    """What the cases prove, and what can be run."""
    return {"proof": proof(visit), "lead": lead(visit)}


def leading(visit: Visit) -> dict[str, Any]:
    """What to press next, and how much stands in the way."""
    return {"lead": lead(visit), "open_ends": unmet(visit)}


def resolve(visit: Visit) -> dict[str, Any]:
    """The form that resolves, and what stands in its way."""
    form = ResolveForm(initial={"resolution": visit.incident.resolution})
    return {"form": form, "proof": proof(visit), **leading(visit)}


def failing(visit: Visit) -> dict[str, Any]:
    """Runs that went wrong under the bad version, where that is known, and may become a case."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"failing": [], "lead": lead(visit)}
    window = window_of(visit.incident, deployment, visit.at)
    bad = proof(visit).bad
    only: dict[str, Any] = {"dimension": Dimension.VERSION, "value": bad.label} if bad is not None else {}
    return {"failing": questions.samples(window, limit=SHOWN, **only), "lead": lead(visit)}


def runs(visit: Visit) -> dict[str, Any]:
    """The newest runs asked for here, and of the whole suite on the version that is to be proven."""
    candidate = proof(visit).candidate
    wanted = Q(incident_ref=visit.incident.ref) | Q(version=candidate, only=None)
    found = (
        EvalRun.objects.filter(wanted)
        .select_related("version__bundle", "eval_set_version__eval_set__bundle")
        .defer("raw", "version__body")
        .order_by("-pk")[:SHOWN]
    )
    views = [RunView(run, eval_runs.progress(run, visit.at), *compared(run)) for run in found]
    return {"runs": views, "any_running": any(not view.is_over for view in views)}


def compared(run: EvalRun) -> tuple[list[str], list[str]]:
    """(regressions, flaky) of a run, by the keys of the cases."""
    if not run.failed:
        return [], []
    rows = (
        run.results.exclude(outcome=EvalResult.Outcome.ERROR)
        .values("case", "case__key")
        .annotate(passed=Count("pk", filter=Q(outcome="pass")), failed=Count("pk", filter=Q(outcome="fail")))
        .filter(failed__gt=0)
        .order_by("case__key")
    )
    failed = {row["case"]: row for row in rows}
    before = set(
        EvalResult.objects.filter(case__in=failed, outcome=EvalResult.Outcome.PASS, run__done_at__isnull=False)
        .exclude(run__version=run.version_id)
        .values_list("case", flat=True)
    )
    flaky = {case for case, row in failed.items() if row["passed"]}
    return (
        [row["case__key"] for case, row in failed.items() if case in before and case not in flaky],
        [row["case__key"] for case, row in failed.items() if case in flaky],
    )


def pipeline(visit: Visit) -> dict[str, Any]:
    """The gates of the version that is to be proven, how far it is out, and what keeps it from going further."""
    deployment, candidate = visit.incident.deployment, proof(visit).candidate
    if deployment is None or candidate is None:
        return {"candidate": None, "lead": lead(visit)}
    candidate = BundleVersion.objects.select_related("bundle").get(pk=candidate.pk)
    looked = gates.look(candidate)
    rows = Deployment.objects.filter(bundle=candidate.bundle_id).select_related("bundle__agent", "active")
    where = {row.environment_id: row for row in rows.defer("active__body")}
    stages = [stage(name, where.get(name), candidate, looked) for name in ("dev", "staging")]
    stages.append(Stage("canary", "skipped", "Skipped", CANARY))
    stages.append(stage("prod", where.get("prod"), candidate, looked))
    return {
        "proof": proof(visit),
        "candidate": candidate,
        "board": looked.board("prod"),
        "stages": stages,
        "promotable": [] if candidate.pk == deployment.active_id else [each for each in stages if each.may_come],
        "approvers": approvers(),
        "lead": lead(visit),
    }


def stage(name: str, deployment: Deployment | None, version: BundleVersion, looked: gates.Look) -> Stage:
    """Where ``version`` stands in one environment."""
    if deployment is None:
        return Stage(name, "skipped", "Skipped", f"{version.bundle.key} does not run there.")
    serves = f"serves {deployment.active.label}" if deployment.active else "serves nothing"
    if deployment.active_id == version.pk:
        return Stage(name, "done", "Active", f"serves {version.label}", deployment)
    standing = looked.standing(name)
    blocked = tuple(obstacles(deployment, version, standing, waived=True))
    missing = tuple(standing.missing)
    if name in looked.was_active:
        return Stage(name, "done" if name != "prod" else "open", "Was active", serves, deployment, blocked, missing)
    state, word = ("blocked", "Blocked") if blocked or missing else ("open", "Not started")
    return Stage(name, state, word, serves, deployment, blocked, missing)


def approvers() -> str:
    """Who can promote, by name: ``Ann, Jo``; at most three."""
    found = User.objects.filter(is_active=True, roles__overlap=[SiteRole.APPROVER, SiteRole.ADMIN]).order_by("name")
    return ", ".join(user.display_name for user in found[:3])
