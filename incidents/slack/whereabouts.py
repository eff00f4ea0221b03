"""Which incident somebody means: the one they name, else the one whose card stands where they ask."""

from __future__ import annotations

import re

from accounts.errors import OperationRefused
from incidents import access
from incidents.models import Incident, SlackCard
from incidents.slack import blocks
from incidents.slack.asking import Ask, Reply, first_word

NAMED = re.compile(r"(INC|DRL)-[0-9]{1,12}", re.IGNORECASE)
#: As many as a person can choose from at a glance.
CHOICES = 10


class Unclear(Exception):
    """It is not clear which incident is meant; ``reply`` lets the person choose."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def incident_of(
    ask: Ask, verb: str, *, numbers: bool = False, anywhere: bool = True, then: str = ""
) -> tuple[Incident, str]:
    """The incident, and what else was typed.

    ``numbers``: 142 names INC-142. ``anywhere``: where no card stands, the only open incident is meant. Raises
    Unclear, with one button each that says ``verb <ref> <rest>``.
    """
    named, rest = first_word(ask.text)
    if NAMED.fullmatch(named) or (numbers and named.isascii() and named.isdigit()):
        return access.get_incident(ask.actor, named), rest
    found = here(ask)
    if not found and anywhere:
        found = list(access.incidents_for(ask.actor).open().order_by("severity", "-opened_at")[: CHOICES + 1])
    if len(found) == 1:
        return found[0], ask.text
    if not found:
        raise OperationRefused("No incident is open here. Name one, like INC-142, or declare one.")
    raise Unclear(choose(verb, found, ask.text))


def here(ask: Ask) -> list[Incident]:
    """The open incidents whose card stands in this thread, else in this channel; worst first."""
    cards = SlackCard.objects.filter(channel=ask.asked.channel).exclude(ts="")
    if ask.asked.thread_ts:
        card = cards.filter(ts=ask.asked.thread_ts).first()
        if card is not None:
            return list(access.incidents_for(ask.actor).filter(pk=card.incident_id))
    found = access.incidents_for(ask.actor).open().filter(pk__in=cards.values("incident"))
    return list(found.order_by("severity", "-opened_at")[: CHOICES + 1])


def has_card_here(ask: Ask, incident: Incident) -> bool:
    """Whether everybody in this channel sees what becomes of ``incident`` anyway, now or in a moment."""
    return SlackCard.objects.filter(incident=incident, channel=ask.asked.channel).exists()


def choose(verb: str, incidents: list[Incident], rest: str) -> Reply:
    """One button per incident that says ``verb <ref> <rest>``."""
    if len(rest) > blocks.VALUE - 30:
        raise OperationRefused("Several incidents are open. Name the one you mean, like INC-142, before the text.")
    lines = "\n".join(blocks.headline(incident) for incident in incidents[:CHOICES])
    buttons = [
        blocks.button(verb, incident.ref, f"{incident.ref} {rest}".strip(), number=number)
        for number, incident in enumerate(incidents[:CHOICES])
    ]
    ask = f"Which one? *{verb}*"
    return Reply(ask, (blocks.section(f"{ask}\n{lines}"), blocks.actions(*buttons)))
