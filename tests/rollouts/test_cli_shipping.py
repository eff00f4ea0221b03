"""What pipelines run: push and wait for the gates, compare a folder with what runs, write it down as Markdown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from accounts.models import SiteRole
from rollouts.cli import markdown
from rollouts.models import BundleVersion, Drift
from rollouts.operations import eval_work, gates
from rollouts.operations.promote import promote
from rollouts.practice.bundles import FIX, VERSIONS
from rollouts.practice.bundles import KEY as PRACTICE
from tests.factories.accounts import person
from tests.factories.evals import case
from tests.factories.rollouts import deployment, practised, version
from tests.rollouts.test_cli import Shell, bundle_folder, shell

__all__ = ["shell"]

KEY = "support"
TOML = """
key = "support"
label = "2.1.0"
[model]
provider = "anthropic"
snapshot = "claude-sonnet-4-5-20250929"
[harness]
commit = "abc1234"
[metadata]
author = "Ada"
reviewer = "Grace"
in_flight_policy = "complete_old"
[metadata.change]
what = "kinder"
expect = "helpfulness"
threshold = 2
"""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundle_folder(tmp_path / "bundle", TOML)


@contextmanager
def meanwhile(act: Any) -> Iterator[None]:
    """``act`` again and again in a thread, until the block is over."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.3):
                act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def record_evals(state: str) -> Any:
    def act() -> None:
        made = BundleVersion.objects.filter(bundle__key=KEY, label="2.1.0").first()
        if made is not None and not made.gate_results.exists():
            gates.record(made, "evals", state, "40 of 40", actor=person())

    return act


