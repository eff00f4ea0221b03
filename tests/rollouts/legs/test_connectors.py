"""What each kind of connector asks of its system, and what it makes of the answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from accounts.secrets import unseal
from rollouts import signals
from rollouts.connectors import Settings
from rollouts.connectors import redis as redis_keys
from rollouts.models import Connector, LegStep, Rollback
from rollouts.operations import connectors, drain, leg_jobs, leg_state, leg_work
from rollouts.operations.roll_back import roll_back
from tests import hooks, systems
from tests.factories.accounts import machine, person
from tests.factories.connectors import cdevents, langfuse, made, redis, webhook
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def rolled_back() -> Rollback:
    return roll_back(running("1.0.0", "2.0.0"), actor=person(), reason="wrong refunds")[0]


# -- Redis -----------------------------------------------------------------------------------------------------------
def test_the_bad_version_s_keys_are_unlinked_in_batches_and_counted(loopback: None) -> None:
    mine = {f"answers:customer-service:2.0.0:{number}" for number in range(1_234)}
    others = {"answers:customer-service:1.0.0:1", "answers:customer-service:2x0x0:1", "session:1"}
    with systems.redis(keys=mine | others, password="hush") as there:
        redis(there, secret="hush")
        back = rolled_back()
        leg_work.work_due()
        assert there.keys == others
        assert max(there.unlinks) <= redis_keys.BATCH
    leg = back.legs.get(kind="semantic_cache")
    assert (leg.state, leg.steps.get().count) == ("done", 1_234)
    assert leg.evidence.get(kind="answered").data["pattern"] == "answers:customer-service:2.0.0:*"


def test_a_purge_that_was_cut_off_goes_on_and_counts_what_was_gone_before(loopback: None) -> None:
    with systems.redis(keys={f"answers:customer-service:2.0.0:{number}" for number in range(10)}) as there:
        redis(there)
        back = rolled_back()
        leg_work.work_due()
        step = LegStep.objects.get(leg__rollback=back)
        assert step.count == 10
    with systems.redis(keys={"answers:customer-service:2.0.0:x"}) as there:
        answer = redis_keys.RedisKeys().run(job_of(step), settings_of(there), {"removed": 10}, lambda progress: None)
    assert answer.count == 11


def test_what_a_version_is_called_cannot_widen_a_pattern() -> None:
    job = LikeJob(key="a*", environment="prod", bad=LikeVersion("v[1]?", 7, "d"))
    settings = Settings({"pattern": "a:{key}:{label}:{number}:*"})
    assert redis_keys.pattern_of(job, settings) == r"a:a\*:v\[1\]\?:7:*"  # type: ignore[arg-type]


def test_a_wrong_password_blocks_and_a_server_that_hangs_is_tried_again(
    loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_keys, "ANSWER_SECONDS", 0.3)
    with systems.redis(password="hush") as there:
        redis(there, secret="wrong")
        back = rolled_back()
        leg_work.work_due()
        assert back.legs.get(kind="semantic_cache").state == "blocked"
    Connector.objects.update(disabled_at=clock.now())
    with systems.redis(hang=True) as there:
        redis(there)
        again = roll_back(running("3.0.0", "4.0.0", key="billing"), actor=person())[0]
        leg_work.work_due()
        step = LegStep.objects.get(leg__rollback=again)
        assert (step.state, step.error) == ("running", "No answer within 0 seconds.")


def test_a_redis_inside_is_reached_only_where_the_operator_allows_it(settings: Any, loopback: None) -> None:
    with systems.redis(keys={"k"}) as there:
        connector = redis(there)
        assert connectors.test(connector, actor=person(SiteRole.ADMIN)).ok
        settings.WEBHOOK_ALLOW_PRIVATE = []
        trial = connectors.test(connector, actor=person(SiteRole.ADMIN))
        assert not trial.ok
        assert "no public address" in trial.answer


# -- Langfuse --------------------------------------------------------------------------------------------------------
def test_the_label_moves_to_the_good_version_and_where_it_was_is_kept(loopback: None) -> None:
    with systems.langfuse(fail=0) as there:
        langfuse(there)
        back = rolled_back()
        leg_work.work_due()
        assert there.versions == {1: ["production"], 2: []}
    flip = back.legs.get(kind="flip")
    assert flip.state == "done"
    assert flip.evidence.get(kind="answered").data == {"from": 2, "to": 1}
    assert "newLabels" in flip.steps.get().verb


def test_a_langfuse_that_fails_is_tried_again_and_wrong_keys_block(loopback: None) -> None:
    with systems.langfuse(fail=3) as there:
        langfuse(there)
        back = rolled_back()
        at = clock.now()
        leg_work.work_due(at)
        assert back.legs.get(kind="flip").state == "running"
        leg_work.work_due(at + timedelta(minutes=1))
        leg_work.work_due(at + timedelta(minutes=5))
        assert back.legs.get(kind="flip").state == "done"
        assert there.versions[1] == ["production"]
        there.keys = "others"
        again = roll_back(running("3.0.0", "4.0.0", key="billing"), actor=person())[0]
        leg_work.work_due()
        assert again.legs.get(kind="flip").state == "blocked"


# -- CDEvents --------------------------------------------------------------------------------------------------------
def test_one_chain_ties_deployment_incident_and_rollback_together(
    hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "incident_of_hooks", [lambda kind, pk: "INC-7"])
    cdevents(hook)
    back = rolled_back()
    leg_work.work_due(back.flipped_at + leg_work.DRAIN_WAIT)
    assert [headers["content-type"] for headers, _ in hook.got] == ["application/cloudevents+json"] * 3
    told = hook.events
    assert [event["type"] for event in told] == [
        "dev.cdevents.service.deployed.0.3.0",
        "dev.cdevents.incident.detected.0.3.0",
        "dev.cdevents.service.rolledback.0.3.0",
    ]
    assert len({event["data"]["context"]["chainId"] for event in told}) == 1
    assert told[2]["data"]["context"]["links"][0]["from"]["contextId"] == told[1]["id"]
    content = told[2]["data"]["subject"]["content"]
    assert content["environment"] == {"id": "prod"}
    assert content["artifactId"] == f"pkg:generic/customer-service@sha256:{back.to_version.digest}"


def test_whoever_is_told_waits_until_work_has_drained_but_not_for_ever(hook: hooks.Hook) -> None:
    cdevents(hook)
    back = rolled_back()
    at = back.flipped_at
    leg_work.work_due(at)
    assert hook.got == []
    drain.report(back, actor=machine(), remaining=3, at=at)
    leg_work.work_due(at + timedelta(seconds=6))
    assert hook.got == []
    drain.report(back, actor=machine(), remaining=0, finished_old=3, at=at + timedelta(seconds=10))
    leg_work.work_due(at + timedelta(seconds=20))
    assert len(hook.got) == 2, "no incident was recorded"
    stages = {stage.name: stage.at for stage in drain.stages(back)}
    assert list(stages) == ["pointer", "router", "drain", "notify"]
    assert stages["pointer"] == at
    assert stages["drain"] == at + timedelta(seconds=10)
    assert stages["notify"] == at + timedelta(seconds=20)


# -- settings --------------------------------------------------------------------------------------------------------
def test_a_webhook_s_secret_is_made_sealed_and_signs(hook: hooks.Hook) -> None:
    connector, secret = connectors.create(
        actor=person(SiteRole.ADMIN), kind="webhook", name="Cache", config={"address": hook.url}, legs=["histories"]
    )
    assert secret.startswith("whsec_")
    assert secret.encode() not in bytes(connector.secret)
    assert unseal(connector.secret) == secret
    assert connectors.test(connector, actor=person(SiteRole.ADMIN)).ok
    ((headers, body),) = hook.got
    assert hooks.verified(secret, headers, body) == {"type": "lastgood.leg", "test": True}


def test_a_home_grown_way_back_is_looked_at_again_in_six_months_and_a_platform_s_own_is_not(hook: hooks.Hook) -> None:
    connector = webhook(hook)
    assert connector.review_due_at == connectors.in_months(connector.created_at, 6)
    later = connector.review_due_at + timedelta(days=2)
    looked = connectors.review(connector, actor=person(SiteRole.ADMIN), at=later)
    assert looked.review_due_at == connectors.in_months(later, 6)
    other = cdevents(hook)
    assert other.review_due_at is None
    with pytest.raises(OperationRefused, match="own verb"):
        connectors.review(other, actor=person(SiteRole.ADMIN))


@pytest.mark.parametrize(
    ("kind", "config", "says"),
    [
        ("webhook", {"address": "http://10.0.0.1/"}, "no public address"),
        ("webhook", {"address": "ftp://example.com"}, "begins with https"),
        ("webhook", {"address": ""}, "Enter the address"),
        ("webhook", {"address": "https://example.com", "repeat": "often"}, "safe or ask"),
        ("webhook", {"address": "https://example.com", "token": "x"}, "has the settings"),
        ("redis", {"address": "redis://example.com", "pattern": "answers:*"}, "Name the version"),
        ("redis", {"address": "redis://u:p@example.com", "pattern": "{label}"}, "out of the address"),
        ("redis", {"address": "redis://example.com:22", "pattern": "{label}"}, "Port 22"),
        ("redis", {"address": "redis://10.0.0.1", "pattern": "{label}"}, "no public address"),
        ("redis", {"address": "redis://example.com/x", "pattern": "{label}"}, "number of the database"),
        ("langfuse", {"address": "https://example.com"}, "public key"),
        ("smoke", {}, "A connector is"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_enter(kind: str, config: dict[str, str], says: str) -> None:
    legs = ("flip",) if kind in {"webhook", "langfuse"} else ("semantic_cache",)
    with pytest.raises(OperationRefused, match=says) as refused:
        made(kind, config, legs=legs, secret="s")
    assert refused.value.status == 422
    assert not Connector.objects.exists()


def test_only_an_admin_adds_tries_and_disables_connectors(hook: hooks.Hook) -> None:
    connector = webhook(hook)
    for stranger in (person(), machine()):
        with pytest.raises(NotPermitted):
            connectors.create(actor=stranger, kind="webhook", name="x", config={"address": hook.url}, legs=["flip"])
        with pytest.raises(NotPermitted):
            connectors.test(connector, actor=stranger)
        with pytest.raises(NotPermitted):
            connectors.disable(connector, actor=stranger)


def test_a_name_is_used_once_and_is_free_again_after_disabling(hook: hooks.Hook) -> None:
    first = webhook(hook, name="Cache")
    with pytest.raises(OperationRefused, match="of this name"):
        webhook(hook, name="Cache")
    connectors.disable(first, actor=person(SiteRole.ADMIN))
    webhook(hook, name="Cache")


class LikeVersion:
    def __init__(self, label: str, number: int, digest: str) -> None:
        self.label, self.number, self.digest = label, number, digest


class LikeJob:
    def __init__(self, key: str, environment: str, bad: LikeVersion) -> None:
        self.key, self.environment, self.bad = key, environment, bad


def job_of(step: LegStep) -> Any:
    return leg_jobs.job_of(step, leg_state.locked(step.leg_id))


def settings_of(there: systems.Redis) -> Settings:
    config = {"address": f"redis://127.0.0.1:{there.port}/0", "pattern": "answers:{key}:{label}:*"}
    return Settings(config)
