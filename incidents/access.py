"""What each door of this app needs, and the only way from (actor, ref) to an object."""

from __future__ import annotations

import re

from django.db import models

from accounts.actors import Actor
from accounts.errors import NotFound
from accounts.models import User
from accounts.permissions import Permission, declare, require
from incidents.models import (
    Acknowledgement,
    ActionItem,
    Cause,
    Incident,
    Integration,
    Postmortem,
    PostmortemRevision,
    Receipt,
)
from incidents.models.incident import IncidentQuerySet
from rollouts.access import get_deployment
from rollouts.models import Deployment

_REF = re.compile(r"(?:(INC|DRL)-)?([0-9]{1,12})", re.IGNORECASE)


def register() -> None:
    declare(
        {
            "asgi:/intake/": Permission.KEYED,
            "asgi:/slack/commands": Permission.KEYED,
            "asgi:/slack/interactions": Permission.KEYED,
            "asgi:/slack/events": Permission.KEYED,
            "asgi:/v2/": Permission.KEYED,
            "url:incidents:major": Permission.VIEW,
            "url:incidents:styleguide": Permission.VIEW,
            "url:incidents:keys": Permission.VIEW,
            "url:incidents:component": Permission.VIEW,
            "url:incidents:live": Permission.VIEW,
            "url:incidents:events": Permission.VIEW,
            "url:incidents:list": Permission.VIEW,
            "url:incidents:room": Permission.VIEW,
            "url:incidents:step": Permission.VIEW,
            "url:incidents:timeline": Permission.VIEW,
            "url:incidents:duties": Permission.RESPOND,
            "url:incidents:run": Permission.VIEW,
            "url:incidents:run_alone": Permission.VIEW,
            "url:incidents:connect": Permission.VIEW,
            "url:incidents:make_keys": Permission.ADMIN,
            "url:incidents:postmortem": Permission.VIEW,
            "url:incidents:same_as": Permission.RESPOND,
            "url:incidents:postmortem_begin": Permission.RESPOND,
            "url:incidents:postmortem_presence": Permission.RESPOND,
            "url:incidents:postmortem_preview": Permission.RESPOND,
            "url:incidents:postmortem_section": Permission.RESPOND,
            "url:incidents:postmortem_ownership": Permission.RESPOND,
            "url:incidents:postmortem_add": Permission.RESPOND,
            "url:incidents:postmortem_row": Permission.RESPOND,
            "url:incidents:postmortem_remove": Permission.RESPOND,
            "url:incidents:postmortem_finish": Permission.RESPOND,
            "url:incidents:postmortem_drop": Permission.RESPOND,
            "url:incidents:postmortem_publish": Permission.COMMAND,
            "url:incidents:postmortem_close": Permission.COMMAND,
            "url:incidents:postmortem_print": Permission.VIEW,
            "url:incidents:postmortem_export": Permission.VIEW,
            "url:incidents:postmortem_revisions": Permission.VIEW,
            "url:incidents:postmortem_revision": Permission.VIEW,
            "url:incidents:postmortem_print_of": Permission.VIEW,
            "url:incidents:postmortem_sign": Permission.VIEW,  # who may sign in which role, the operation knows
            "url:incidents:oncall": Permission.VIEW,
            "url:incidents:review": Permission.VIEW,
            "url:incidents:review_csv": Permission.VIEW,
            "url:incidents:start_review": Permission.COMMAND,
            "url:incidents:decide": Permission.COMMAND,
            "url:incidents:close_review": Permission.COMMAND,
            "url:api:get_review": Permission.VIEW,
            "url:api:start_review": Permission.COMMAND,
            "url:api:decide_in_review": Permission.COMMAND,
            "url:api:close_review": Permission.COMMAND,
            "url:incidents:audit": Permission.VIEW,
            "url:incidents:settings": Permission.VIEW,
            "url:incidents:people": Permission.VIEW,
            "url:incidents:person": Permission.VIEW,
            "url:incidents:disable": Permission.ADMIN,
            "url:incidents:enable": Permission.ADMIN,
            "url:incidents:reset": Permission.ADMIN,
            "url:incidents:tokens": Permission.VIEW,
            "url:incidents:integrations": Permission.VIEW,
            "url:incidents:notifications": Permission.VIEW,
            "url:incidents:add_destination": Permission.ADMIN,
            "url:incidents:destination": Permission.ADMIN,
            "url:incidents:test_destination": Permission.ADMIN,
            "url:incidents:rotate_destination": Permission.ADMIN,
            "url:incidents:disable_destination": Permission.ADMIN,
            "url:incidents:retry_message": Permission.RESPOND,
            "url:api:list_destinations": Permission.ADMIN,
            "url:api:list_destinations POST": Permission.ADMIN,
            "url:api:add_destination": Permission.ADMIN,
            "url:api:test_destination": Permission.ADMIN,
            "url:api:disable_destination": Permission.ADMIN,
            "url:incidents:integration": Permission.VIEW,
            "url:api:list_integrations": Permission.ADMIN,
            "url:api:list_integrations POST": Permission.ADMIN,
            "url:api:add_integration": Permission.ADMIN,
            "url:api:try_integration": Permission.ADMIN,
            "url:api:set_words": Permission.ADMIN,
            "url:api:rotate_key": Permission.ADMIN,
            "url:api:revoke_integration": Permission.ADMIN,
            "url:incidents:create_integration": Permission.ADMIN,
            "url:incidents:test_card": Permission.ADMIN,
            "url:incidents:test_integration": Permission.ADMIN,
            "url:incidents:change_integration": Permission.ADMIN,
            "url:incidents:rotate_integration": Permission.ADMIN,
            "url:incidents:end_former_key": Permission.ADMIN,
            "url:incidents:revoke_integration": Permission.ADMIN,
            "url:incidents:issue_key": Permission.ADMIN,
            "url:incidents:receipts": Permission.RESPOND,
            "url:incidents:replay": Permission.RESPOND,
            "url:incidents:invite": Permission.ADMIN,
            "url:incidents:issue": Permission.ADMIN,
            "url:incidents:roles": Permission.ADMIN,
            "url:incidents:revoke": Permission.ADMIN,
            "url:incidents:declare": Permission.DECLARE,
            "url:incidents:note": Permission.DECLARE,
            "url:incidents:why": Permission.RESPOND,
            "url:incidents:severity": Permission.RESPOND,
            "url:incidents:duty": Permission.DECLARE,  # comms people take theirs; all else takes a responder
            "url:incidents:agent": Permission.RESPOND,
            "url:incidents:triage": Permission.RESPOND,
            "url:incidents:close_triage": Permission.RESPOND,
            "url:incidents:skip_step": Permission.COMMAND,
            "url:incidents:waive": Permission.COMMAND,
            "url:incidents:add_cause": Permission.RESPOND,
            "url:incidents:change_cause": Permission.RESPOND,
            "url:incidents:new_case": Permission.RESPOND,
            "url:incidents:case": Permission.VIEW,
            "url:incidents:case_from_run": Permission.RESPOND,
            "url:incidents:eval": Permission.PUSH,
            "url:incidents:cancel_eval": Permission.PUSH,
            "url:incidents:promote": Permission.APPROVE,
            "url:incidents:resolve": Permission.COMMAND,
            "url:incidents:reopen": Permission.RESPOND,
            "url:incidents:acknowledge": Permission.ACKNOWLEDGE,
            "url:incidents:acknowledge_link": Permission.PUBLIC,  # its token is one person's, for one incident
            "url:incidents:say_contained": Permission.CONTAIN,
            "url:incidents:rollback": Permission.CONTAIN,
            "url:incidents:roll_forward": Permission.CONTAIN,
            "url:incidents:stop": Permission.CONTAIN,
            "url:incidents:leg": Permission.CONTAIN,
            "url:incidents:release": Permission.RELEASE,
            "url:incidents:stop_reason": Permission.CONTAIN,
            "url:incidents:restore_plan": Permission.CONTAIN,
            "command:slack_socket": Permission.SHELL,
            "url:incidents:slack_link": Permission.PERSON,
            "url:incidents:link_slack": Permission.ADMIN,
            "url:incidents:unlink_slack": Permission.PERSON,  # their own, or an admin any
            "slack:": Permission.VIEW,
            "slack:help": Permission.VIEW,
            "slack:declare": Permission.DECLARE,
            "slack:ack": Permission.ACKNOWLEDGE,
            "slack:status": Permission.VIEW,
            "slack:list": Permission.VIEW,
            "slack:note": Permission.DECLARE,
            "slack:pin": Permission.DECLARE,
            "slack:rollback": Permission.CONTAIN,
            "slack:stop": Permission.CONTAIN,
            "slack:sev": Permission.RESPOND,
            "slack:role": Permission.DECLARE,
            "slack:legs": Permission.VIEW,
            "slack:resolve": Permission.COMMAND,
            "slack:oncall": Permission.VIEW,
            "slack:link": Permission.PERSON,
            "url:api:list_incidents": Permission.VIEW,
            "url:api:list_incidents POST": Permission.DECLARE,  # the same path
            "url:api:declare_incident": Permission.DECLARE,
            "url:api:get_incident": Permission.VIEW,
            "url:api:acknowledge_incident": Permission.ACKNOWLEDGE,
            "url:api:add_note": Permission.DECLARE,
            "url:api:set_severity": Permission.RESPOND,
            "url:api:assign_duty": Permission.DECLARE,
            "url:api:release_duty": Permission.RESPOND,
            "url:api:choose_deployment": Permission.RESPOND,
            "url:api:answer_triage": Permission.RESPOND,
            "url:api:say_contained": Permission.CONTAIN,
            "url:api:waive_containment": Permission.COMMAND,
            "url:api:resolve_incident": Permission.COMMAND,
            "url:api:list_causes": Permission.VIEW,
            "url:api:list_causes POST": Permission.RESPOND,  # the same path
            "url:api:add_cause": Permission.RESPOND,
            "url:api:change_cause": Permission.RESPOND,
            "url:api:link_case": Permission.RESPOND,
            "url:api:get_evidence": Permission.VIEW,
            "url:api:list_incident_cases": Permission.VIEW,
            "url:api:list_incident_cases POST": Permission.RESPOND,  # the same path
            "url:api:make_case": Permission.RESPOND,
            "url:api:document_incident": Permission.COMMAND,
            "url:api:get_postmortem": Permission.VIEW,
            "url:api:get_postmortem PUT": Permission.RESPOND,  # the same path
            "url:api:get_postmortem POST": Permission.RESPOND,
            "url:api:get_postmortem PATCH": Permission.RESPOND,
            "url:api:put_postmortem": Permission.RESPOND,
            "url:api:begin_postmortem": Permission.RESPOND,
            "url:api:save_postmortem": Permission.RESPOND,
            "url:api:save_section": Permission.RESPOND,
            "url:api:check_section": Permission.RESPOND,
            "url:api:add_row": Permission.RESPOND,
            "url:api:save_row": Permission.RESPOND,
            "url:api:remove_row": Permission.RESPOND,
            "url:api:add_action": Permission.RESPOND,
            "url:api:save_action": Permission.RESPOND,
            "url:api:finish_action": Permission.RESPOND,
            "url:api:drop_action": Permission.RESPOND,
            "url:api:publish_postmortem": Permission.COMMAND,
            "url:api:sign_postmortem": Permission.VIEW,  # who may sign in which role, the operation knows
            "url:api:list_revisions": Permission.VIEW,
            "url:api:get_revision": Permission.VIEW,
            "url:api:export_json": Permission.VIEW,
            "url:api:export_markdown": Permission.VIEW,
            "url:api:reopen_incident": Permission.RESPOND,
            "url:api:say_same": Permission.RESPOND,
            "url:api:list_receipts": Permission.VIEW,
            "url:api:replay_receipt": Permission.RESPOND,
        }
    )


