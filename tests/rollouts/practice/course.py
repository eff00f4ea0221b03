"""A scenario lived through inside a test: its own fleet and our own doors, without processes and without waiting.

Nothing the fleet awaits ever suspends here, so its coroutines are run to their end one after the other, and time is
moved by hand between them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from django.db import connection
from django.test import Client

from accounts.models import Scope, SiteRole, User
from incidents.models import Incident
from incidents.operations import acknowledge, moves
from rollouts.models import Deployment, PracticeRun
from rollouts.operations import practice
from rollouts.practice.doors import Doors, Pace, Refused
from rollouts.practice.fleet import TICK, Fleet, Unwanted
from rollouts.practice.scenarios import SCENARIOS
from rollouts.resolver import propagation, state, stop_propagation
from rollouts.resolver.reading import Reader
from rollouts.resolver.sightings import Sightings
from tests.clock import MovableClock
from tests.factories.accounts import SHELL, person, token
from tests.factories.rollouts import deployment
from tests.intakes import integration, send, statuses

PACE = Pace(
    baseline=3, window=3, bad_for=2, good_for=1, poll=1, heartbeat=1, repeat=20, customers=24, retries=60,
    outside=2, mended=4, over=10_000,
)  # fmt: skip


def done[Told](coroutine: Coroutine[Any, Any, Told]) -> Told:
    """What a coroutine returns that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        told: Told = end.value
        return told
    raise AssertionError("it waited for something")


class Rows:
    """A cursor of Django's, as the resolver's reader awaits one."""

    def __init__(self, found: list[Any]) -> None:
        self.found = found

    async def fetchall(self) -> list[Any]:
        return self.found

    async def fetchone(self) -> Any:
        return self.found[0] if self.found else None


class Borrowed:
    """The test's own connection, whose uncommitted rows the resolver's reader has to see."""

    async def execute(self, query: str | bytes, parameters: list[Any] | None = None) -> Rows:
        text = query.decode() if isinstance(query, bytes) else query
        if text.startswith("SET TRANSACTION"):
            return Rows([])
        with connection.cursor() as cursor:
            cursor.execute(text, parameters)
            return Rows(cursor.fetchall() if cursor.description else [])

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


