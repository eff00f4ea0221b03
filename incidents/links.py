"""Addresses of pages, for messages and API answers: whole, since they are read elsewhere."""

from __future__ import annotations

from django.conf import settings


def room(ref: str) -> str:
    """The incident's room."""
    return f"{settings.BASE_URL}/i/{ref}/"


def step(ref: str, name: str) -> str:
    """One step of the incident's room, such as ``contain``."""
    return f"{room(ref)}{name}/"


def acknowledge(secret: str) -> str:
    """The page with one button that acknowledges for the person the link was made for."""
    return f"{settings.BASE_URL}/oncall/ack/{secret}/"


def declare() -> str:
    """The page that declares an incident."""
    return f"{settings.BASE_URL}/incidents/declare/"


def link_slack(signed: str) -> str:
    """The page on which a signed-in person says that a Slack user is theirs."""
    return f"{settings.BASE_URL}/slack/link/{signed}/"
