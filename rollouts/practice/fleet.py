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
from typing import Any

import httpx

from rollouts.practice import agent, monitor, spans
from rollouts.practice.bundles import BAD, GOOD, VERSIONS
from rollouts.practice.doors import Doors, Pace, Refused
from rollouts.practice.refunds import QUEUE_LENGTH, Refusal, order, queued

REGIONS = {"us": 8, "eu": 6, "ap": 4, "sa": 2}
SPANS_KEPT = 4_000  # while telemetry is not taken; then the oldest are dropped
TICK = 0.5

logger = logging.getLogger("practice")


@dataclass(slots=True)
class Instance:
    """One running copy of the agent: what it resolved, and the spans it has not reported yet."""

    name: str
    region: str
    bundle: agent.Bundle | None = None
    etag: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)


def everybody() -> list[Instance]:
    """us-1 … us-8, eu-1 … eu-6, ap-1 … ap-4, sa-1, sa-2."""
    return [Instance(f"{region}-{n}", region) for region, count in REGIONS.items() for n in range(1, count + 1)]


class Unwanted(Exception):
    """The server says that this run has ended, rests, or is another one."""


class Fleet:
    """One run of the story. ``report`` is what an earlier process of the same run last told."""

    def __init__(self, doors: Doors, run: int, report: Mapping[str, Any], pace: Pace) -> None:
        self.doors, self.run, self.pace = doors, run, pace
        self.instances = everybody()
        self.dice = random.Random(run)
        self.phase = str(report.get("phase") or "setup")
        self.next_order = int(report.get("next_order") or 0)
        self.counts: Counter[str] = Counter(report.get("counts") or {})
        self.queue = queued(report.get("queue") or {})
        self.window = monitor.Window(pace.window)
        since = report.get("firing_since")
        self.rule = monitor.Rule(pace.bad_for, pace.good_for, datetime.fromisoformat(since) if since else None)
        self.healthy_since: float | None = None
        self.rate: float | None = None
        self.label = str(report.get("alert_label") or "")
        self.unsent: dict[str, Any] | None = None  # the newest alert body the intake has not taken yet
        self.sent_at = 0.0
        self.owing = 0.0  # parts of customers and retries carried to the next tick
        self.owing_retries = 0.0

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
        value, instance.etag = await self.doors.resolve(instance.name, instance.region, instance.etag)
        if value is not None:
            instance.bundle = agent.read(value)

    async def serve(self) -> None:
        """The customers of one tick, each at some instance; refused refunds again once what refused them is gone."""
        ready = [instance for instance in self.instances if instance.bundle is not None]
        if not ready or self.phase == "setup":
            return
        self.owing += self.pace.customers * TICK
        while self.owing >= 1:
            self.owing -= 1
            self.answer(self.dice.choice(ready), self.next_order)
            self.next_order += 1
        self.owing_retries = min(self.owing_retries + self.pace.retries * TICK, self.pace.retries)
        able = [instance for instance in ready if instance.bundle is not None and instance.bundle.may_refund]
        running = {instance.bundle.digest for instance in ready if instance.bundle is not None}
        while able and self.owing_retries >= 1:
            waiting = self.queue.take(running)
            if waiting is None:
                break
            self.owing_retries -= 1
            self.answer(self.dice.choice(able), waiting.number, retry=True)

    def answer(self, instance: Instance, number: int, *, retry: bool = False) -> None:
        """One customer at one instance: what happens, what is counted, what is told."""
        if instance.bundle is None:
            return
        given = agent.serve(instance.bundle, order(number), retry=retry)
        self.counts[given.outcome] += 1
        if retry:
            self.counts["retried"] += 1
            self.counts[f"retried_{given.outcome}"] += 1
        if given.outcome != agent.Outcome.HANDED_OVER:
            self.window.add(given.outcome == agent.Outcome.REFUNDED, time.monotonic())
        if given.refusal == Refusal.OVER_AGENT_LIMIT and not self.queue.put(number, instance.bundle.digest):
            self.counts["called_back"] += 1
        instance.spans += spans.of(given, now_ns=time.time_ns(), dice=self.dice)
        del instance.spans[: -(SPANS_KEPT // len(self.instances))]

    # -- telemetry, story, monitor -----------------------------------------------------------------------------------
    async def beat(self) -> None:
        """Ask whether we are still wanted, and only then send anything that stays."""
        now = time.monotonic()
        self.rate = self.window.rate(now)
        await self.heartbeat()
        await self.export()
        await self.tell_story(now)
        await self.watch(now)

    async def heartbeat(self) -> None:
        answer = await self.doors.report(self.run, self.report())
        if not answer.get("wanted") or answer.get("run") != self.run:
            raise Unwanted

    def report(self) -> dict[str, Any]:
        """How the fleet is; also what a later process of this run goes on from."""
        versions = Counter(instance.bundle.label or "stopped" for instance in self.instances if instance.bundle)
        firing = self.rule.firing_since
        return {
            "phase": self.phase,
            "rate": self.rate,
            "window_seconds": self.window.seconds,
            "versions": dict(versions),
            "counts": dict(self.counts),
            "queued": len(self.queue),
            "queue_full": len(self.queue) >= QUEUE_LENGTH,
            "queue": self.queue.waiting(),
            "next_order": self.next_order,
            "firing_since": firing.isoformat() if firing else None,
            "alert_label": self.label,
        }

    async def export(self) -> None:
        taken = [(one, one.spans) for one in self.instances if one.spans]
        for one, _ in taken:
            one.spans = []
        if not taken:
            return
        try:
            await self.doors.export(spans.request([(one.name, one.region, reported) for one, reported in taken]))
        except (httpx.HTTPError, Refused):
            for one, reported in taken:
                one.spans = (reported + one.spans)[-(SPANS_KEPT // len(self.instances)) :]
            raise

    async def tell_story(self, now: float) -> None:
        """Ship the first version; when it has run for a while, the second. Each once: the phase is remembered."""
        if self.phase == "setup":
            await self.ship(GOOD)
            self.phase = "healthy"
        elif self.phase == "healthy":
            if self.healthy_since is None and self.rate is not None:
                self.healthy_since = now
            if self.healthy_since is not None and now - self.healthy_since >= self.pace.baseline:
                self.phase = "releasing"  # told at the next heartbeat, before anything is done
        elif self.phase == "releasing":
            if (await self.doors.deployment())["active"]["label"] != BAD:
                await self.ship(BAD)
            self.phase = "released"
            logger.info("customer-service %s is live.", BAD)

    async def ship(self, label: str) -> None:
        version = await self.doors.push(VERSIONS[label])
        await self.doors.promote(version["number"])

    async def watch(self, now: float) -> None:
        """The alert rule: fire, repeat, resolve. What the intake did not take is sent at the next beat."""
        firing_since = self.rule.firing_since
        turned = self.rule.look(self.rate, now, datetime.now(UTC))
        started_at = self.rule.firing_since or firing_since
        if turned == "firing":
            running = Counter(one.bundle.label for one in self.instances if one.bundle and one.bundle.label)
            self.label = running.most_common(1)[0][0] if running else ""
        repeat = self.rule.firing_since is not None and now - self.sent_at >= self.pace.repeat
        if (turned or repeat) and started_at is not None and self.rate is not None:
            self.unsent = monitor.webhook(
                turned or "firing",
                started_at=started_at,
                now=datetime.now(UTC),
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
        return f"{len(self.queue)} refused refunds wait to be tried again."


async def run(doors: Doors, pace: Pace) -> None:
    """For ever: idle until a run is wanted, live through it, idle again."""
    idle: dict[str, Any] = {"phase": "resting"}
    said = ""
    while True:
        try:
            answer = await doors.report(None, idle)
            said = ""
            if answer.get("wanted"):
                await Fleet(doors, int(answer["run"]), answer.get("report") or {}, pace).live()
        except (httpx.HTTPError, Refused) as error:  # the server starts, restarts, or was told our key is revoked
            if isinstance(error, Refused) and str(error) != said:
                said = str(error)
                logger.warning("Practice waits: %s", said)
        await asyncio.sleep(pace.heartbeat)
