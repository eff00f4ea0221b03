"""Whether the cases of an incident prove anything: each fails on the version that was bad and passes on the fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from accounts.actors import Actor
from accounts.errors import OperationRefused
from incidents.models import Cause, Incident
from incidents.models.cause import surest_first
from incidents.operations.cases import deployment_of
from incidents.operations.refusals import known, still_open_record
from rollouts.models import BundleVersion, EvalRun, EvalSet, EvalSetVersion, RegressionCase, Rollback
from rollouts.operations import eval_runs
from rollouts.operations.cases import is_kept
from rollouts.operations.eval_proof import Tally, holds, newest_tallies

#: Cases as the panel and the exits read them; bodies of versions stay behind.
STANDING = (
    RegressionCase.objects.filter(replaced_by=None)
    .select_related("eval_set", "bad_version__bundle")
    .defer("bad_version__body")
)


@dataclass(frozen=True, slots=True)
class CaseProof:
    """One case: how often it failed on ``bad``, and passed on the fix and on the version that may come next."""

    case: RegressionCase
    bad: BundleVersion | None
    on_bad: Tally
    on_fix: Tally
    on_next: Tally

    @property
    def is_proven(self) -> bool:
        return self.on_bad.k > 0 and holds(self.case, self.on_fix)


@dataclass(frozen=True, slots=True)
class CauseProof:
    """One cause with its cases."""

    cause: Cause
    cases: list[CaseProof]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the proof stands. ``fix`` is the version in service now, ``following`` the one that may replace it.

    ``red`` is a whole set's newest run on ``fix`` that failed.
    """

    bad: BundleVersion | None
    fix: BundleVersion | None
    following: BundleVersion | None
    causes: list[CauseProof]
    others: list[CaseProof]
    red: EvalRun | None

    @property
    def cases(self) -> list[CaseProof]:
        """Every case once, those of causes first."""
        all_of_them = [*(proof for cause in self.causes for proof in cause.cases), *self.others]
        return list({proof.case.pk: proof for proof in all_of_them}.values())

    @property
    def candidate(self) -> BundleVersion | None:
        """What is to be proven and promoted: the newest version above the bad one, else the one in service."""
        return self.following or self.fix


def standing(incident: Incident) -> Standing:
    """Causes, their cases and what the newest finished runs say of them. Seven queries at most.

    A case that was left out of its set proves nothing any more, and covers nothing.
    """
    fix = incident.deployment.active if incident.deployment else None
    causes = surest_first(incident.causes.live())
    covers = Q(causes__in=[cause.pk for cause in causes])
    cases = list(
        STANDING.filter(is_kept(), covers | Q(incident_ref=incident.ref))
        .annotate(covered=ArrayAgg("causes", filter=covers, distinct=True, default=[]))
        .order_by("pk")
    )
    bad = bad_version(incident, cases)
    following = next_version(bad, fix)
    named = [version for version in (bad, fix, following, *(case.bad_version for case in cases)) if version is not None]
    tallies = newest_tallies(cases, {version.pk: version for version in named}.values()) if cases else {}

    def proof(case: RegressionCase) -> CaseProof:
        # A case of an earlier incident has to fail on what was bad in this one, or it would not have caught it.
        its_own = case.incident_ref == incident.ref
        its_bad = (case.bad_version or bad) if its_own else (bad or case.bad_version)
        on_bad = tallies.get((case.pk, its_bad.pk), Tally()) if its_bad else Tally()
        return CaseProof(
            case,
            its_bad,
            Tally(on_bad.n - on_bad.k, on_bad.n, on_bad.run),
            tallies.get((case.pk, fix.pk), Tally()) if fix else Tally(),
            tallies.get((case.pk, following.pk), Tally()) if following else Tally(),
        )

    return Standing(
        bad,
        fix,
        following,
        [CauseProof(cause, [proof(case) for case in cases if cause.pk in case.covered]) for cause in causes],
        [proof(case) for case in cases if not case.covered],
        failed_suite(fix) if fix else None,
    )


def bad_version(incident: Incident, cases: Iterable[RegressionCase]) -> BundleVersion | None:
    """The version that failed: what this incident's newest rollback took back, else what its cases name."""
    moves = incident.machine_moves.filter(kind="rollback").values("object_id")
    rollback = Rollback.objects.filter(pk__in=moves).select_related("from_version__bundle").first()
    if rollback is not None:
        return rollback.from_version
    named = [case.bad_version for case in cases if case.bad_version and case.incident_ref == incident.ref]
    return max(named, key=lambda version: version.number, default=None)


