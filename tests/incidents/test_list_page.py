"""The list of all incidents: narrowed, searched and sorted by its address alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from accounts.actors import Actor
from incidents.models import Cause, Incident
from incidents.operations import acknowledge, note
from tests.browsers import Browser, text
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import incident, resolved
from tests.factories.rollouts import deployment, running

pytestmark = pytest.mark.django_db


def shown(answer: Any) -> list[str]:
    """References in the order of the page."""
    page = text(answer)
    return [part.partition('"')[0] for part in page.split('id="list-')[1:]]


def test_it_finds_by_title_reference_agent_severity_and_what_was_noted() -> None:
    pays = incident(running("1.0.0", "2.0.0", key="refunds"), title="Pays twice", severity="SEV1")
    slow = incident(deployment("search"), title="Slow retrieval")
    note.add(pays, actor=person(), text="The customer of Lisbon rang")
    browser = Browser()
    for q in ("twice", pays.ref, pays.ref.removeprefix("INC-"), "refunds", "sev1", "Lisbon", "lisb", "pays customer"):
        assert shown(browser.get("/incidents/", q=q)) == [pays.ref], q
    assert shown(browser.get("/incidents/", q="Lisbon slow")) == []
    assert slow.ref in shown(browser.get("/incidents/", q="retrieval"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("severity", "SEV1"),
        ("step", "triage"),
        ("status", "open"),
        ("agent", "refunds"),
        ("environment", "staging"),
        ("kind", "hazard"),
        ("class", "spec_gap"),
        ("origin", "alias_drift"),
        ("mine", "1"),
        ("quarter", "2026Q3"),
        ("to", "2026-09-01"),
    ],
)
def test_each_way_to_narrow_keeps_the_other_away(name: str, value: str, clock: MovableClock) -> None:
    browser = Browser()
    clock.move_to(datetime.fromisoformat("2026-09-01T23:59:00+00:00"))
    wanted = incident(deployment("refunds", "staging"), severity="SEV1", title="Wanted")
    acknowledge.acknowledge(wanted, actor=Actor.of_user(browser.user))
    Incident.objects.filter(pk=wanted.pk).update(kind="hazard", diagnosis="spec_gap")
    by = {"actor_kind": "person", "actor_label": "x", "surface": "web"}
    Cause.objects.create(incident=wanted, origin="alias_drift", confidence="known", at=wanted.opened_at, **by)
    clock.move_to(datetime.fromisoformat("2026-11-24T12:00:00+00:00"))
    other = resolved(incident(deployment("search"), severity="SEV4", title="Other"))
    assert shown(browser.get("/incidents/", **{name: value, "show": "all"})) == [wanted.ref]
    assert shown(browser.get("/incidents/", show="all")) == [other.ref, wanted.ref]
    page = text(browser.get("/incidents/", **{name: value, "show": "all"}))
    assert "1 incident<" in page
    assert ", remove" in page


def test_open_ones_are_shown_unless_all_are_asked_for() -> None:
    done, still = resolved(incident(title="Over")), incident(title="Goes on")
    browser = Browser()
    assert shown(browser.get("/incidents/")) == [still.ref]
    assert shown(browser.get("/incidents/", show="all")) == [still.ref, done.ref]
    part = text(browser.region("/incidents/", "section#found", show="all"))
    assert part.lstrip().startswith('<section id="found"')


def test_when_nothing_is_found_it_says_which_narrowing_keeps_how_many_away() -> None:
    incident(title="Slow", severity="SEV3")
    resolved(incident(title="Pays twice", severity="SEV1"))
    page = text(Browser().get("/incidents/", severity="SEV1", q="twice"))
    assert "Without open ones only: <a" in page
    assert "severity=SEV1&amp;q=twice&amp;show=all" in page
    assert "Without severity SEV1" not in page
    nothing = text(Browser().get("/incidents/", q="twice slow"))
    assert "Without the words “twice slow”: <a" in nothing
    assert "No incident has been opened yet" not in nothing


def test_an_empty_house_says_so() -> None:
    assert "No incident has been opened yet." in text(Browser().get("/incidents/"))


@pytest.mark.parametrize("sort", ["newest", "oldest", "severity"])
def test_page_follows_page_in_every_order_without_loss_or_repeat(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incidents.views.incidents.PAGE", 2)
    made = [incident(severity=severity).ref for severity in ("SEV3", "SEV1", "SEV3", "SEV1", "SEV2")]
    order = {
        "newest": made[::-1],
        "oldest": made,
        "severity": [made[3], made[1], made[4], made[2], made[0]],
    }[sort]
    browser, seen, address = Browser(), list[str](), f"/incidents/?sort={sort}"
    for _ in range(5):
        page = text(browser.client.get(address))
        assert "5 incidents<" in page
        seen += shown(browser.client.get(address))
        if ">Load " not in page:
            break
        more = page[: page.index(">Load ")].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        address = f"/incidents/{more}"
    assert seen == order


def test_the_list_costs_few_queries_however_long(django_assert_max_num_queries: Any) -> None:
    for number in range(12):
        incident(deployment(f"agent-{number}"))
    browser = Browser()
    browser.get("/live")
    with django_assert_max_num_queries(12):
        browser.get("/incidents/", severity="SEV3", q="schema", sort="severity")
    with django_assert_max_num_queries(15):
        browser.get("/incidents/", severity="SEV1", agent="agent-1", q="x", quarter="2026Q1")


HOSTILE = [
    "' OR 1=1 --", "%00", "\u202e", "a" * 5000, "((((", "!&|", "x:*", "\\", "<script>alert(1)</script>", "SEV1' ; DROP",
    "²", "-1", "9" * 400, "0000-00-00", "9999-12-31", "0001-01-01", "2026Q9", "INC-", "é&è", "*:*", "''", "_%_",
]  # fmt: skip


@pytest.mark.parametrize("odd", HOSTILE)
def test_hostile_addresses_are_answered_and_escaped(odd: str) -> None:
    room = incident()
    note.add(room, actor=person(), text="a note")
    names = ("q", "severity", "step", "agent", "origin", "class", "kind", "quarter", "from", "to", "sort", "before",
             "mine", "show", "status", "environment")  # fmt: skip
    browser = Browser()
    answers = [browser.get("/incidents/", **{name: odd}) for name in names]
    answers.append(browser.get("/incidents/", **dict.fromkeys(names, odd)))
    for answer in answers:
        assert answer.status_code in {200, 400}
        assert "<script>alert" not in text(answer)


def test_what_was_not_understood_is_said() -> None:
    page = Browser().get("/incidents/", severity="SEV9", quarter="soon", **{"from": "yesterday"})
    assert page.status_code == 400
    for sentence in ("There is no severity “SEV9”.", "Write a quarter as 2026Q4", "Write a day as 2026-11-24."):
        assert sentence in text(page)
