"""The eval command is somebody's program: it is read within limits, and ended with everything it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollouts.eval_runner.command import GUARD, Command, Limits
from rollouts.eval_runner.lines import Reader

START = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[START]:
    """``start("print(1)", seconds=5)``: a command that is this Python program."""
    started = []

    def begin(program: str, *, env: dict[str, str] | None = None, **limits: int) -> Command:
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        allowed = Limits(**{"seconds": 20, **limits})
        command = Command([sys.executable, str(script)], env=env or {}, cwd=str(tmp_path), limits=allowed)
        started.append(command)
        return command

    yield begin
    for command in started:
        command.kill()


def read(command: Command) -> list[bytes]:
    """Every line until it has ended; it is killed then."""
    found = []
    while not command.ended:
        found += command.poll(0.1)
    command.kill()
    return found


def is_alive(pid: int) -> bool:
    """Running, and not merely unburied: an orphan's end is noticed by whoever adopts it, perhaps nobody here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lines_arrive_whole_and_the_last_needs_no_end(start: START) -> None:
    command = start("""
        import sys, time
        sys.stdout.write("one\\ntw"); sys.stdout.flush(); time.sleep(0.2); sys.stdout.write("o\\nthree")
        sys.stderr.write("said aside")
    """)
    assert read(command) == [b"one", b"two", b"three"]
    assert b"said aside" in command.tail
    assert (command.why, command.failed, command.meaning) == ("", False, "ended with exit status 0")


def test_a_line_beyond_measure_is_dropped_and_the_next_is_read(start: START) -> None:
    command = start("print('x' * 5000); print('short'); print('y' * 5000)", line_bytes=100)
    assert read(command) == [b"short"]
    assert command.too_long == 2


@pytest.mark.parametrize(
    ("program", "limits", "says"),
    [
        ("import time\ntime.sleep(60)", {"seconds": 1}, "after 1 s, its time limit"),
        ("while True: print('x')", {"lines": 1000}, "more than 1,000 lines"),
        ("import sys\nwhile True: sys.stderr.write('x' * 1000)", {"bytes": 100_000}, "more than 100,000 bytes"),
    ],
)
def test_what_knows_no_end_is_ended(start: START, program: str, limits: dict[str, int], says: str) -> None:
    began = time.monotonic()
    command = start(program, **limits)
    read(command)
    assert says in command.why
    assert time.monotonic() - began < 10
    assert len(command.tail) <= 64 * 1024


def test_everything_it_started_ends_with_it(start: START) -> None:
    command = start("""
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        print(subprocess.Popen([sys.executable, "-c", program]).pid, flush=True)
        time.sleep(60)
    """)
    lines: list[bytes] = []
    while not lines:
        lines += command.poll(0.1)
    child = int(lines[0])
    assert is_alive(child)
    command.kill()
    eventually(lambda: not is_alive(child))
    assert command.meaning == "was killed by SIGKILL"


def test_a_child_that_outlives_it_neither_delays_nor_survives(start: START) -> None:
    command = start("""
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
    """)
    began = time.monotonic()
    child = int(read(command)[0])
    assert time.monotonic() - began < 8
    eventually(lambda: not is_alive(child))


def test_its_exit_status_and_signals_are_told_apart(start: START) -> None:
    failed = start("raise SystemExit(3)")
    read(failed)
    assert (failed.failed, failed.meaning) == (True, "ended with exit status 3")
    killed = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    read(killed)
    assert killed.meaning == "was killed by SIGKILL"


def test_it_finds_nothing_of_ours_around_it(start: START, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    command = start("import json, os; print(json.dumps(sorted(os.environ)))", env={"LANG": "C"})
    found = set(json.loads(read(command)[0]))
    assert "SECRET_KEY" not in found
    assert "LANG" in found


def test_a_command_that_does_not_exist_is_said_to_be_missing(tmp_path: Path) -> None:
    command = Command(["/nowhere/runner"], env={}, cwd=str(tmp_path), limits=Limits(20))
    read(command)
    assert b"cannot be started" in command.tail
    assert command.meaning == "ended with exit status 127"


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    """What kill -9 of a worker does: nobody is left to end the command but its guard."""
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"subprocess.Popen([sys.executable, '-I', {GUARD!r}, sys.executable, '-c', {program!r}],"
            " stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(60)",
        ]
    )
    eventually(lambda: note.exists() and note.read_text())
    command = int(note.read_text())
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    eventually(lambda: not is_alive(command))


# -- what it says ------------------------------------------------------------------------------------------------------


def test_a_result_is_read_and_the_tries_are_counted() -> None:
    reader = Reader({"a": 2})
    line = b'{"case": "a", "outcome": "pass", "score": 0.5, "ms": 12, "output": {"text": "ok"}}'
    first, second, third = reader.read(line), reader.read(line), reader.read(line)
    assert first is not None
    assert (first.attempt, first.score, first.ms, first.output) == (1, 0.5, 12.0, '{"text": "ok"}')
    assert second is not None
    assert second.attempt == 2
    assert third is None
    assert reader.garbage == 1


@pytest.mark.parametrize(
    "line",
    [
        b"Running 12 cases ...",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"NaN",
        b"[" * 10_000,
        b'{"case": "a"}',
        b'{"case": "a", "outcome": "great"}',
        b'{"case": "a", "outcome": ["pass"]}',
        b'{"case": ["a"], "outcome": "pass"}',
        b'{"case": "stranger", "outcome": "pass"}',
        b'{"case": "a", "outcome": "pass", "attempt": 2}',
        b'{"case": "a", "outcome": "pass", "attempt": 0}',
        b'{"case": "a", "outcome": "pass", "attempt": true}',
        b'{"case": "a", "outcome": "pass", "outcome": "fail"}',
        b'{"case": "a", "outcome": "pass", "score": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_result_is_counted_and_never_trusted(line: bytes) -> None:
    reader = Reader({"a": 1})
    assert reader.read(line) is None
    assert reader.garbage == 1


def test_odd_numbers_and_texts_are_kept_as_far_as_they_can_be() -> None:
    said = Reader({"a": 1}).read(
        b'{"case": "a", "outcome": "fail", "score": "high", "ms": 1e308, "output": "a\\u0000\\ud800b"}'
    )
    assert said is not None
    assert (said.score, said.ms, said.output) == (None, None, "a\N{REPLACEMENT CHARACTER}?b")
    long = Reader({"a": 1}).read(json.dumps({"case": "a", "outcome": "pass", "output": "x" * 30_000}).encode())
    assert long is not None
    assert long.output.endswith("(cut)")


def test_a_blank_line_is_nothing() -> None:
    reader = Reader({"a": 1})
    assert reader.read(b"  ") is None
    assert reader.garbage == 0
