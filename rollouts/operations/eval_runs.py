"""Running a set of cases over a version: asked for, cancelled, filed from a JUnit file, and what the results prove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import junit, signals
from rollouts.models import BundleVersion, EvalResult, EvalRun, EvalSet, EvalSetVersion, RegressionCase
from rollouts.operations import cases, eval_gates

#: A runner that says nothing for this long is called stalled; it is ended only when its time is over.
SILENCE = timedelta(seconds=120)
MAX_TRIES = 1_000  # results of one case that are kept of one file
#: NOTIFY channel; the payload is ``<run> [<incident>]``: whose open pages should look again.
CHANNEL = "lastgood_eval"
State = EvalRun.State


@transaction.atomic
def request_run(
    version: BundleVersion,
    *,
    actor: Actor,
    set_name: str = cases.DEFAULT_SET,
    only: Sequence[str] | None = None,
    incident_ref: str = "",
    at: datetime | None = None,
) -> EvalRun:
    """Have a worker run the newest version of a set over ``version``, or only the cases with the keys ``only``.

    While the same run is queued or running it is the answer. Refused when the set has no cases.
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    newest = _newest(version, set_name, lock=True)
    chosen = _chosen(newest, only)
    ids = None if only is None else sorted(case.pk for case in chosen)
    standing = version.eval_runs.filter(
        eval_set_version=newest, source=EvalRun.Source.COMMAND, state__in=[State.QUEUED, State.RUNNING]
    )
    for run in standing:
        if run.only == ids:
            found: EvalRun = run
            return found
    run = EvalRun.objects.create(
        version=version,
        eval_set_version=newest,
        source=EvalRun.Source.COMMAND,
        only=ids,
        incident_ref=_room(incident_ref),
        created_at=at,
        due_at=at,
        expected_total=sum(case.repeats for case in chosen),
        **acted_by(actor),
    )
    asked = {"run": run.pk, "set": str(newest), "only": None if only is None else sorted(set(only))}
    ping(run)
    audit.record(actor, "request eval run", str(version), data=asked, at=at)
    return run


@transaction.atomic
def cancel(run: EvalRun, *, actor: Actor, at: datetime | None = None) -> EvalRun:
    """End a run that nobody needs; its worker ends the command within seconds. Results so far stay, and prove
    nothing."""
    require(actor, Permission.PUSH)
    at = at or clock.now()
    run = locked(run.pk)
    if run.cancelled_at is not None:
        return run
    if run.done_at is not None or run.given_up_at is not None:
        raise OperationRefused(f"Run {run.pk} is over already: {State(run.state).label.lower()}.")
    run.cancelled_at, run.cancelled_by, run.claimed_until = at, actor.user, None
    run.save(update_fields=["cancelled_at", "cancelled_by", "claimed_until"])
    run.refresh_from_db(fields=["state"])
    audit.record(actor, "cancel eval run", str(run.version), data={"run": run.pk}, at=at)
    ping(run)
    signals.announce("eval_run", run.pk)
    return run


