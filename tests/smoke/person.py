"""Somebody at the JSON API of a running installation: a script with a token, or a person after ``lastgood login``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.processes import Workbench
from tests.smoke.visitor import Visitor


class Api:
    """Asks with one secret; every answer must have the status that is expected."""

    def __init__(self, http: httpx.Client, secret: str) -> None:
        self.http, self.secret = http, secret

    def get(self, path: str) -> Any:
        return self.ask("GET", path).json()

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        """``body`` None sends no body at all."""
        return self.ask("POST", path, body, status).json()

    def ask(
        self, method: str, path: str, body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.secret}", **(headers or {})}
        answer = self.http.request(method, f"/api/v1{path}", json=body, headers=bearer, timeout=60)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer


def log_in(workbench: Workbench, sign_in: str) -> Api:
    """What ``lastgood login`` does, and the person who approves it in a browser they are signed in with."""
    started = workbench.http.post("/api/v1/login").json()
    waiting = workbench.http.post("/api/v1/login/poll", json={"device_code": started["device_code"]})
    assert waiting.status_code == 202
    with Visitor(workbench.url, sign_in) as visitor:
        visitor.open(started["approve_url"])
        visitor.press(httpx.URL(started["approve_url"]).path)
    granted = workbench.http.post("/api/v1/login/poll", json={"device_code": started["device_code"]})
    assert granted.status_code == 200, granted.text
    return Api(workbench.http, granted.json()["session"])
