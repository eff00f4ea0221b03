"""Kill switches over the JSON API: describing, proving and (refused) deleting them; what is owed after a stop."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Router, Status
from pydantic import Field

from accounts import clock
from accounts.json_api import Strict, Text, actor_of
from rollouts import access, switch_answers, switchboard
from rollouts.operations import stop_words, switches
from rollouts.telemetry import after_stop

router = Router(tags=["kill switches"])

Answer = dict[str, Any]
PATH = "/deployments/{key}/{environment}/kill-switches"
Amount = Annotated[float | None, Field(description="Null: unknown. What is left out stays as it is.")]


class SwitchIn(Strict):
    fallback: Annotated[Text | None, Field(description="What customers get instead, such as To a human.")] = None
    off_state_url: Annotated[Text | None, Field(description="Where the off-state can be seen to work.")] = None
    actions_per_second: Amount = None
    calls_per_second: Amount = None
    usd_per_second: Amount = None
    messages_per_second: Amount = None
    latency_budget_seconds: Amount = None
    blast_seconds: Annotated[float | None, Field(description="After so long the damage is done.")] = None


class ReasonIn(Strict):
    wrong_share_percent: float
    right_share_percent: float
    reason: Text


class PlanIn(Strict):
    criteria: Text
    expected_on: date | None = None


@router.get(PATH, response=Answer, url_name="list_kill_switches")
def list_kill_switches(request: HttpRequest, key: str, environment: str) -> Answer:
    """Every switch with its off-state, damage rates, last measured latency and verdict; never measured is red."""
    deployment = access.get_deployment(actor_of(request), key, environment)
    rows = switchboard.rows([deployment])[deployment.pk]
    return {"deployment": str(deployment), "items": [switch_answers.row(each) for each in rows]}


@router.get(f"{PATH}/{{scope}}", response=Answer, url_name="kill_switch")
def kill_switch(request: HttpRequest, key: str, environment: str, scope: str) -> Answer:
    """One switch, whether or not anybody has described it."""
    return switch_answers.row(access.get_switch_row(actor_of(request), key, environment, scope))


@router.put(f"{PATH}/{{scope}}", response={201: Answer, 200: Answer}, url_name="describe_kill_switch")
def describe_kill_switch(
    request: HttpRequest, key: str, environment: str, scope: str, body: Annotated[SwitchIn, Body()]
) -> Status[Answer]:
    """Describe a switch: 201 when nobody had before. An off-state that is no usable path is taken, and shown red."""
    actor = actor_of(request)
    deployment = access.get_deployment(actor, key, environment)
    told = body.model_dump(exclude_unset=True)
    _, created = switches.describe(deployment, scope=scope, told=told, actor=actor)
    return Status(201 if created else 200, switch_answers.row(switchboard.row(deployment, scope)))


@router.delete(f"{PATH}/{{scope}}", response=Answer, url_name="delete_kill_switch")
def delete_kill_switch(request: HttpRequest, key: str, environment: str, scope: str) -> Answer:
    """Always refused with 409, and why: a kill switch outlives the flag that launched its agent."""
    actor = actor_of(request)
    row = access.get_switch_row(actor, key, environment, scope)
    switches.delete(row.deployment, row.scope, actor=actor)


@router.post(f"{PATH}/{{scope}}/probe", response=Answer, url_name="probe_off_state")
def probe_off_state(request: HttpRequest, key: str, environment: str, scope: str) -> Answer:
    """Ask the off-state's address for its page now, and keep what it said."""
    actor = actor_of(request)
    switch = access.get_switch(actor, key, environment, scope)
    switches.probe(switch, actor=actor)
    return switch_answers.row(switchboard.row(switch.deployment, scope))


@router.get("/stops/{stop}", response=Answer, url_name="get_stop")
def get_stop(request: HttpRequest, stop: int) -> Answer:
    """One stop: how long containing took, by whom it was fetched when, what was done meanwhile and since."""
    found = access.get_stop_by_number(actor_of(request), stop)
    return switch_answers.stop(found, after_stop.effects(found, clock.now()), list(found.fetches.all()[:1_000]))


@router.put("/stops/{stop}/reason", response=Answer, url_name="give_stop_reason")
def give_stop_reason(request: HttpRequest, stop: int, body: ReasonIn) -> Answer:
    """Say why the whole agent was stopped: the share that went wrong beside the share that was right; people only."""
    actor = actor_of(request)
    found = stop_words.give_reason(
        access.get_stop_by_number(actor, stop),
        actor=actor,
        wrong_share_percent=body.wrong_share_percent,
        right_share_percent=body.right_share_percent,
        reason=body.reason,
    )
    return switch_answers.words(found)


@router.put("/stops/{stop}/restore-plan", response=Answer, url_name="plan_restore")
def plan_restore(request: HttpRequest, stop: int, body: PlanIn) -> Answer:
    """Write by what criteria it may act again; people only. Releasing then asks what shows that they are met."""
    actor = actor_of(request)
    found = stop_words.plan_restore(
        access.get_stop_by_number(actor, stop), actor=actor, criteria=body.criteria, expected_on=body.expected_on
    )
    return switch_answers.words(found)