def canonical_ref(ref: str) -> str | None:
    """``INC-7`` for INC-7, inc-7, INC-007 and 7; None for what is no reference."""
    match = _REF.fullmatch(ref.strip())
    return f"{(match[1] or 'INC').upper()}-{int(match[2])}" if match and match[0].isascii() else None


def incidents_for(actor: Actor | None) -> IncidentQuerySet:
    """The incidents that ``actor`` may see, with what lists show."""
    require(actor, Permission.VIEW)
    return Incident.objects.for_lists()


def get_incident(actor: Actor | None, ref: str) -> Incident:
    """The incident called ``ref`` (INC-7 or 7); NotFound when there is none."""
    incident = incidents_for(actor).filter(ref=canonical_ref(ref) or "").first()
    if incident is None:
        raise NotFound(f"There is no incident called {ref}.")
    return incident


def get_room(actor: Actor | None, ref: str) -> Incident:
    """The incident with everything its room names, in one query; the body of its active version stays behind."""
    require(actor, Permission.VIEW)
    incident = (
        Incident.objects.select_related(
            "acknowledged_by", "deployment__bundle__agent__team", "deployment__environment", "deployment__active"
        )
        .annotate(
            held_since=models.Subquery(
                Acknowledgement.objects.filter(
                    incident=models.OuterRef("pk"), user=models.OuterRef("acknowledged_by"), lapsed_at=None
                )
                .order_by("-at")
                .values("at")[:1]
            )
        )
        .defer("deployment__active__body")
        .filter(ref=canonical_ref(ref) or "")
        .first()
    )
    if incident is None:
        raise NotFound(f"There is no incident called {ref}.")
    return incident


