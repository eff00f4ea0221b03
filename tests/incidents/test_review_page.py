"""The quarterly review as people and machines read it, and what it decides."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, SiteRole
from incidents.models import Incident, Postmortem, Review, StandardChange
from incidents.operations import contain, moves, reviews
from incidents.quarters import Quarter
from tests.browsers import Browser, text
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def now() -> str:
    return str(Quarter.of(clock.now()))


def classified(diagnosis: str = "spec_gap", *layers: str, **fields: Any) -> Incident:
    """An incident whose postmortem implicates ``layers``."""
    room = incident(**fields)
    Incident.objects.filter(pk=room.pk).update(diagnosis=diagnosis)
    page = Postmortem.objects.create(incident=room, updated_at=clock.now())
    for layer in layers:
        page.layers.create(layer=layer, finding="implicated", updated_at=clock.now())
    return room


def test_each_number_opens_its_incidents() -> None:
    room, other = classified("spec_gap", "tools", title=HOSTILE), classified("model_level", "model", title="Gibberish")
    browser = Browser()
    page = text(browser.get("/review/"))
    assert f"Review {now()}" in page
    assert "show=cell.spec_gap.tools" in page
    opened = text(browser.get(f"/review/?q={now()}&show=cell.spec_gap.tools"))
    assert room.ref in opened.partition('id="shown"')[2].partition("</section>")[0]
    assert other.ref not in opened.partition('id="shown"')[2].partition("</section>")[0]
    assert HOSTILE not in opened
    for name in ("all", "severity.SEV3", "class.spec_gap", "layer.tools"):
        assert browser.get(f"/review/?q={now()}&show={name}").status_code == 200
    assert browser.get(f"/review/?q={now()}&show=cell.nothing.here").status_code == 404
    assert browser.get("/review/?q=last").status_code == 422


def test_an_empty_quarter_says_what_will_stand_here() -> None:
    page = text(Browser().get("/review/?q=2024Q1"))
    assert "No incident was opened in 2024Q1" in page


def test_a_drill_counts_nowhere_and_a_rollback_opens_its_incident() -> None:
    drill = classified("spec_gap", "tools")
    Incident.objects.filter(pk=drill.pk).update(kind="drill", ref="DRL-1")
    room = incident(running("1.0.0", "2.0.0"))
    contain.roll_back(room, actor=person())
    moves.sweep()
    page = text(Browser().get(f"/review/?q={now()}&show=rollbacks"))
    assert room.ref in page.partition('id="shown"')[2]
    assert "DRL-1" not in page


def test_the_page_asks_as_little_for_many_postmortems_as_for_one() -> None:
    counts = []
    browser = Browser()
    for many in (1, 6):
        for _ in range(many):
            classified("spec_gap", "tools", "model")
        with CaptureQueriesContext(connection) as asked:
            assert browser.get("/review/").status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert counts[1] <= 18


def test_csv_has_every_row_and_no_formula() -> None:
    room = classified("spec_gap", "tools", title="=HYPERLINK(1)")
    browser = Browser()
    rows = list(csv.reader(io.StringIO(text(browser.get(f"/review/incidents.csv?q={now()}")))))
    assert rows[1][:2] == [room.ref, "'=HYPERLINK(1)"]
    for figure in ("heatmap", "recurrence", "steps", "actions"):
        assert browser.get(f"/review/{figure}.csv").status_code == 200
    assert browser.get("/review/secrets.csv").status_code == 404


def test_late_actions_are_listed_until_they_are_done_or_dropped() -> None:
    room = classified()
    yesterday = clock.now().date() - timedelta(days=1)
    action = room.postmortem.actions.create(
        position=1, text="Add a lock timeout", kind="guard", due_on=yesterday, updated_at=clock.now()
    )
    assert "Add a lock timeout" in text(Browser().get("/review/"))
    action.done_at = clock.now()
    action.save()
    assert "Add a lock timeout" not in text(Browser().get("/review/"))


# -- deciding --------------------------------------------------------------------------------------------------------
def test_a_review_is_started_decided_in_and_closed_with_its_figures() -> None:
    room = classified("spec_gap", "tools")
    browser = Browser(user=someone("Mara", SiteRole.COMMANDER))
    assert browser.press(f"/review/{now()}/start/").status_code == 302
    assert browser.press(f"/review/{now()}/close/").status_code == 409
    said = {
        "pattern": "Spec gap × tools",
        "about": "cell.spec_gap.tools",
        "text": "A breaking change has a new name.",
    }
    missing = browser.press(f"/review/{now()}/decide/", changed="yes", **said)
    assert missing.status_code == 422
    assert "Name the standard that changed." in text(missing)
    assert "A breaking change has a new name." in text(missing)
    assert browser.press(f"/review/{now()}/decide/", changed="yes", standard="Tool schemas", **said).status_code == 302
    decision = Review.objects.get().decisions.get()
    assert (decision.standard, decision.incident_refs, decision.actor_label) == ("Tool schemas", [room.ref], "Mara")
    assert browser.press(f"/review/{now()}/close/").status_code == 302
    review = Review.objects.get()
    assert review.snapshot is not None
    assert review.snapshot["incidents"] == 1
    assert browser.press(f"/review/{now()}/decide/", changed="no", **said).status_code == 409
    assert "Tool schemas" in text(browser.get("/review/"))
    assert AuditEntry.objects.filter(verb="close review").exists()


def test_a_decision_about_rollbacks_keeps_their_incidents_and_one_about_nothing_is_refused() -> None:
    room = incident(running("1.0.0", "1.1.0"))
    rollback = contain.roll_back(room, actor=person())
    moves.record("rollback", rollback.pk)
    reviews.start(now(), actor=person())
    said = {"pattern": "Rolled back", "changed": "no", "text": "Once is not often."}
    browser = Browser()
    refused = browser.press(f"/review/{now()}/decide/", about="moonshine", **said)
    assert refused.status_code == 422
    assert "Once is not often." in text(refused)
    assert browser.press(f"/review/{now()}/decide/", about="rollbacks", **said).status_code == 302
    assert Review.objects.get().decisions.get().incident_refs == [room.ref]


def test_an_agent_in_production_that_was_never_stopped_is_named_until_it_was() -> None:
    room = incident(running("1.0.0", "1.1.0"))
    assert "Never stopped" in text(Browser().get("/review/"))
    contain.stop(room, actor=person(), scope="writes", reason="paying twice")
    assert "Never stopped" not in text(Browser().get("/review/"))


def test_why_none_changed_is_a_decision_too() -> None:
    review = reviews.start(now(), actor=person())
    decision = reviews.decide(
        review, actor=person(), pattern="One-offs", changed=False, standard="ignored", text="Nothing repeats."
    )
    assert (decision.changed, decision.standard) == (False, "")


@pytest.mark.parametrize("wrong", ["INC-0", "../a", ""])
def test_a_decision_names_incidents_that_are_there(wrong: str) -> None:
    room, review = incident(), reviews.start(now(), actor=person())

    def decide(*refs: str) -> StandardChange:
        return reviews.decide(review, actor=person(), pattern="p", changed=False, text="t", incident_refs=list(refs))

    with pytest.raises(OperationRefused, match="There is no incident"):
        decide(room.ref, wrong)
    made = decide(room.ref.lower(), room.ref)
    assert made.incident_refs == [room.ref]
    assert f'/i/{room.ref}/"' in text(Browser().get("/review/"))


def test_only_people_who_respond_review() -> None:
    for actor in (machine(), person(SiteRole.VIEWER)):
        with pytest.raises(NotPermitted):
            reviews.start(now(), actor=actor)
    review = reviews.start(now(), actor=person())
    assert reviews.start(now(), actor=person()) == review
    with pytest.raises(NotPermitted):
        reviews.decide(review, actor=machine(), pattern="p", changed=False, text="t")
    with pytest.raises(NotPermitted):
        reviews.close(review, actor=machine())
    with pytest.raises(OperationRefused, match="has not begun"):
        reviews.start(str(Quarter.of(clock.now()).shifted(1)), actor=person())
    assert Browser("viewer").press(f"/review/{now()}/start/").status_code == 403


def test_the_api_tells_the_same() -> None:
    classified("spec_gap", "tools")
    reader = Browser("viewer")
    answer = reader.get(f"/api/v1/reviews/{now()}").json()
    assert answer["incidents"] == 1
    assert answer["cells"][0]["class"] == "spec_gap"
    assert answer["review"] is None
    assert reader.get("/api/v1/reviews/nothing").status_code == 422