class InProcess:
    """The fleet's doors without a network: the API by Django's client, flags and alerts by what stands behind them."""

    base_url = "http://practice"

    def __init__(self) -> None:
        self.client = Client()
        self.bearer = {"Authorization": f"Bearer {token(Scope.READ, Scope.PUSH, Scope.APPROVER, Scope.TELEMETRY)[1]}"}
        self.monitor = integration()[0]
        self.reader = Reader()
        self.fingerprint: Any = None
        self.state: state.State | None = None
        self.said: list[str] = []
        self.sightings = Sightings()

    async def report(self, run: int | None, report: Mapping[str, Any]) -> dict[str, Any]:
        return self.ask("POST", "/api/v1/practice/report", {"run": run, "report": dict(report)})

    async def deployment(self, key: str) -> dict[str, Any]:
        return self.ask("GET", f"/api/v1/deployments/{key}/prod")

    async def push(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.ask("POST", f"/api/v1/bundles/{key}/versions", dict(body))

    async def case(self, key: str, case: Mapping[str, Any]) -> None:
        self.ask("POST", f"/api/v1/bundles/{key}/cases", dict(case))

    async def switch(self, key: str, scope: str, told: Mapping[str, Any]) -> None:
        self.ask("PUT", f"/api/v1/deployments/{key}/prod/kill-switches/{scope}", dict(told))

    async def promote(self, key: str, number: int) -> None:
        waiver = {"reason": "practice", "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        self.ask("POST", f"/api/v1/deployments/{key}/prod/promote", {"number": number, "waiver": waiver})

    async def resolve(self, key: str, instance: str, region: str, etag: str) -> tuple[dict[str, Any] | None, str]:
        assert self.state is not None
        served = self.state.environments["prod"].bundles.get(key)
        if served is not None:
            self.sightings.fetched(served, instance, region, datetime.now(UTC))
            self.sightings.stops.answered(served, instance, state.Caller(region), datetime.now(UTC))
        answer = served.answers(state.Caller(region))[0] if served else None
        return (json.loads(answer.body)["value"], "") if answer else (None, "")

    async def export(self, request: Mapping[str, Any]) -> None:
        self.ask("POST", "/v1/traces", dict(request))

    async def alert(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.said += statuses(send(self.monitor, dict(body)))
        return {}

    def look(self) -> None:
        """Read what is served anew, when it has changed."""
        borrowed: Any = Borrowed()
        if done(self.reader.fingerprint(borrowed)) != self.fingerprint:
            self.fingerprint, snapshot = done(self.reader.snapshot(borrowed))
            self.state = state.build(snapshot, secret="practice", now=datetime.now(UTC))

    def write_down(self) -> None:
        """What was fetched, and how far the stops have got, as the resolver's scribe does every second."""
        borrowed: Any = Borrowed()
        seen, stopped, now = self.sightings.take(), self.sightings.stops.take(), datetime.now(UTC)
        done(stop_propagation.write(borrowed, stopped, stop_propagation.watched(self.state, now), now))
        if seen:
            done(borrowed.execute(propagation.UPSERT, propagation.columns(seen)))

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.client.generic(
            method, path, json.dumps(body) if body is not None else b"", "application/json", headers=self.bearer
        )
        if answer.status_code not in {200, 201}:
            raise Refused(
                httpx.Response(answer.status_code, content=answer.content, request=httpx.Request(method, path))
            )
        told: dict[str, Any] = json.loads(answer.content)
        return told


class Course:
    """One scenario from its start. ``live`` passes time; ``room`` is its incident, ``rate`` what its monitor sees."""

    def __init__(self, clock: MovableClock, name: str, **pace: float) -> None:
        self.clock, self.scenario = clock, SCENARIOS[name]
        self.began = datetime.now(UTC)
        self.passed = 0.0
        self.doors = InProcess()
        self.responder = person(SiteRole.ADMIN)
        assert self.responder.user is not None
        self.user: User = self.responder.user
        self.run: PracticeRun = practice.begin(actor=SHELL, scenario=name)
        self.fleet = Fleet(cast(Doors, self.doors), self.run.pk, self.scenario, {}, replace(PACE, **pace), self)
        self.rested = False

    # -- what tells the fleet the time -------------------------------------------------------------------------------
    def monotonic(self) -> float:
        return self.passed

    def time_ns(self) -> int:
        return int((self.began + timedelta(seconds=self.passed)).timestamp() * 1e9)

    # -- passing it --------------------------------------------------------------------------------------------------
    def tick(self) -> None:
        """Half a second of the fleet's life: everybody polls, customers come, every second tick it beats."""
        self.passed += TICK
        self.clock.move_to(self.began + timedelta(seconds=self.passed))
        self.doors.look()
        for instance in self.fleet.instances:
            done(self.fleet.poll(instance))
        done(self.fleet.serve())
        if self.passed % PACE.heartbeat == 0:
            try:
                done(self.fleet.beat())
            except Unwanted:
                self.rested = True
            moves.sweep()  # what commits would have announced, the clock finds

    def live(self, seconds: float) -> None:
        end = self.passed + seconds
        while self.passed < end and not self.rested:
            self.tick()

    def until(self, happened: Callable[[], Any], seconds: float = 60) -> None:
        """Live until something is true; it must be within so many seconds of the story."""
        end = self.passed + seconds
        while not happened():
            assert self.passed < end, f"not within {seconds} s of {self.scenario.name}: {self.fleet.report()}"
            self.tick()

    # -- looking at it -----------------------------------------------------------------------------------------------
    @property
    def rooms(self) -> list[Incident]:
        return list(Incident.objects.order_by("pk"))

    @property
    def room(self) -> Incident:
        """The only incident."""
        (found,) = self.rooms
        return found

    @property
    def live_deployment(self) -> Deployment:
        return deployment(self.scenario.key)

    @property
    def rate(self) -> float:
        assert self.fleet.rate is not None
        return self.fleet.rate

    def alerted(self) -> Incident:
        """Live to the alert and acknowledge it, as whoever is on call does."""
        self.until(lambda: self.rooms)
        acknowledge.acknowledge(self.room, actor=self.responder)
        return self.room

    def push_the_fix(self) -> None:
        """Ask for it, as the practice page does, and live until the fleet has pushed all of it."""
        self.live(2)  # it has to have told that its alert fired
        practice.push_fix(actor=SHELL)
        self.until(lambda: self.fleet.turns.fixed == list(self.scenario.fixes), 10)