def get_cause(actor: Actor | None, ref: str, pk: int) -> Cause:
    """The cause ``pk`` of the incident called ``ref``, withdrawn or not."""
    require(actor, Permission.VIEW)
    cause = (
        Cause.objects.select_related("incident__deployment__bundle")
        .filter(incident__ref=canonical_ref(ref) or "", pk=pk)
        .first()
        if pk < 2**63
        else None
    )
    if cause is None:
        raise NotFound(f"There is no cause {pk} in {ref}.")
    return cause


def get_postmortem(actor: Actor | None, ref: str) -> Postmortem:
    """The postmortem of the incident called ``ref``; NotFound while nobody has begun it."""
    page = Postmortem.objects.select_related("incident").filter(incident=get_incident(actor, ref)).first()
    if page is None:
        raise NotFound(f"Nobody has begun the postmortem of {ref} yet.")
    return page


def get_action(actor: Actor | None, ref: str, pk: int) -> ActionItem:
    """The action ``pk`` of the postmortem of ``ref``."""
    page = get_postmortem(actor, ref)
    action = page.actions.select_related("postmortem__incident").filter(pk=pk).first() if pk < 2**63 else None
    if action is None:
        raise NotFound(f"The postmortem of {ref} has no action {pk}.")
    return action


def get_revision(actor: Actor | None, ref: str, number: int | None = None) -> PostmortemRevision:
    """Revision ``number`` of the postmortem of ``ref``, the newest when it is not said."""
    found = get_postmortem(actor, ref).revisions.select_related("postmortem__incident")
    if number is not None:
        found = found.filter(number=number if number < 2**31 else 0)
    revision = found.first()
    if revision is None:
        raise NotFound(f"The postmortem of {ref} has no revision{f' {number}' if number is not None else ''}.")
    return revision


