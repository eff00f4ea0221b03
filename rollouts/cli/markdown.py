"""A push or a diff as Markdown, for a pull request. Texts come from prompts and stay texts."""

from __future__ import annotations

import json
import re
from difflib import unified_diff
from typing import Any

LONGEST, LONGEST_LINE = 8_000, 500  # characters of a prompt's diff, and of one line of it
MOST = 50  # fields, rows, findings
MARKS = {"green": "✔ green", "red": "✖ red", "missing": "… no result"}


def of_push(
    key: str,
    version: dict[str, Any],
    moved: dict[str, Any] | None,
    warnings: list[dict[str, Any]],
    gates: list[dict[str, Any]],
) -> str:
    """The whole summary: what moved, what the checks found, how the gates stand."""
    lines = [
        f"## {cell(key)} {cell(version['label'])}",
        "",
        f"Version {version['number']}, digest `{version['digest'][:12]}`.",
        "",
    ]
    if moved is None:
        lines += ["Nothing is active there yet, so there is nothing to compare with.", ""]
    else:
        lines += _moved(moved["deployment"], moved["active"], moved["diff"])
    if warnings:
        lines += ["### What the checks found", "", "| severity | where | what |", "|---|---|---|"]
        for warning in warnings[:MOST]:
            where = f"{warning['path']} line {warning['line']}" if "line" in warning else warning["path"]
            lines.append(f"| {warning['severity']} | {cell(where)} | {cell(warning['message'])} |")
        lines += [*_more(warnings), ""]
    if gates:
        lines += ["### Gates", "", "| gate | state | why |", "|---|---|---|"]
        lines += [f"| {gate['gate']} | {MARKS[gate['state']]} | {cell(gate['sentence'])} |" for gate in gates]
        lines.append("")
    return "\n".join(lines) + "\n"


def of_diff(deployment: str, active: dict[str, Any], diff: dict[str, Any]) -> str:
    """What a folder would change in one environment."""
    return "\n".join([f"## {cell(deployment)}", "", *_moved(deployment, active, diff)]) + "\n"


def _moved(deployment: str, active: dict[str, Any], diff: dict[str, Any]) -> list[str]:
    lines = [f"Against {cell(deployment)} ({cell(active['label'])}): {cell(diff['summary'])}", ""]
    words = _words(diff["prompt"])
    if words:
        lines += ["<details><summary>Prompt</summary>", "", fenced(words, "diff"), "", "</details>", ""]
    fields = [
        (f"{part}.{field['path']}" if field["path"] else part, field)
        for part in ("model", "retrieval", "harness")
        for field in diff[part]
    ]
    for tool in diff["tools"]:
        fields += [(f"{tool['name']}.{field['path']}", field) for field in tool["fields"]] or [(tool["name"], tool)]
    fields += [(f"few-shot {row['index']}", row) for row in diff["few_shots"]]
    if fields:
        lines += ["| field | change | before | after |", "|---|---|---|---|"]
        for path, field in fields[:MOST]:
            before, after = (_value(field.get(name)) for name in ("before", "after"))
            facet = f" {field['facet']}" if field.get("facet") else ""
            lines.append(f"| {cell(path)}{cell(facet)} | {field['kind']} | {before} | {after} |")
        lines += [*_more(fields), ""]
    return lines


def _words(spans: list[dict[str, Any]]) -> str:
    """The prompt's lines that moved, as a unified diff; long ones are cut."""
    old, new = (
        "".join(span["text"] for span in spans if span["kind"] in kinds).splitlines()
        for kinds in (("same", "removed"), ("same", "added"))
    )
    lines = [
        line[:LONGEST_LINE] for line in unified_diff(old, new, n=2, lineterm="") if not line.startswith(("---", "+++"))
    ]
    told = "\n".join(lines)
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}\n… the rest is on the diff page"


def fenced(text: str, language: str) -> str:
    """In a fence longer than any in the text, so that a prompt cannot end it."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def cell(text: Any) -> str:
    """One line in which nothing is markup: no table, link, mention or tag comes out of a prompt."""
    plain = " ".join(str(text).split())[:300]
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~@&])", lambda found: f"&#{ord(found[1])};", plain)


def _value(value: Any) -> str:
    return "" if value is None else cell(json.dumps(value, ensure_ascii=False))


def _more(rows: list[Any]) -> list[str]:
    return [f"\nand {len(rows) - MOST} more"] if len(rows) > MOST else []
