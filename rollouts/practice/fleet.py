"""Twenty instances, their customers and their monitor, for as long as they are wanted."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from rollouts.practice import monitor, spans
from rollouts.practice.doors import Doors, Pace, Refused
from rollouts.practice.refunds import QUEUE_LENGTH, Refusal, queued
from rollouts.practice.resolved import Bundle, read
from rollouts.practice.scenarios import FIRST, SCENARIOS, Scenario
from rollouts.practice.scenarios.base import Where
from rollouts.practice.turns import Phase, Turns

REGIONS = {"us": 8, "eu": 6, "ap": 4, "sa": 2}
SPANS_KEPT = 4_000  # while telemetry is not taken; then the oldest are dropped
TICK = 0.5

logger = logging.getLogger("practice")


@dataclass(slots=True)
class Instance:
    """One running copy of the agent: what it resolved, and the spans it has not reported yet."""

    where: Where
    key: str
    bundle: Bundle | None = None
    etag: str = ""
    spans: spans.Spans = field(default_factory=list)
    looks_at: float | None = None  # not before then, by the watch; None: at every poll


def everybody(scenario: Scenario) -> list[Instance]:
    """us-1 … us-8, eu-1 … eu-6, ap-1 … ap-4, sa-1, sa-2; taken from each region in turn."""
    rounds = range(1, max(REGIONS.values()) + 1)
    names = [(f"{region}-{n}", region) for n in rounds for region, count in REGIONS.items() if n <= count]
    places = [Where(name, region, place) for place, (name, region) in enumerate(names)]
    return [Instance(where, scenario.key_of(where)) for where in places]


class Watch(Protocol):
    """What tells the time: ``time`` itself, or a test."""

    def monotonic(self) -> float: ...
    def time_ns(self) -> int: ...


class Unwanted(Exception):
    """The server says that this run has ended, rests, or is another one."""


class Fleet:
    """One run of a scenario. ``report`` is what an earlier process of the same run last told."""

    def __init__(
        self, doors: Doors, run: int, scenario: Scenario, report: Mapping[str, Any], pace: Pace, watch: Watch = time
    ) -> None:
        self.doors, self.run, self.scenario, self.pace, self.watch = doors, run, scenario, pace, watch
        self.instances = everybody(scenario)
        self.dice = random.Random(scenario.name)  # who comes to whom is the same in every run
        self.ids = random.Random()  # a trace is never told twice, not even after a restart
        self.turns = Turns.remembered(scenario, pace, report)
        self.turns.go_on()
        self.next_order = int(report.get("next_order") or 0)
        self.counts: Counter[str] = Counter(report.get("counts") or {})
        self.queue = queued(report.get("queue") or {})
        self.window = monitor.Window(pace.window)
        since = report.get("firing_since")
        self.rule = monitor.Rule(pace.bad_for, pace.good_for, datetime.fromisoformat(since) if since else None)
        self.has_fired = bool(since or report.get("has_fired"))
        self.rate: float | None = None
        self.label = str(report.get("alert_label") or "")
        self.unsent: dict[str, Any] | None = None  # the newest alert body the intake has not taken yet
        self.sent_at = 0.0
        self.owing = 0.0  # parts of customers and retries carried to the next tick
        self.owing_retries = 0.0
        self.wishes: list[str] = []

    async def live(self) -> None:
        """Until unwanted. What one part cannot do now it tries again; none of them takes the others down."""
        try:
            async with asyncio.TaskGroup() as group:
                for place, instance in enumerate(self.instances):
                    offset = self.pace.poll * place / len(self.instances)
                    group.create_task(self.every(self.pace.poll, lambda one=instance: self.poll(one), offset))  # type: ignore[misc]
                group.create_task(self.every(TICK, self.serve))
                group.create_task(self.every(self.pace.heartbeat, self.beat))
        except* Unwanted:
            logger.info("The practice fleet rests.")

    async def every(self, seconds: float, act: Callable[[], Awaitable[None]], offset: float = 0) -> None:
        """Act, and again ``seconds`` after it began, or as soon as it could."""
        due = time.monotonic() + offset
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + seconds, time.monotonic())
            try:
                await act()
            except (httpx.HTTPError, Refused) as error:  # a server that restarts, a door that is not ready
                logger.debug("%s", error)

    # -- the agents --------------------------------------------------------------------------------------------------
    async def poll(self, instance: Instance) -> None:
        """Ask which bundle to run. While nobody answers, an instance keeps running the last it had."""
        where, now = instance.where, self.watch.monotonic()
        if instance.looks_at is not None and now < instance.looks_at:
            return
        value, instance.etag = await self.doors.resolve(instance.key, where.instance, where.region, instance.etag)
        if value is not None:
            instance.bundle = read(value)
        instance.looks_at = self.next_look(instance, now)

    def next_look(self, instance: Instance, now: float) -> float | None:
        """Slow instances look one after the other, each once in ``slow_poll``, from when they run the release."""
        bundle = instance.bundle
        if not self.scenario.slow or bundle is None or bundle.label != self.scenario.release:
            return None
        if instance.looks_at is not None:
            return now + self.pace.slow_poll
        return now + self.pace.slow_poll * (instance.where.place + 1) / len(self.instances)

    async def serve(self) -> None:
        """The customers of one tick, each at some instance; refused refunds again once what refused them is gone."""
        ready = [(one, one.bundle) for one in self.instances if one.bundle is not None]
        if not ready or self.turns.phase == Phase.SETUP:
            return
        self.owing += self.pace.customers * TICK
        while self.owing >= 1:
            self.owing -= 1
            self.answer(*self.dice.choice(ready), self.next_order)
            self.next_order += 1
        self.owing_retries = min(self.owing_retries + self.pace.retries * TICK, self.pace.retries)
        able = [(one, bundle) for one, bundle in ready if self.scenario.able(bundle)]
        running = {bundle.digest for _, bundle in ready}
        while able and self.owing_retries >= 1:
            waiting = self.queue.take(running)
            if waiting is None:
                break
            self.owing_retries -= 1
            self.answer(*self.dice.choice(able), waiting.number, retry=True)

    def answer(self, instance: Instance, bundle: Bundle, number: int, *, retry: bool = False) -> None:
        """One customer at one instance: what happens, what is counted, what is told."""
        told = self.scenario.serve(bundle, number, instance.where, self.turns.broken_outside)
        if retry:
            told = spans.tried_again(told)
            self.counts["retried"] += 1
            self.counts[f"retried_{told.outcome}"] += 1
        self.counts[told.outcome] += 1
        watched = instance.key == self.scenario.key
        if told.good is not None and watched:
            self.window.add(told.good, self.watch.monotonic())
        refused = self.scenario.retries and told.error_type == Refusal.OVER_AGENT_LIMIT
        if refused and not self.queue.put(number, bundle.digest):
            self.counts["called_back"] += 1
        instance.spans += spans.of(told, key=instance.key, now_ns=self.watch.time_ns(), dice=self.ids)
        del instance.spans[: -(SPANS_KEPT // len(self.instances))]

    # -- telemetry, story, monitor -----------------------------------------------------------------------------------
    async def beat(self) -> None:
        """Ask whether we are still wanted, and only then send anything that stays."""
        now = self.watch.monotonic()
        self.rate = self.window.rate(now)
        await self.heartbeat()
        await self.export()
        await self.tell_story(now)
        await self.watch_rate(now)

    async def heartbeat(self) -> None:
        answer = await self.doors.report(self.run, self.report())
        if not answer.get("wanted") or answer.get("run") != self.run:
            raise Unwanted
        self.wishes = list(answer.get("wishes") or [])

    def report(self) -> dict[str, Any]:
        """How the fleet is; also what a later process of this run goes on from."""
        bundles = [one.bundle for one in self.instances if one.bundle]
        firing = self.rule.firing_since
        return {
            **self.turns.told(),
            "rate": self.rate,
            "window_seconds": self.window.seconds,
            "versions": dict(Counter(bundle.label or "stopped" for bundle in bundles)),
            "bad_instances": sum(self.is_bad(one) for one in self.instances),
            "counts": dict(self.counts),
            "queued": len(self.queue),
            "queue_full": len(self.queue) >= QUEUE_LENGTH,
            "queue": self.queue.waiting(),
            "next_order": self.next_order,
            "firing_since": firing.isoformat() if firing else None,
            "has_fired": self.has_fired,
            "alert_label": self.label,
        }

    def is_bad(self, instance: Instance) -> bool:
        """Whether what this instance runs, or what it meets, goes wrong."""
        bundle = instance.bundle
        if bundle is None or not bundle.enabled or instance.key != self.scenario.key:
            return False
        if self.scenario.outside:
            return self.turns.broken_outside and self.scenario.touched(bundle, instance.where)
        return bundle.label == self.scenario.release

    async def export(self) -> None:
        taken = [(one, one.spans) for one in self.instances if one.spans]
        for one, _ in taken:
            one.spans = []
        if not taken:
            return
        try:
            await self.doors.export(
                spans.request([(one.where.instance, one.where.region, told) for one, told in taken])
            )
        except (httpx.HTTPError, Refused):
            for one, told in taken:
                one.spans = (told + one.spans)[-(SPANS_KEPT // len(self.instances)) :]
            raise

    async def tell_story(self, now: float) -> None:
        """Ship what comes first; when it has run for a while, the release. Each once: the phase is remembered."""
        turns, scenario = self.turns, self.scenario
        if turns.phase == Phase.SETUP:
            for key in filter(None, (scenario.others, scenario.key)):
                for label in scenario.first:
                    await self.ship(key, label)
            for scope, told in scenario.switches.items():
                await self.doors.switch(scenario.key, scope, told)
            for case in scenario.known:
                await self.doors.case(scenario.key, case)
            turns.begun()
        elif turns.phase == Phase.HEALTHY:
            if turns.healthy_for(self.rate is not None or not scenario.first, now):
                turns.phase = Phase.RELEASING  # told at the next heartbeat, before anything is done
        elif turns.phase == Phase.RELEASING:
            if scenario.release and await self.active(scenario.key) != scenario.release:
                await self.ship(scenario.key, scenario.release)
                logger.info("%s %s is live.", scenario.key, scenario.release)
            turns.released(now)
        fenced = not any(self.is_bad(one) for one in self.instances)
        turns.look(fenced=fenced, firing=self.rule.firing_since is not None, has_fired=self.has_fired, now=now)
        if "fix" in self.wishes:
            await self.push_fixes()

    async def active(self, key: str) -> str:
        """The label that runs in prod; blank when none does, or the bundle is not known yet."""
        try:
            found = (await self.doors.deployment(key))["active"]
        except Refused as refused:
            if refused.status != httpx.codes.NOT_FOUND:
                raise
            return ""
        return str(found["label"]) if found else ""

    async def ship(self, key: str, label: str) -> None:
        version = await self.doors.push(key, self.scenario.versions[label])
        await self.doors.promote(key, version["number"])

    async def push_fixes(self) -> None:
        """Push the cases and the candidates, each once, and promote none: that is for people, through the gates."""
        if len(self.turns.fixed) < len(self.scenario.fixes):
            for case in self.scenario.cases:
                await self.doors.case(self.scenario.key, case)
        for label in self.scenario.fixes:
            if label not in self.turns.fixed:
                await self.doors.push(self.scenario.key, self.scenario.versions[label])
                self.turns.fixed.append(label)

    async def watch_rate(self, now: float) -> None:
        """The alert rule: fire, repeat, resolve. What the intake did not take is sent at the next beat."""
        firing_since, wall = self.rule.firing_since, datetime.fromtimestamp(self.watch.time_ns() / 1e9, UTC)
        turned = self.rule.look(self.rate, now, wall)
        started_at = self.rule.firing_since or firing_since
        if turned == "firing":
            watched = [one.bundle for one in self.instances if one.bundle and one.key == self.scenario.key]
            running = Counter(bundle.label for bundle in watched if bundle.label)
            self.label = running.most_common(1)[0][0] if running else ""
            self.has_fired = True
        repeat = self.rule.firing_since is not None and now - self.sent_at >= self.pace.repeat
        if (turned or repeat) and started_at is not None and self.rate is not None:
            self.unsent = monitor.webhook(
                turned or "firing",
                scenario=self.scenario,
                started_at=started_at,
                now=wall,
                rate=self.rate,
                window=self.pace.window,
                label=self.label,
                base_url=self.doors.base_url,
                told=self.told(),
            )
        if self.unsent is not None:
            await self.doors.alert(self.unsent)
            self.unsent, self.sent_at = None, now

    def told(self) -> str:
        """What the monitor knows beside the rate."""
        retried, refunded = self.counts["retried"], self.counts["retried_refunded"]
        if retried:
            return f"{refunded} of {retried} refused refunds that were tried again have gone through."
        return f"{len(self.queue)} refused refunds wait to be tried again." if self.scenario.retries else ""


async def run(doors: Doors, pace: Pace) -> None:
    """For ever: idle until a run is wanted, live through it, idle again."""
    idle: dict[str, Any] = {"phase": "resting"}
    said = ""
    while True:
        try:
            answer = await doors.report(None, idle)
            said = ""
            if answer.get("wanted"):
                scenario = SCENARIOS.get(str(answer.get("scenario")), FIRST)
                await Fleet(doors, int(answer["run"]), scenario, answer.get("report") or {}, pace).live()
        except (httpx.HTTPError, Refused) as error:  # the server starts, restarts, or was told our key is revoked
            if isinstance(error, Refused) and str(error) != said:
                said = str(error)
                logger.warning("Practice waits: %s", said)
        await asyncio.sleep(pace.heartbeat)