@transaction.atomic
def upload_junit(
    version: BundleVersion,
    *,
    actor: Actor,
    body: bytes,
    set_name: str = cases.DEFAULT_SET,
    incident_ref: str = "",
    at: datetime | None = None,
) -> EvalRun:
    """File what somebody else's runner found, as a JUnit XML file: a finished run of the newest version of the set.

    A test case is a case by its ``name``, else by ``classname.name``; :func:`unmatched` says which names were not
    counted. The same file again is the run it was filed as. Refused with 422 when the file cannot be read.
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    try:
        tested = junit.parse(body)
    except junit.UnreadableJunit as unreadable:
        raise OperationRefused(str(unreadable), status=422) from unreadable
    newest = _newest(version, set_name, lock=True)
    filed = EvalRun.objects.filter(version=version, eval_set_version=newest, source=EvalRun.Source.JUNIT)
    for standing in filed.filter(created_at__gt=at - timedelta(days=1)).order_by("-pk")[:20]:
        if bytes(standing.raw) == body:
            filed_as: EvalRun = standing
            return filed_as
    chosen = _chosen(newest, None)
    results, matched = _matched(chosen, tested)
    run = EvalRun(
        version=version,
        eval_set_version=newest,
        source=EvalRun.Source.JUNIT,
        incident_ref=_room(incident_ref),
        created_at=at,
        due_at=at,
        started_at=at,
        heard_at=at,
        done_at=at,
        # A test that stands more often in the file than it was to be tried must not make up for one that is missing.
        expected_total=sum(max(case.repeats, results[case.pk]) for case in chosen),
        error=matched.sentence[:2000],
        raw=body,
        **acted_by(actor),
    )
    run.save(force_insert=True)
    for result in matched.results:
        result.run = run
    EvalResult.objects.bulk_create(matched.results, batch_size=1000)
    count(run)
    eval_gates.write(run, at=at)
    ping(run)
    audit.record(
        actor, "upload eval results", str(version), data={"run": run.pk, "set": str(newest), "state": run.state}, at=at
    )
    signals.announce("eval_run", run.pk)
    return run


@dataclass(frozen=True, slots=True)
class Matched:
    """How the test cases of a file fit the cases of a set; the names are what the file called them."""

    results: list[EvalResult]
    unknown: list[str]
    skipped: list[str]
    missing: list[str]

    @property
    def sentence(self) -> str:
        """What was not counted and why, empty when all was."""
        told = (
            ("Not run", self.missing),
            ("Skipped, so not counted", self.skipped),
            ("Not a case of this set, so not counted", self.unknown),
        )
        return " ".join(f"{words}: {_listed(names)}." for words, names in told if names)


def unmatched(run: EvalRun) -> Matched:
    """What of an uploaded file was not counted, and which cases it lacks; read again from the kept file."""
    return _matched(cases_of(run), junit.parse(bytes(run.raw)))[1]


def _matched(chosen: Sequence[RegressionCase], tested: Sequence[junit.Tested]) -> tuple[Counter[int], Matched]:
    by_key = {case.key: case for case in chosen}
    tries: Counter[int] = Counter()
    results, unknown, skipped = [], [], []
    for test in tested:
        case = next((by_key[name] for name in test.names if name in by_key), None)
        if case is None:
            unknown.append(test.names[1])
        elif test.outcome == junit.SKIPPED:
            skipped.append(case.key)
        elif tries[case.pk] < MAX_TRIES:
            tries[case.pk] += 1
            output = storable(test.output)
            results.append(
                EvalResult(case=case, attempt=tries[case.pk], outcome=test.outcome, ms=test.ms, output=output)
            )
    missing = [case.key for case in chosen if tries[case.pk] < case.repeats]
    return tries, Matched(results, list(dict.fromkeys(unknown)), list(dict.fromkeys(skipped)), missing)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(f"{name:.100}" for name in names[:20]) + more


def storable(text: str) -> str:
    """``text`` as PostgreSQL can hold it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def count(run: EvalRun) -> None:
    """Set the run's counters to what its results say."""
    outcomes = dict(run.results.order_by().values_list("outcome").annotate(Count("pk")))
    run.passed, run.failed, run.errored = (outcomes.get(outcome, 0) for outcome in EvalResult.Outcome.values)
    run.save(update_fields=["passed", "failed", "errored"])
    run.refresh_from_db(fields=["state"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. ``stalled`` is a sentence naming the worker, empty while lines arrive."""

    state: str
    done: int
    total: int
    stalled: str = ""

    @property
    def percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total else 0


def progress(run: EvalRun, at: datetime | None = None) -> Progress:
    """How far ``run`` is, and whether it stands still."""
    done = run.passed + run.failed + run.errored
    return Progress(run.state, done, run.expected_total, _stalled(run, at or clock.now()))


def _stalled(run: EvalRun, at: datetime) -> str:
    if run.state == State.QUEUED:
        waited = at - run.due_at
        return f"No worker has taken this run for {_span(waited)}." if waited > SILENCE else ""
    if run.state != State.RUNNING:
        return ""
    heard = run.heard_at or run.started_at or run.created_at
    if run.claimed_until is None or run.claimed_until <= at:
        return f"Worker {run.worker} has gone, last heard {_span(at - heard)} ago; the next free worker takes it over."
    if at - heard > SILENCE:
        return f"Stalled: the runner on worker {run.worker} has said nothing for {_span(at - heard)}."
    return ""


def _span(lapsed: timedelta) -> str:
    seconds = max(0, int(lapsed.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def locked(pk: int) -> EvalRun:
    """The run's present row, locked until the transaction ends."""
    run: EvalRun = (
        EvalRun.objects.select_for_update(no_key=True, of=("self",))
        .select_related("version__bundle", "eval_set_version__eval_set__bundle", "user")
        .get(pk=pk)
    )
    return run


def ping(run: EvalRun) -> None:
    """Tell open pages, at commit, that ``run`` has moved on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{run.pk} {run.incident_ref}"])


def cases_of(run: EvalRun) -> list[RegressionCase]:
    """The cases a run is about, by key."""
    ids = run.eval_set_version.case_ids if run.only is None else run.only
    return sorted(RegressionCase.objects.filter(pk__in=ids), key=lambda case: case.key)


def _newest(version: BundleVersion, set_name: str, *, lock: bool = False) -> EvalSetVersion:
    """The newest version of the named set of the version's bundle, with cases in it."""
    sets = EvalSet.objects.select_for_update(no_key=True) if lock else EvalSet.objects.all()
    eval_set = sets.filter(bundle_id=version.bundle_id, name=set_name).first()
    if eval_set is None:
        raise NotFound(f"{version.bundle} has no eval set called {set_name!r:.80}. Add a first case to make it.")
    newest = cases.newest(eval_set)
    if newest is None or not newest.case_ids:
        raise OperationRefused(f"{eval_set} has no cases: there is nothing to run.")
    return newest


def _chosen(newest: EvalSetVersion, only: Sequence[str] | None) -> list[RegressionCase]:
    found = list(RegressionCase.objects.filter(pk__in=newest.case_ids))
    if only is None:
        return found
    known = {case.key: case for case in found}
    if unknown := sorted(set(only) - known.keys()):
        raise OperationRefused(f"{newest} has no case called {', '.join(unknown)[:500]}.", status=422)
    if not only:
        raise OperationRefused("Name at least one case, or none at all to run the whole set.", status=422)
    return [known[key] for key in sorted(set(only))]


def _room(ref: str) -> str:
    if len(ref) > 20 or "\0" in ref:
        raise OperationRefused("An incident is named by its reference, such as INC-7.", status=422)
    return ref
