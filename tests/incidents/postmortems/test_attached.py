"""A published postmortem stands on the pages of the versions it is about."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import SiteRole
from incidents.operations import contain, moves
from incidents.operations.postmortems import draft, edit, publish
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident, page_of
from tests.factories.rollouts import running, version

pytestmark = pytest.mark.django_db


def test_the_version_at_fault_and_the_one_gone_back_to_show_it_once_published(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    room, actor = incident(running("1.0.0", "1.1.0"), title="Refunds <b>twice</b>"), person(SiteRole.COMMANDER)
    moves.record("rollback", contain.roll_back(room, actor=actor).pk)
    version(label="1.2.0")
    page = draft.begin(room, actor=actor)
    at, browser = "/bundles/customer-service/", Browser()
    assert "Postmortems" not in text(browser.get(f"{at}1.1.0/"))
    page_of(room, actor)
    publish.publish(page, actor=actor)
    page_of(room, actor, lessons="Luck.")
    publish.publish(page, actor=actor)
    for label, part in (("1.1.0", "at fault"), ("1.0.0", "gone back to")):
        with django_assert_max_num_queries(20):
            shown = text(browser.get(f"{at}{label}/"))
        assert shown.count("Refunds &lt;b&gt;twice") == 1
        assert f"{part} · revision 2" in shown
        assert f"/i/{room.ref}/postmortem/revisions/2/" in shown
    assert "Postmortems" not in text(browser.get(f"{at}1.2.0/"))


def test_a_version_that_an_inference_of_another_bundles_incident_names_shows_it_too() -> None:
    actor, tool = person(SiteRole.COMMANDER), version("ledger", "3.0.0")
    room = incident(running("1.0.0"), title="Refunds twice")
    page = page_of(room, actor)
    edit.add_row(page, "inferences", actor=actor, values={"version_at_fault": tool})
    publish.publish(page, actor=actor)
    assert "at fault · revision 1" in text(Browser().get("/bundles/ledger/3.0.0/"))
