"""Saying which Slack user is which of our people, and taking it back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, OperationRefused
from accounts.models import User
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents.models import SlackDelivery, SlackIdentity
from incidents.notifications import slack as transport
from incidents.notifications.base import TransportError
from incidents.operations.refusals import person

LINK_VALID = timedelta(minutes=10)
SALT = "slack-link"
LINKED = "Linked."
#: Slack's own bot, of which Slack does not say that it is one.
SLACKBOT = "USLACKBOT"
_ID = re.compile(r"[A-Z0-9]{2,20}")


def sign_link(delivery: int) -> str:
    """What a link carries: which request asked for it, signed."""
    return signing.dumps(delivery, salt=SALT)


def find_link(signed: str, *, at: datetime | None = None) -> SlackDelivery:
    """The request that asked for a link, changing nothing. Refused when it is old, used or not ours."""
    at = at or clock.now()
    try:
        pk = signing.loads(signed, salt=SALT)
    except signing.BadSignature:
        raise NotFound("This link is not known. Type /incident link in Slack for another.") from None
    delivery: SlackDelivery | None = SlackDelivery.objects.filter(pk=pk).first()
    if delivery is None or delivery.received_at + LINK_VALID <= at or delivery.outcome == LINKED:
        raise OperationRefused(
            "This link was used or has expired. Type /incident link in Slack for another.", status=410
        )
    return delivery


@transaction.atomic
def use_link(signed: str, *, actor: Actor, at: datetime | None = None) -> SlackIdentity:
    """The signed-in person says that the Slack user who asked for the link is them. Works once."""
    at = at or clock.now()
    user = person(actor, "link a Slack user")
    delivery = SlackDelivery.objects.select_for_update(no_key=True).get(pk=find_link(signed, at=at).pk)
    if delivery.outcome == LINKED:
        raise OperationRefused("This link was used. Type /incident link in Slack for another.", status=410)
    identity = _link(user, delivery.payload["team"], delivery.payload["user"], actor=actor, at=at)
    delivery.outcome = LINKED
    delivery.save(update_fields=["outcome"])
    return identity


def link(user: User, *, actor: Actor, team_id: str, slack_user_id: str, at: datetime | None = None) -> SlackIdentity:
    """An admin says that a Slack user is ``user``. Refused for a bot, as far as Slack tells us."""
    require(actor, Permission.ADMIN)
    team_id, slack_user_id = team_id.strip().upper(), slack_user_id.strip().upper()
    if not (_ID.fullmatch(team_id) and _ID.fullmatch(slack_user_id)):
        raise OperationRefused("Enter Slack's ids, like T0123ABCD and U0456EFGH.", status=422)
    if _is_bot(slack_user_id):
        raise OperationRefused(
            f"{slack_user_id} is a bot. Only a person can be linked; a bot calls the API with a token."
        )
    with transaction.atomic():
        return _link(user, team_id, slack_user_id, actor=actor, at=at or clock.now())


def _is_bot(slack_user_id: str) -> bool:
    """Whether Slack says so. Where it cannot be asked, the admin's word stands: linking must not wait for Slack."""
    if slack_user_id == SLACKBOT:
        return True
    if not transport.connected():
        return False
    try:
        return bool(transport.call("users.info", user=slack_user_id)["user"].get("is_bot"))
    except TransportError:
        return False


@transaction.atomic
def unlink(user: User, *, actor: Actor) -> None:
    """From now on nobody acts as ``user`` from Slack. Oneself, or an admin."""
    if actor.person != user:
        require(actor, Permission.ADMIN)
    known = SlackIdentity.objects.select_for_update(no_key=True).filter(user=user).first()
    if known is None:
        raise OperationRefused(f"{user} is not linked to a Slack user.")
    known.delete()
    audit.record(actor, "unlink Slack", user.email, data={"slack_user": known.slack_user_id})


def _link(user: User, team_id: str, slack_user_id: str, *, actor: Actor, at: datetime) -> SlackIdentity:
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    taken = SlackIdentity.objects.select_related("user").filter(team_id=team_id, slack_user_id=slack_user_id).first()
    if taken is not None:
        if taken.user == user:
            return taken
        raise OperationRefused("This Slack user is linked to somebody else. An admin can undo that.")
    if SlackIdentity.objects.filter(user=user).exists():
        raise OperationRefused(f"{user} is linked to another Slack user. Unlink that first, in Settings › People.")
    identity = SlackIdentity.objects.create(user=user, team_id=team_id, slack_user_id=slack_user_id, linked_at=at)
    audit.record(actor, "link Slack", user.email, data={"slack_user": slack_user_id, "team": team_id}, at=at)
    return identity
