"""What the connect page gives to copy, run as it is copied, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories.rollouts import body
from tests.processes import Workbench, installed

pytestmark = pytest.mark.peer
AGENT = "snippets"


class Newcomer:
    """Somebody signed in who copies from the page."""

    def __init__(self, workbench: Workbench) -> None:
        self.workbench = workbench
        self.http = httpx.Client(base_url=workbench.url, follow_redirects=True)
        sign_in = workbench.manage("prepare", "--json").stdout
        link = re.search(r"/sign-in/[^/\"]+/", sign_in)
        assert link is not None
        self.http.post(link[0], data=self.token(self.http.get(link[0]).text))

    @staticmethod
    def token(page: str) -> dict[str, str]:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None
        return {"csrfmiddlewaretoken": found[1]}

    def made(self, lang: str, monitor: str) -> dict[str, str]:
        """The texts of the page after [Make keys], by their labels."""
        asked = {"lang": lang, "agent": AGENT, "environment": "prod", "monitor": monitor}
        page = self.http.get("/connect/", params=asked).text
        answer = self.http.post("/connect/keys/", data=asked | {"alerts": "on", "days": "90"} | self.token(page))
        assert answer.status_code == 200, answer.text
        return copied(answer.text)

    def ticks(self) -> list[str]:
        """What the page has ticked."""
        page = self.http.get("/connect/", params={"agent": AGENT}).text
        return re.findall(r'st-done"><svg[^>]*><use[^>]*/></svg>\s*([^<]+)', page)


def copied(page: str) -> dict[str, str]:
    """What the copy buttons copy."""
    found = re.findall(r'aria-label="([^"]+)"><code>(.*?)</code></pre>', page, re.DOTALL)
    return {label: unescape(text) for label, text in found}


@pytest.fixture(scope="module")
def newcomer(django_db_setup: None, django_db_blocker: Any) -> Iterator[Newcomer]:
    with django_db_blocker.unblock(), installed() as workbench:
        workbench.start("server")
        somebody = Newcomer(workbench)
        yield somebody
        somebody.http.close()


def run(program: list[str], text: str, folder: Path) -> str:
    """The text as a program of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OFREP_"))}
    done = subprocess.run([*program, "-"], input=text, capture_output=True, text=True, cwd=folder, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def promote(workbench: Workbench) -> None:
    answer = workbench.http.post(
        f"/api/v1/bundles/{AGENT}/versions", json=body(label="1.0.0"), headers=workbench.token()
    )
    waiver = {"reason": "a first try", "expires_at": "2036-01-01T00:00:00Z"}
    for environment in ("staging", "prod"):
        workbench.http.post(
            f"/api/v1/deployments/{AGENT}/{environment}/promote",
            json={"number": answer.json()["number"], "waiver": waiver},
            headers=workbench.token(),
        ).raise_for_status()


def test_a_newcomer_connects_an_agent_by_copying(newcomer: Newcomer, tmp_path: Path) -> None:
    workbench = newcomer.workbench
    assert newcomer.ticks() == []
    text = newcomer.made("python", "generic")
    assert "<resolver key>" not in "".join(text.values())
    assert "no answer" in run([sys.executable], text["Resolve"], tmp_path)

    promote(workbench)
    workbench.eventually(lambda: "run 1.0.0 with claude" in run([sys.executable], text["Resolve"], tmp_path))
    run([sys.executable], text["Report"], tmp_path)
    spans = "SELECT operation, version_label, environment FROM rollouts_invocation WHERE bundle_key = %s ORDER BY at"
    assert workbench.sql(spans, [AGENT]) == [("invoke_agent", "1.0.0", "prod"), ("execute_tool", "1.0.0", "prod")]
    assert '"status":"opened"' in run(["sh"], text["Send an alert"], tmp_path)
    words = ["First bundle pushed", "First version active in prod", "First resolve seen", "First span seen"]
    workbench.eventually(lambda: newcomer.ticks() == [*words, "First alert seen"])

    used = "SELECT last_used_at IS NOT NULL FROM accounts_resolverkey WHERE name = %s ORDER BY id LIMIT 1"
    workbench.eventually(lambda: workbench.sql(used, [f"{AGENT} in prod"]) == [(True,)])

    stop = workbench.http.post(f"/api/v1/deployments/{AGENT}/prod/stop", headers=workbench.token())
    assert stop.status_code == 201
    workbench.eventually(lambda: "stopped; instead:" in run([sys.executable], text["Resolve"], tmp_path))


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_what_is_copied_for_curl_works_in_a_shell(newcomer: Newcomer, tmp_path: Path) -> None:
    text = newcomer.made("curl", "generic")
    answer = run(["sh"], text["Resolve"], tmp_path)
    assert "errorDetails" in answer or '"value"' in answer
    assert "rejected" not in run(["sh"], text["Report"], tmp_path).lower()
    found = newcomer.workbench.sql("SELECT name FROM rollouts_invocation WHERE bundle_key = %s", [AGENT])
    assert (f"invoke_agent {AGENT}",) in found


def test_the_folder_that_is_copied_can_be_pushed(newcomer: Newcomer, tmp_path: Path) -> None:
    text = newcomer.made("python", "alertmanager")["Push a bundle"]
    making = text.partition("export LASTGOOD_URL")[0].replace('label = "1.0.0"', 'label = "folder"')
    run(["sh"], making, tmp_path)
    answer = subprocess.run(
        [sys.executable, "-m", "rollouts.cli", "push", str(tmp_path / AGENT)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "LASTGOOD_URL": newcomer.workbench.url,
            "LASTGOOD_TOKEN": newcomer.workbench.credentials["token"],
        },
    )
    assert answer.returncode == 0, answer.stderr
    assert "folder" in answer.stdout
