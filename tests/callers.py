"""Somebody at the JSON API: with a token, or as a person after lastgood login."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.actors import Actor
from accounts.models import User
from accounts.operations import login


class Caller:
    """Somebody at the API."""

    def __init__(self, secret: str) -> None:
        self.client, self.headers = Client(), {"Authorization": f"Bearer {secret}"}

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: object = None) -> Any:
        return self.client.post(path, body or {}, content_type="application/json", headers=self.headers)

    def put(self, path: str, body: object, **headers: str) -> Any:
        return self.client.put(path, body, content_type="application/json", headers=self.headers | headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)


def signed_in(user: User) -> Caller:
    """``user`` at a command line, after lastgood login."""
    started = login.start()
    login.approve(started.user_code, actor=Actor.of_user(user))
    granted = Client().post("/api/v1/login/poll", {"device_code": started.device_code}, content_type="application/json")
    return Caller(granted.json()["session"])
