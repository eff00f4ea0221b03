"""Monitors for tests: their keys, their bodies, and the real ASGI application to post them to."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts import clock
from incidents import reading
from incidents.intake import app
from incidents.models import Integration
from incidents.operations import integrations
from incidents.operations.receive import Answer, Request, receive
from tests.factories.accounts import SHELL

FIXTURES = Path(
    os.environ.get("LASTGOOD_FIXTURES") or Path(__file__).resolve().parent.parent.parent / "shared" / "fixtures"
)


def fixture(name: str) -> bytes:
    """A payload that somebody else's monitor sent; the test is skipped where the fixtures are not."""
    path = FIXTURES / "alerts" / name
    if not path.is_file():
        pytest.skip(f"needs the fixture alerts/{name}: set LASTGOOD_FIXTURES to the folder of fixtures")
    return path.read_bytes()


def integration(source: str = "alertmanager", **settings: Any) -> tuple[Integration, str]:
    """A fresh integration and its key."""
    made, key = integrations.create(source, source.title(), actor=SHELL)
    if settings:
        made.settings = settings
        made.save(update_fields=["settings"])
    return made, key


def alert(fingerprint: str = "f1", status: str = "firing", **labels: Any) -> dict[str, Any]:
    """One member of an Alertmanager notification's ``alerts``."""
    title = labels.pop("title", f"Refund success below 90 % ({fingerprint})")
    annotations = labels.pop("annotations", {})
    return {
        "status": status,
        "labels": {"alertname": "RefundSuccess", "severity": "critical", **labels},
        "annotations": {"summary": title, **annotations},
        "startsAt": "2026-11-20T14:15:00.5Z",
        "endsAt": "2026-11-20T14:25:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=refunds",
        "fingerprint": fingerprint,
    }


def notification(*alerts: dict[str, Any], group: str = "g1", **members: Any) -> dict[str, Any]:
    """An Alertmanager notification, version 4."""
    return {
        "version": "4",
        "receiver": "lastgood",
        "groupKey": group,
        "status": "firing",
        "truncatedAlerts": 0,
        "alerts": list(alerts),
        **members,
    }


def request(of: Integration, body: Any) -> Request:
    """A request as the door hands it on; ``body`` bytes, or what becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(of.pk, raw, "application/json", clock.now(), reading.read(of.source, raw, of.settings))


def send(of: Integration, *bodies: Any) -> list[Answer]:
    """Receive these together, in one transaction."""
    return receive([request(of, body) for body in bodies])


def statuses(answers: Iterable[Answer]) -> list[str]:
    """Every alert's status, in order."""
    return [said["status"] for answer in answers for said in answer.alerts]


@asynccontextmanager
async def running() -> AsyncIterator[httpx.AsyncClient]:
    """The intake as a server would start it, and a client of it."""
    await app.startup()
    try:
        transport = httpx.ASGITransport(app=app.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
            yield client
    finally:
        await app.shutdown()


def post_all(address: str, bodies: Sequence[Any]) -> list[httpx.Response]:
    """Post all of these at once."""

    async def go() -> list[httpx.Response]:
        async with running() as client:
            return await asyncio.gather(*(client.post(address, **content(body)) for body in bodies))

    return asyncio.run(go())


def post(address: str, body: Any, method: str = "POST", **headers: str) -> httpx.Response:
    """Send one request."""

    async def go() -> httpx.Response:
        async with running() as client:
            return await client.request(method, address, headers=headers, **content(body))

    return asyncio.run(go())


def content(body: Any) -> dict[str, Any]:
    return {"content": body} if isinstance(body, bytes) else {"json": body}
