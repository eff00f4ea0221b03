"""A worker killed while a connector has not answered: the next goes on, or asks a person where twice hurts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import hooks
from tests.faults.scene import Browser, press, ship
from tests.processes import Workbench

pytestmark = pytest.mark.story
Start = Callable[..., Workbench]


def leg(workbench: Workbench, rollback: int, kind: str) -> dict[str, object]:
    answer = workbench.http.get(f"/api/v1/rollbacks/{rollback}", headers=workbench.token())
    found: dict[str, object] = next(each for each in answer.json()["legs"] if each["kind"] == kind)
    return found


def killed_inside(workbench: Workbench, hook: hooks.Hook, kind: str, repeat: str) -> int:
    """A rollback whose worker was killed while the connector of one leg kept it waiting; its number."""
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"], 20)
    ship(workbench, "killed")
    with Browser(workbench).as_admin(workbench) as browser:
        said = {"name": "Slow", "set_address": hook.url, "set_repeat": repeat, "legs": kind}
        fields = {f"webhook-{name}": value for name, value in said.items()}
        made = browser.submit("/settings/connectors/", "/settings/connectors/add/webhook/", **fields)
        assert made.status_code == 200, made.text[:2000]
    hook.trickle = 0.5
    rollback: int = press(workbench, "killed").json()["rollback"]
    workbench.eventually(lambda: hook.got, 30)
    workbench.kill("worker")
    assert leg(workbench, rollback, kind)["state"] == "running"
    hook.trickle = 0
    workbench.clock.advance(seconds=70)
    workbench.start("worker")
    return rollback


@pytest.mark.parametrize("kind", ["flip", "semantic_cache", "prefix_cache"])
def test_the_next_worker_finishes_what_a_killed_one_had_begun(start_workbench: Start, kind: str) -> None:
    with hooks.listening() as hook:
        workbench = start_workbench("server", "worker", "clock", env={"WEBHOOK_ALLOW_PRIVATE": "127.0.0.1"})
        rollback = killed_inside(workbench, hook, kind, "safe")
        workbench.eventually(lambda: leg(workbench, rollback, kind)["state"] == "done", 40)
        assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1, "the receiver can tell that it is one"
        assert len(hook.got) == 2


def test_where_twice_hurts_the_next_worker_sends_nothing_and_a_person_decides(start_workbench: Start) -> None:
    with hooks.listening() as hook:
        workbench = start_workbench("server", "worker", "clock", env={"WEBHOOK_ALLOW_PRIVATE": "127.0.0.1"})
        rollback = killed_inside(workbench, hook, "semantic_cache", "ask")
        workbench.eventually(lambda: leg(workbench, rollback, "semantic_cache")["state"] == "blocked", 40)
        assert len(hook.got) == 1
        with Browser(workbench).as_admin(workbench) as browser:
            page = f"/rollbacks/{rollback}/"
            answer = browser.submit(page, f"{page}legs/semantic_cache/", verb="retry")
            assert answer.status_code == 302
        workbench.eventually(lambda: leg(workbench, rollback, "semantic_cache")["state"] == "done", 40)
        assert len(hook.got) == 2
