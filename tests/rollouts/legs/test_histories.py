"""Conversations that hold turns of what was taken back: counted, listed, treated, asked for by runtimes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import Scope
from rollouts import leg_answers
from rollouts.models import ConversationTreatment, Rollback, TaintedConversation
from rollouts.operations import cohorts, leg_decisions, leg_work, legs
from rollouts.operations.roll_back import roll_back
from rollouts.operations.roll_forward import roll_forward
from tests import hooks
from tests.clock import MovableClock
from tests.factories.accounts import machine, person, token
from tests.factories.connectors import webhook
from tests.factories.rollouts import KEY, activate, deployment, version
from tests.spans import span, told

pytestmark = pytest.mark.django_db


def turns(conversation: str, label: str, *moments: datetime, region: str = "eu", environment: str = "prod") -> None:
    """A run per moment of one conversation, answered by the version called ``label``."""
    said = {
        "gen_ai.operation.name": "invoke_agent",
        "lastgood.bundle": KEY,
        "lastgood.version": label,
        "gen_ai.conversation.id": conversation,
    }
    base = {"deployment.environment.name": environment, "cloud.region": region}
    told(*(span(said, at=at) for at in moments), resource=base)


@pytest.fixture
def made(noon: datetime, clock: MovableClock) -> Rollback:
    """2.0.0 went live at noon, four conversations had it, and at 15:00 it was rolled back."""
    activate(version(label="1.0.0"))
    turns("before", "1.0.0", noon - timedelta(minutes=5))
    activate(version(label="2.0.0"))
    clock.move_to(noon + timedelta(hours=3))
    turns("active", "2.0.0", noon + timedelta(minutes=10), noon + timedelta(hours=2, minutes=50))
    turns("idle", "2.0.0", noon + timedelta(hours=1))
    turns("us/1", "2.0.0", noon + timedelta(hours=1), region="us")
    turns("both", "1.0.0", noon - timedelta(minutes=5))
    turns("both", "2.0.0", noon + timedelta(minutes=20))
    turns("elsewhere", "2.0.0", noon + timedelta(minutes=20), environment="staging")
    turns("good", "1.0.0", noon + timedelta(hours=1))
    back = roll_back(deployment(), actor=person())[0]
    leg_work.work_due(back.flipped_at)
    return back


def names(rows: Iterable[TaintedConversation]) -> set[str]:
    return {row.conversation_id for row in rows}


def test_those_with_turns_of_the_bad_version_since_it_went_live_are_found_and_no_others(made: Rollback) -> None:
    rows = TaintedConversation.objects.filter(rollback=made)
    assert names(rows) == {"active", "idle", "us/1", "both"}
    active = rows.get(conversation_id="active")
    assert (active.turns, active.active, active.region) == (2, True, "eu")
    evidence = made.legs.get(kind="histories").evidence.get(kind="count")
    assert evidence.count == 4
    assert "gen_ai.conversation.id" in evidence.source


def test_counts_stand_beside_each_cohort_before_anything_is_chosen(made: Rollback) -> None:
    found = {each.name: (each.conversations, each.untreated) for each in cohorts.counted(made)}
    assert found == {"all": (4, 4), "active": (1, 1), "idle": (3, 3), "region:eu": (3, 3), "region:us": (1, 1)}


def test_a_treatment_for_each_cohort_closes_the_leg_under_the_last_one_s_name(made: Rollback) -> None:
    first, last = person(), person()
    chosen = leg_decisions.treat(made, actor=first, cohort="active", treatment="force_next_turn", reason="talking")
    assert chosen.conversations == 1
    leg = made.legs.get(kind="histories")
    assert leg.state == "open"
    leg_decisions.treat(made, actor=last, cohort="idle", treatment="reset")
    leg.refresh_from_db()
    assert (leg.state, leg.closed_by, leg.reason) == ("done", last.user, "All 4 conversations have a treatment.")
    by = dict(made.conversations.values_list("conversation_id", "treatment__treatment"))
    assert by == {"active": "force_next_turn", "idle": "reset", "us/1": "reset", "both": "reset"}


def test_a_later_choice_for_some_replaces_the_earlier_one_for_those(made: Rollback) -> None:
    leg_decisions.treat(made, actor=person(), cohort="all", treatment="drain")
    leg_decisions.treat(made, actor=person(), cohort="conversation:us/1", treatment="pin")
    by = dict(made.conversations.values_list("conversation_id", "treatment__treatment"))
    assert by == {"active": "drain", "idle": "drain", "us/1": "pin", "both": "drain"}
    assert ConversationTreatment.objects.count() == 2


def test_turns_that_arrive_late_are_found_and_get_what_was_chosen_for_their_cohort(
    made: Rollback, clock: MovableClock
) -> None:
    leg_decisions.treat(made, actor=person(), cohort="region:eu", treatment="reset")
    clock.advance(minutes=6)
    turns("late", "2.0.0", made.flipped_at + timedelta(minutes=1))
    turns("late us", "2.0.0", made.flipped_at + timedelta(minutes=1), region="us")
    turns("idle", "2.0.0", made.flipped_at + timedelta(minutes=2))
    leg_work.work_due()
    by = dict(made.conversations.values_list("conversation_id", "treatment__treatment"))
    assert by["late"] == "reset"
    assert by["late us"] is None, "nothing was chosen for its region"
    idle = made.conversations.get(conversation_id="idle")
    assert (idle.turns, idle.active) == (2, True)
    counts = made.legs.get(kind="histories").evidence.filter(kind="count")
    assert [row.count for row in counts] == [4, 6]


def test_after_an_hour_nobody_counts_again(made: Rollback, clock: MovableClock) -> None:
    clock.advance(hours=2)
    leg_work.work_due()
    clock.advance(minutes=10)
    turns("too late", "2.0.0", made.flipped_at + timedelta(minutes=1))
    leg_work.work_due()
    assert "too late" not in names(made.conversations.all())


def test_a_webhook_carries_a_treatment_outside_and_the_leg_waits_for_it(made: Rollback, loopback: None) -> None:
    with hooks.listening(status=500) as hook:
        webhook(hook, "histories")
        leg_decisions.treat(made, actor=person(), cohort="all", treatment="reset")
        leg = made.legs.get(kind="histories")
        assert leg.state == "running"
        leg_work.work_due()
        hook.status = 200
        leg_work.work_due(made.flipped_at + timedelta(minutes=2))
        leg.refresh_from_db()
    assert leg.state == "done"
    assert leg.closed_by is not None
    assert (hook.events[-1]["treatment"], hook.events[-1]["conversations"]) == ("reset", 4)


@pytest.mark.parametrize(
    ("cohort", "treatment", "says"),
    [
        ("some", "reset", "A cohort is"),
        ("region:\n", "reset", "A cohort is"),
        ("all", "forget", "A treatment is"),
        ("region:mars", "reset", "No conversation is in"),
    ],
)
def test_what_nobody_knows_is_refused(made: Rollback, cohort: str, treatment: str, says: str) -> None:
    with pytest.raises(OperationRefused, match=says):
        leg_decisions.treat(made, actor=person(), cohort=cohort, treatment=treatment)


def test_treating_is_a_person_s(made: Rollback) -> None:
    with pytest.raises(NotPermitted):
        leg_decisions.treat(made, actor=machine(Scope.CONTAIN), cohort="all", treatment="reset")


# -- what runtimes ask -----------------------------------------------------------------------------------------------
def ask(conversation: str) -> dict[str, Any]:
    _, secret = token(Scope.READ)
    answer = Client().get(
        f"/api/v1/deployments/{KEY}/prod/conversations/{conversation}", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_runtime_asks_whether_a_conversation_is_tainted(made: Rollback) -> None:
    leg_decisions.treat(made, actor=person(), cohort="idle", treatment="reset")
    assert (ask("us/1")["tainted"], ask("us/1")["treatment"], ask("us/1")["rollback"]) == (True, "reset", made.pk)
    assert (ask("active")["tainted"], ask("active")["treatment"]) == (True, None)
    assert ask("good")["tainted"] is False


def test_before_anybody_has_counted_the_answer_is_unknown_and_not_clean() -> None:
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0"))
    assert ask("any")["tainted"] is False, "nothing was ever taken back"
    roll_back(deployment(), actor=person())
    assert ask("any")["tainted"] is None


def test_a_version_that_was_rolled_forward_taints_nothing(made: Rollback) -> None:
    roll_forward(made.deployment, actor=person())
    assert ask("idle")["tainted"] is False


def test_asking_costs_few_questions_of_the_database(made: Rollback) -> None:
    with CaptureQueriesContext(connection) as asked:
        leg_answers.taint(made.deployment, "idle")
    assert len(asked) == 1
    with CaptureQueriesContext(connection) as asked:
        leg_answers.taint(made.deployment, "good")
    assert len(asked) <= 4


# -- leaving as a file -----------------------------------------------------------------------------------------------
@async_to_sync
async def exported(made: Rollback, cohort: str, form: str) -> str:
    return b"".join([part async for part in leg_answers.export(made, cohort, form)]).decode()


@pytest.mark.django_db(transaction=True)
def test_a_list_leaves_as_csv_and_as_json_lines_page_by_page(
    monkeypatch: pytest.MonkeyPatch, noon: datetime, clock: MovableClock
) -> None:
    monkeypatch.setattr(leg_answers, "PAGE", 2)
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0"))
    clock.advance(minutes=30)
    for name in ("c1", "=cmd()", "c3", "c4", "c5"):
        turns(name, "2.0.0", noon + timedelta(minutes=5))
    made = roll_back(deployment(), actor=person())[0]
    leg_work.work_due()
    lines = exported(made, "all", "csv").splitlines()
    assert lines[0] == ",".join(leg_answers.COLUMNS)
    assert len(lines) == 6
    assert any(line.startswith("'=cmd()") for line in lines), "no spreadsheet takes it for a formula"
    told_lines = [json.loads(line) for line in exported(made, "region:eu", "jsonl").splitlines()]
    assert {each["conversation"] for each in told_lines} == {"c1", "=cmd()", "c3", "c4", "c5"}


def test_a_waived_leg_takes_no_treatment(made: Rollback) -> None:
    legs.close(made.legs.get(kind="histories"), actor=person(), state="waived", reason="none matter")
    with pytest.raises(OperationRefused, match="waived by"):
        leg_decisions.treat(made, actor=person(), cohort="all", treatment="reset")
