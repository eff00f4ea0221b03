"""Cases and runs for tests, made by the operations that make real ones."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

from accounts.models import SiteRole
from rollouts.models import BundleVersion, EvalRun, RegressionCase
from rollouts.operations import cases, eval_runs, eval_work
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, deployment

REFUNDED = {"path": "outcome", "operator": "equals", "value": "refunded"}


def case(key: str = "", *, bundle: str = KEY, **given: Any) -> RegressionCase:
    """A case of ``bundle`` whose agent has to refund $480; ``given`` replaces what it is made with."""
    asked: dict[str, Any] = {
        "title": "A refund of $480 goes out",
        "inputs": {"amount": 480},
        "check_kind": "assertion",
        "check_body": REFUNDED,
    }
    return cases.add_case(deployment(bundle).bundle, actor=person(SiteRole.RESPONDER), key=key, **asked | given)


def junit(**outcomes: str) -> bytes:
    """A JUnit file with a test case per name: ``junit(refund="pass", other="fail")``; _ in a name stands for -."""
    inside = {"pass": "", "fail": '<failure message="wrong"/>', "error": "<error/>", "skipped": "<skipped/>"}
    rows = [
        f"<testcase name={quoteattr(name.replace('_', '-'))} time='0.25'>{inside[outcome]}</testcase>"
        for name, outcome in outcomes.items()
    ]
    return f"<testsuites><testsuite name='golden'>{''.join(rows)}</testsuite></testsuites>".encode()


def filed(version: BundleVersion, **outcomes: str) -> EvalRun:
    """A finished run of ``version``, by the JUnit file of ``outcomes``."""
    return eval_runs.upload_junit(version, actor=person(SiteRole.RESPONDER), body=junit(**outcomes))


def asked(made: BundleVersion, **given: Any) -> EvalRun:
    """A run that waits for a worker."""
    return eval_runs.request_run(made, actor=person(SiteRole.RESPONDER), **given)


def executed() -> EvalRun:
    """The run that waited longest, run to its end by its command."""
    run = eval_work.execute_due()
    assert run is not None
    return run
