"""Whether tools that are declared deterministic are: the same arguments, run twice or more, gave one output (R127).

Pure. Whoever has the tools runs them (CI, beside their tests) and sends what each example gave, run by run; nobody
sends a verdict, it is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.checks import same

GATE = "determinism"
GREEN, RED = "green", "red"
LEAST_RUNS = 2


@dataclass(frozen=True, slots=True)
class Outputs:
    """What example number ``example`` (from 0) of ``tool`` gave, one output per run."""

    tool: str
    example: int
    outputs: Sequence[Any]


class Incomplete(ValueError):
    """What was sent does not tell; the sentence says what is missing."""


def wanted(body: Mapping[str, Any]) -> Iterator[tuple[str, int, Any]]:
    """(tool, number of the example, output it should give) of every example of a deterministic tool."""
    for tool in body.get("tools") or []:
        if tool.get("deterministic"):
            for number, example in enumerate(tool.get("examples") or []):
                yield tool["name"], number, example["output"]


def judge(body: Mapping[str, Any], given: Sequence[Outputs]) -> tuple[str, str]:
    """(green or red, one sentence). Raises Incomplete unless every example was run at least twice."""
    examples = {(tool, number): output for tool, number, output in wanted(body)}
    if not examples:
        raise Incomplete("No tool of this version is declared deterministic with examples.")
    told = {(each.tool, each.example): each.outputs for each in given}
    if unknown := next((key for key in told if key not in examples), None):
        raise Incomplete(f"There is no example {unknown[1]} of a deterministic tool called {unknown[0]}.")
    for (tool, number), expected in examples.items():
        outputs = told.get((tool, number), ())
        if len(outputs) < LEAST_RUNS:
            raise Incomplete(f"Run example {number} of {tool} at least twice and send every output.")
        for run, output in enumerate(outputs[1:], start=2):
            if not same(output, outputs[0]):
                return RED, f"{tool}, example {number}: run {run} gave another output than run 1."
        if not same(outputs[0], expected):
            return RED, f"{tool}, example {number}: every run gave one output, and not the one it should."
    runs = min(len(outputs) for outputs in told.values())
    count = "1 example" if len(examples) == 1 else f"{len(examples)} examples"
    return GREEN, f"{count}, each run {runs} times or more, with one output."
