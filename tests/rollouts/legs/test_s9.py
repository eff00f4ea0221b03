"""S9: the text was reverted, and helpfulness did not recover: what was left behind, leg by leg, until nothing is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import SiteRole
from rollouts import leg_answers
from rollouts.operations import baselines, leg_decisions, leg_state, leg_work, legs
from rollouts.operations.roll_back import roll_back
from tests import hooks, systems
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.connectors import langfuse, redis, webhook
from tests.factories.rollouts import KEY, activate, deployment, version
from tests.spans import span, told

pytestmark = pytest.mark.django_db
PROD = {"deployment.environment.name": "prod", "cloud.region": "eu"}
METADATA = {"eval_set": "golden", "experiment": "tone-b", "output_contract": "v1"}


def test_the_rollback_that_did_not_recover_is_complete_only_when_nothing_is_left_behind(
    loopback: None, noon: datetime, clock: MovableClock
) -> None:
    activate(version(label="1.0.0", metadata=METADATA))
    activate(version(label="2.0.0", metadata=METADATA | {"output_contract": "v2"}))
    bad = deployment().bundle.versions.get(label="2.0.0")
    baselines.adopt(bad, actor=person(SiteRole.APPROVER), eval_set="golden")
    clock.advance(hours=12)
    run = {"lastgood.bundle": KEY, "lastgood.version": "2.0.0", "gen_ai.operation.name": "invoke_agent"}
    talks = [span(run | {"gen_ai.conversation.id": f"c{n}"}, at=noon + timedelta(hours=1, minutes=n)) for n in range(9)]
    told(*talks, resource=PROD)
    caller = {"lastgood.bundle": KEY, "lastgood.version": "2.0.0"}
    told(span(caller, at=noon + timedelta(hours=2)), resource=PROD | {"service.name": "refunds-ui"})
    cached = {f"answers:{KEY}:2.0.0:{n}" for n in range(40)} | {f"answers:{KEY}:1.0.0:1"}
    with systems.langfuse() as prompts, systems.redis(keys=cached) as answers, hooks.listening() as hook:
        langfuse(prompts)
        redis(answers)
        webhook(hook, "prefix_cache", "histories", "downstream")
        made = roll_back(deployment(), actor=person(), reason="helpfulness is down 4 points")[0]
        assert not leg_state.is_complete(made), "the text is back; that is one leg of seven"
        leg_work.work_due()
        states = dict(made.legs.values_list("kind", "state"))
        assert {kind for kind, state in states.items() if state == "done"} == {"flip", "prefix_cache", "semantic_cache"}
        assert prompts.versions[1] == ["production"]
        assert answers.keys == {f"answers:{KEY}:1.0.0:1"}
        leg_decisions.treat(made, actor=person(), cohort="all", treatment="reset")
        for kind, subject, choice in (
            ("baseline", "golden", "re_anchor"),
            ("experiment", "tone-b", "dead"),
            ("downstream", "refunds-ui", "revert_parser"),
        ):
            assert not leg_state.is_complete(made)
            leg_decisions.decide(made.legs.get(kind=kind), actor=person(), subject=subject, choice=choice)
        assert not leg_state.is_complete(made), "runtimes and refunds-ui have not been told yet"
        leg_work.work_due()
    assert leg_state.is_complete(made)
    assert baselines.grading(deployment().bundle, "golden").version.label == "1.0.0"
    legs.verify(made.legs.get(kind="semantic_cache"), actor=person())
    with CaptureQueriesContext(connection) as asked:
        answer = leg_answers.rollback(made)
    assert answer["complete"] is True
    assert len(asked) <= 12, [query["sql"][:90] for query in asked.captured_queries]
