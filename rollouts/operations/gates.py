"""What must be green before a version is promoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import determinism
from rollouts.models import Activation, BundleVersion, EvalRun, EvalSetVersion, GateResult
from rollouts.operations import eval_gates

#: Gates that must be green, by environment. Others may be recorded; a red one refuses wherever there are gates.
NEEDED: dict[str, tuple[str, ...]] = {"dev": (), "staging": ("evals",), "prod": ("evals", "staging")}
#: Told by the history of staging, so nobody can record it.
FROM_HISTORY = "staging"
#: A sign-off of the semantic diff, which is always a person's.
SIGN_OFF = "diff"

RED, MISSING = eval_gates.RED, eval_gates.MISSING

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Gates:
    """How the gates of one version stand for one environment; ``why`` says of a missing one what has to be run."""

    red: list[GateResult] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the board: ``state`` green, red or missing, a sentence, and the eval run that is the evidence.

    ``needed``: whether a promotion to the environment asked about waits for it.
    """

    gate: str
    state: str
    sentence: str
    needed: bool
    run: int | None = None
    at: datetime | None = None
    by: str = ""


@transaction.atomic
def record(
    version: BundleVersion,
    gate: str,
    state: str = "",
    detail: str = "",
    *,
    actor: Actor,
    outputs: Sequence[determinism.Outputs] = (),
    at: datetime | None = None,
) -> GateResult:
    """Write what ``gate`` said of ``version``; the newest result of a gate counts.

    The gate ``determinism`` is green by the outputs of runs alone; red may also be said without them.
    """
    require(actor, Permission.SIGN if gate == SIGN_OFF else Permission.PUSH)
    if not _NAME.fullmatch(gate):
        raise OperationRefused("A gate's name is lower-case letters, digits, _ and -, at most 40.", status=422)
    if gate == FROM_HISTORY:
        raise OperationRefused("The gate staging is green once the version has been active in staging.", status=422)
    if gate == eval_gates.FAIL_THEN_PASS:
        raise OperationRefused("The gate fail_then_pass is told by eval runs of the cases.", status=422)
    if outputs and gate != determinism.GATE:
        raise OperationRefused(f"Outputs belong to the gate {determinism.GATE}, not to {gate}.", status=422)
    if gate == determinism.GATE and (outputs or state != RED):
        try:
            state, detail = determinism.judge(version.body, outputs)
        except determinism.Incomplete as lacks:
            raise OperationRefused(str(lacks), status=422) from None
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
    return look(version).standing(environment) if NEEDED.get(environment) else Gates()


def board(version: BundleVersion, environment: str) -> list[Gate]:
    """Every gate of ``version`` for ``environment``, as pages show it."""
    return look(version).board(environment)


def look(version: BundleVersion) -> Look:
    """Read once what all environments are judged by: six queries at most, however many gates and cases there are."""
    results = version.gate_results.select_related("eval_run").defer("eval_run__raw").order_by("-at", "-pk")
    activations = version.activations.select_related("deployment__environment", "deployment__bundle", "waiver")
    looked = eval_gates.look(version)
    told = {said.gate: said for said in looked.told}
    declared = (determinism.GATE,) if any(determinism.wanted(version.body)) else ()
    return Look(list(results), list(activations), looked.sets, looked.runs, told, declared)


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one version: recorded results and activations, newest first, the sets it has to pass, its
    latest runs, what runs of those sets say of it, and the gates that its own body asks for beside the usual ones."""

    results: list[GateResult]
    activations: list[Activation]
    sets: list[EvalSetVersion]
    runs: list[EvalRun]
    told: dict[str, eval_gates.Told]
    declared: tuple[str, ...] = ()

    def needed(self, environment: str) -> tuple[str, ...]:
        """The gates that a promotion to ``environment`` waits for; dev has none."""
        usual = NEEDED.get(environment, ())
        return (*usual, *self.declared) if usual else ()

    @property
    def newest(self) -> dict[str, GateResult]:
        """The newest result of each gate, which is the one that counts."""
        return {result.gate: result for result in reversed(self.results)}

    @property
    def was_active(self) -> set[str]:
        return {activation.deployment.environment_id for activation in self.activations}

    def standing(self, environment: str) -> Gates:
        """What is red, and what is missing, for ``environment``."""
        if not NEEDED.get(environment):
            return Gates()
        red = [result for gate, result in self.newest.items() if result.state == RED and gate not in self.told]
        red += [said.result for said in self._runs() if said.state == RED and said.result is not None]
        gates = [gate for gate in self.board(environment) if gate.needed and gate.state == MISSING]
        return Gates(
            sorted(red, key=lambda result: result.gate),
            [gate.gate for gate in gates],
            {gate.gate: gate.sentence for gate in gates if gate.gate in self.told},
        )

    def board(self, environment: str) -> list[Gate]:
        """Those a promotion needs first, then what else was recorded."""
        needed = self.needed(environment)
        lines = [Gate(said.gate, said.state, said.sentence, bool(needed), said.run, said.at) for said in self._runs()]
        for gate in needed:
            if gate == FROM_HISTORY:
                active = FROM_HISTORY in self.was_active
                sentence = "Has been active in staging." if active else "Has not been active in staging yet."
                lines.append(Gate(gate, eval_gates.GREEN if active else MISSING, sentence, True))
            elif gate not in self.told and gate not in self.newest:
                lines.append(Gate(gate, MISSING, "No result has been recorded.", True))
        for gate, result in sorted(self.newest.items()):
            if gate not in self.told:
                run = getattr(result, "eval_run", None)
                refuses = gate in needed or (bool(needed) and result.state == RED)
                lines.append(
                    Gate(gate, result.state, result.detail, refuses, run and run.pk, result.at, result.actor_label)
                )
        first = list(dict.fromkeys((eval_gates.EVALS, eval_gates.FAIL_THEN_PASS, *needed)))
        return sorted(lines, key=lambda line: first.index(line.gate) if line.gate in first else len(first))

    def _runs(self) -> list[eval_gates.Told]:
        """What runs say; a red ``evals`` that somebody recorded by hand since then stands beside a green run."""
        said = list(self.told.values())
        by_hand = self.newest.get(eval_gates.EVALS)
        if by_hand is None or by_hand.state != RED or getattr(by_hand, "eval_run", None) is not None:
            return said
        return [
            eval_gates.Told(one.gate, RED, by_hand.detail or "Recorded as red.", one.run, by_hand.at, by_hand)
            if one.gate == eval_gates.EVALS and one.state != RED and (one.at is None or one.at < by_hand.at)
            else one
            for one in said
        ]
