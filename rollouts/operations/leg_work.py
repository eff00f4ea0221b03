"""The machine's side of the legs: what was planned is done, and what was answered is kept.

Every next step is a row: a LegWork per leg, a LegStep per connector, claimed with SKIP LOCKED. Before anything leaves,
``sent_at`` and what is asked are committed; whoever finds ``sent_at`` without an answer knows that somebody died in
between, and goes on only where doing it twice hurts nobody. ``attempts`` tells one holder from the next, so that
whoever lost a step writes nothing more.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import clock
from accounts.outbound.errors import Forbidden, TransportError
from accounts.secrets import Unsealable, unseal
from rollouts import signals
from rollouts.connectors import KINDS, Answer, Settings
from rollouts.models import Connector, LegEvidence, LegStep, LegWork, RollbackLeg
from rollouts.operations import leg_jobs, leg_plans, leg_state
from rollouts.operations.drain import has_drained

#: Longer than any single answer may take (accounts/outbound/wire.py); a long purge holds on as it goes.
HOLD = timedelta(seconds=60)
#: One run takes nothing new after so many seconds; the next run of the clock goes on.
RUN_SECONDS = 20.0
MOST_TRIES = leg_plans.MOST_TRIES
LONGEST_WAIT = 3600.0
#: What tells rather than does waits for work to drain (R049), but not for ever.
DRAIN_WAIT = timedelta(minutes=10)
WAIT = timedelta(seconds=5)
Kind, State = LegEvidence.Kind, RollbackLeg.State

logger = logging.getLogger(__name__)


class Lost(Exception):
    """Somebody else holds this step by now, or it was dropped."""


def work_due(at: datetime | None = None) -> int:
    """Look at what has not been looked at, then do the steps that are due; how many rows were dealt with."""
    stop_at = time.monotonic() + RUN_SECONDS
    count = leg_plans.begin(at or clock.now())
    while time.monotonic() < stop_at:
        now = at or clock.now()
        works: list[LegWork] = LegWork.objects.claim(now, limit=5, hold=HOLD)
        for work in works:
            leg_plans.look_patiently(work, now)
        steps: list[LegStep] = waiting().claim(now, limit=1, hold=HOLD)
        for step in steps:
            run(step, at)
        if not works and not steps:
            break
        count += len(works) + len(steps)
    return count


def waiting() -> Any:
    """Steps that anybody may still take up."""
    return LegStep.objects.filter(blocked_at=None, dropped_at=None)


def run(step: LegStep, at: datetime | None = None) -> None:
    """Do one claimed step. Outside any transaction but its own short ones."""
    now = at or clock.now()
    try:
        task = _take_up(step, now)
        if task is None:
            return
        begun = time.monotonic()
        try:
            answer = task.do()
        except Lost:
            logger.info("%s was taken over", step)
        except Forbidden as refusal:
            _ended(step, at or clock.now(), _stopped(str(refusal)))
        except TransportError as error:
            _ended(step, at or clock.now(), _failed(error, hurts=task.hurts, begun=begun))
        except Exception as error:  # a connector that breaks must not keep the others waiting
            logger.exception("%s failed", step)
            _ended(
                step,
                at or clock.now(),
                _failed(TransportError(f"{type(error).__name__}: {error}"), hurts=task.hurts, begun=begun),
            )
        else:
            _ended(step, at or clock.now(), _done(answer, begun))
    except Lost:
        logger.info("%s was taken over before its answer was kept", step)


@dataclass(frozen=True, slots=True)
class Task:
    """A step that is taken up: everything it needs, read and committed before anything leaves."""

    step: LegStep
    settings: Settings
    job: Any
    hurts: bool

    def do(self) -> Answer:
        kind = KINDS[self.step.connector.kind]
        return kind.run(self.job, self.settings, dict(self.step.progress), self.keep)

    def keep(self, progress: dict[str, Any]) -> None:
        """Commit how far it is and hold on; Lost when it is somebody else's, or was dropped."""
        mine = _mine(self.step).update(progress=progress, claimed_until=clock.now() + HOLD)
        if not mine:
            raise Lost


def _mine(step: LegStep) -> Any:
    """The step's row, as long as it is neither over nor somebody else's."""
    return LegStep.objects.filter(
        pk=step.pk, attempts=step.attempts, done_at=None, given_up_at=None, blocked_at=None, dropped_at=None
    )


