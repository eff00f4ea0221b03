"""``./lastgood`` as its own process, against a server on a port."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django.live_server_helper import LiveServer

from accounts.models import PersonSession, Scope
from accounts.operations import login
from rollouts.cli import folder
from rollouts.cli.choose import candidates, choose
from rollouts.cli.commands import printable
from rollouts.cli.failures import Failure
from rollouts.models import BundleVersion, Rollback, Stop
from tests.factories.accounts import person, token
from tests.factories.rollouts import BODY, running

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs ``./lastgood`` with a home of its own; ``token`` empty = none in the environment."""

    def __init__(self, url: str, home: Path, secret: str = "") -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.env = {**kept, "LASTGOOD_URL": url, "LASTGOOD_HOME": str(home), "LASTGOOD_VAR": str(home / "var")}
        if secret:
            self.env["LASTGOOD_TOKEN"] = secret

    def __call__(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(ROOT / "lastgood"), *arguments], env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == expect, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture
def shell(live_server: LiveServer, tmp_path: Path) -> Shell:
    return Shell(live_server.url, tmp_path, token()[1])


def bundle_folder(path: Path, toml: str = "", **files: str) -> Path:
    (path / "tools").mkdir(parents=True)
    (path / "bundle.toml").write_text(
        toml
        or """
key = "support"
label = "2.1.0"
[model]
provider = "anthropic"
snapshot = "claude-sonnet-4-5-20250929"
parameters = {temperature = 0.2}
[metadata]
reviewer = "Grace"
in_flight_policy = "complete_old"
"""
    )
    (path / "prompt.md").write_bytes(b"Be brief.\r\nBe kind.\n")
    (path / "few_shots.jsonl").write_text('{"user": "Hi", "agent": "Hello"}\n\n{"user": "Bye", "agent": "Bye"}\n')
    (path / "tools" / "get_order.json").write_text(json.dumps(BODY["tools"][0]))
    for name, text in files.items():
        (path / name).write_text(text)
    return path


@pytest.mark.django_db(transaction=True)
def test_a_folder_is_pushed_and_pushed_again(shell: Shell, tmp_path: Path) -> None:
    made = bundle_folder(tmp_path / "bundle")
    assert "support@2.1.0 stored as version 1" in shell("push", str(made)).stdout
    version = BundleVersion.objects.get()
    assert version.body["prompt"] == {
        "text": "Be brief.\r\nBe kind.\n",
        "few_shots": [{"user": "Hi", "agent": "Hello"}, {"user": "Bye", "agent": "Bye"}],
    }
    assert version.body["tools"] == BODY["tools"]
    assert version.surface == "cli"
    assert "was already version 1" in shell("push", str(made)).stdout
    assert json.loads(shell("push", str(made), "--label", "2.2.0", "--json").stdout)["number"] == 2


@pytest.mark.django_db(transaction=True)
def test_what_the_server_finds_is_printed_line_by_line(shell: Shell, tmp_path: Path) -> None:
    made = bundle_folder(tmp_path / "bundle")
    (made / "tools" / "broken.json").write_text('{"name": "a b", "input_schema": {"type": "strin"}}')
    said = shell("push", str(made), expect=1).stderr
    assert "tools.0.name:" in said
    assert "tools.0.input_schema.type:" in said
    assert not BundleVersion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rollback_asks_nothing_and_says_what_moved(shell: Shell) -> None:
    running("1.0.0", "2.0.0")
    said = shell("rollback", "customer-service", "--reason", "wrong refunds").stdout
    assert "Rolled back customer-service/prod: 2.0.0 → 1.0.0, committed in" in said
    assert "Still to do or to waive:" in said
    made = Rollback.objects.get()
    assert (made.surface, made.reason) == ("cli", "wrong refunds")
    assert "Already rolled back" in shell("rollback", "customer-service").stdout
    assert "Nothing to go back to" not in shell("rollback", "customer-service/staging").stdout
    refused = shell("rollback", "customer-service", "--to", "1", "--env", "dev", expect=1)
    assert "Nothing to go back to" in refused.stderr
    assert "Send to a human" in refused.stderr


@pytest.mark.django_db(transaction=True)
def test_the_variant_activated_last_is_taken_and_the_others_are_named(shell: Shell) -> None:
    running("1.0.0", "2.0.0", key="support")
    running("1.0.0", "2.0.0", key="support.emea")
    said = shell("rollback", "support").stdout
    assert "Rolled back support.emea/prod" in said
    assert "it was activated last" in said
    assert "  lastgood rollback support\n" in said
    assert Rollback.objects.get().deployment.bundle.key == "support.emea"


@pytest.mark.django_db(transaction=True)
def test_a_token_that_may_only_contain_is_enough(live_server: LiveServer, tmp_path: Path) -> None:
    running("1.0.0", "2.0.0")
    shell = Shell(live_server.url, tmp_path, token(Scope.CONTAIN)[1])
    assert "Rolled back customer-service/prod" in shell("rollback", "customer-service").stdout
    assert "scope" in shell("status", expect=1).stderr


@pytest.mark.django_db(transaction=True)
def test_stop_status_and_release(shell: Shell) -> None:
    running("1.0.0", "2.0.0")
    said = shell("stop", "customer-service", "--scope", "writes", "--fallback", "Please wait").stdout
    assert "Stopped customer-service/prod (writes)" in said
    assert "Customers get: Please wait." in said
    assert "Customers would wait for an answer that never comes." in said
    assert "Never measured" in said
    said = shell("status", "customer-service").stdout
    assert "2.0.0 is active, one press goes back to 1.0.0." in said
    assert "stopped: writes since" in said
    listed = shell("status").stdout
    assert "customer-service/prod" in listed
    assert "stopped" in listed
    refused = shell("release", "customer-service", "--scope", "writes", expect=3)
    assert "takes a person" in refused.stderr
    assert "lastgood login" in refused.stderr
    assert "lastgood login" in shell("ack", "INC-1", expect=3).stderr
    assert Stop.objects.get().released_at is None


