"""Lists of the API come page by page, in their order, without loss or repeat."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.models import Deployment
from tests.callers import Caller
from tests.factories.accounts import token
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


def walk(caller: Caller, path: str, name: str, limit: int = 2) -> list[Any]:
    """What each row says under ``name``, page after page."""
    seen, cursor = list[Any](), ""
    for _ in range(20):
        told = caller.get(f"{path}?limit={limit}{cursor}").json()
        assert len(told["items"]) <= limit
        seen += [row[name] for row in told["items"]]
        if told["next"] is None:
            return seen
        cursor = f"&cursor={told['next'].replace('+', '%2B')}"
    raise AssertionError("it never ends")


def test_bundles_come_by_key() -> None:
    keys = ["alpha", "beta", "beta.eu", "gamma", "zeta"]
    for key in reversed(keys):
        version(key)
    caller = Caller(token("read")[1])
    assert walk(caller, "/api/v1/bundles", "key") == keys
    first = caller.get("/api/v1/bundles?limit=1").json()
    assert first["items"][0]["latest"]["number"] == 1
    assert first["next"] == "alpha"


def test_versions_come_newest_first() -> None:
    for label in ("1.0.0", "1.1.0", "2.0.0"):
        version("alpha", label)
    version("beta", "9.0.0")
    caller = Caller(token("read")[1])
    assert walk(caller, "/api/v1/bundles/alpha/versions", "label") == ["2.0.0", "1.1.0", "1.0.0"]
    assert "body" not in caller.get("/api/v1/bundles/alpha/versions").json()["items"][0]
    assert caller.get("/api/v1/bundles/nothing/versions").status_code == 404


def test_deployments_come_latest_activation_first_also_when_one_flips_in_between() -> None:
    for key in ("alpha", "beta", "gamma", "delta"):
        running("1.0.0", key=key, environment="dev")
    caller = Caller(token("read")[1])
    order = ["delta/dev", "gamma/dev", "beta/dev", "alpha/dev"]
    assert walk(caller, "/api/v1/deployments", "deployment") == order
    at = Deployment.objects.get(pk=deployment("beta", "dev").pk).activated_at
    Deployment.objects.filter(active__isnull=False).update(activated_at=at)
    assert sorted(walk(caller, "/api/v1/deployments", "deployment")) == sorted(order)
    first = caller.get("/api/v1/deployments?limit=2").json()
    activate(version("alpha", "2.0.0"), "dev")
    rest = caller.get(f"/api/v1/deployments?limit=9&cursor={first['next'].replace('+', '%2B')}").json()["items"]
    seen = {row["deployment"] for row in [*first["items"], *rest]}
    assert {"beta/dev", "gamma/dev", "delta/dev"} <= seen


@pytest.mark.parametrize("cursor", ["x", "2026-11-24~1", "2026-11-24T00:00:00%2B00:00~", "~", "%C2%B2"])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    caller = Caller(token("read")[1])
    assert caller.get(f"/api/v1/deployments?cursor={cursor}").status_code == 422
    version("alpha")
    assert caller.get("/api/v1/bundles/alpha/versions?cursor=x").status_code == 422
    assert caller.get("/api/v1/bundles?limit=0").status_code == 422
    assert caller.get("/api/v1/bundles?limit=101").status_code == 422
