"""One port, several applications: the doors that machines hit go past Django, everything else goes to it.

A door is a module with ``application(scope, receive, send)`` and the coroutines ``startup()`` and ``shutdown()``.
They are started and stopped here, because Django does not answer the lifespan protocol.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

#: path prefixes → module; no prefix begins with another.
DOORS: dict[tuple[str, ...], str] = {
    ("/ofrep/", "/api/stream", "/api/public/v2/"): "rollouts.resolver.app",
    ("/slack/commands", "/slack/interactions", "/slack/events"): "incidents.slack.doors",
    ("/intake/", "/v2/"): "incidents.intake.app",
}
RESOLVER = "rollouts.resolver.app"


class Door(Protocol):
    """What a module behind a prefix offers."""

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...


class Dispatcher:
    """Sends each request to the door its path belongs to, and the rest to ``fallback``."""

    def __init__(self, doors: dict[tuple[str, ...], Door], fallback: Application) -> None:
        self.doors = list(doors.values())
        self.routes = [(prefixes, door.application) for prefixes, door in doors.items()]
        self.fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSockets are spoken here; the server closes what nobody answers
        path = scope["path"]
        for prefixes, application in self.routes:
            if path.startswith(prefixes):
                await application(scope, receive, send)
                return
        await self.fallback(scope, receive, send)

    async def live(self, receive: Receive, send: Send) -> None:
        """Start every door, wait, stop every door. One that cannot start stops the server with its reason."""
        started: list[Door] = []
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for door in self.doors:
                    try:
                        await door.startup()
                    except Exception as error:
                        logger.exception("A door did not start")
                        await send({"type": "lifespan.startup.failed", "message": str(error)})
                        return
                    started.append(door)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                for door in reversed(started):
                    try:
                        await door.shutdown()
                    except Exception:  # the others must still be told
                        logger.exception("A door did not stop")
                await send({"type": "lifespan.shutdown.complete"})
                return


def load(module: str) -> Any:
    return importlib.import_module(module)


def everything(fallback: Application) -> Dispatcher:
    """Every door, and ``fallback`` for all other paths."""
    return Dispatcher({prefixes: load(module) for prefixes, module in DOORS.items()}, fallback)


def resolver_only() -> Dispatcher:
    """What agents ask while they run, and nothing else; the resolver itself answers ``/healthz`` and ``/readyz``."""
    resolver = load(RESOLVER)
    return Dispatcher({("/ofrep/",): resolver}, resolver.application)
