"""What a pipeline runs: push and wait for the gates, or compare a folder with what runs."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rollouts.cli import folder, markdown
from rollouts.cli.client import Client
from rollouts.cli.commands import printable, say
from rollouts.cli.failures import Exit, Failure, Refused

POLL_SECONDS = 1.0
#: Told by staging's history, which no pipeline can bring about, and by eval runs.
FROM_HISTORY, FROM_RUNS = "staging", frozenset({"evals", "fail_then_pass"})
PARTS = ("prompt", "model", "tools", "retrieval", "harness")


def push(client: Client, asked: Namespace) -> None:
    """Store the folder; with ``--wait`` go on until the gates of ``--env`` have told."""
    key, body = folder.read(Path(asked.folder))
    if asked.label:
        body["label"] = asked.label
    status, version = client.post("bundles", key, "versions", body=body)
    warnings = version.get("warnings", [])
    state = "stored as" if status == 201 else "was already"
    lines = [f"{key}@{version['label']} {state} version {version['number']} ({version['digest'][:12]})."]
    lines += [f"  {place(warning)}: {warning['message']}" for warning in warnings]
    gates: list[dict[str, Any]] = []
    timed_out = False
    if asked.wait:
        gates, timed_out = _wait(client, asked, key, version)
        lines += [f"  gate {gate['gate']}: {gate['state']}. {gate['sentence']}".rstrip() for gate in gates]
    if asked.summary:
        _summarise(
            Path(asked.summary), markdown.of_push(key, version, _moved(client, asked, key, body), warnings, gates)
        )
    say(asked, {**version, "gates": gates} if asked.wait else version, *lines)
    if timed_out:
        raise Failure(
            f"Not over after {asked.timeout:.0f} s. It goes on; ask again with the same command.", Exit.TIMED_OUT
        )
    if red := [gate["gate"] for gate in gates if gate["state"] != "green"]:
        raise Failure(f"Not green for {asked.env}: {', '.join(red)}.", Exit.NOT_GREEN)
    if warnings and asked.strict:
        raise Failure(f"The checks found {len(warnings)}, and --strict allows none.", Exit.NOT_GREEN)


def diff(client: Client, asked: Namespace) -> None:
    """Compare without storing a version; 0 when the environment runs exactly this."""
    key, body = folder.read(Path(asked.folder))
    parts = {name: body[name] for name in PARTS if name in body}
    told = client.post("deployments", key, asked.env, "compare", body=parts)[1]
    if asked.report:
        client.post("deployments", key, asked.env, "report", body={**parts, "source": f"folder {asked.folder}"[:200]})
    same = told["same"] and not told["missing"]
    active = f"{key}@{told['active']['label']}"
    if same:
        lines = [f"{asked.env} runs what {asked.folder} holds: {active}."]
    else:
        lines = [f"{asked.folder} is not what {asked.env} runs ({active}): {told['diff']['summary']}."]
        lines += [
            f"  {part['part']}: {'as in ' + part['known_as'] if part['known_as'] else 'in no version of this bundle'}"
            for part in told["parts"]
            if not part["same"]
        ]
        lines += [f"  {part}: not in the folder" for part in told["missing"]]
    if asked.summary:
        _summarise(Path(asked.summary), markdown.of_diff(f"{key}/{asked.env}", told["active"], told["diff"]))
    say(asked, told, *lines)
    if not same:
        raise Failure("They differ.", Exit.DIFFERS)


def place(warning: dict[str, Any]) -> str:
    """``prompt.text:12:5``, as compilers name places."""
    where = str(warning["path"])
    return f"{where}:{warning['line']}:{warning['column']}" if "line" in warning else where


def _wait(client: Client, asked: Namespace, key: str, version: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """The gates of ``--env`` once no eval run is under way and none is missing, or one is red; True when that took
    too long. Eval sets are started once, where their gate has no result yet."""
    until = time.monotonic() + asked.timeout
    number = str(version["number"])
    started: list[str] = []
    said = ""
    while True:
        told = client.get(
            "bundles", key, "versions", number, "gates", query=f"?environment={quote(asked.env, safe='')}"
        )
        gates = [gate for gate in told["gates"] if gate["needed"] and gate["gate"] != FROM_HISTORY]
        missing = [gate["gate"] for gate in gates if gate["state"] == "missing"]
        if not told["running"]:
            if not started and not asked.no_evals and FROM_RUNS.intersection(missing):
                started = _start(client, key, number)
                if started:
                    continue
            # What runs had to tell they have told: a run that ended in an error leaves its gate without a result.
            waiting = [name for name in missing if not (started and name in FROM_RUNS)]
            if not waiting or any(gate["state"] == "red" for gate in gates):
                return gates, False
        if time.monotonic() >= until:
            return gates, True
        line = f"Waiting for {', '.join(missing) or 'eval runs'} …"
        if line != said:
            print(printable(line), file=sys.stderr, flush=True)
        said = line
        time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))


def _start(client: Client, key: str, number: str) -> list[str]:
    """Ask for a run of every set that has cases; which were taken. What the server refuses it says why."""
    started = []
    for found in client.get("bundles", key, "eval-sets")["items"]:
        if not found["cases"]:
            continue
        try:
            client.post("bundles", key, "versions", number, "eval-runs", body={"set": found["set"], "only": None})
            started.append(str(found["set"]))
        except Refused as refused:
            if refused.status != 409:
                raise
            print(printable(f"{found['set']} was not started: {refused}"), file=sys.stderr)
    return started


def _moved(client: Client, asked: Namespace, key: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """What moves in ``--env`` by this push; None where nothing is active yet."""
    parts = {name: body[name] for name in PARTS if name in body}
    try:
        told: dict[str, Any] = client.post("deployments", key, asked.env, "compare", body=parts)[1]
    except Refused as refused:
        if refused.status != 409:
            raise
        return None
    return told


def _summarise(path: Path, text: str) -> None:
    """Added to what is there: pipelines collect one file from several steps."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", Exit.USAGE) from None