@transaction.atomic
def _take_up(step: LegStep, at: datetime) -> Task | None:
    """Judge whether a claimed step may go on, and write down that it does; None when it does not."""
    leg = leg_state.locked(step.leg_id)
    mine: LegStep | None = _mine(step).select_for_update(no_key=True, of=("self",)).select_related("connector").first()
    if mine is None:
        return None
    rollback, connector = leg.rollback, mine.connector
    kind = KINDS[connector.kind]
    if leg.closed_by_id is not None and not mine.about:
        _drop(leg, mine, at, f"{leg.get_kind_display()} was closed by {leg.closed_by_label}.")
        return None
    if leg.kind == "flip" and not kind.notifies and rollback.deployment.standing_rollback_id != rollback.pk:
        _drop(leg, mine, at, "The rollback no longer stands: what was moved since stays as it is.")
        return None
    if connector.disabled_at is not None:
        _block(leg, mine, at, f"{connector} is disabled. Add it again and retry, or say that it is done.")
        return None
    if kind.notifies and at < rollback.flipped_at + DRAIN_WAIT and not has_drained(rollback):
        mine.postpone(min(at + WAIT, rollback.flipped_at + DRAIN_WAIT))
        return None
    try:
        settings = settings_of(connector)
    except Unsealable as error:
        _block(leg, mine, at, str(error))
        return None
    hurts = kind.twice_hurts(settings)
    if mine.sent_at is not None and hurts:
        _block(leg, mine, at, f"It was sent at {mine.sent_at:%H:%M:%S} UTC and no answer is known. Look there.")
        return None
    if mine.attempts > MOST_TRIES:
        _give_up(leg, mine, at, f"{MOST_TRIES} workers began this and none came to its end.")
        return None
    try:
        job = leg_jobs.job_of(mine, leg)
        asked = kind.describe(job, settings)
    except Forbidden as refusal:
        _block(leg, mine, at, str(refusal))
        return None
    text = f"{mine.verb}: asked {connector}, try {mine.attempts}."
    leg_state.record(leg, Kind.ASKED, text, at, step=mine, data=asked)
    mine.sent_at = at
    mine.save(update_fields=["sent_at"])
    leg_state.settle(leg, at)
    return Task(mine, settings, job, hurts)


def settings_of(connector: Connector) -> Settings:
    """Its settings with the secret opened; Unsealable when it cannot be."""
    return Settings(connector.config, unseal(connector.secret) if connector.secret else "")


@transaction.atomic
def _ended(step: LegStep, at: datetime, write: Any) -> None:
    """Keep what became of a step, and where its leg stands with that."""
    leg = leg_state.locked(step.leg_id)
    mine = _mine(step).select_for_update(no_key=True, of=("self",)).select_related("connector").first()
    if mine is None:
        raise Lost
    write(leg, mine, at)
    leg_state.settle(leg, at)


def _done(answer: Answer, begun: float) -> Any:
    took = (time.monotonic() - begun) * 1000

    def write(leg: RollbackLeg, step: LegStep, at: datetime) -> None:
        step.count, step.answer = answer.count, answer.text
        step.save(update_fields=["count", "answer"])
        step.finish(at=at)
        data = dict(answer.data)
        leg_state.record(leg, Kind.ANSWERED, answer.text, at, step=step, data=data, count=answer.count, took_ms=took)

    return write


def _stopped(why: str) -> Any:
    def write(leg: RollbackLeg, step: LegStep, at: datetime) -> None:
        step.sent_at = None  # refused at the door: nothing was done there
        step.save(update_fields=["sent_at"])
        _block(leg, step, at, why)

    return write


def _failed(error: TransportError, *, begun: float, hurts: bool = False) -> Any:
    took = (time.monotonic() - begun) * 1000

    def write(leg: RollbackLeg, step: LegStep, at: datetime) -> None:
        leg_state.record(leg, Kind.FAILED, str(error), at, step=step, took_ms=took)
        if hurts:
            _block(leg, step, at, f"{error} Whether it was done nobody knows: look there, then retry or say done.")
            return
        if step.attempts >= MOST_TRIES:
            _give_up(leg, step, at, f"{error} It was tried {step.attempts} times.")
            return
        step.sent_at = None
        step.save(update_fields=["sent_at"])
        step.fail(str(error), at=at, give_up_after=None, retry_after=min(error.retry_after or 0, LONGEST_WAIT))

    return write


def _give_up(leg: RollbackLeg, step: LegStep, at: datetime, why: str) -> None:
    step.error, step.claimed_until, step.given_up_at = why[:2000], None, at
    step.save(update_fields=["error", "claimed_until", "given_up_at"])
    _trouble(leg, leg_state.record(leg, Kind.GAVE_UP, f"{step.connector}: {why}", at, step=step))
    leg_state.settle(leg, at)


def _block(leg: RollbackLeg, step: LegStep, at: datetime, why: str) -> None:
    step.error, step.claimed_until, step.blocked_at = why[:2000], None, at
    step.save(update_fields=["error", "claimed_until", "blocked_at"])
    _trouble(leg, leg_state.record(leg, Kind.BLOCKED, f"{step.connector}: {why}", at, step=step))
    leg_state.settle(leg, at)


def _drop(leg: RollbackLeg, step: LegStep, at: datetime, why: str) -> None:
    step.error, step.claimed_until, step.dropped_at = why[:2000], None, at
    step.save(update_fields=["error", "claimed_until", "dropped_at"])
    leg_state.record(leg, Kind.DROPPED, f"{step.connector}: {why}", at, step=step)
    leg_state.settle(leg, at)


def _trouble(leg: RollbackLeg, row: LegEvidence) -> None:
    """A leg that cannot go on by itself is told in its incident."""
    signals.announce("leg_trouble", row.pk)
