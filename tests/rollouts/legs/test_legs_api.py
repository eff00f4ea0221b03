"""The API of legs, connectors, conversations and in-flight work, as programs use it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.actors import Actor
from accounts.models import Scope, SiteRole
from accounts.operations import login
from rollouts.models import Rollback
from rollouts.operations import leg_work
from rollouts.operations.roll_back import roll_back
from tests import hooks
from tests.factories.accounts import UserFactory, person, token
from tests.factories.connectors import webhook
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


class Api:
    """A client of the API with a bearer."""

    def __init__(self, secret: str) -> None:
        self.headers = {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        answer = Client().get(f"/api/v1/{path}", headers=self.headers)
        assert answer.status_code == status, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, sent: object = None, status: int = 200) -> dict[str, Any]:
        answer = Client().post(f"/api/v1/{path}", sent or {}, content_type="application/json", headers=self.headers)
        assert answer.status_code == status, answer.content
        found: dict[str, Any] = answer.json()
        return found


def program(*scopes: str) -> Api:
    return Api(token(*(scopes or (Scope.READ, Scope.CONTAIN, Scope.TELEMETRY)))[1])


def someone(*roles: str) -> Api:
    """A person at the command line, signed in for twelve hours."""
    user = UserFactory(roles=list(roles) or [SiteRole.RESPONDER])
    started = login.start()
    login.approve(started.user_code, actor=Actor.of_user(user))
    granted = login.redeem(started.device_code)
    assert granted is not None
    return Api(granted.session)


@pytest.fixture
def made() -> Rollback:
    return roll_back(running("1.0.0", "2.0.0"), actor=person(), reason="wrong refunds")[0]


def test_a_rollback_answers_with_legs_steps_evidence_and_times(made: Rollback, hook: hooks.Hook) -> None:
    hook.body = b'{"count": 3}'
    webhook(hook, name="Cache")
    leg_work.work_due()
    found = program().get(f"rollbacks/{made.pk}")
    assert found["complete"] is False
    assert [stage["stage"] for stage in found["stages"]] == ["pointer", "router", "drain", "notify"]
    assert found["stages"][0]["at"]
    leg = next(each for each in found["legs"] if each["kind"] == "semantic_cache")
    assert (leg["state"], leg["closed_by"], leg["verified_by"]) == ("done", "Lastgood", None)
    (step,) = leg["steps"]
    assert (step["connector"], step["state"], step["count"]) == ("Cache", "done", 3)
    assert [each["kind"] for each in leg["evidence"]] == ["count", "asked", "answered"]
    assert leg["evidence"][2]["took_ms"] > 0


def test_runtimes_report_what_was_in_flight(made: Rollback) -> None:
    told = program(Scope.TELEMETRY).post(
        f"rollbacks/{made.pk}/in-flight", {"instance": "eu-1", "retried": 200, "retried_ok": 200, "remaining": 0}
    )
    assert (told["retried"], told["retried_ok"], told["remaining"]) == (200, 200, 0)
    assert program(Scope.READ).get(f"rollbacks/{made.pk}")["in_flight"]["retried_ok"] == 200
    program(Scope.READ).post(f"rollbacks/{made.pk}/in-flight", {"retried": 1}, status=403)
    program(Scope.TELEMETRY).post(f"rollbacks/{made.pk}/in-flight", {"retried": -1}, status=422)
    program(Scope.TELEMETRY).post(f"rollbacks/{made.pk}/in-flight", {"retried": 2**40}, status=422)
    program(Scope.TELEMETRY).post("rollbacks/999999/in-flight", {"retried": 1}, status=404)


def test_deciding_verifying_and_treating_take_a_person() -> None:
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0", metadata={"experiment": "exp-7"}))
    made = roll_back(deployment(), actor=person())[0]
    path, decision = f"rollbacks/{made.pk}/legs/experiment", {"subject": "exp-7", "choice": "dead"}
    program().post(f"{path}/decide", decision, status=403)
    decided = someone().post(f"{path}/decide", decision)
    assert (decided["state"], decided["decisions"][0]["choice"]) == ("done", "dead")
    program().post(f"{path}/verify", status=403)
    assert someone().post(f"{path}/verify")["verified_by"]
    someone().post(f"rollbacks/{made.pk}/treatments", {"cohort": "all", "treatment": "reset"}, status=409)
    program().post(f"rollbacks/{made.pk}/treatments", {"cohort": "all", "treatment": "reset"}, status=403)
    assert program().get(f"rollbacks/{made.pk}/cohorts")["items"][0] == {
        "cohort": "all", "says": "All of them", "conversations": 0, "untreated": 0,
    }  # fmt: skip
    assert program().get(f"rollbacks/{made.pk}/conversations?cohort=all") == {"items": [], "next": None}
    program().get(f"rollbacks/{made.pk}/conversations?cohort=some", status=422)
    program().get(f"rollbacks/{made.pk}/conversations/export?format=xml", status=422)


def test_a_stuck_leg_is_retried_by_a_token_that_may_contain(made: Rollback, hook: hooks.Hook, settings: Any) -> None:
    webhook(hook)
    allowed = settings.WEBHOOK_ALLOW_PRIVATE
    settings.WEBHOOK_ALLOW_PRIVATE = []
    leg_work.work_due()
    settings.WEBHOOK_ALLOW_PRIVATE = allowed
    path = f"rollbacks/{made.pk}/legs/semantic_cache"
    program(Scope.READ).post(f"{path}/retry", status=403)
    assert program(Scope.CONTAIN).post(f"{path}/retry")["state"] == "running"
    leg_work.work_due()
    assert made.legs.get(kind="semantic_cache").state == "done"


def test_connectors_are_an_admin_s_and_their_secrets_are_told_once(hook: hooks.Hook) -> None:
    admin = someone(SiteRole.ADMIN)
    sent = {"kind": "webhook", "name": "Cache", "config": {"address": hook.url}, "legs": ["semantic_cache"]}
    added = admin.post("connectors", sent, status=201)
    assert added["secret"].startswith("whsec_")
    assert added["review_due_at"]
    assert added["undo_verb"] is None
    (listed,) = admin.get("connectors")["items"]
    assert "secret" not in listed
    assert admin.post(f"connectors/{added['id']}/test")["ok"] is True
    admin.post("connectors", sent, status=409)
    admin.post("connectors", {**sent, "name": "x", "agent": "nobody"}, status=404)
    wrong = admin.post("connectors", {**sent, "name": "y", "config": {"address": "http://10.0.0.1"}}, status=422)
    assert wrong["setting"] == "address"
    program().get("connectors", status=403)
    someone().post("connectors", sent, status=403)
    admin.post(f"connectors/{added['id']}/disable")
    admin.post("connectors/999999/test", status=404)
