"""Slack's requests over a connection of ours, for an installation that Slack cannot reach; the same doors inside.

slack_sdk keeps the connection: it pings, notices silence, and connects again. An envelope is acknowledged once its
request is stored; what was not stored, Slack sends again.
"""

from __future__ import annotations

import logging
import threading

from django.conf import settings
from django.db import Error as DatabaseError
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import WebClient

from incidents.models import SlackDelivery
from incidents.notifications.slack import TIMEOUT
from incidents.slack import asking, doors, envelope

KINDS = {
    "slash_commands": SlackDelivery.Kind.COMMAND,
    "interactive": SlackDelivery.Kind.INTERACTION,
    "events_api": SlackDelivery.Kind.EVENT,
}
#: Seconds between tries to connect, doubling up to the second.
SOON, LATE = 1.0, 30.0
logger = logging.getLogger(__name__)


def run(stop: threading.Event) -> None:
    """Listen until ``stop``; a Slack that cannot be reached is tried again, later each time."""
    web = WebClient(base_url=settings.SLACK_API_URL, timeout=TIMEOUT, retry_handlers=[])
    client = SocketModeClient(settings.SLACK_APP_TOKEN, web_client=web)
    client.socket_mode_request_listeners.append(take)
    wait = SOON
    doors.open_threads()
    try:
        while not stop.is_set() and not client.is_connected():
            try:
                client.connect()
            except (OSError, SlackClientError) as error:
                logger.warning("no Socket Mode connection, next try in %.0f s: %s", wait, _why(error))
                stop.wait(wait)
                wait = min(wait * 2, LATE)
        stop.wait()  # from here the client keeps itself connected
    finally:
        client.close()
        doors.close_threads()


def take(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
    """Store one envelope and acknowledge it; its dialog, if it asks for one, is opened beside that."""
    kind = KINDS.get(request.type)
    try:
        sealed = envelope.sealed(kind, request.payload) if kind is not None else None
        if sealed is not None and asking.readable(sealed.kind, sealed.payload):
            doors.keep([sealed])
    except envelope.Unreadable as error:
        logger.warning("an envelope of Slack's was not readable: %s", error)
    except DatabaseError as error:
        logger.warning("an envelope of Slack's was not stored: %s", error)
        return  # not acknowledged: it comes again
    client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))


def _why(error: Exception) -> object:
    return error.response.get("error") if isinstance(error, SlackApiError) else error