@pytest.mark.django_db(transaction=True)
def test_after_a_login_a_person_acts(shell: Shell, tmp_path: Path) -> None:
    running("1.0.0", "2.0.0")
    shell("stop", "customer-service")
    actor = person()

    def approve_when_asked() -> None:
        try:
            for _ in range(600):
                if begun := PersonSession.objects.filter(approved_at=None).first():
                    login.approve(begun.user_code, actor=actor)
                    return
                threading.Event().wait(0.05)
        finally:
            connections.close_all()

    approver = threading.Thread(target=approve_when_asked)
    approver.start()
    said = shell("login")
    approver.join()
    assert actor.user is not None
    assert f"Logged in as {actor.user.email}" in said.stdout
    assert "/login/approve/" in said.stderr
    kept = tmp_path / "sessions.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "Released customer-service/prod (whole)" in shell("release", "customer-service").stdout
    assert Stop.objects.get().released_by == actor.user


def test_no_server_no_token_and_wrong_usage_each_have_their_code(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    assert "Is it running?" in Shell(nowhere, tmp_path, "x")("rollback", "support", expect=4).stderr
    assert "No token" in Shell(nowhere, tmp_path)("rollback", "support", expect=1).stderr
    assert "http://" in Shell("ftp://x", tmp_path, "x")("status", expect=2).stderr
    assert "usage:" in Shell(nowhere, tmp_path, "x")("rollback", expect=2).stderr
    assert "is not a folder" in Shell(nowhere, tmp_path, "x")("push", "nowhere", expect=2).stderr


def test_another_servers_token_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "credentials.json").write_text('{"base_url": "http://127.0.0.1:8000", "token": "t"}')
    assert "No token" in Shell("http://127.0.0.1:9", tmp_path)("rollback", "support", expect=1).stderr
    assert "Is it running?" in Shell("http://localhost:8000", tmp_path)("rollback", "x", expect=4).stderr


def test_an_expired_login_is_no_login(tmp_path: Path) -> None:
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    session = {"session": "s", "expires_at": past, "email": "a@example.com"}
    (tmp_path / "sessions.json").write_text(json.dumps({"http://127.0.0.1:9": session}))
    assert "lastgood login" in Shell("http://127.0.0.1:9", tmp_path)("ack", "INC-1", expect=3).stderr


def test_everything_wrong_with_a_folder_is_told_at_once(tmp_path: Path) -> None:
    toml = 'colour = "red"\n[metadata]\nday = 2026-11-20\n[model.parameters]\ntemperature = inf\n'
    made = bundle_folder(tmp_path / "bundle", toml, notes="x")
    (made / "few_shots.jsonl").write_text("{}\n{\n")
    (made / "tools" / "get_order.json").write_text("{")
    (made / "tools" / "README.md").write_text("x")
    (made / "prompt.md").unlink()
    with pytest.raises(Failure) as failed:
        folder.read(made)
    said = str(failed.value)
    for part in (
        "key is missing",
        "colour is unknown",
        "metadata.day is a date",
        "model.parameters.temperature is not a finite number",
        "few_shots.jsonl line 2: not JSON",
        "tools/get_order.json: not JSON",
        "tools/README.md: unknown file",
        "prompt.md: missing",
        "notes: unknown file",
    ):
        assert part in said


def rows(*deployments: str) -> list[dict[str, Any]]:
    return [
        {"deployment": name, "agent": name.partition("/")[0].partition(".")[0], "environment": name.partition("/")[2]}
        for name in deployments
    ]


@pytest.mark.parametrize(
    ("name", "incidents", "chosen", "others"),
    [
        ("a", [], "a.x", ("a",)),
        ("b", [], "b", ()),
        ("unknown", [], "unknown", ()),
        ("a", [("a/prod", "SEV3", "09:00")], "a", ("a.x",)),
        ("a", [("a/prod", "SEV3", "09:00"), ("a.x/prod", "SEV1", "08:00")], "a.x", ("a",)),
        ("a", [("a.x/prod", "SEV3", "08:00"), ("a/prod", "SEV3", "09:00")], "a", ("a.x",)),
        ("a", [("a/staging", "SEV1", "09:00"), ("b/prod", "SEV1", "09:00")], "a.x", ("a",)),
    ],
)
def test_which_variant_a_bare_name_means(
    name: str, incidents: Sequence[tuple[str, str, str]], chosen: str, others: tuple[str, ...]
) -> None:
    opened = [
        {"ref": f"INC-{n}", "deployment": where, "severity": severity, "opened_at": at}
        for n, (where, severity, at) in enumerate(incidents)
    ]
    variants = candidates(name, "prod", rows("a.x/prod", "b/prod", "a/prod", "a/staging"))
    choice = choose(name, variants, opened)
    assert (choice.key, choice.others) == (chosen, others)


def test_the_command_line_needs_nothing_but_pythons_own_library() -> None:
    code = (
        "import sys, rollouts.cli; "
        "assert not {'django', 'httpx', 'psycopg', 'pydantic'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True, timeout=30)


def test_a_title_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb → c") == "a\N{REPLACEMENT CHARACTER}[2Jb → c"
