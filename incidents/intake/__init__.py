"""Monitors knock here: one small pure parser per source, and the raw ASGI application in front of them."""

from __future__ import annotations

from incidents import reading
from incidents.intake import alertmanager, generic, pagerduty

#: The ``<source>`` of ``/intake/<source>/<key>`` → its parser.
PARSERS: dict[str, reading.Parser] = {
    "alertmanager": alertmanager.parse,
    "generic": generic.parse,
    pagerduty.SOURCE: pagerduty.parse,
}


def register() -> None:
    """Let whoever has a stored body read it again, without knowing this package."""
    reading.PARSERS.update(PARSERS)
