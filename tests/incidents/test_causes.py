"""Why it happened: named by people, with how sure they are; every change is told, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents import answers
from incidents.access import get_incident
from incidents.models import Cause, Incident
from incidents.models.cause import surest_first
from incidents.operations import acknowledge, causes, contain, exits, resolve, triage
from rollouts.models import RegressionCase
from tests.callers import Caller, signed_in
from tests.factories.accounts import machine, person, token
from tests.factories.incidents import incident, last, resolved, someone, written
from tests.factories.regression_cases import case
from tests.factories.rollouts import deployment, running
from tests.incidents.test_making_cases import TRACE, refused_refund

pytestmark = pytest.mark.django_db


def named(room: Incident, origin: str = "hot_edit", confidence: str = "known") -> Cause:
    return causes.add(room, actor=person(), origin=origin, confidence=confidence)


def test_a_cause_is_named_once_and_told() -> None:
    room = incident()
    cause = causes.add(room, actor=person(name="Mara"), origin="prompt_change", confidence="likely", note="The diff.")
    entry = last(room)
    assert (entry.kind, entry.text, entry.actor_label) == ("cause", "Cause: Prompt change (likely): The diff.", "Mara")
    assert entry.data["cause"] == cause.pk
    with pytest.raises(OperationRefused, match="named already"):
        named(room, "prompt_change", "possible")


@pytest.mark.parametrize(("origin", "confidence"), [("bad luck", "known"), ("hot_edit", "surely")])
def test_a_cause_comes_from_the_closed_lists(origin: str, confidence: str) -> None:
    with pytest.raises(OperationRefused, match="Choose one of"):
        named(incident(), origin, confidence)


def test_no_machine_and_no_viewer_says_why_it_happened() -> None:
    room = incident()
    cause = named(room)
    for actor in (machine(), person(SiteRole.VIEWER)):
        verbs: tuple[Callable[[], object], ...] = (
            partial(causes.add, room, actor=actor, origin="adversarial"),
            partial(causes.change_confidence, cause, actor=actor, confidence="likely"),
            partial(causes.no_case, cause, actor=actor, reason="r"),
            partial(causes.waive_proof, cause, actor=actor, reason="r"),
            partial(causes.withdraw, cause, actor=actor, reason="r"),
        )
        for verb in verbs:
            with pytest.raises(NotPermitted):
                verb()


def test_not_known_yet_is_only_possible_and_gives_way_to_what_is_found() -> None:
    room = incident()
    cause = named(room, "unknown", "known")
    assert cause.confidence == "possible"
    with pytest.raises(OperationRefused, match="Name the cause"):
        causes.change_confidence(cause, actor=person(), confidence="known")
    found = named(room, "alias_drift", "likely")
    assert list(room.causes.live()) == [found]
    assert last(room).text == "Cause withdrawn: not known yet: it is known now"


def test_how_sure_we_are_may_change_and_the_same_again_writes_nothing() -> None:
    room = incident()
    cause = named(room, confidence="possible")
    causes.change_confidence(cause, actor=person(), confidence="known")
    assert last(room).text == "Cause: Hot edit (known), was possible"
    count = room.timeline.count()
    causes.change_confidence(cause, actor=person(), confidence="known")
    assert room.timeline.count() == count
    with pytest.raises(OperationRefused, match="Choose one of"):
        causes.change_confidence(cause, actor=person(), confidence="surely")


def test_a_cause_is_withdrawn_for_a_reason_and_may_be_named_again() -> None:
    room = incident()
    cause = named(room)
    with pytest.raises(OperationRefused, match="Say what speaks against it"):
        causes.withdraw(cause, actor=person(), reason=" ")
    causes.withdraw(cause, actor=person(), reason="the prompt is as it was")
    with pytest.raises(OperationRefused, match="was withdrawn"):
        causes.no_case(cause, actor=person(), reason="r")
    assert named(room).pk != cause.pk
    assert Cause.objects.count() == 2


def test_the_only_cause_of_a_resolved_incident_stays() -> None:
    room = resolved(incident())
    (cause,) = room.causes.all()
    with pytest.raises(OperationRefused, match="only cause"):
        causes.withdraw(cause, actor=person(), reason="r")
    named(room)
    causes.withdraw(cause, actor=person(), reason="it was us")


def test_nothing_is_said_about_the_causes_of_a_closed_incident() -> None:
    room = acknowledge.acknowledge(incident(), actor=person())
    triage.skip(room, actor=person(), reason="clear")
    room = written(resolved(room), person())
    with pytest.raises(OperationRefused, match="is closed"):
        named(room)
    with pytest.raises(OperationRefused, match="is closed"):
        causes.withdraw(room.causes.get(), actor=person(), reason="r")


def test_the_first_cause_takes_over_the_cases_that_were_made_before_it() -> None:
    room = incident(running("1.0.0"))
    made = case(incident_ref=room.ref)
    case(incident_ref="INC-9999", title="Another room's")
    assert list(named(room).cases.all()) == [made]
    assert list(named(room, "adversarial").cases.all()) == []


def test_a_case_takes_back_the_reason_why_there_is_none() -> None:
    room = incident(running("1.0.0"))
    cause = named(room)
    assert "Make a case for hot edit" in exits.unmet(room, "resolve")[1]
    causes.no_case(cause, actor=person(), reason="cannot be replayed")
    assert len(exits.unmet(room, "resolve")) == 1
    with pytest.raises(OperationRefused, match="has no case"):
        causes.waive_proof(cause, actor=person(), reason="r")
    made = case()
    cause = causes.link_case(cause, made, actor=machine())
    assert (cause.no_case_reason, cause.no_case_by) == ("", None)
    assert last(room).text == f"Case {made.key} covers hot edit"
    count = room.timeline.count()
    causes.link_case(cause, made, actor=person())
    assert room.timeline.count() == count
    with pytest.raises(OperationRefused, match="has a case"):
        causes.no_case(cause, actor=person(), reason="r")
    with pytest.raises(OperationRefused, match="Say why the proof"):
        causes.waive_proof(cause, actor=person(), reason="")
    causes.waive_proof(cause, actor=person(name="Jo"), reason="the judge is away")
    assert last(room).text == "Proof waived for hot edit: the judge is away"


def test_a_case_of_another_bundle_covers_nothing_here() -> None:
    cause = named(incident(running("1.0.0")))
    deployment("another")
    with pytest.raises(OperationRefused, match="another bundle"):
        causes.link_case(cause, case("another"), actor=person())
    assert RegressionCase.objects.count() == 1


def test_the_surest_and_oldest_cause_is_the_origin_that_others_read() -> None:
    room = incident()
    for origin, confidence in (("adversarial", "possible"), ("hot_edit", "likely"), ("alias_drift", "likely")):
        named(room, origin, confidence)
    assert [cause.origin for cause in surest_first(room.causes.all())] == ["hot_edit", "alias_drift", "adversarial"]
    told = answers.whole_incident(get_incident(person(), room.ref))
    assert told["origin"] == "hot_edit"
    assert [cause["confidence"] for cause in told["causes"]] == ["likely", "likely", "possible"]
    assert answers.whole_incident(get_incident(person(), incident(deployment("b")).ref))["origin"] == "unknown"


def test_resolving_names_a_cause_only_where_nobody_has() -> None:
    room = incident()
    named(room, "hot_edit", "likely")
    room.refresh_from_db()
    contain.waive(room, actor=person(), reason="nothing runs")
    room = resolve.resolve(room, actor=person(), origin="hot_edit", resolution="r", no_case_reason="none fits")
    assert [str(cause) for cause in room.causes.all()] == ["Hot edit (likely)"]
    assert last(room).text == "Resolved (hot edit): r"


# -- the same by the API -------------------------------------------------------------------------------------------
@pytest.fixture
def mara() -> Caller:
    return signed_in(someone("Mara"))


def test_causes_through_the_api(mara: Caller) -> None:
    room = incident(running("1.0.0"))
    at = f"/api/v1/incidents/{room.ref}/causes"
    robot = Caller(token()[1])
    assert robot.post(at, {"origin": "hot_edit"}).status_code == 403
    made = mara.post(at, {"origin": "hot_edit", "confidence": "likely", "note": "The diff."})
    assert made.status_code == 201
    one = f"{at}/{made.json()['id']}"
    assert mara.post(one, {"confidence": "known"}).json()["confidence"] == "known"
    assert mara.post(one, {"no_case_reason": "cannot be replayed"}).json()["no_case"] == "cannot be replayed"
    assert mara.post(one, {}).status_code == 422
    assert mara.post(one, {"confidence": "known", "withdraw_reason": "r"}).status_code == 422
    linked = robot.post(f"{one}/cases", {"case": case().pk}).json()
    assert (len(linked["cases"]), linked["no_case"]) == (1, None)
    assert robot.post(f"{one}/cases", {"case": 99_999}).status_code == 404
    assert mara.post(one, {"proof_waiver_reason": "no judge"}).json()["proof_waived"] == "no judge"
    assert mara.post(one, {"withdraw_reason": "the prompt is as it was"}).json()["withdrawn_at"]
    assert len(robot.get(at).json()["items"]) == 1
    assert robot.get(f"/api/v1/incidents/{room.ref}").json()["causes"] == []
    assert mara.post(f"{at}/99999", {"confidence": "known"}).status_code == 404
    assert mara.post(f"{at}/{2**63}", {"confidence": "known"}).status_code == 404


def test_a_refused_resolve_names_every_reason(mara: Caller) -> None:
    room = incident(running("1.0.0"))
    refused = mara.post(f"/api/v1/incidents/{room.ref}/resolve", {"resolution": "r"})
    assert refused.status_code == 409
    assert refused.json()["reasons"] == [
        "Stop the harm: roll back or stop the agent, or waive containment with a reason.",
        "Say why it happened: name at least one cause.",
    ]


def test_cases_through_the_api(mara: Caller, noon: datetime) -> None:
    room = incident(running("1.0.0", "2.0.0"))
    refused_refund(noon)
    at = f"/api/v1/incidents/{room.ref}/cases"
    asked = {"day": noon.date().isoformat(), "trace_id": TRACE}
    first, again = mara.post(at, asked), mara.post(at, asked)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    cause = mara.post(f"/api/v1/incidents/{room.ref}/causes", {"origin": "hot_edit"}).json()
    whole = {
        "title": "Polite",
        "inputs": {"messages": "Hi"},
        "check": {"kind": "rubric", "body": {"text": "Polite."}},
        "bad_version": "2.0.0",
        "covers": [cause["id"]],
    }
    made = mara.post(at, whole)
    assert (made.status_code, made.json()["check"]) == (201, "rubric")
    assert mara.post(at, whole | {"bad_version": "9.9.9"}).status_code == 404
    assert mara.post(at, whole | {"covers": [99_999]}).status_code == 404
    assert mara.post(at, {"title": "Polite"}).status_code == 422
    assert mara.post(at, {"day": "2026-01-01", "trace_id": TRACE}).status_code == 404
    assert {item["title"] for item in mara.get(at).json()["items"]} == {"get_order: refund_over_limit", "Polite"}
    (told,) = mara.get(f"/api/v1/incidents/{room.ref}/causes").json()["items"]
    assert len(told["cases"]) == 2
