"""A run from asking to its last result, with real commands."""

from __future__ import annotations

import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.clock import now
from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts.models import BundleVersion, EvalResult, EvalRun, GateResult
from rollouts.operations import cases, eval_runs, eval_work
from rollouts.operations.eval_proof import newest_tallies
from tests.clock import MovableClock
from tests.factories.accounts import machine, person
from tests.factories.evals import asked, case, executed, filed
from tests.factories.rollouts import version

pytestmark = pytest.mark.django_db

Says = Callable[[str], None]


@pytest.fixture
def made(db: None) -> BundleVersion:
    return version()


@pytest.fixture
def runner(tmp_path: Path, settings: Any) -> Says:
    """``runner("print(...)")``: the server's eval command is this Python program; ``given`` is what it may read."""

    def says(program: str) -> None:
        script = tmp_path / "runner.py"
        script.write_text(
            "import json, sys, time\ngiven = json.load(open(sys.argv[1]))\n"
            "def say(case, outcome='pass', **more):\n"
            "    print(json.dumps({'case': case, 'outcome': outcome, **more}), flush=True)\n" + textwrap.dedent(program)
        )
        settings.EVAL_COMMAND = [sys.executable, str(script)]

    return says


# -- asking ------------------------------------------------------------------------------------------------------------


def test_a_run_waits_for_a_worker_and_is_asked_for_once(made: BundleVersion) -> None:
    case("refund", repeats=3)
    run = asked(made, incident_ref="INC-7")
    assert (run.state, run.expected_total, run.only, run.incident_ref) == ("queued", 3, None, "INC-7")
    assert asked(made) == run
    assert asked(made, only=["refund"]) != run
    assert AuditEntry.objects.filter(verb="request eval run").count() == 2


def test_a_run_needs_cases_it_knows(made: BundleVersion) -> None:
    with pytest.raises(NotFound, match="no eval set called 'golden'"):
        asked(made)
    cases.remove_case(case("refund"), actor=person(SiteRole.APPROVER), reason="Not ours.")
    with pytest.raises(OperationRefused, match="has no cases"):
        asked(made)
    case("other", title="Other")
    with pytest.raises(OperationRefused, match="no case called refund, stranger"):
        asked(made, only=["stranger", "refund", "other"])
    with pytest.raises(OperationRefused, match="Name at least one case"):
        asked(made, only=[])
    with pytest.raises(OperationRefused, match="by its reference"):
        asked(made, incident_ref="x" * 21)


def test_runs_are_asked_for_and_cancelled_by_who_may_push(made: BundleVersion) -> None:
    case("refund")
    run = asked(made)
    for actor in (person(SiteRole.VIEWER), machine(Scope.READ)):
        with pytest.raises(NotPermitted):
            eval_runs.request_run(made, actor=actor)
        with pytest.raises(NotPermitted):
            eval_runs.cancel(run, actor=actor)


# -- running -----------------------------------------------------------------------------------------------------------


def test_a_run_passes_when_every_try_did(made: BundleVersion, runner: Says) -> None:
    runner("""
        for case in given["cases"]:
            for attempt in range(case["repeats"]):
                say(case["key"], score=1, ms=2.5, output={"bundle": given["bundle"]["label"]})
    """)
    case("refund", repeats=2)
    case("other", title="Other")
    asked(made)
    run = executed()
    assert (run.state, run.passed, run.failed, run.errored, run.error) == ("passed", 3, 0, 0, "")
    assert [(str(result), result.attempt) for result in run.results.order_by("case__key", "attempt")] == [
        ("other pass", 1),
        ("refund pass", 1),
        ("refund pass", 2),
    ]
    assert made.label in run.results.all()[0].output
    assert run.gate_result is not None
    assert GateResult.objects.get().state == "green"
    assert (eval_runs.progress(run).percent, eval_runs.progress(run).stalled) == (100, "")
    assert eval_work.execute_due() is None


def test_a_run_of_some_cases_says_nothing_of_the_gate(made: BundleVersion, runner: Says) -> None:
    runner('say("refund")')
    case("refund")
    case("other", title="Other")
    asked(made, only=["refund"])
    assert executed().state == "passed"
    assert not GateResult.objects.exists()


