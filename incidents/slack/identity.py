"""Who presses in Slack: one of our people, or nobody. An e-mail address alone is never trusted."""

from __future__ import annotations

from accounts.actors import Actor, Surface
from accounts.errors import NotPermitted
from incidents.models import SlackIdentity
from incidents.slack.asking import Asked

UNLINKED = (
    "Nobody here is known by your Slack name yet. Type `/incident link`, open the link and sign in; then try again."
)


def actor_of(asked: Asked) -> Actor | None:
    """The person who asks, with the rights they have at this moment; None for a Slack user linked to nobody.

    NotPermitted for bots and workflows, which are never a person, and for people who have left.
    """
    if asked.automated:
        raise NotPermitted("Only a person can press here. A bot or workflow calls the API with a token of its own.")
    known = SlackIdentity.objects.select_related("user").filter(team_id=asked.team, slack_user_id=asked.user).first()
    if known is None:
        return None
    if not known.user.is_active:
        raise NotPermitted("Your account is closed. Ask an admin.")
    return Actor.of_user(known.user, Surface.SLACK)
