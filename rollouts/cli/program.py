"""The command line's grammar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rollouts.cli import commands, credentials, shipping
from rollouts.cli.client import Client
from rollouts.cli.failures import Failure

EPILOG = """\
LASTGOOD_URL and LASTGOOD_TOKEN name the server and the token; without them var/credentials.json does.
Exit codes: 0 done, 1 refused, 2 wrong usage, 3 takes a person (lastgood login), 4 no server answered, 5 a gate is not
green, 6 it took too long, 7 what was compared differs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    asked = parser().parse_args(argv)
    try:
        asked.run(Client(credentials.load()), asked)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return int(failure.code)
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="lastgood",
        description="Take an agent back to its last good version, and what belongs to it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(title="commands", required=True, metavar="<command>")

    push = _verb(verbs, "push", "store a bundle folder as a version", shipping.push)
    push.add_argument("folder", help="with bundle.toml, prompt.md, few_shots.jsonl, tools/*.json")
    push.add_argument("--label", help="instead of the one in bundle.toml")
    push.add_argument("--wait", action="store_true", help="until its gates have a result; 5 when one is not green")
    push.add_argument(
        "--env", default="staging", help="whose gates, and the version to compare with; staging unless said"
    )
    push.add_argument(
        "--timeout", type=float, default=1800, metavar="SECONDS", help="how long to wait; 1800 unless said"
    )
    push.add_argument("--no-evals", action="store_true", help="wait without starting the eval sets of the bundle")
    push.add_argument("--strict", action="store_true", help="fail with 5 when the checks found anything")
    push.add_argument("--summary", metavar="FILE", help="add the diff and the gates as Markdown, for a pull request")

    compare = _verb(verbs, "diff", "a bundle folder beside what an environment runs; 7 when they differ", shipping.diff)
    compare.add_argument("folder", help="with bundle.toml, prompt.md, few_shots.jsonl, tools/*.json")
    compare.add_argument("--env", default="prod", help="prod unless said")
    compare.add_argument("--report", action="store_true", help="keep what differs as drift")
    compare.add_argument("--summary", metavar="FILE", help="add the diff as Markdown")

    rollback = _verb(verbs, "rollback", "back to the last good version, at once", commands.rollback)
    _deployment(rollback)
    rollback.add_argument("--to", type=int, metavar="NUMBER", help="a version further below")
    rollback.add_argument("--reason", default="")

    stop = _verb(verbs, "stop", "stop an agent, or one scope of it", commands.stop)
    _deployment(stop)
    stop.add_argument("--scope", default="whole", help="whole, writes, region:<r>, tool:<t> or cohort:<c>")
    stop.add_argument("--reason", default="")
    stop.add_argument("--fallback", default="", help="what customers get instead, such as 'To a human'")

    release = _verb(verbs, "release", "let go what was stopped (after lastgood login)", commands.release)
    _deployment(release)
    release.add_argument("--scope", default="whole")
    release.add_argument("--reason", default="")

    status = _verb(verbs, "status", "what runs, and which incidents are open", commands.status)
    _deployment(status, nargs="?")

    declare = _verb(verbs, "declare", "open an incident", commands.declare)
    declare.add_argument("title")
    declare.add_argument("--severity", default="SEV3", choices=["SEV1", "SEV2", "SEV3", "SEV4"])
    declare.add_argument("--agent", default="", metavar="AGENT", help="agent or agent.variant")
    declare.add_argument("--env", default="prod")

    evaluate = _verb(verbs, "eval", "run an eval set over a version, the newest unless said", commands.evaluate)
    evaluate.add_argument("agent", metavar="AGENT", help="agent or agent.variant")
    evaluate.add_argument("--number", type=int, help="the version to run it on")
    evaluate.add_argument("--set", default="golden", help="golden unless said")
    evaluate.add_argument("--only", action="append", metavar="CASE", help="this case only; may be given again")
    evaluate.add_argument("--junit", metavar="FILE", help="file this JUnit XML result instead of running anything")
    evaluate.add_argument("--wait", action="store_true", help="until it is over; fails unless it passed")

    ack = _verb(verbs, "ack", "acknowledge an incident (after lastgood login)", commands.ack)
    ack.add_argument("incident", metavar="INC-n")

    _verb(verbs, "login", "become a person for 12 hours, approved by a link in the browser", commands.login)
    return top


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, run: object
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=what, description=what.capitalize() + ".")
    verb.add_argument("--json", action="store_true", help="print the server's answer as JSON")
    verb.set_defaults(run=run)
    return verb


def _deployment(verb: argparse.ArgumentParser, nargs: str | None = None) -> None:
    verb.add_argument("agent", nargs=nargs, metavar="AGENT", help="agent or agent.variant")
    verb.add_argument("--env", default="prod", help="prod unless said")