def test_garbage_is_counted_and_kept_and_the_results_stand(made: BundleVersion, runner: Says) -> None:
    runner("""
        print("Loading model ...")
        print("\\x00\\xff{")
        say("stranger")
        say("refund", attempt=9)
        say("refund")
        say("refund")
        print("<script>alert(1)</script>", file=sys.stderr)
    """)
    case("refund")
    asked(made)
    run = executed()
    assert (run.state, run.passed, run.garbage_lines) == ("passed", 1, 5)
    assert b"Loading model" in bytes(run.raw)
    assert b"<script>" in bytes(run.raw)


def test_a_runner_that_fails_half_way_is_an_error_that_says_so(made: BundleVersion, runner: Says) -> None:
    runner("""
        say("refund")
        sys.exit(3)
    """)
    case("refund")
    case("other", title="Other")
    asked(made)
    run = executed()
    assert (run.state, run.passed) == ("error", 1)
    assert run.error == "The runner ended with exit status 3. 1 of 2 results are missing."
    assert not GateResult.objects.exists()


def test_a_runner_that_is_killed_is_an_error_that_says_so(made: BundleVersion, runner: Says) -> None:
    runner("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    case("refund")
    asked(made)
    assert executed().error == "The runner was killed by SIGKILL. 1 of 1 results are missing."


def test_a_runner_that_hangs_is_ended_at_its_time_limit(made: BundleVersion, runner: Says, settings: Any) -> None:
    settings.EVAL_TIME_LIMIT = 1
    runner("""
        say("refund")
        time.sleep(60)
    """)
    case("refund")
    case("other", title="Other")
    asked(made)
    run = executed()
    assert (run.state, run.passed) == ("error", 1)
    assert "ended after 1 s, its time limit (EVAL_TIME_LIMIT). 1 of 2 results" in run.error


def test_a_runner_that_does_not_exist_is_an_error_that_says_so(made: BundleVersion, settings: Any) -> None:
    settings.EVAL_COMMAND = ["/nowhere/runner"]
    case("refund")
    asked(made)
    run = executed()
    assert run.state == "error"
    assert b"cannot be started" in bytes(run.raw)


def test_errors_of_a_runner_are_neither_passed_nor_failed(made: BundleVersion, runner: Says) -> None:
    runner('say("refund", outcome="error", output="429 from the provider")')
    case("refund")
    asked(made)
    run = executed()
    assert (run.state, run.errored) == ("error", 1)
    assert newest_tallies([run.results.get().case], [made]) == {}


def test_the_runner_is_told_no_secret(made: BundleVersion, runner: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in ("SECRET_KEY", "DATABASE_URL", "SLACK_BOT_TOKEN", "EMAIL_HOST_PASSWORD"):
        monkeypatch.setenv(name, "hush")
    runner('import os\nsay("refund", output=sorted(os.environ))')
    case("refund")
    asked(made)
    found = executed().results.get().output
    assert "hush" not in found
    assert not any(name in found for name in ("SECRET", "DATABASE", "SLACK", "EMAIL", "LASTGOOD"))
    assert "PATH" in os.environ
    assert "PATH" in found


def test_the_runner_is_handed_what_the_setting_names(
    made: BundleVersion, runner: Says, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "k-1")
    settings.EVAL_ENV = ["JUDGE_KEY", "NOT_SET"]
    runner('import os\nsay("refund", output=os.environ.get("JUDGE_KEY"))')
    case("refund")
    asked(made)
    assert executed().results.get().output == "k-1"


# -- ending early ------------------------------------------------------------------------------------------------------


def test_a_run_that_is_cancelled_while_it_waits_never_begins(made: BundleVersion) -> None:
    case("refund")
    run = asked(made)
    person_who_did = person()
    ended = eval_runs.cancel(run, actor=person_who_did)
    assert (ended.state, ended.cancelled_by) == ("cancelled", person_who_did.user)
    assert eval_runs.cancel(run, actor=person()).cancelled_by == person_who_did.user
    assert eval_work.execute_due() is None


def test_a_run_that_is_over_is_not_cancelled(made: BundleVersion) -> None:
    case("refund")
    with pytest.raises(OperationRefused, match="is over already: passed"):
        eval_runs.cancel(filed(made, refund="pass"), actor=person())


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_cancelled_midway_ends_its_command(runner: Says, tmp_path: Path) -> None:
    made, note = version(), tmp_path / "begun"
    runner(f'say("refund"); open({str(note)!r}, "w").close(); time.sleep(60)')
    case("refund")
    case("other", title="Other")
    run = asked(made)

    def cancel_when_begun() -> None:
        while not note.exists():
            threading.Event().wait(0.02)
        eval_runs.cancel(run, actor=canceller)

    canceller = person()
    thread = in_thread(cancel_when_begun)
    ended = executed()
    thread.join()
    assert ended.state == "cancelled"
    assert ended.results.count() <= 1
    assert not GateResult.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_hands_the_run_back_with_what_it_has(runner: Says, tmp_path: Path) -> None:
    made, note, stop = version(), tmp_path / "begun", threading.Event()
    runner(f"""
        say(given["cases"][0]["key"], output=str(len(given["cases"])))
        if not __import__("os").path.exists({str(note)!r}):
            open({str(note)!r}, "w").close()
            time.sleep(60)
    """)
    case("a-first", title="A")
    case("b-second", title="B")
    run = asked(made)

    def stop_when_begun() -> None:
        while not note.exists():
            threading.Event().wait(0.02)
        threading.Event().wait(0.6)
        stop.set()

    thread = in_thread(stop_when_begun)
    handed = eval_work.execute_due(stop=stop)
    thread.join()
    assert handed is not None
    assert (handed.state, handed.claimed_until, handed.passed) == ("running", None, 1)
    again = executed()
    assert again.pk == run.pk
    assert (again.state, again.attempts, again.passed) == ("passed", 2, 2)
    # The second worker asked only for what was missing.
    assert list(again.results.order_by("case__key").values_list("case__key", "output")) == [
        ("a-first", "2"),
        ("b-second", "1"),
    ]


def test_a_run_whose_worker_died_is_said_to_be_stalled_then_taken_over(
    made: BundleVersion, runner: Says, clock: MovableClock
) -> None:
    runner('say("refund")')
    case("refund")
    run = asked(made)
    claimed = EvalRun.objects.claim(now(), hold=eval_work.HOLD)
    EvalRun.objects.filter(pk=run.pk).update(started_at=now(), heard_at=now(), worker="gone-host, process 7")
    assert [row.pk for row in claimed] == [run.pk]
    assert eval_work.execute_due() is None
    clock.advance(seconds=31)
    run.refresh_from_db()
    assert "Worker gone-host, process 7 has gone" in eval_runs.progress(run).stalled
    again = executed()
    assert (again.state, again.attempts) == ("passed", 2)
    assert again.worker == eval_work.worker_name()[:100]


def test_a_runner_that_is_silent_is_said_to_be_stalled_with_its_worker(made: BundleVersion) -> None:
    case("refund")
    run = asked(made)
    at = now()
    run.started_at, run.heard_at = at - timedelta(minutes=9), at - timedelta(minutes=3)
    run.claimed_until = at + timedelta(seconds=20)
    run.worker, run.state = "bench-2, process 41", "running"
    assert eval_runs.progress(run, at).stalled == (
        "Stalled: the runner on worker bench-2, process 41 has said nothing for 3 min."
    )


def test_a_run_nobody_takes_says_so(made: BundleVersion) -> None:
    case("refund")
    run = asked(made)
    assert eval_runs.progress(run).stalled == ""
    assert eval_runs.progress(run, now() + timedelta(minutes=5)).stalled == "No worker has taken this run for 5 min."


def test_a_run_that_no_worker_survives_is_given_up(made: BundleVersion) -> None:
    case("refund")
    run = asked(made)
    EvalRun.objects.filter(pk=run.pk).update(attempts=eval_work.MOST_TRIES)
    given_up = executed()
    assert (given_up.state, given_up.error) == ("error", "5 workers began this run and none came to its end.")
    assert eval_work.execute_due() is None


def test_a_worker_that_lost_the_run_writes_nothing_more(made: BundleVersion, runner: Says) -> None:
    """It was only asleep: meanwhile the run was another's, and is over."""
    runner('time.sleep(0.5); say("refund", outcome="fail")')
    case("refund")
    run = asked(made)
    [mine] = EvalRun.objects.claim(now(), limit=1)
    EvalRun.objects.filter(pk=run.pk).update(attempts=7, done_at=now())
    eval_work.Holder(mine, threading.Event()).work()
    assert not EvalResult.objects.exists()


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """``work`` under way on a connection of its own, which it gives back."""
    from django.db import connection

    def and_close() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=and_close)
    thread.start()
    return thread
