"""Operations ask for themselves who acts: Slack, the clock and the shell come through no declared door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.actors import Actor, Surface
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import (
    acknowledge,
    contain,
    declare,
    deployment,
    duty,
    note,
    reopen,
    resolve,
    severity,
    triage,
)
from incidents.operations.postmortems import closing
from tests.factories.accounts import UserFactory, machine, person
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment as a_deployment
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

#: verb → (what is pressed, whether a token with every scope may)
VERBS: dict[str, tuple[Callable[[Incident, Actor], Any], bool]] = {
    "severity": (lambda room, actor: severity.set_severity(room, actor=actor, severity="SEV1"), True),
    "duty": (lambda room, actor: duty.assign(room, actor=actor, user=UserFactory(), duty="scribe"), True),
    "release duty": (lambda room, actor: duty.release(room, actor=actor, duty="scribe"), True),
    "agent": (lambda room, actor: deployment.choose(room, actor=actor, deployment=a_deployment("another")), True),
    "triage": (lambda room, actor: triage.answer(room, actor=actor, branch="version"), True),
    "skip triage": (lambda room, actor: triage.skip(room, actor=actor, reason="obvious"), False),
    "waive": (lambda room, actor: contain.waive(room, actor=actor, reason="nothing runs"), False),
    "roll back": (lambda room, actor: contain.roll_back(room, actor=actor), True),
    "stop": (lambda room, actor: contain.stop(room, actor=actor, scope="whole"), True),
    "resolve": (lambda room, actor: resolve.resolve(room, actor=actor, origin="unknown", resolution="x"), False),
    "skip document": (lambda room, actor: closing.skip(room, actor=actor, reason="A test of the monitor."), False),
    "reopen": (lambda room, actor: reopen.reopen(room, actor=actor, reason="again"), True),
    "acknowledge": (lambda room, actor: acknowledge.acknowledge(room, actor=actor), False),
}


def permitted(press: Callable[[], Any]) -> bool:
    """Whether it was let in; what it refuses for other reasons does not matter here."""
    try:
        press()
    except NotPermitted:
        return False
    except OperationRefused:
        pass
    return True


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_is_refused_by_the_operation_itself(verb: str) -> None:
    room, (press, tokens_too) = incident(running("1.0.0", "2.0.0")), VERBS[verb]
    viewer = person(SiteRole.VIEWER, surface=Surface.SLACK)
    assert not permitted(lambda: press(room, viewer))
    assert permitted(lambda: press(room, machine())) == tokens_too


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"roll back", "stop"}))
def test_a_part_of_lastgood_itself_may_only_stop_harm(verb: str) -> None:
    room = incident(running("1.0.0", "2.0.0"))
    assert not permitted(lambda: VERBS[verb][0](room, Actor.automation("some job")))


def test_whoever_is_on_call_may_acknowledge_and_contain_whatever_their_roles() -> None:
    room = incident(running("1.0.0", "2.0.0"), severity="SEV1")
    vera = someone("Vera", SiteRole.VIEWER)
    on_call(vera)
    assert acknowledge.acknowledge(room, actor=Actor.of_user(vera)).acknowledged_by == vera
    contain.roll_back(room, actor=Actor.of_user(vera))


def test_everybody_who_signs_in_may_say_what_they_see_and_a_deactivated_person_may_not() -> None:
    viewer = person(SiteRole.VIEWER)
    room = declare.declare(actor=viewer, title="It pays twice")
    assert note.add(room, actor=viewer, text="Again at 02:17.").text == "Again at 02:17."
    assert viewer.user is not None
    viewer.user.is_active = False
    with pytest.raises(NotPermitted):
        note.add(room, actor=viewer, text="And again.")
