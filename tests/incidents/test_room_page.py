"""The room: one screen, five steps, one order; whole without script, in parts with it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import clock
from accounts.actors import Actor
from incidents.models import Incident, TimelineEntry
from incidents.operations import timeline
from tests.browsers import Browser, text
from tests.factories.accounts import CLOCKWORK, person
from tests.factories.incidents import incident, resolved, written
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

HOSTILE = '<img src=x onerror=alert(1)> "\' {{ 7*7 }} <hx-partial hx-target="body">'
REGIONS = [
    ("detect", "div#room-head"),
    ("detect", "section#timeline"),
    ("detect", "section#next"),
    ("detect", "ul#exits"),
    ("detect", "section#alerts"),
    ("triage", "section#evidence"),
    ("contain", "section#act"),
    ("contain", "section#harm"),
    ("contain", "section#legs"),
    ("contain", "section#stop"),
    ("resolve", "section#causes"),
    ("resolve", "section#cases"),
    ("resolve", "section#runs"),
    ("resolve", "section#pipeline"),
    ("resolve", "div#failing"),
    ("resolve", "div#leading"),
    ("resolve", "div#resolving"),
]


def many_entries(room: Incident, count: int) -> None:
    """Entries written straight into the table: what the page reads, not the chain, is under test."""
    at = clock.now()
    TimelineEntry.objects.bulk_create(
        TimelineEntry(
            incident=room,
            sequence=number,
            at=at,
            recorded_at=at,
            kind="note",
            text=f"note {number}",
            digest="0" * 64,
            actor_kind="person",
            actor_label="Mara",
            surface="web",
        )
        for number in range(1_000, 1_000 + count)
    )


def test_the_room_opens_at_its_present_step_and_its_title_starts_with_the_state() -> None:
    room = incident(title="Pays twice", severity="SEV1")
    page = text(Browser().get(f"/i/{room.ref}/"))
    assert f"<title>SEV1 · Not acknowledged · {room.ref} Pays twice · Lastgood</title>" in page
    assert "Detect: is it real" in page
    assert page.count('aria-current="step"') == 1
    assert page.count("<h1") == 1


@pytest.mark.parametrize("step", ["detect", "triage", "contain", "resolve", "postmortem"])
def test_every_step_can_be_opened_in_any_order_within_fifteen_queries(
    step: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    room = incident(running("1.0.0", "2.0.0"))
    many_entries(room, 5_000)
    browser = Browser()
    browser.get("/live")
    with django_assert_max_num_queries(15):
        answer = browser.get(f"/i/{room.ref}/{step}/")
    assert answer.status_code == 200
    assert len(answer.content) < 200_000


@pytest.mark.parametrize(("step", "target"), REGIONS)
def test_a_region_comes_alone_and_only_when_it_changed(step: str, target: str) -> None:
    room, browser = incident(running("1.0.0", "2.0.0")), Browser()
    path = f"/i/{room.ref}/{step}/"
    first = browser.region(path, target)
    tag, _, name = target.partition("#")
    assert text(first).partition("</title>")[2 if name == "room-head" else 0].lstrip().startswith(f'<{tag} id="{name}"')
    assert "<html" not in text(first)
    assert browser.region(path, target, tag=first["HX-PTag"]).status_code == 304


def test_a_step_for_htmx_brings_head_rail_and_record_with_it() -> None:
    room, browser = incident(), Browser()
    page = text(browser.region(f"/i/{room.ref}/triage/", "section#panel"))
    assert page.startswith(f"<title>SEV3 · Not acknowledged · {room.ref}")
    assert '<section id="panel"' in page
    assert '<hx-partial hx-target="#room-head"' in page
    assert '<hx-partial hx-target="#timeline"' in page


def test_restoring_history_gets_the_whole_page() -> None:
    room, browser = incident(), Browser()
    headers = {"HX-Request": "true", "HX-Request-Type": "full", "HX-Target": "body"}
    answer = browser.client.get(f"/i/{room.ref}/triage/", headers=headers)
    assert "<html" in text(answer)


@pytest.mark.parametrize("form", ["{number}", "inc-{number}", "INC-00{number}"])
def test_other_ways_to_write_a_reference_lead_to_the_room(form: str) -> None:
    room = incident()
    written = form.format(number=room.ref.removeprefix("INC-"))
    browser = Browser()
    answer = browser.get(f"/i/{written}/")
    assert (answer.status_code, answer["Location"]) == (302, f"/i/{room.ref}/")
    answer = browser.get(f"/i/{written}/contain/")
    assert answer["Location"] == f"/i/{room.ref}/contain/"


@pytest.mark.parametrize("ref", ["INC-999999", "nonsense", "DRL-4"])
def test_an_unknown_reference_is_a_404_that_says_so(ref: str) -> None:
    answer = Browser().get(f"/i/{ref}/")
    assert answer.status_code == 404
    assert f"There is no incident called {ref}." in text(answer)


def test_older_entries_come_on_request_and_machine_detail_too() -> None:
    room, browser = incident(), Browser()
    many_entries(room, 130)
    path = f"/i/{room.ref}/detect/"
    newest = text(browser.get(path))
    assert "note 1129" in newest
    assert "note 1000" not in newest
    older = text(browser.get(path, before=1_070))
    assert "note 1069" in older
    assert "note 1070" not in older


def test_machine_detail_is_shown_on_request() -> None:
    room, browser = incident(), Browser()
    path = f"/i/{room.ref}/detect/"
    detail = timeline.append(timeline.lock(room), "alert", "seen again", actor=CLOCKWORK, is_key=False)
    assert f'id="e-{detail.sequence}"' not in text(browser.region(path, "section#timeline"))
    assert f'id="e-{detail.sequence}"' in text(browser.region(path, "section#timeline", timeline="all"))


def hostile_room() -> Incident:
    room = incident(
        running("1.0.0", "2.0.0"), title=HOSTILE, severity="SEV1", header={"metric": HOSTILE, "value": HOSTILE}
    )
    timeline.append(timeline.lock(room), "note", HOSTILE, actor=Actor.automation(HOSTILE[:100]))
    return room


@pytest.mark.parametrize(
    "path", ["/live", "/incidents/", "/oncall/", "/i/{ref}/", "/i/{ref}/triage/", "/i/{ref}/contain/", "/bundles/"]
)
def test_hostile_text_stays_text_everywhere(path: str) -> None:
    page = text(Browser().get(path.format(ref=hostile_room().ref)))
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert 'hx-target="body"' not in page
    assert "49" not in page.partition("&lt;img")[2][:200]


def test_hostile_text_stays_text_in_regions() -> None:
    room, browser = hostile_room(), Browser()
    for step, target in REGIONS:
        assert "<img" not in text(browser.region(f"/i/{room.ref}/{step}/", target)), target
    panel = text(browser.region(f"/i/{room.ref}/detect/", "section#panel"))
    assert "<img" not in panel
    assert panel.count("<hx-partial") == 2


def test_a_viewer_reads_everything_and_may_note_what_they_saw() -> None:
    room = incident(running("1.0.0", "2.0.0"))
    browser = Browser("viewer")
    for step in ("detect", "triage", "contain", "resolve", "postmortem"):
        page = text(browser.get(f"/i/{room.ref}/{step}/"))
        actions = {part.partition('"')[0] for part in page.split('action="')[1:]}
        own = {action for action in actions if action.startswith(("/settings/preferences", "/accounts/"))}
        assert actions - own == (set() if step == "postmortem" else {f"/i/{room.ref}/note/"})


def test_what_is_over_can_be_read_at_every_step() -> None:
    room = written(resolved(incident(running("1.0.0", "2.0.0"))), person())
    browser = Browser()
    for step in ("", "detect/", "triage/", "contain/", "resolve/", "postmortem/"):
        assert browser.get(f"/i/{room.ref}/{step}").status_code == 200
    assert f"<title>SEV3 · Resolved · {room.ref}" in text(browser.get(f"/i/{room.ref}/"))


def test_pages_are_not_kept_by_anybody() -> None:
    room: Any = incident()
    assert Browser().get(f"/i/{room.ref}/")["Cache-Control"] == "no-store"