def test_a_push_waits_until_its_gates_are_green(shell: Shell, folder: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    with meanwhile(record_evals("green")):
        done = shell("push", str(folder), "--wait", "--summary", str(summary), "--timeout", "30")
    assert "gate evals: green. 40 of 40" in done.stdout
    assert "Waiting for evals" in done.stderr
    told = summary.read_text()
    assert "## support 2.1.0" in told
    assert "| evals | ✔ green | 40 of 40 |" in told
    assert "Nothing is active there yet" in told


def test_a_red_gate_ends_the_wait_with_five(shell: Shell, folder: Path) -> None:
    with meanwhile(record_evals("red")):
        done = shell("push", str(folder), "--wait", "--timeout", "30", expect=5)
    assert "Not green for staging: evals." in done.stderr


def test_a_gate_that_nobody_tells_ends_the_wait_with_six(shell: Shell, folder: Path) -> None:
    done = shell("push", str(folder), "--wait", "--timeout", "1.5", expect=6)
    assert "gate evals: missing" in done.stdout
    assert "Not over after 2 s." in done.stderr
    assert "stored as version 1" in done.stdout, "what was pushed stays pushed"


def test_dev_has_no_gates_to_wait_for(shell: Shell, folder: Path) -> None:
    shell("push", str(folder), "--wait", "--env", "dev", "--timeout", "20")


def test_the_eval_sets_of_a_bundle_are_run_and_waited_for(shell: Shell, folder: Path) -> None:
    practised(PRACTICE)
    fix = VERSIONS[FIX]
    (folder / "bundle.toml").write_text(TOML.replace('"support"', f'"{PRACTICE}"'))
    (folder / "prompt.md").write_text(fix["prompt"]["text"])
    for tool in fix["tools"]:
        (folder / "tools" / f"{tool['name']}.json").write_text(json.dumps(tool))
    version(PRACTICE, "1.0.0")
    case("refund", bundle=PRACTICE, inputs={"amount": 480, "approved": 480})
    with meanwhile(eval_work.execute_due):
        told = json.loads(shell("push", str(folder), "--wait", "--json", "--timeout", "60").stdout)
    (gate,) = told["gates"]
    assert (gate["gate"], gate["state"]) == ("evals", "green")
    assert gate["run"] is not None


def test_a_run_that_ends_without_a_result_is_not_waited_for_twice(shell: Shell, folder: Path) -> None:
    practised(KEY)
    version(KEY, "1.0.0")
    case("tone", bundle=KEY, check_kind="rubric", check_body={"text": "kind"})
    with meanwhile(eval_work.execute_due):
        done = shell("push", str(folder), "--wait", "--timeout", "60", expect=5)
    assert "gate evals: missing" in done.stdout


def test_strict_fails_on_what_the_checks_found_and_names_the_place(shell: Shell, folder: Path) -> None:
    (folder / "prompt.md").write_text("Be kind.\nCall get_order(order_id=1, currency=2).\n")
    done = shell("push", str(folder), "--strict", expect=5)
    assert "prompt.text:2:28: get_order does not take currency; it takes order_id." in done.stdout
    shell("push", str(folder))


def test_an_unknown_environment_is_refused_before_anything_waits(shell: Shell, folder: Path) -> None:
    assert "no deployment" in shell("push", str(folder), "--wait", "--env", "moon", expect=1).stderr


# -- diff --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def served(shell: Shell, folder: Path) -> BundleVersion:
    """The folder, pushed and active in dev."""
    shell("push", str(folder))
    made = BundleVersion.objects.get()
    promote(deployment(KEY, "dev"), made, actor=person(SiteRole.APPROVER))
    return made


def test_a_folder_that_is_what_runs_is_nothing_to_tell_of(shell: Shell, folder: Path, served: BundleVersion) -> None:
    assert f"dev runs what {folder} holds: support@2.1.0." in shell("diff", str(folder), "--env", "dev").stdout
    (folder / "bundle.toml").write_text(TOML.replace("Grace", "Lin"))
    shell("diff", str(folder), "--env", "dev")  # a reviewer moves no behaviour


def test_a_folder_that_differs_ends_with_seven_says_how_and_keeps_nothing(
    shell: Shell, folder: Path, served: BundleVersion, tmp_path: Path
) -> None:
    (folder / "prompt.md").write_text("Be brief.\nBe cross.\n")
    done = shell("diff", str(folder), "--env", "dev", "--summary", str(tmp_path / "s.md"), expect=7)
    assert "prompt: in no version of this bundle" in done.stdout
    assert BundleVersion.objects.count() == 1
    assert not Drift.objects.exists()
    assert "Be cross." in (tmp_path / "s.md").read_text()
    shell("diff", str(folder), "--env", "dev", "--report", expect=7)
    assert Drift.objects.get().unreviewed


def test_a_part_that_the_folder_lacks_is_a_difference(shell: Shell, folder: Path, served: BundleVersion) -> None:
    (folder / "tools" / "get_order.json").unlink()
    (folder / "tools").rmdir()
    assert "tools: not in the folder" in shell("diff", str(folder), "--env", "dev", expect=7).stdout


def test_where_nothing_runs_there_is_nothing_to_compare_with(shell: Shell, folder: Path) -> None:
    shell("push", str(folder))
    assert "Nothing is active" in shell("diff", str(folder), expect=1).stderr
    assert "is not a folder" in shell("diff", str(folder / "none"), expect=2).stderr


# -- Markdown ----------------------------------------------------------------------------------------------------------
def test_what_a_prompt_says_never_becomes_markup() -> None:
    hostile = "``` </details> @everyone | [x](javascript:1) <img src=x> **b**"
    active = {"label": "1.0.0"}
    moved = {
        "summary": "prompt +1 −0 words", "prompt": [{"kind": "added", "text": hostile}], "few_shots": [],
        "model": [{"kind": "changed", "path": hostile, "before": hostile, "after": None, "facet": ""}],
        "retrieval": [], "harness": [], "tools": [],
    }  # fmt: skip
    warning = {"path": "prompt.text", "message": hostile, "severity": "warning", "line": 1, "column": 1}
    told = markdown.of_push(
        hostile, {"label": "2", "number": 2, "digest": "d" * 64},
        {"deployment": "a/prod", "active": active, "diff": moved}, [warning], [],
    )  # fmt: skip
    fence = told[told.index("````diff") :].split("\n````", 1)
    outside = told[: told.index("````diff")] + fence[1]
    for mark in ("<img", "@everyone", "[x]", "**b**", "javascript:1)"):
        assert mark not in outside
    assert hostile in fence[0], "in its fence it stands as it is"


def test_a_summary_is_added_to_and_a_place_that_cannot_be_written_is_a_usage_error(
    shell: Shell, folder: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    shell("push", str(folder), "--summary", str(summary))
    assert summary.read_text().startswith("# Before\n## support")
    shell("push", str(folder), "--summary", str(tmp_path / "none" / "s.md"), expect=2)
