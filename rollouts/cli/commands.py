"""One function per verb: ask the server, print what it said."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rollouts.cli import credentials
from rollouts.cli.choose import Choice, candidates, choose
from rollouts.cli.client import Client
from rollouts.cli.failures import Exit, Failure, Refused

POLL_SECONDS = 2.0
LOOK_SECONDS = 3.0


def rollback(client: Client, asked: Namespace) -> None:
    """No question asked: the press is what somebody ran this for."""
    choice = _choose(client, asked)
    body = {"to": asked.to, "reason": asked.reason}
    given = {name: value for name, value in body.items() if value not in (None, "")}
    status, told = client.post("deployments", choice.key, asked.env, "rollback", body=given or None)
    to_do = [leg["kind"] for leg in told["legs"] if leg["state"] not in {"done", "waived", "not_applicable"}]
    lines = [
        f"{'Rolled back' if status == 201 else 'Already rolled back:'} {choice.key}/{asked.env}: "
        f"{told['from']['label']} → {told['to']['label']}, committed in {told['committed_ms']:.0f} ms."
    ]
    if told.get("incident"):
        lines.append(f"Incident {told['incident']}: {client.credentials.url}/i/{told['incident']}/")
    if to_do:
        lines.append(f"Still to do or to waive: {', '.join(to_do)}.")
    lines += _others(choice, "rollback", asked.env)
    say(asked, told, *lines)


def stop(client: Client, asked: Namespace) -> None:
    choice = _choose(client, asked)
    body = {"scope": asked.scope, "reason": asked.reason, "fallback": asked.fallback}
    status, told = client.post("deployments", choice.key, asked.env, "stop", body=body)
    state = "Stopped" if status == 201 else "Already stopped:"
    lines = [f"{state} {choice.key}/{asked.env} ({asked.scope}) at {clock_time(told['engaged_at'])}."]
    lines += _proven(told)
    say(asked, told, *lines, *_others(choice, "stop", asked.env))


def _proven(told: dict[str, Any]) -> list[str]:
    """What customers get now, and how long this stop took when it was last measured."""
    switch = told.get("switch") or {}
    lines = [f"Customers get: {told['fallback'] or 'not said'}."]
    lines += [f"  {finding}" for finding in switch.get("off_state_findings", [])]
    seconds = switch.get("measured_seconds")
    if seconds is None:
        return [*lines, "Never measured: nobody knows how long this stop takes. Watch who acts on."]
    floor = ", ".join(switch["damage_floor_words"])
    return [
        *lines,
        f"Last measured {seconds:.0f} s, {clock_time(switch['measured_at'])}." + (f" Costs {floor}." if floor else ""),
        f"  {switch['sentence']}",
    ]


def release(client: Client, asked: Namespace) -> None:
    bearer = client.credentials.person("release a stop")
    choice = _choose(client, asked)
    body = {"scope": asked.scope, "reason": asked.reason}
    _, told = client.post("deployments", choice.key, asked.env, "release", body=body, bearer=bearer)
    say(asked, told, f"Released {choice.key}/{asked.env} ({asked.scope}).", *_others(choice, "release", asked.env))


def ack(client: Client, asked: Namespace) -> None:
    bearer = client.credentials.person("acknowledge an incident")
    _, told = client.post("incidents", asked.incident, "acknowledge", body={}, bearer=bearer)
    say(asked, told, f"Acknowledged {asked.incident}.")


def declare(client: Client, asked: Namespace) -> None:
    body = {"title": asked.title, "severity": asked.severity}
    if asked.agent:
        body["deployment"] = f"{_choose(client, asked).key}/{asked.env}"
    _, told = client.post("incidents", body=body)
    say(asked, told, f"Declared {told['ref']}: {client.credentials.url}/i/{told['ref']}/")


def status(client: Client, asked: Namespace) -> None:
    if asked.agent:
        choice = _choose(client, asked)
        told = client.get("deployments", choice.key, asked.env)
        good = told["last_good"]
        lines = [
            f"{choice.key}/{asked.env}: {_label(told['active'])} is active, "
            + (f"one press goes back to {_label(good)}." if good else "nothing to go back to."),
            *(f"  stopped: {row['scope']} since {clock_time(row['engaged_at'])}" for row in told["stops"]),
            *(
                f"  {row['label']:<24} {row['state']:<9} {clock_time(row['activated_at'])}"
                + ("  rolled back" if row.get("rolled_back") else "")
                for row in told["stack"]
            ),
        ]
        say(asked, told, *lines)
        return
    deployments, incidents = client.every("deployments"), _incidents(client)
    lines = [f"{row['ref']}  {row['severity']}  {row['step']:<9} {row['title']}" for row in incidents or []]
    lines = lines or ["The incidents could not be read." if incidents is None else "No open incident."]
    lines += [
        f"{row['deployment']:<40} {_label(row['active']):<24}{' stopped' if row['stopped'] else ''}"
        for row in deployments
    ]
    say(asked, {"incidents": incidents, "deployments": deployments}, *lines)


def evaluate(client: Client, asked: Namespace) -> None:
    """Run a set over a version; with ``--wait`` until it is over, failing unless it passed.

    With ``--junit`` nothing is run: what another runner found is filed, and fails likewise unless it passed.
    """
    number = asked.number
    if number is None:
        versions = client.get("bundles", asked.agent)["versions"]
        if not versions:
            raise Failure(f"{asked.agent} has no version yet. Push one first: lastgood push <folder>.")
        number = versions[0]["number"]
    path = ("bundles", asked.agent, "versions", str(number), "eval-runs")
    if asked.junit:
        query = f"?set={quote(asked.set, safe='')}"
        _, told = client.post(*path, "junit", file=_file(asked.junit), query=query)
    else:
        _, told = client.post(*path, body={"set": asked.set, "only": asked.only or None})
    what = f"{told['set']['name']}@{told['set']['number']} on {asked.agent}@{told['version']['label']}"
    page = f"{client.credentials.url}/runs/{told['run']}/"
    if not asked.wait and not asked.junit:
        say(asked, told, f"Run {told['run']}, {what}, is {told['state']}: {page}")
        return
    stalled = None
    while told["ended_at"] is None:
        if told["stalled"] and told["stalled"] != stalled:
            print(printable(told["stalled"]), file=sys.stderr, flush=True)
        stalled = told["stalled"]
        time.sleep(POLL_SECONDS / 2)
        told = client.get("eval-runs", str(told["run"]))
    counts = told["counts"]
    say(
        asked,
        told,
        f"Run {told['run']}, {what}: {told['state']}, {counts['passed']} of {counts['expected']} passed.",
        *([told["error"]] if told["error"] else []),
        page,
    )
    if told["state"] != "passed":
        raise Failure(f"The run has {told['state']}." if told["state"] == "failed" else f"The run is {told['state']}.")


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}.", Exit.USAGE) from None


def login(client: Client, asked: Namespace) -> None:
    """Show the link, then wait until a signed-in person has approved it."""
    _, begun = client.post("login", body={}, bearer="")
    print(f"Open {begun['approve_url']}\nand approve the code {begun['user_code']}.", file=sys.stderr, flush=True)
    until = time.monotonic() + float(begun["expires_in"])
    while time.monotonic() < until:
        code, told = client.post("login", "poll", body={"device_code": begun["device_code"]}, bearer="")
        if code == 200:
            email = str((told.get("user") or {}).get("email") or "")
            session = credentials.Session(told["session"], datetime.fromisoformat(told["expires_at"]), email)
            path = credentials.keep_session(client.credentials.url, session)
            shown = {"user": told["user"], "expires_at": told["expires_at"]}
            say(asked, shown, f"Logged in as {email} until {clock_time(told['expires_at'])}, kept in {path}.")
            return
        time.sleep(POLL_SECONDS)
    raise Failure("Nobody approved the code in time. Run lastgood login again.")


def say(asked: Namespace, told: Any, *lines: str) -> None:
    """The lines for a person, or with ``--json`` the server's answer."""
    print(json.dumps(told, indent=2) if asked.json else "\n".join(printable(line) for line in lines))


