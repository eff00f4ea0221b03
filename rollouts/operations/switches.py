"""Describing kill switches: standing things that never expire and are never deleted (R081, R082)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Never

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Deployment, KillSwitch
from rollouts.models.kill_switch import RATES
from rollouts.off_state import Probe
from rollouts.operations.activation import HELD
from rollouts.operations.kill_switch import check_scope

TIMES = ("latency_budget_seconds", "blast_seconds")
#: No rate or time of a real agent is larger; what is, was meant otherwise.
LARGEST = 1e9
DELETION_REFUSED = (
    "A kill switch is never deleted, and it does not expire. {switch} is what stops this agent when its launch flag, "
    "its ramp and everybody who built it are long gone; a ramp that went well says nothing about the next change. "
    "Clean up the launch flag instead. A switch that does nothing now costs nothing."
)


@patient(HELD)
def describe(
    deployment: Deployment, *, scope: str, told: Mapping[str, Any], actor: Actor, at: datetime | None = None
) -> tuple[KillSwitch, bool]:
    """Say what customers get, what a harm costs and how soon a stop has to hold; whether the switch is new.

    ``told`` names the fields that change (``fallback``, ``off_state_url``, rates and times; None: unknown); the rest
    stays. An off-state that is no usable path is taken: containing waits for nobody, and the page shows it red.
    """
    require(actor, Permission.PUSH)
    check_scope(scope)
    wanted = {name: _checked(name, value) for name, value in told.items()}
    deployment = (
        Deployment.objects.select_for_update(no_key=True, of=("self",)).select_related("bundle").get(pk=deployment.pk)
    )
    switch, created = KillSwitch.objects.get_or_create(deployment=deployment, scope=scope)
    changed = {name: value for name, value in wanted.items() if getattr(switch, name) != value}
    if "off_state_url" in changed:  # what the old address said is not true of the new one
        changed |= {"probed_at": None, "probe_status": None, "probe_ms": None, "probe_problem": ""}
    for name, value in changed.items():
        setattr(switch, name, value)
    if changed:
        switch.save(update_fields=list(changed))
    if changed or created:
        said = {name: value for name, value in changed.items() if name in wanted}
        audit.record(
            actor, "describe kill switch", str(deployment), data={"scope": scope, **said}, at=at or clock.now()
        )
    return switch, created


def delete(deployment: Deployment, scope: str, *, actor: Actor) -> Never:
    """Refuse, with the reason, to whoever may ask; also what nobody has described yet, since it can be pressed."""
    require(actor, Permission.PUSH)
    raise OperationRefused(DELETION_REFUSED.format(switch=f"{deployment} {scope}"))


def probe(switch: KillSwitch, *, actor: Actor, at: datetime | None = None) -> KillSwitch:
    """Ask the off-state's address whether it is there, and keep what it said.

    Not one transaction on purpose: nothing is held while somebody else's machine takes its time.
    """
    require(actor, Permission.PUSH)
    if not switch.off_state_url:
        raise OperationRefused("This off-state has no address to ask. Give it one, or see for yourself that it works.")
    asked = switch.off_state_url
    said = signals.ask_address(asked)
    return _probed(switch, asked, said, actor=actor, at=at or clock.now())


@transaction.atomic
def _probed(switch: KillSwitch, asked: str, said: Probe, *, actor: Actor, at: datetime) -> KillSwitch:
    switch = (
        KillSwitch.objects.select_for_update(no_key=True, of=("self",))
        .select_related("deployment__bundle")
        .get(pk=switch.pk)
    )
    if switch.off_state_url != asked:
        raise OperationRefused("The address was changed while it was asked. Ask again.")
    switch.probed_at, switch.probe_status, switch.probe_ms = at, said.answered, said.took_ms
    switch.probe_problem = said.problem[:300]
    switch.save(update_fields=["probed_at", "probe_status", "probe_ms", "probe_problem"])
    data = {"scope": switch.scope, "status": said.answered}
    audit.record(actor, "probe off-state", str(switch.deployment), data=data, at=at)
    return switch


def _checked(name: str, value: Any) -> Any:
    """``value`` as the column takes it."""
    if name in {"fallback", "off_state_url"}:
        text = str(value or "").strip()
        if name == "off_state_url" and text and not text.startswith(("https://", "http://")):
            raise OperationRefused("The address of an off-state begins with https:// or http://.", status=422)
        if len(text) > (500 if name == "off_state_url" else 1_000):
            raise OperationRefused("Say in fewer words what customers get instead.", status=422)
        return text
    if name not in (*RATES, *TIMES):
        raise OperationRefused(f"A kill switch has no {name}.", status=422)
    if value is None:
        return None
    amount = float(value)
    if not math.isfinite(amount) or not 0 <= amount <= LARGEST:
        raise OperationRefused(
            f"{name.replace('_', ' ').capitalize()} is a number from 0 to a billion, or unknown.", status=422
        )
    return amount
