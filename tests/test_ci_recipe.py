"""The recipe for pipelines is a file that can be read, and runs commands that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rollouts.cli.failures import Exit
from rollouts.cli.program import parser
from tests.workflow_file import NotAWorkflow, read

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "docs/ci/lastgood.yml"


def commands() -> list[str]:
    jobs = read(RECIPE.read_text())["jobs"].values()
    lines = [line for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]
    return [line for line in lines if line.startswith("lastgood ")]


@pytest.mark.parametrize(
    "text", ["a:\n\tb: 1", "a: 1\na: 2", "a:\n  b: 1\n c: 2", "a: [1]", "a: &x 1", "- a", "a: b: c", "a: 'x'"]
)
def test_the_reader_refuses_what_it_cannot_be_sure_of(text: str) -> None:
    with pytest.raises(NotAWorkflow):
        read(text)


def test_the_recipe_has_jobs_whose_steps_do_one_thing_each() -> None:
    made = read(RECIPE.read_text())
    assert made["permissions"] == {"contents": "read"}
    assert set(made["jobs"]) == {"check", "drift"}
    for job in made["jobs"].values():
        assert isinstance(job["timeout-minutes"], int)
        for step in job["steps"]:
            assert len({"run", "uses"} & step.keys()) == 1


def test_every_command_of_the_recipe_is_one_that_there_is() -> None:
    found = commands()
    assert [line.split()[1] for line in found] == ["push", "diff"]
    for line in found:
        asked = parser().parse_args(shlex.split(line)[1:])
        assert asked.folder == "$FOLDER"
        assert asked.summary == "$GITHUB_STEP_SUMMARY"


def test_no_secret_is_written_into_a_command() -> None:
    assert not any("TOKEN" in line for line in commands())


def test_every_exit_code_is_documented() -> None:
    told = (ROOT / "docs/cli.md").read_text()
    rows = {int(code) for code in re.findall(r"^\| (\d) \|", told, re.MULTILINE)}
    assert rows == {int(code) for code in Exit}
