"""The worker's side of a run: claim it, run the command, keep what it says as it says it, finish.

The claim is held for as long as this process lives and lost within ``HOLD`` when it does not; ``attempts`` tells one
holder from the next, so that whoever lost the run writes nothing more. What arrived stays: the next holder asks only
for what is missing.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from accounts import clock
from rollouts import signals
from rollouts.eval_runner.command import Command, Limits
from rollouts.eval_runner.lines import Reader, Said
from rollouts.models import EvalResult, EvalRun, RegressionCase
from rollouts.operations import cases, eval_gates, eval_runs

HOLD = timedelta(seconds=30)
BEAT = 2.0  # seconds between signs of life
FLUSH = 0.4  # seconds for which results are gathered
LOOK = 0.2
MOST_TRIES = 5  # of workers that died or stopped over one run
#: Variables a command may find, beside those that EVAL_ENV names.
ALLOWED = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: What runs practice agents where EVAL_COMMAND says nothing; of a real one, called alike or not, it proves nothing.
PRACTICE = [sys.executable, "-m", "rollouts.practice.runner"]
NO_COMMAND = "Nothing was run: EVAL_COMMAND is not set, and the practice runner plays practice agents only."

logger = logging.getLogger(__name__)
_never = threading.Event()


def execute_due(*, stop: threading.Event = _never) -> EvalRun | None:
    """Run the run that waits longest, to its end; None when none waits. ``stop`` hands it back unfinished.

    It takes as long as the command does: never call it in a transaction, or where pages and notices wait.
    """
    waiting = EvalRun.objects.filter(source=EvalRun.Source.COMMAND, cancelled_at=None)
    claimed: list[EvalRun] = waiting.claim(clock.now(), limit=1, hold=HOLD)
    if not claimed:
        return None
    run = claimed[0]
    if run.attempts > MOST_TRIES:
        return _give_up(run)
    mine = _begin(run)
    if mine is not None and not settings.EVAL_COMMAND and not mine.version.bundle.agent.practice:
        return _without_command(mine)
    if mine is not None:
        Holder(mine, stop).work()
    return EvalRun.objects.get(pk=run.pk)


def worker_name() -> str:
    """This process, as a person would look for it."""
    return f"{socket.gethostname()[:60]}, process {os.getpid()}"


class Holder:
    """One worker's hold of one run."""

    def __init__(self, run: EvalRun, stop: threading.Event) -> None:
        self.run, self.stop = run, stop
        self.cases = {case.key: case for case in _missing(run)}
        self.reader = Reader({key: case.repeats for key, case in self.cases.items()})
        self.garbage_before = run.garbage_lines
        self.pending: list[Said] = []
        self.heard = 0  # bytes, at the last time they were kept

    def work(self) -> None:
        """Start the command and see it to its end, whatever that is."""
        with tempfile.TemporaryDirectory(prefix="lastgood-eval-") as folder:
            asked = Path(folder) / "run.json"
            asked.write_text(json.dumps(question(self.run, list(self.cases.values()))))
            # A result per try, and room for what it says beside them.
            limits = Limits(settings.EVAL_TIME_LIMIT, lines=self.run.expected_total * 10 + 10_000)
            argv = [*(settings.EVAL_COMMAND or PRACTICE), str(asked)]
            command = Command(argv, env=environment(folder), cwd=folder, limits=limits)
            try:
                held = self._read(command)
            finally:
                command.kill()
        if held:
            self._finish(command)

    def _read(self, command: Command) -> bool:
        """Until the command has ended. False when the run is no longer ours to finish."""
        kept = time.monotonic()
        while not command.ended:
            found = [said for line in command.poll(LOOK) if (said := self.reader.read(line)) is not None]
            self.pending += found
            lapsed = time.monotonic() - kept
            if lapsed > BEAT or (self.pending and lapsed > FLUSH) or len(self.pending) > 500:
                if not self._keep(command):
                    return False
                kept = time.monotonic()
            if self.stop.is_set():
                self._keep(command)
                self._mine().update(claimed_until=None)
                logger.info("run %s is handed back: this worker stops", self.run.pk)
                return False
        return True

    def _mine(self) -> Any:
        """The run's row, as long as it is neither over nor somebody else's."""
        return EvalRun.objects.filter(
            pk=self.run.pk, attempts=self.run.attempts, done_at=None, given_up_at=None, cancelled_at=None
        )

    def _keep(self, command: Command) -> bool:
        """Write what has arrived and hold on; False when the run was cancelled or taken over."""
        at = clock.now()
        with transaction.atomic():
            run = self._mine().select_for_update(no_key=True).first()
            if run is None:
                return False
            run.claimed_until = at + HOLD
            changed = ["claimed_until"]
            if command.said != self.heard:
                self.heard, run.heard_at, run.raw = command.said, at, command.tail
                run.garbage_lines = self.garbage_before + self.reader.garbage + command.too_long
                changed += ["heard_at", "raw", "garbage_lines"]
            run.save(update_fields=changed)
            _store(run, self.pending, self.cases)
            self.pending = []
        _let_go()
        return True

    def _finish(self, command: Command) -> None:
        if not self._keep(command):
            return
        at = clock.now()
        with transaction.atomic():
            run = self._mine().select_for_update(no_key=True).first()
            if run is None:
                return
            missing = run.expected_total - run.passed - run.failed - run.errored
            said = command.why
            if not said and (missing > 0 or command.failed):
                said = f"The runner {command.meaning}."
            if missing > 0:
                said += f" {missing} of {run.expected_total} results are missing."
            _end(run, said, done_at=at)