def sets_of(bundle_id: int) -> list[EvalSetVersion]:
    """The newest version of each set of a bundle that has cases, in the order of their names."""
    newest = EvalSetVersion.objects.filter(eval_set__bundle=bundle_id).select_related("eval_set__bundle")
    found = newest.order_by("eval_set__name", "-number").distinct("eval_set__name")
    return [version for version in found if version.case_ids]


def next_version(bad: BundleVersion | None, fix: BundleVersion | None) -> BundleVersion | None:
    """The newest version pushed after the bad one, unless it is in service already."""
    if bad is None:
        return None
    above = BundleVersion.objects.filter(bundle_id=bad.bundle_id, number__gt=bad.number).select_related("bundle")
    newest = above.defer("body").order_by("-number").first()
    return newest if newest is not None and (fix is None or newest.pk != fix.pk) else None


def unmet(found: Standing) -> list[str]:
    """What the proof still needs before the incident can be resolved, as orders (R145, R146)."""
    if not found.causes:
        return ["Say why it happened: name at least one cause."]
    orders = []
    for each in found.causes:
        if not each.cases and not each.cause.no_case_reason:
            orders.append(f"Make a case for {each.cause.get_origin_display().lower()}, or say why there can be none.")
        if not each.cause.proof_waived_reason:
            orders += [order for proof in each.cases if (order := unproven(proof, found.fix))]
    if found.red is not None and found.fix is not None:
        orders.append(
            f"Make the whole suite pass on {found.fix.label}: {found.red.failed} failed in run {found.red.pk}."
        )
    return list(dict.fromkeys(orders))


def unproven(proof: CaseProof, fix: BundleVersion | None) -> str:
    """What one case still needs, as an order; empty when it is proven."""
    key, bad = proof.case.key, proof.bad
    if proof.is_proven and fix != bad:
        return ""
    if bad is None:
        return f"Say which version {key} fails on."
    if proof.on_bad.n == 0:
        return f"Run {key} on {bad.label}, the version that was bad."
    if proof.on_bad.k == 0 and proof.on_bad.n < proof.case.repeats:
        return f"Run {key} on {bad.label} again: {proof.on_bad.n} of its {proof.case.repeats} tries were made."
    if proof.on_bad.k == 0:
        return f"Refine {key}: it passed {proof.on_bad.n} of {proof.on_bad.n} on {bad.label}, so it catches nothing."
    if fix is None or fix == bad:
        return f"Put the fix in service: {bad.label} still is."
    if proof.on_fix.n == 0:
        return f"Run {key} on {fix.label}, the version in service."
    if proof.on_fix.k == proof.on_fix.n:
        return f"Run {key} on {fix.label} again: {proof.on_fix.n} of its {proof.case.repeats} tries were made."
    return f"Fix what {key} shows: it passed {proof.on_fix} on {fix.label}."


def failed_suite(version: BundleVersion) -> EvalRun | None:
    """A whole set whose newest run on ``version`` failed; nobody can waive that.

    A set that was not run on it says nothing here: what was gone back to has been in service before, and what was
    promoted since went through the gates.
    """
    judged = EvalRun.objects.filter(version=version, only=None, state__in=[EvalRun.State.PASSED, EvalRun.State.FAILED])
    newest = judged.defer("raw").order_by("eval_set_version__eval_set", "-done_at", "-pk")
    of_each_set = newest.distinct("eval_set_version__eval_set")
    return next((run for run in of_each_set if run.state == EvalRun.State.FAILED), None)


def run(incident: Incident, *, actor: Actor, on: str) -> list[EvalRun]:
    """Ask for runs: the cases of this incident on the version each failed on, on the fix or on the version after it,
    or every set of the bundle, whole (``all``), on the candidate."""
    known(on, ["bad", "fix", "next", "all"], "version")
    still_open_record(incident)
    deployment_of(incident)
    found = standing(incident)
    if on == "all":
        version = found.candidate
        if version is None:
            raise OperationRefused("Nothing is in service here, so there is nothing to run the suite on.")
        sets = sets_of(version.bundle_id)
        if not sets:
            raise OperationRefused("Make a case first: there is nothing to run.")
        return [
            eval_runs.request_run(version, actor=actor, set_name=each.eval_set.name, incident_ref=incident.ref)
            for each in sets
        ]
    wanted: dict[tuple[BundleVersion, EvalSet], list[str]] = defaultdict(list)
    for proof in found.cases:
        version = {"bad": proof.bad, "fix": found.fix, "next": found.following}[on]
        if version is not None:
            wanted[version, proof.case.eval_set].append(proof.case.key)
    if not wanted:
        raise OperationRefused(
            "Make a case first: there is nothing to run." if not found.cases else "Say which version it fails on."
        )
    return [
        eval_runs.request_run(version, actor=actor, set_name=its_set.name, only=keys, incident_ref=incident.ref)
        for (version, its_set), keys in wanted.items()
    ]
