"""Every verb of Slack's surface, and its twins: the page and the route that do the same, under the same permission.

What a verb needs is declared in ``access.py`` as ``slack:<verb>``, beside its twins'; a test walks them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from incidents.slack import acting, containing, pinning, telling
from incidents.slack.asking import Ask, Reply


@dataclass(frozen=True, slots=True)
class Verb:
    """``do`` answers; ``usage`` is the line of ``help``, none for what only buttons say; ``typed``: whether it can be
    typed at all.

    ``browser`` and ``api`` name the twins; where there is none, ``without`` says why. ``dialog``: it has to be
    opened within three seconds. ``whole``: the act and the note that it was done are one transaction; not so for
    the machine's presses, which commit for themselves and answer a repeat with what stands.
    """

    do: Callable[[Ask], Reply]
    usage: str = ""
    browser: str = ""
    api: str = ""
    without: str = ""
    person: bool = False
    dialog: bool = False
    whole: bool = True
    typed: bool = True


def usages() -> list[str]:
    """What can be typed, in the order people need it."""
    return [verb.usage for verb in VERBS.values() if verb.usage]


def for_strangers(ask: Ask) -> Reply:
    """What also somebody may say whom we do not know: it is answered before anybody is looked for."""
    raise AssertionError(ask.asked.verb)


VERBS: dict[str, Verb] = {
    "declare": Verb(
        acting.declare,
        "declare [what is wrong]",
        "incidents:declare",
        "api:declare_incident",
        dialog=True,
    ),
    "ack": Verb(acting.ack, "ack [ref]", "incidents:acknowledge", "api:acknowledge_incident", person=True),
    "status": Verb(telling.status, "status [ref]", "incidents:room", "api:get_incident"),
    "list": Verb(telling.list_open, "list", "incidents:list", "api:list_incidents"),
    "note": Verb(acting.note, "note [ref] <text>", "incidents:note", "api:add_note"),
    # Whoever names a message by its number need not be able to see it: reactions and menus come from those who do.
    "pin": Verb(pinning.pin, "", "incidents:note", "api:add_note", whole=False, typed=False),
    "rollback": Verb(
        containing.rollback,
        "rollback [ref or agent] [why]",
        "incidents:rollback",
        "api:roll_back",
        whole=False,
    ),
    "stop": Verb(
        containing.stop,
        "stop [ref or agent] [writes | whole | tool:<name> | region:<name>] [why]",
        "incidents:stop",
        "api:stop",
        whole=False,
    ),
    "sev": Verb(acting.sev, "sev [ref] <1-4> [why]", "incidents:severity", "api:set_severity"),
    "role": Verb(acting.role, "role [ref] <duty> [@person]", "incidents:duty", "api:assign_duty"),
    "legs": Verb(telling.legs, "legs [ref]", "incidents:step", "api:get_rollback"),
    "resolve": Verb(
        acting.resolve, "resolve [ref]", "incidents:resolve", "api:resolve_incident", person=True, dialog=True
    ),
    "oncall": Verb(
        telling.on_call,
        "oncall [team]",
        "incidents:oncall",
        without="The API has no rota yet: who is on call is for people, and machines page by opening an incident.",
    ),
    "link": Verb(
        for_strangers,
        "link",
        "incidents:slack_link",
        without="A token is nobody who could be linked; a signed-in person opens the link.",
        person=True,
    ),
    "help": Verb(for_strangers, "help", without="Pages list their keys under ?, the API itself at /api/openapi.json."),
    "": Verb(telling.menu, "", without="The buttons of a bare command; a page has its own, the API needs none."),
}
