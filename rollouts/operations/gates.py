"""What must be green before a version is promoted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts.models import Activation, BundleVersion, GateResult

#: Gates that must be green, by environment. Others may be recorded; a red one refuses wherever there are gates.
NEEDED: dict[str, tuple[str, ...]] = {"dev": (), "staging": ("evals",), "prod": ("evals", "staging")}
#: Told by the history of staging, so nobody can record it.
FROM_HISTORY = "staging"
#: A sign-off of the semantic diff, which is always a person's.
SIGN_OFF = "diff"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Gates:
    """How the gates of one version stand for one environment."""

    red: list[GateResult] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@transaction.atomic
def record(
    version: BundleVersion, gate: str, state: str, detail: str = "", *, actor: Actor, at: datetime | None = None
) -> GateResult:
    """Write what ``gate`` said of ``version``; the newest result of a gate counts."""
    require(actor, Permission.SIGN if gate == SIGN_OFF else Permission.PUSH)
    if not _NAME.fullmatch(gate):
        raise OperationRefused("A gate's name is lower-case letters, digits, _ and -, at most 40.", status=422)
    if gate == FROM_HISTORY:
        raise OperationRefused("The gate staging is green once the version has been active in staging.", status=422)
    if state not in GateResult.State.values:
        raise OperationRefused(f"A gate is {' or '.join(GateResult.State.values)}, not {state}.", status=422)
    at = at or clock.now()
    result = GateResult.objects.create(
        version=version, gate=gate, state=state, detail=detail[:10_000], at=at, **acted_by(actor)
    )
    audit.record(actor, "record gate", str(version), reason=detail, data={"gate": gate, "state": state}, at=at)
    return result


def standing(version: BundleVersion, environment: str) -> Gates:
    """The gates of ``version`` for ``environment``; dev has none."""
    needed = NEEDED.get(environment, ())
    if not needed:
        return Gates()
    newest: dict[str, GateResult] = {}
    for result in version.gate_results.order_by("-at", "-pk"):
        newest.setdefault(result.gate, result)
    red = [result for result in newest.values() if result.state == GateResult.State.RED]
    missing = [gate for gate in needed if gate not in newest and gate != FROM_HISTORY]
    if FROM_HISTORY in needed and not _was_active(version, "staging"):
        missing.append(FROM_HISTORY)
    return Gates(sorted(red, key=lambda result: result.gate), missing)


def _was_active(version: BundleVersion, environment: str) -> bool:
    return Activation.objects.filter(version=version, deployment__environment=environment).exists()