def question(run: EvalRun, asked: Sequence[RegressionCase]) -> dict[str, Any]:
    """What a runner is given to read (docs/evals.md)."""
    version = run.version
    return {
        "bundle": {
            "key": version.bundle.key,
            "number": version.number,
            "label": version.label,
            "body": version.body,
        },
        "cases": [cases.content(case) for case in asked],
    }


def environment(folder: str) -> dict[str, str]:
    """What a command finds around it: no secret of ours, only what EVAL_ENV hands on."""
    names = {*ALLOWED, *settings.EVAL_ENV}
    given = {name: os.environ[name] for name in names if name in os.environ}
    ours = {"HOME": folder, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"}
    if not settings.EVAL_COMMAND:
        ours["PYTHONPATH"] = str(settings.BASE_DIR)
    return ours | given


def _let_go() -> None:
    """Give the connection back to the pool: a command may say nothing for minutes."""
    if not connection.in_atomic_block:
        connection.close()


def _begin(run: EvalRun) -> EvalRun | None:
    """Note who runs it since when; None when somebody was quicker to cancel it."""
    at = clock.now()
    with transaction.atomic():
        mine = eval_runs.locked(run.pk)
        if mine.attempts != run.attempts or mine.done_at is not None or mine.cancelled_at is not None:
            return None
        mine.started_at, mine.heard_at, mine.worker = mine.started_at or at, at, worker_name()[:100]
        mine.save(update_fields=["started_at", "heard_at", "worker"])
        eval_runs.ping(mine)
    return mine


def _missing(run: EvalRun) -> list[RegressionCase]:
    """The cases that lack a result yet."""
    tried: dict[int, int] = {}
    for case_id in run.results.values_list("case_id", flat=True):
        tried[case_id] = tried.get(case_id, 0) + 1
    return [case for case in eval_runs.cases_of(run) if tried.get(case.pk, 0) < case.repeats]


def _store(run: EvalRun, said: Sequence[Said], known: dict[str, RegressionCase]) -> None:
    """Add results to a locked run; one that is there already stays as it was."""
    if not said:
        return
    EvalResult.objects.bulk_create(
        [
            EvalResult(
                run=run,
                case=known[told.case],
                attempt=told.attempt,
                outcome=told.outcome,
                score=told.score,
                ms=told.ms,
                output=told.output,
            )
            for told in said
        ],
        ignore_conflicts=True,
        batch_size=500,
    )
    eval_runs.count(run)
    eval_runs.ping(run)


def _without_command(run: EvalRun) -> EvalRun:
    """End a run that nothing here can run."""
    at = clock.now()
    with transaction.atomic():
        mine = eval_runs.locked(run.pk)
        if mine.attempts == run.attempts and mine.cancelled_at is None:
            _end(mine, NO_COMMAND, done_at=at)
    return mine


def _give_up(run: EvalRun) -> EvalRun:
    """Set aside what kills its workers."""
    at = clock.now()
    with transaction.atomic():
        mine = eval_runs.locked(run.pk)
        if mine.cancelled_at is not None or mine.done_at is not None:  # while we waited for its row
            return mine
        _end(mine, f"{MOST_TRIES} workers began this run and none came to its end.", given_up_at=at)
    return mine


def _end(run: EvalRun, said: str, *, done_at: datetime | None = None, given_up_at: datetime | None = None) -> None:
    """Close a locked run: its last word, its gate, and whoever wants to know."""
    run.error, run.claimed_until, run.done_at, run.given_up_at = said.strip()[:2000], None, done_at, given_up_at
    run.save(update_fields=["error", "claimed_until", "done_at", "given_up_at"])
    run.refresh_from_db(fields=["state"])
    if done_at is not None:
        eval_gates.write(run, at=done_at)
    eval_runs.ping(run)
    signals.announce("eval_run", run.pk)
