"""The first draft, filled in from the record, and the whole page as its content tells it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident, Postmortem, TimelineEntry
from incidents.operations import causes, opening, resolve, triage
from incidents.operations.postmortems import actions, closing, draft, edit, publish, record, times
from incidents.operations.postmortems.content import SCHEMA, content_of
from tests.factories import evals
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, resolved, signed
from tests.factories.rollouts import deployment, version

pytestmark = pytest.mark.django_db


def test_the_refund_limit_is_drafted_whole(refunds: Incident) -> None:
    mara = person(SiteRole.COMMANDER)
    page = draft.begin(refunds, actor=mara)
    content = content_of(page)
    texts = {name: section["text"] for name, section in content["sections"].items()}
    assert "2.0.3 → 2.1.0" in texts["summary"]
    assert "runs](/i/INC-" in texts["summary"]
    assert "Exposure: [" in texts["impact"]
    assert "Never received the bad version: ap. Received it: eu" in texts["impact"]
    assert "waived by Mara. nothing is kept there" in texts["resolution"]
    assert "calls of `refund`" in texts["side_effects"]
    assert all(content["sections"][name]["draft"] for name in ("summary", "impact", "resolution", "side_effects"))
    moved = {row["variable"]: row["moved"] for row in content["variables"]}
    assert len(moved) == 9
    assert (moved["prompt"], moved["model"], moved["judge"]) == ("moved", "not_moved", "unknown")
    assert [row["finding"] for row in content["layers"]] == ["unknown"] * 7
    assert [row["question"] for row in content["escapes"]] == ["canary", "tests", "change", "wave"]
    assert content["ownership"] == {
        "made_by": "Ada",
        "reviewed_by": "Grace",
        "next_owner": "",
        "path": "commit abc1234",
    }
    (factor,) = content["factors"]
    assert (factor["layer"], factor["confidence"]) == ("instruction", "known")
    assert "case `case-1`" in factor["evidence"]
    (inference,) = content["inferences"]
    assert inference["version_at_fault"]["label"] == "2.1.0"
    assert '"amount": 240' in inference["saw"]


def test_its_content_tells_times_containment_and_damage(refunds: Incident) -> None:
    page = draft.begin(refunds, actor=person())
    edit.save_page(
        page,
        actor=person(),
        version=1,
        values={"damage_rate_per_second": "0.5", "damage_unit": "refunds", "blast_seconds": 30},
    )
    content = content_of(page)
    assert content["schema"] == SCHEMA
    header = content["header"]
    assert header["lags"]["to_detect"] == pytest.approx(900, abs=5)
    assert header["lags"]["to_contain"] == pytest.approx(180, abs=5)
    assert header["unowned_seconds"] == pytest.approx(180, abs=5)
    assert content["bundle"]["from"]["label"] == "2.1.0"
    assert content["bundle"]["parts"] == ["prompt"]
    (rollback,) = content["rollbacks"]
    assert {leg["state"] for leg in rollback["legs"]} <= {"done", "waived", "not_applicable"}
    damage = content["damage"]
    assert damage["latency_seconds"] == pytest.approx(40, abs=5)
    assert damage["minimum_damage"] == pytest.approx(20, abs=3)
    assert damage["verdict"] == record.THEATER
    assert (damage["runs_after_decision"], damage["failed_runs_after_decision"]) == (1, 1)
    exposure = content["impact"]["exposure"]
    assert exposure["regions_never_reached"] == ["ap"]
    assert exposure["tool_calls_not_undone"] == [{"tool": "refund", "calls": 8}]
    assert [entry["digest"] for entry in content["timeline"]] == [
        entry.digest for entry in refunds.timeline.filter(is_key=True).order_by("sequence")
    ]
    assert {piece["claim"] for piece in content["evidence"]} >= {"bundle", "variables.prompt", "sections.summary"}
    assert json.loads(json.dumps(content)) == content


def test_the_refund_limit_is_written_signed_and_closed(refunds: Incident) -> None:
    mara = person(SiteRole.COMMANDER)
    page = draft.begin(refunds, actor=mara)
    for name in ("root_cause", "prevention"):
        edit.save_section(page, actor=mara, name=name, text="The limit had no exception path.", version=0)
    for question in ("canary", "tests", "change"):
        values = {"answer": "Orders with an approved amount are rare.", "verdict": "lacked_exception"}
        edit.save_row(page, "escapes", question, actor=mara, version=1, values=values)
    actions.add(page, actor=mara, text="Add the path", kind="eval_case", owner=mara.user, due_on="2026-12-01")
    resolve.resolve(refunds, actor=mara, resolution="2.2.0 has an exception path.", **_proof_waived(refunds, mara))
    signed(page, mara)
    assert closing.close(refunds, actor=mara).status in {"resolved", "closed"}


def _proof_waived(room: Incident, actor: Any) -> dict[str, Any]:
    for cause in room.causes.live():
        causes.waive_proof(cause, actor=actor, reason="There is no fix to try it on yet.")
    return {}


def test_beginning_twice_is_beginning_once_also_for_a_token() -> None:
    room = incident()
    page = draft.begin(room, actor=machine("respond"))
    assert draft.begin(room, actor=person()) == page
    assert Postmortem.objects.count() == 1
    assert TimelineEntry.objects.filter(source="postmortem").count() == 1
    with pytest.raises(NotPermitted):
        draft.begin(room, actor=person(SiteRole.VIEWER))


def test_no_page_is_begun_for_what_was_closed_without_one() -> None:
    room = resolved(incident())
    closing.skip(room, actor=person(), reason="A test of the monitor.")
    with pytest.raises(OperationRefused, match="Reopen it"):
        draft.begin(room, actor=person())


def test_an_incident_that_names_no_agent_has_a_page_too() -> None:
    room = opening.open_incident(actor=person(), severity="SEV3", title="Odd answers", deployment=None)
    content = content_of(draft.begin(room, actor=person()))
    assert content["bundle"]["from"] is None
    assert content["impact"]["runs"] is None
    assert content["damage"]["verdict"] == "not measured"
    assert "nobody has named yet" in content["sections"]["summary"]["text"]


def test_publishing_does_not_change_what_is_published(refunds: Incident) -> None:
    mara = person(SiteRole.COMMANDER)
    page = draft.begin(refunds, actor=mara)
    first = publish.publish(page, actor=mara)
    publish.sign(first, actor=mara, role="commander")
    assert publish.publish(page, actor=mara) == first


def test_earlier_incidents_written_up_alike_are_named() -> None:
    mara, rooms = person(), [incident(), incident()]
    for room in rooms:
        triage.answer(room, actor=mara, diagnosis="spec_gap")
        page = draft.begin(room, actor=mara)
        edit.save_row(page, "layers", "instruction", actor=mara, version=1, values={"finding": "implicated"})
    (named,) = content_of(page)["similar"]
    assert (named["ref"], named["layer"]) == (rooms[0].ref, "instruction")


def test_a_class_that_only_a_factor_names_is_compared_too() -> None:
    mara, rooms = person(), [incident(), incident()]
    for room in rooms:
        page = draft.begin(room, actor=mara)
        edit.add_row(page, "factors", actor=mara, values={"text": "It guessed.", "diagnosis": "perceptual"})
        edit.save_row(page, "layers", "model", actor=mara, version=1, values={"finding": "implicated"})
    assert [row["ref"] for row in content_of(page)["similar"]] == [rooms[0].ref]


def test_content_takes_as_many_queries_for_a_full_page_as_for_an_empty_one(
    refunds: Incident, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    mara = person()
    page = draft.begin(refunds, actor=mara)
    for number in range(10):
        edit.add_row(page, "factors", actor=mara, values={"text": f"{number}"})
        edit.add_row(page, "inferences", actor=mara, values={"version_at_fault": "customer-service@2.1.0"})
        actions.add(page, actor=mara, text="Do", kind="gate", owner=mara.user)
    content_of(page)  # the diff of two versions is kept
    with django_assert_max_num_queries(32):
        content_of(page)


def test_unowned_time_is_what_lies_between_those_who_had_it(noon: datetime) -> None:
    class Held:
        def __init__(self, start: int, end: int | None) -> None:
            self.at = noon + timedelta(minutes=start)
            self.lapsed_at = noon + timedelta(minutes=end) if end is not None else None

    room = Incident(opened_at=noon, resolved_at=noon + timedelta(minutes=60))
    for held, minutes in (
        ([], 60),
        ([Held(5, None)], 5),
        ([Held(5, 10), Held(51, None)], 46),
        ([Held(5, 30), Held(10, 20), Held(40, 50)], 25),
        ([Held(70, None)], 60),
    ):
        assert times.unowned_seconds(room, held) == minutes * 60  # type: ignore[arg-type]
    assert times.unowned_seconds(Incident(opened_at=noon), []) is None


def test_tries_that_broke_hide_none_that_were_judged() -> None:
    bad, room = version(label="2.1.0"), incident(deployment())
    in_room = evals.case("refund", incident_ref=room.ref)
    evals.filed(bad, refund="fail")
    evals.filed(bad, refund="error")
    page = draft.begin(room, actor=person())
    assert content_of(page)["cases"][0]["key"] == in_room.key
    assert content_of(page)["cases"][0]["tried"] == [{"version": "2.1.0", "failed": 1, "tries": 1}]
