"""The live board and the list: what burns, who has it, found by word."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.actors import Actor
from incidents.operations import acknowledge
from tests.browsers import Browser, text
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment

pytestmark = pytest.mark.django_db


def test_an_empty_board_says_all_quiet_and_who_is_on_call() -> None:
    on_call(someone("Mara"))
    page = text(Browser().get("/live"))
    assert "<title>All quiet · Lastgood</title>" in page
    assert "All quiet" in page
    assert "Mara" in page


def test_the_worst_unheld_incident_stands_first_and_carries_the_one_primary_press() -> None:
    held = incident(title="Slow retrieval", severity="SEV1")
    acknowledge.acknowledge(held, actor=Actor.of_user(someone("Jo")))
    worst = incident(title="Pays twice", severity="SEV1")
    other = incident(title="Odd answers", severity="SEV2")
    page = text(Browser().get("/live"))
    assert "<title>3 open, 2 not acknowledged · Lastgood</title>" in page
    places = [page.index(f'id="row-{room.ref}"') for room in (worst, held, other)]
    assert places == sorted(places)
    assert page.count("btn primary wide") == 1
    assert f'data-key-word="Acknowledge {worst.ref}"' in page


def test_htmx_gets_the_board_alone_and_nothing_when_nothing_changed() -> None:
    incident()
    browser = Browser()
    first = browser.region("/live", "section#board")
    assert "<html" not in text(first)
    assert text(first).startswith("<title>1 open, 1 not acknowledged · Lastgood</title>")
    assert '<section id="board"' in text(first)
    assert "HX-Request" in first["Vary"]
    again = browser.region("/live", "section#board", tag=first["HX-PTag"])
    assert (again.status_code, again.content, again["HX-PTag"]) == (304, b"", first["HX-PTag"])
    incident(title="Another")
    assert browser.region("/live", "section#board", tag=first["HX-PTag"]).status_code == 200


def test_the_board_takes_as_many_queries_for_forty_incidents_as_for_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    browser, somewhere = Browser(), deployment()
    for number in range(40):
        incident(somewhere, title=f"Trouble {number}")
    with django_assert_max_num_queries(15):
        assert browser.get("/live").status_code == 200


def test_a_flood_shows_the_worst_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incidents.views.board.BOARD", 3)
    minor, worst = incident(severity="SEV4"), incident(severity="SEV1")
    for _ in range(3):
        incident(severity="SEV2")
    page = text(Browser().get("/live"))
    assert "<title>5 open, 5 not acknowledged · Lastgood</title>" in page
    assert "All 5 open incidents" in page
    assert f'id="row-{worst.ref}"' in page
    assert f'id="row-{minor.ref}"' not in page


def test_viewers_see_the_board_and_can_only_declare_and_strangers_sign_in_first() -> None:
    incident(severity="SEV1")
    page = text(Browser("viewer").get("/live"))
    assert "nobody yet" in page
    assert "/acknowledge/" not in page
    assert "/incidents/declare/" in page
    answer = Client().get("/live")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/live")


def test_every_page_leads_to_the_room_of_the_worst_open_incident_except_its_own() -> None:
    minor, room = incident(title="Minor", severity="SEV3"), incident(title="Pays twice", severity="SEV1")
    incident(title="Second", severity="SEV2")
    browser = Browser()
    page = text(browser.get("/bundles/"))
    line = page[page.index('id="major"') : page.index("</div>", page.index('id="major"'))]
    assert f'href="/i/{room.ref}/"' in line
    assert "1 more" in line
    assert minor.ref not in line
    assert "icon-alert.svg" in page
    own = text(browser.get(f"/i/{room.ref}/"))
    assert "crit hide" in own[own.index('id="major"') :][:600]