def printable(line: str) -> str:
    """``line`` without what would steer the terminal: titles come from whoever sends alerts."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def clock_time(moment: str) -> str:
    """``2026-11-20 14:25:03 UTC`` from what the API says."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S} UTC"


def _choose(client: Client, asked: Namespace) -> Choice:
    """The deployment meant; whoever may not read the list is taken by their word."""
    name, slash, environment = asked.agent.partition("/")
    if slash:
        asked.env = environment
    if "." in name:
        return Choice(name, "named")
    try:
        deployments = client.every("deployments", query=f"?agent={quote(name, safe='')}")
    except Refused as refused:
        if refused.status != 403:
            raise
        return Choice(name, "named")
    variants = candidates(name, asked.env, deployments)
    return choose(name, variants, (_incidents(client, agent=name) or []) if len(variants) > 1 else [])


def _incidents(client: Client, *, agent: str = "") -> list[dict[str, Any]] | None:
    """The newest hundred open ones; None when they cannot be read in a moment: a rollback waits for nobody."""
    try:
        query = "?open=true&limit=100" + (f"&agent={quote(agent, safe='')}" if agent else "")
        items: list[dict[str, Any]] = client.get("incidents", query=query, timeout=LOOK_SECONDS).get("items", [])
    except Failure:
        return None
    return items


def _others(choice: Choice, verb: str, environment: str) -> list[str]:
    if not choice.others:
        return []
    env = "" if environment == "prod" else f" --env {environment}"
    return [
        f"{choice.key} was chosen because {choice.why}. Left alone:",
        *(f"  lastgood {verb} {key}{env}" for key in choice.others),
    ]


def _label(version: dict[str, Any] | None) -> str:
    return str(version["label"]) if version else "nothing"
