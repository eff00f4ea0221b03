"""The public doors that the fleet knocks at, as any agent, pipeline or monitor would."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from rollouts.practice.spans import ENVIRONMENT

#: The variable that hands the process its keys: JSON of :class:`Keys`.
VARIABLE = "LASTGOOD_PRACTICE"


class Refused(Exception):
    """A door answered, and not with yes; ``str()`` says what it said."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.request.method} {response.url.path}: {response.status_code} {response.text[:300]}")
        self.status = response.status_code


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the story goes, in seconds of true time; the defaults raise the alert after about a minute."""

    baseline: float = 30.0  # healthy under the first version before the second is promoted
    window: float = 15.0  # the monitor's rolling window
    bad_for: float = 25.0  # below the threshold that long, then the alert fires
    good_for: float = 3.0
    poll: float = 2.0  # each instance asks for its bundle
    slow_poll: float = 86.0  # where a scenario is slow, each that runs the release
    heartbeat: float = 2.0
    repeat: float = 30.0  # a firing alert is sent again
    customers: float = 24.0  # per second, over the whole fleet
    retries: float = 25.0  # per second, while refused refunds wait
    outside: float = 12.0  # after the turn, until something outside changes
    mended: float = 45.0  # after it was fenced off, until what failed outside is mended
    over: float = 600.0  # after recovery; then the scenario has ended


@dataclass(frozen=True, slots=True)
class Keys:
    """Where to knock and with what."""

    base_url: str
    token: str
    ofrep_key: str
    intake_key: str
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def from_environment(cls) -> Self:
        """Takes them out of the environment, so that no child inherits them. Raises KeyError or ValueError."""
        given = json.loads(os.environ.pop(VARIABLE))
        known = {item.name for item in fields(Pace)}
        pace = Pace(**{name: float(value) for name, value in given.pop("pace", {}).items() if name in known})
        return cls(**given, pace=pace)


class Doors:
    """One HTTP client for the whole fleet. Every call raises httpx.HTTPError when the server is away, or Refused."""

    def __init__(self, keys: Keys) -> None:
        self.base_url = keys.base_url
        self._client = httpx.AsyncClient(
            base_url=keys.base_url, timeout=10, limits=httpx.Limits(max_connections=12, max_keepalive_connections=12)
        )
        self._bearer = {"Authorization": f"Bearer {keys.token}"}
        self._resolver = {"Authorization": f"Bearer {keys.ofrep_key}", "Content-Type": "application/json"}
        self._intake_key = keys.intake_key

    async def close(self) -> None:
        await self._client.aclose()

    async def report(self, run: int | None, report: Mapping[str, Any]) -> dict[str, Any]:
        """Tell how the fleet is; the answer says whether it is wanted, and what it last told."""
        return await self._ask("POST", "/api/v1/practice/report", json={"run": run, "report": dict(report)})

    async def deployment(self, key: str) -> dict[str, Any]:
        return await self._ask("GET", f"/api/v1/deployments/{key}/{ENVIRONMENT}")

    async def push(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The version; the same body again is the same version."""
        return await self._ask("POST", f"/api/v1/bundles/{key}/versions", json=dict(body))

    async def case(self, key: str, case: Mapping[str, Any]) -> None:
        """The same case again is the case it was."""
        await self._ask("POST", f"/api/v1/bundles/{key}/cases", json=dict(case))

    async def switch(self, key: str, scope: str, told: Mapping[str, Any]) -> None:
        """Described again in the same words it is what it was."""
        await self._ask("PUT", f"/api/v1/deployments/{key}/{ENVIRONMENT}/kill-switches/{scope}", json=dict(told))

    async def promote(self, key: str, number: int) -> None:
        waiver = {
            "reason": "Practice: a simulated pipeline promotes without running its gates.",
            "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        }
        await self._ask(
            "POST", f"/api/v1/deployments/{key}/{ENVIRONMENT}/promote", json={"number": number, "waiver": waiver}
        )

    async def resolve(self, key: str, instance: str, region: str, etag: str) -> tuple[dict[str, Any] | None, str]:
        """What this instance should run: (the object flag's value, its ETag); (None, etag) when nothing changed."""
        context = {"targetingKey": instance, "instance": instance, "region": region, "bundle": key}
        response = await self._client.post(
            "/ofrep/v1/evaluate/flags",
            content=json.dumps({"context": context}),
            headers={**self._resolver, **({"If-None-Match": etag} if etag else {})},
        )
        if response.status_code == 304:
            return None, etag
        if response.status_code != 200:
            raise Refused(response)
        flags = {flag["key"]: flag for flag in response.json()["flags"]}
        found = flags.get(key, {}).get("value")
        return found, response.headers.get("etag", "") if found is not None else ""

    async def export(self, request: Mapping[str, Any]) -> None:
        response = await self._client.post(
            "/v1/traces",
            content=gzip.compress(json.dumps(request).encode(), 1),
            headers={**self._bearer, "Content-Type": "application/json", "Content-Encoding": "gzip"},
        )
        if response.status_code != 200:
            raise Refused(response)

    async def alert(self, body: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._client.post(f"/intake/alertmanager/{self._intake_key}", json=dict(body))
        if response.status_code != 200:
            raise Refused(response)
        answer: dict[str, Any] = response.json()
        return answer

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        response = await self._client.request(method, path, headers=self._bearer, **more)
        if response.status_code not in {200, 201}:
            raise Refused(response)
        answer: dict[str, Any] = response.json()
        return answer
