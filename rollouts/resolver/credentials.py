"""Who asks: a resolver key as Bearer, X-API-Key or the password of HTTP Basic."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from rollouts.resolver.http import Refused, Scope, header, json_answer
from rollouts.resolver.state import Environment, Grant, State

UNAUTHORISED = "This needs a resolver key that is neither revoked nor expired."


def bearer_or_api_key(scope: Scope) -> str:
    """The secret in ``Authorization: Bearer`` or ``X-API-Key``; empty when there is none."""
    given = header(scope, b"authorization")
    if given[:7].lower() == b"bearer ":
        return given[7:].strip().decode("latin-1")
    return header(scope, b"x-api-key").decode("latin-1")


def basic_password(scope: Scope) -> str:
    """The password of HTTP Basic; the user name is ignored."""
    given = header(scope, b"authorization")
    if given[:6].lower() != b"basic ":
        return ""
    try:
        pair = base64.b64decode(given[6:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(b":")[2].decode("latin-1")


def grant_for(state: State, secret: str, now: datetime, *, challenge: bytes = b"Bearer") -> Grant:
    """What ``secret`` allows; raises Refused with 401, or 403 for a secret that is made for another door."""
    grant = state.grant_of(secret, now) if secret else None
    if grant is not None:
        return grant
    if secret.startswith("lgt_"):
        sentence = "That is an API token; agents resolve with a resolver key, which begins with lgr_."
        raise Refused(json_answer(403, {"errorDetails": sentence}))
    raise Refused(json_answer(401, {"errorDetails": UNAUTHORISED}, (b"www-authenticate", challenge)))


def environment_of(state: State, grant: Grant) -> Environment:
    """The environment a key is bound to; raises Refused with 403 when there is none of that name."""
    environment = state.environments.get(grant.environment)
    if environment is None:
        sentence = f"This key is bound to the environment {grant.environment}, which does not exist."
        raise Refused(json_answer(403, {"errorDetails": sentence}))
    return environment
