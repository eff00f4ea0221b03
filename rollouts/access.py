"""What each door of this app needs, and the only way from (actor, key) to an object."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from django.db import models

from accounts.actors import Actor
from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import ResolverKey
from accounts.operations.keys import actor_of_bearer
from accounts.permissions import Permission, declare, require
from accounts.secrets import digest_of
from rollouts.models import (
    Agent,
    Bundle,
    BundleVersion,
    Connector,
    Deployment,
    Environment,
    EvalRun,
    EvalSetVersion,
    KillSwitch,
    RegressionCase,
    Rollback,
    RollbackLeg,
    Stop,
)
from rollouts.names import parse_key
from rollouts.switchboard import Row
from rollouts.switchboard import row as switch_row


def register() -> None:
    declare(
        {
            "asgi:/ofrep/": Permission.KEYED,
            "asgi:/api/stream": Permission.KEYED,
            "asgi:/api/public/v2/": Permission.KEYED,
            "url:rollouts:traces": Permission.KEYED,
            "url:rollouts:langfuse_traces": Permission.KEYED,
            "url:rollouts:signal_not_taken": Permission.PUBLIC,
            "url:rollouts:bundles": Permission.VIEW,
            "url:rollouts:bundle": Permission.VIEW,
            "url:rollouts:version": Permission.VIEW,
            "url:rollouts:diff": Permission.VIEW,
            "url:rollouts:promote": Permission.APPROVE,
            "url:rollouts:fleet": Permission.VIEW,
            "url:rollouts:fleet_of": Permission.VIEW,
            "url:api:list_bundles": Permission.VIEW,
            "url:api:get_bundle": Permission.VIEW,
            "url:api:list_versions": Permission.VIEW,
            "url:api:list_versions POST": Permission.PUSH,  # the same path
            "url:api:push_version": Permission.PUSH,
            "url:api:get_version": Permission.VIEW,
            "url:api:diff_versions": Permission.VIEW,
            "url:api:gates": Permission.VIEW,
            "url:api:gates POST": Permission.PUSH,
            "url:api:record_gate": Permission.PUSH,
            "url:api:prompt_rules": Permission.VIEW,
            "url:api:prompt_rules POST": Permission.APPROVE,
            "url:api:set_prompt_rules": Permission.APPROVE,
            "url:api:prompt_dependents": Permission.VIEW,
            "url:api:compare_environments": Permission.VIEW,
            "url:api:compare_parts": Permission.VIEW,
            "url:api:report_parts": Permission.PUSH,
            "url:api:list_drift": Permission.VIEW,
            "url:rollouts:prompt_rules": Permission.APPROVE,
            "url:api:list_deployments": Permission.VIEW,
            "url:api:get_deployment": Permission.VIEW,
            "url:api:promote": Permission.APPROVE,
            "url:api:roll_back": Permission.CONTAIN,
            "url:api:roll_forward": Permission.CONTAIN,
            "url:api:stop": Permission.CONTAIN,
            "url:api:release": Permission.RELEASE,
            "url:rollouts:switches": Permission.VIEW,
            "url:rollouts:describe_switch": Permission.PUSH,
            "url:rollouts:probe_switch": Permission.PUSH,
            "url:rollouts:stop_reason": Permission.CONTAIN,
            "url:rollouts:restore_plan": Permission.CONTAIN,
            "url:api:list_kill_switches": Permission.VIEW,
            "url:api:kill_switch": Permission.VIEW,
            "url:api:kill_switch PUT": Permission.PUSH,  # the same path
            "url:api:kill_switch POST": Permission.PUSH,  # nobody answers it; whoever only reads is refused first
            "url:api:kill_switch DELETE": Permission.PUSH,
            "url:api:describe_kill_switch": Permission.PUSH,
            "url:api:delete_kill_switch": Permission.PUSH,
            "url:api:probe_off_state": Permission.PUSH,
            "url:api:get_stop": Permission.VIEW,
            "url:api:give_stop_reason": Permission.CONTAIN,
            "url:api:plan_restore": Permission.CONTAIN,
            "url:api:get_rollback": Permission.VIEW,
            "url:api:close_leg": Permission.CONTAIN,
            "url:api:verify_leg": Permission.CONTAIN,
            "url:api:retry_leg": Permission.CONTAIN,
            "url:api:decide_leg": Permission.CONTAIN,
            "url:api:rollback_cohorts": Permission.VIEW,
            "url:api:treat_conversations": Permission.CONTAIN,
            "url:api:rollback_conversations": Permission.VIEW,
            "url:api:export_conversations": Permission.VIEW,
            "url:api:taint_of": Permission.VIEW,
            "url:api:report_in_flight": Permission.REPORT,
            "url:api:list_connectors": Permission.ADMIN,
            "url:api:list_connectors POST": Permission.ADMIN,
            "url:api:add_connector": Permission.ADMIN,
            "url:api:test_connector": Permission.ADMIN,
            "url:api:review_connector": Permission.ADMIN,
            "url:api:disable_connector": Permission.ADMIN,
            "url:rollouts:rollback": Permission.VIEW,
            "url:rollouts:conversations": Permission.VIEW,
            "url:rollouts:export": Permission.VIEW,
            "url:rollouts:leg_press": Permission.CONTAIN,
            "url:rollouts:treat": Permission.CONTAIN,
            "url:rollouts:connectors": Permission.VIEW,
            "url:rollouts:add_connector": Permission.ADMIN,
            "url:rollouts:connector_press": Permission.ADMIN,
            "url:api:practice_report": Permission.PUSH,
            "url:api:get_practice": Permission.VIEW,
            "url:rollouts:evals": Permission.VIEW,
            "url:rollouts:case": Permission.VIEW,
            "url:rollouts:remove_case": Permission.APPROVE,
            "url:rollouts:run": Permission.VIEW,
            "url:rollouts:request_run": Permission.PUSH,
            "url:rollouts:file_junit": Permission.PUSH,
            "url:rollouts:cancel_run": Permission.PUSH,
            "url:rollouts:run_failed_again": Permission.PUSH,
            "url:api:list_cases": Permission.VIEW,
            "url:api:list_cases POST": Permission.PUSH,
            "url:api:add_case": Permission.PUSH,
            "url:api:remove_case": Permission.APPROVE,
            "url:api:eval_sets": Permission.VIEW,
            "url:api:eval_set": Permission.VIEW,
            "url:api:list_eval_runs": Permission.VIEW,
            "url:api:list_eval_runs POST": Permission.PUSH,
            "url:api:request_eval_run": Permission.PUSH,
            "url:api:upload_junit": Permission.PUSH,
            "url:api:eval_run": Permission.VIEW,
            "url:api:cancel_eval_run": Permission.PUSH,
            "url:api:run_failed_again": Permission.PUSH,
            "url:api:start_practice": Permission.PRACTICE,
            "url:api:stop_practice": Permission.PRACTICE,
            "url:api:push_practice_fix": Permission.PRACTICE,
            "url:rollouts:practice": Permission.VIEW,
            "url:rollouts:practice_banner": Permission.VIEW,
            "url:rollouts:practice_start": Permission.PRACTICE,
            "url:rollouts:practice_rest": Permission.PRACTICE,
            "url:rollouts:practice_fix": Permission.PRACTICE,
            "url:rollouts:practice_reset": Permission.ADMIN,
            "command:practice": Permission.SHELL,
        }
    )


def get_bundle(actor: Actor | None, key: str) -> Bundle:
    """The bundle called ``key``; ``agent.default`` is ``agent``."""
    _somebody(actor)
    bundle = Bundle.objects.select_related("agent").filter(key=_canonical(key)).first()
    if bundle is None:
        raise NotFound(f"There is no bundle called {key}.")
    return bundle


def get_version(actor: Actor | None, key: str, number_or_label: str | int) -> BundleVersion:
    """A version by its number or its label; a label is never all digits, so the two cannot be confused."""
    bundle = get_bundle(actor, key)
    text = _storable(str(number_or_label))
    versions = BundleVersion.objects.select_related("bundle", "user").filter(bundle=bundle)
    if text.isascii() and text.isdigit():
        version = versions.filter(number=int(text)).first() if len(text) < 10 else None
    else:
        version = versions.filter(label=text).first()
    if version is None:
        raise NotFound(f"{bundle.key} has no version {text}.")
    return version


def get_deployment(actor: Actor | None, key: str, environment: str) -> Deployment:
    """Where ``key`` runs in ``environment``."""
    _somebody(actor)
    deployment = (
        Deployment.objects.select_related("bundle__agent", "environment", "active", "standing_rollback")
        .filter(bundle__key=_canonical(key), environment_id=_storable(environment))
        .first()
    )
    if deployment is None:
        raise NotFound(f"There is no deployment {key}/{environment}.")
    return deployment


def get_rollback(actor: Actor | None, pk: int) -> Rollback:
    _somebody(actor)
    rollback = (
        Rollback.objects.select_related("deployment__bundle", "from_version", "to_version", "activation__propagation")
        .filter(pk=pk if 0 < pk < 2**63 else 0)
        .first()
    )
    if rollback is None:
        raise NotFound(f"There is no rollback {pk}.")
    return rollback


def get_leg(actor: Actor | None, rollback: int, kind: str) -> RollbackLeg:
    leg = get_rollback(actor, rollback).legs.filter(kind=_storable(kind)).first()
    if leg is None:
        raise NotFound(f"A rollback has no leg called {kind}; there are {', '.join(RollbackLeg.Kind.values)}.")
    return leg


def get_connector(actor: Actor | None, pk: int) -> Connector:
    _somebody(actor)
    found = Connector.objects.select_related("agent").filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound(f"There is no connector {pk}.")
    return found


def get_agent(actor: Actor | None, slug: str) -> Agent:
    _somebody(actor)
    found = Agent.objects.filter(slug=_storable(slug)).first()
    if found is None:
        raise NotFound(f"There is no agent called {slug:.100}.")
    return found


def get_environment(actor: Actor | None, name: str) -> Environment:
    _somebody(actor)
    found = Environment.objects.filter(pk=_storable(name)).first()
    if found is None:
        raise NotFound(f"There is no environment called {name:.40}.")
    return found


def get_stop(actor: Actor | None, deployment: Deployment, scope: str) -> Stop:
    """The engagement that stops ``scope`` now, else the last one that did."""
    _somebody(actor)
    stop = (
        Stop.objects.select_related("kill_switch__deployment")
        .filter(kill_switch__deployment=deployment, kill_switch__scope=_storable(scope))
        .first()
    )
    if stop is None:
        raise NotFound(f"Nothing of scope {scope} is stopped in {deployment}.")
    return stop


def get_switch(actor: Actor | None, key: str, environment: str, scope: str) -> KillSwitch:
    """The switch of ``scope``, once somebody has described or pressed it."""
    deployment = get_deployment(actor, key, environment)
    found = (
        KillSwitch.objects.select_related("deployment__bundle")
        .filter(deployment=deployment, scope=_storable(scope))
        .first()
    )
    if found is None:
        raise NotFound(f"Nobody has described a kill switch {scope:.120} of {deployment}.")
    return found


def get_switch_row(actor: Actor | None, key: str, environment: str, scope: str) -> Row:
    """The same as it stands; the whole agent and its writes can be stopped whether or not anybody described them."""
    row = switch_row(get_deployment(actor, key, environment), _storable(scope))
    if row.switch is None and scope not in {"whole", "writes"}:
        raise NotFound(f"Nobody has described a kill switch {scope:.120} of {row.deployment}.")
    return row


def get_stop_by_number(actor: Actor | None, pk: int) -> Stop:
    """One engagement, standing or released."""
    _somebody(actor)
    found = None
    if 0 < pk < 2**63:
        related = ("kill_switch__deployment__bundle", "containment", "restore_planned_by", "reasoned_by")
        found = Stop.objects.select_related(*related).filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no stop {pk}.")
    return found


def get_case(actor: Actor | None, key: str, set_name: str, case: str) -> RegressionCase:
    """A case of a set of the bundle called ``key``, whether or not the set still holds it."""
    bundle = get_bundle(actor, key)
    found = (
        RegressionCase.objects.select_related("eval_set__bundle", "bad_version", "replaces", "replaced_by")
        .filter(eval_set__bundle=bundle, eval_set__name=_storable(set_name), key=_storable(case))
        .first()
    )
    if found is None:
        raise NotFound(f"{bundle.key} has no case {case:.100} in a set called {set_name:.80}.")
    return found


def get_set_version(actor: Actor | None, key: str, set_name: str, number: int) -> EvalSetVersion:
    bundle = get_bundle(actor, key)
    found = None
    if 0 < number < 2**31:
        found = (
            EvalSetVersion.objects.select_related("eval_set__bundle")
            .filter(eval_set__bundle=bundle, eval_set__name=_storable(set_name), number=number)
            .first()
        )
    if found is None:
        raise NotFound(f"{bundle.key} has no eval set {set_name:.80}@{number}.")
    return found


def eval_runs() -> models.QuerySet[Any]:
    """Runs with what is said of them, without what their runners printed."""
    related = ("version__bundle", "eval_set_version__eval_set__bundle", "gate_result", "cancelled_by")
    return EvalRun.objects.select_related(*related).defer("version__body", "raw")


def get_eval_run(actor: Actor | None, pk: int) -> EvalRun:
    _somebody(actor)
    found: EvalRun | None = eval_runs().filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound(f"There is no eval run {pk}.")
    return found


def _somebody(actor: Actor | None) -> None:
    """Refuse strangers. What an actor may do is the door's and the operation's: a token that may only contain finds
    what it contains without the right to read the rest."""
    if actor is None:
        raise NotPermitted("Sign in, or send a token.")


def get_reporter(actor: Actor | None, authorization: str, *, langfuse: bool = False) -> str:
    """The environment that spans of this sender belong to unless they say so themselves; blank when any.

    A token with the scope ``telemetry`` may report, as bearer or as the password of HTTP Basic. A Langfuse client
    has one key for prompts and traces, so at its door a resolver key may report too, for its own environment.
    """
    scheme, _, credentials = authorization.partition(" ")
    if actor is None and scheme.lower() == "basic":
        password = _basic_password(credentials)
        actor = actor_of_bearer(password) if password else None
        if actor is None and password and langfuse:
            key = ResolverKey.objects.usable().filter(digest=digest_of(password)).first()
            if key is not None:
                return str(key.environment)
    if actor is None:
        raise OperationRefused("The key is missing, wrong, expired or revoked.", status=401)
    require(actor, Permission.REPORT)
    return ""


def _basic_password(credentials: str) -> str:
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _canonical(key: str) -> str:
    """The key as it is stored; what cannot be a key stays as it is and is found nowhere."""
    try:
        return str(parse_key(key))
    except ValueError:
        return _storable(key)


def storable(name: str) -> str:
    """What others call something of theirs, as it can be looked for."""
    return _storable(name)


def _storable(name: str) -> str:
    """What a person or program asked for; PostgreSQL cannot even look for a NUL."""
    return name.replace("\x00", "\N{REPLACEMENT CHARACTER}")
