"""Refusals that several verbs share, so that one rule has one sentence."""

from __future__ import annotations

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import User
from incidents.models import Incident, Step

LONGEST = 20_000


def person(actor: Actor, verb: str) -> User:
    """The person who acts; NotPermitted for tokens and machines: "Only a person can <verb>…"."""
    if actor.person is None:
        raise NotPermitted(f"Only a person can {verb}. Sign in, or run lastgood login.")
    return actor.person


def still_open_record(incident: Incident) -> None:
    """Refuse what would change a closed incident."""
    if incident.step == Step.CLOSED:
        raise OperationRefused(f"{incident.ref} is closed. Reopen it to change it.")


def given(text: str, ask: str) -> str:
    """``text`` without surrounding blanks; refused with the order ``ask`` when nothing is left."""
    text = text.strip()
    if not text:
        raise OperationRefused(ask, status=422)
    if len(text) > LONGEST:
        raise OperationRefused(f"That is longer than {LONGEST} characters. Shorten it.", status=422)
    return text


def known(value: str, choices: list[str], what: str) -> str:
    """``value`` when it is one of ``choices``; refused otherwise, naming them."""
    if value not in choices:
        raise OperationRefused(f"There is no {what} {value!r}. Choose one of: {', '.join(choices)}.", status=422)
    return value


def short(text: str, room: int = 300) -> str:
    """``text`` on one line of at most ``room`` characters, for a sentence that quotes it."""
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: room - 1]}…"
