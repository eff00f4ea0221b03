"""Examples of tools that are declared deterministic: whether they can be what the tool does (R127). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.push_checks.base import ERROR, Concern
from rollouts.schema_fit import first_misfit

CHECK = "determinism"


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    """Arguments and outputs that the tool's own schemas refuse, and a tool declared deterministic without examples."""
    for index, tool in enumerate(body.get("tools") or []):
        if not tool.get("deterministic"):
            continue
        examples = tool.get("examples") or []
        if not examples:
            said = f"{tool['name']} is declared deterministic; give examples, so that it can be tested."
            yield Concern(CHECK, f"tools.{index}.examples", said)
        for number, example in enumerate(examples):
            path = f"tools.{index}.examples.{number}"
            if why := first_misfit(tool["input_schema"], example["arguments"]):
                yield Concern(CHECK, f"{path}.arguments", f"{tool['name']} does not take this: {why}", ERROR)
            if "output_schema" in tool and (why := first_misfit(tool["output_schema"], example["output"])):
                yield Concern(CHECK, f"{path}.output", f"{tool['name']} does not give this: {why}", ERROR)
