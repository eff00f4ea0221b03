"""What closes each step is listed, and one order stands above all others."""

from __future__ import annotations

import pytest

from accounts import clock
from incidents.models import Owed
from incidents.operations import (
    acknowledge,
    contain,
    declare,
    duty,
    exits,
    owed,
    resolve,
    severity,
    triage,
)
from tests.factories.accounts import person
from tests.factories.incidents import incident, written
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def test_what_closes_detect_and_contain_is_listed() -> None:
    room = incident(owed=[(Owed.Kind.SEVERITY, "Set the severity.")])
    assert len(exits.unmet(room, "detect")) == 3
    assert len(exits.unmet(room, "contain")) == 1
    assert exits.unmet(room, "document") == [
        "Begin the postmortem: it is drafted from the record.",
        "Set the severity.",
        f"Resolve {room.ref} first: say what made it right.",
    ]
    assert exits.unmet(room, "closed") == []
    actor = person()
    room = acknowledge.acknowledge(room, actor=actor)
    assert actor.user is not None
    duty.assign(room, actor=actor, user=actor.user, duty="commander")
    severity.set_severity(room, actor=actor, severity="SEV2")
    assert exits.unmet(room, "detect") == []


def test_the_next_order_leads_through_the_steps() -> None:
    room, actor = incident(running("1.0.0", "1.1.0")), person()
    assert exits.do_next(room).verb == "acknowledge"
    room = acknowledge.acknowledge(room, actor=actor)
    assert "30-second" in str(exits.do_next(room))
    room = triage.answer(room, actor=actor, rollback_answer="stop_the_bleed")
    assert str(exits.do_next(room)) == "Roll back to 1.0.0."
    room = triage.answer(room, actor=actor, rollback_answer="not_help")
    assert "branch" in str(exits.do_next(room))
    room = triage.answer(room, actor=actor, branch="data")
    assert "Stop writes" in str(exits.do_next(room))
    assert "downstream" in str(exits.do_next(triage.answer(room, actor=actor, branch="tool")))
    assert "Filter" in str(exits.do_next(triage.answer(room, actor=actor, branch="user")))
    room = triage.answer(room, actor=actor, branch="version")
    assert exits.do_next(room).verb == "roll back"
    room = contain.waive(room, actor=actor, reason="none runs")
    assert exits.do_next(room).verb == "close triage"
    room = triage.close(room, actor=actor)
    assert exits.do_next(room).verb == "resolve"
    room = resolve.resolve(room, actor=actor, origin="unknown", resolution="r", no_case_reason="c")
    assert exits.do_next(room).verb == "document"
    assert exits.do_next(written(room, actor)).verb == ""


def test_with_nothing_to_go_back_to_the_next_order_is_to_stop() -> None:
    room = acknowledge.acknowledge(incident(running("1.0.0")), actor=person())
    room = triage.answer(room, actor=person(), rollback_answer="stop_the_bleed")
    assert "Nothing to go back to" in str(exits.do_next(room))


def test_an_incident_about_no_agent_asks_which() -> None:
    room = acknowledge.acknowledge(declare.declare(actor=person(), title="t"), actor=person())
    assert "which agent" in str(exits.do_next(room))


def test_settling_what_nobody_owes_says_so() -> None:
    assert owed.settle(incident(), Owed.Kind.REASON, actor=person(), answer="a", at=clock.now()) is False
