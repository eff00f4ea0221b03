"""The resolver's doors: ``application``, ``startup`` and ``shutdown``, for an ASGI server or another application.

Django's settings and apps must be set up before this is imported. One set of parts per process: each worker
listens for itself, and the database epoch is all they share.
"""

from __future__ import annotations

import asyncio
import contextlib

from rollouts.resolver import langfuse
from rollouts.resolver.feed import Feed
from rollouts.resolver.http import Answer, Gone, Receive, Refused, Scope, Send, json_answer
from rollouts.resolver.langfuse import Prompts
from rollouts.resolver.leaving import Farewell
from rollouts.resolver.ofrep import Evaluator
from rollouts.resolver.propagation import Scribe
from rollouts.resolver.sightings import Sightings
from rollouts.resolver.state import State
from rollouts.resolver.stream import Streams

EVALUATE = "/ofrep/v1/evaluate/flags"
#: A start waits this long for the first read, so that the first caller is not turned away.
FIRST_READ_SECONDS = 1.0


class Resolver:
    """The parts of one process and the tasks that keep them going."""

    def __init__(self) -> None:
        self.feed = Feed(self._changed)
        self.streams = Streams(self.feed)
        self.sightings = Sightings()
        self.evaluator = Evaluator(self.feed, self.sightings)
        self.prompts = Prompts(self.feed, self.sightings.uses)
        self.scribe = Scribe(self.sightings, lambda: self.feed.state)
        self._farewell = Farewell(self.streams.end)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._farewell.listen()
        self._tasks = [
            asyncio.create_task(work, name=f"resolver {name}")
            for name, work in (
                ("feed", self.feed.run()),
                ("beat", self.streams.beat()),
                ("sightings", self.scribe.run()),
            )
        ]
        await self.feed.wait_until_read(FIRST_READ_SECONDS)

    async def stop(self) -> None:
        """End the streams, write what was seen if that is quick, and let go of the database."""
        self._farewell.forget()
        await self.streams.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(EVALUATE):
            rest = path[len(EVALUATE) :]
            if len(rest) > 1 and rest[0] == "/":
                return await self.evaluator.one(scope, receive, send, rest[1:])
            if rest in {"", "/"}:
                return await self.evaluator.all(scope, receive, send)
        elif path == "/api/stream":
            return await self.streams.serve(scope, receive, send)
        elif path == langfuse.PREFIX or path.startswith(f"{langfuse.PREFIX}/"):
            return await self.prompts.serve(scope, receive, send)
        elif path == "/healthz":
            return await Answer(200, b"ok\n", ((b"content-type", b"text/plain"),)).send(send)
        elif path == "/readyz":
            return await self.readiness().send(send)
        raise Refused(json_answer(404, {"errorDetails": "The resolver has nothing at this path."}))

    def readiness(self) -> Answer:
        """Ready once anything can be served, also from memory; why it may be old is said beside."""
        state = self.feed.state
        since = self.feed.problem_since
        return json_answer(
            503 if state is None else 200,
            {
                "ready": state is not None,
                "problem": self.feed.problem or None,
                "since": since.isoformat() if since else None,
                "epochs": {name: known.epoch for name, known in state.environments.items()} if state else {},
                "streams": len(self.streams),
                "instances_not_counted": self.sightings.uncounted,
            },
        )

    def _changed(self, before: State | None, after: State) -> None:
        self.streams.changed(before, after)


_running: Resolver | None = None


async def startup() -> None:
    """Begin to listen. Returns within about a second, whether or not PostgreSQL answers."""
    await started()


async def started() -> Resolver:
    """The resolver of this process, started by whoever asks first."""
    global _running
    if _running is None:
        _running = Resolver()
        await _running.start()
    return _running


async def shutdown() -> None:
    """End every stream and let go of the database."""
    global _running
    resolver, _running = _running, None
    if resolver is not None:
        await resolver.stop()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers http; answers lifespan too when nothing in front of it does."""
    if scope["type"] == "http":
        resolver = _running or await started()  # a server without lifespan has started nothing
        try:
            await resolver.answer(scope, receive, send)
        except Refused as refused:
            await refused.answer.send(send)
        except Gone:
            return
    elif scope["type"] == "lifespan":
        await lifespan(receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await startup()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            with contextlib.suppress(asyncio.CancelledError):
                await shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
