"""What fault tests do again and again to a running workbench: ship, alarm, sign in, press, look at the rows."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
from django.db import connection

from accounts.models import User
from accounts.operations import keys
from tests import databases
from tests.factories.rollouts import body
from tests.intakes import alert, notification
from tests.processes import START_SECONDS, Process, Workbench, free_port

CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def ship(workbench: Workbench, key: str, *labels: str) -> None:
    """A version of ``key`` in prod per label, the last one active."""
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    for label in labels or ("1.0.0", "2.0.0"):
        sent = body(label=label, text=f"You are {key} {label}.")
        pushed = api(workbench, f"bundles/{key}/versions", sent)
        waiver = {"reason": "no evals yet", "expires_at": until}
        api(workbench, f"deployments/{key}/prod/promote", {"number": pushed["number"], "waiver": waiver})


def api(workbench: Workbench, path: str, sent: object = None) -> dict[str, Any]:
    """What the JSON API answers to a post that must succeed."""
    answer = workbench.http.post(f"/api/v1/{path}", json=sent, headers=workbench.token())
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def press(workbench: Workbench, key: str, **options: Any) -> httpx.Response:
    """One rollback by API, whatever comes of it."""
    return workbench.http.post(f"/api/v1/deployments/{key}/prod/rollback", headers=workbench.token(), **options)


def intake(workbench: Workbench) -> str:
    """The path that this installation's Alertmanager posts to."""
    return f"/intake/alertmanager/{workbench.credentials['intake']['alertmanager']}"


def alarm(key: str = "", fingerprint: str = "f1", **labels: Any) -> dict[str, Any]:
    """A notification about the agent ``key``, critical unless said."""
    named = {"bundle": key, "environment": "prod"} if key else {}
    return notification(alert(fingerprint, **named, **labels), group=f"group of {key or fingerprint}")


def room_about(workbench: Workbench, key: str) -> str:
    """The reference of the incident that one critical alert about ``key`` opens."""
    answer = workbench.http.post(intake(workbench), json=alarm(key, f"about {key}"))
    assert answer.status_code == 200, answer.text
    ref: str = answer.json()["alerts"][0]["incident"]
    return ref


def count(workbench: Workbench, table: str, where: str = "true") -> int:
    """How many rows of ``table`` there are."""
    found: int = workbench.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]
    return found


@contextlib.contextmanager
def its_rows(workbench: Workbench) -> Iterator[None]:
    """Django's models and operations, in this process, on the workbench's database."""
    with databases.pointed_at(workbench.dsn["dbname"]):
        yield
        connection.close()


def somebody(name: str, role: str) -> tuple[User, str]:
    """A fresh person, inside :func:`its_rows`, and the secret of a link that signs them in."""
    user = User.objects.create(name=name, email=f"{name.lower()}@example.com", roles=[role])
    return user, keys.make_sign_in_link(user)


class Browser:
    """A browser without script: cookies, forms, tokens against forgery."""

    def __init__(self, workbench: Workbench) -> None:
        self.http = httpx.Client(base_url=workbench.url, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.http.close()

    def sign_in(self, action: str, **fields: str) -> Self:
        """By the form on the page ``action``."""
        answer = self.submit(action, action, **fields)
        if answer.status_code != 302:
            self.http.close()
            raise AssertionError(f"not signed in: {answer.status_code} {answer.text[:500]}")
        return self

    def as_admin(self, workbench: Workbench) -> Self:
        admin = workbench.credentials["admin"]
        return self.sign_in("/accounts/login/", login=admin["email"], password=admin["password"])

    def by_link(self, secret: str) -> Self:
        return self.sign_in(f"/sign-in/{secret}/")

    def token(self, page: str) -> str:
        """The token of a form on ``page``."""
        shown = self.http.get(page)
        found = CSRF.search(shown.text)
        assert found, f"{page} has no form: {shown.status_code}"
        return found[1]

    def submit(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Open ``page`` and send the form on it that goes to ``action``."""
        return self.http.post(action, data={"csrfmiddlewaretoken": self.token(page), **fields})


@contextlib.contextmanager
def second_server(workbench: Workbench) -> Iterator[str]:
    """Another server process on the same database, as a second machine would be; its base URL."""
    port = free_port()
    argv = [sys.executable, "-m", "workbench.processes", "server"]
    server = Process("second", argv, workbench.env | {"PORT": str(port)}, workbench.folder / "second.log")
    url = f"http://127.0.0.1:{port}"
    server.start()
    try:
        workbench.eventually(lambda: healthy(url), START_SECONDS)
        yield url
    finally:
        server.stop()


def healthy(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).is_success
    return False