def find_deployment(actor: Actor | None, name: str) -> Deployment:
    """The deployment written ``<key>/<environment>``, prod when no environment is said."""
    key, _, environment = name.strip().partition("/")
    return get_deployment(actor, key, environment or "prod")


def integrations_for(actor: Actor | None) -> models.QuerySet[Integration]:
    """Every monitor, for those who look after them."""
    require(actor, Permission.ADMIN)
    return Integration.objects.all()


def get_integration(actor: Actor | None, pk: int) -> Integration:
    """One monitor; NotFound when there is none."""
    integration = integrations_for(actor).filter(pk=pk).first() if pk < 2**63 else None
    if integration is None:
        raise NotFound(f"There is no integration {pk}.")
    return integration


def find_person(actor: Actor | None, email: str) -> User:
    """The active person with this address."""
    require(actor, Permission.VIEW)
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise NotFound(f"There is nobody called {email}.")
    return user


def get_receipt(actor: Actor | None, pk: int) -> Receipt:
    require(actor, Permission.VIEW)
    receipt = Receipt.objects.select_related("integration").filter(pk=pk).first() if pk < 2**63 else None
    if receipt is None:
        raise NotFound(f"There is no receipt {pk}.")
    return receipt


def receipts_for(actor: Actor | None, status: str | None = None) -> models.QuerySet[Receipt]:
    """Receipts without their bodies, newest first, of one status when it is said."""
    require(actor, Permission.VIEW)
    receipts = Receipt.objects.select_related("integration").defer("body").order_by("-pk")
    return receipts.filter(status=status) if status else receipts
