"""What stands beside the Stop button before the press, and the proof of it afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incidents.models import Incident, Owed
from rollouts.models import Containment, KillSwitch, Stop
from rollouts.operations import kill_switch, switches
from rollouts.telemetry import stop_watch
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import running
from tests.rollouts.kill_switches.test_after_stop import act
from tests.rollouts.kill_switches.test_switches import measured

pytestmark = pytest.mark.django_db


def room_of_a_known_switch() -> Incident:
    """Its whole-agent switch took 41 s once, at 0.5 calls a second; the damage is done after 30 s."""
    where = running("1.0.0", "2.0.0")
    told = {"fallback": "a human", "calls_per_second": 0.5, "blast_seconds": 30}
    switches.describe(where, scope="whole", told=told, actor=person())
    first = kill_switch.stop(where, actor=person())
    measured(first, 41)
    kill_switch.release(first, actor=person(), reason="r")
    return incident(where, severity="SEV2")


def test_before_the_press_stand_the_latency_the_floor_and_what_was_never_measured() -> None:
    room = room_of_a_known_switch()
    page = text(Browser().get(f"/i/{room.ref}/contain/"))
    assert "last measured 41 s" in page
    assert "≥ 21 calls more. Containment theater: quicker than a deploy" in page
    assert '<span class="mono">writes</span> never measured' in page
    assert "/bundles/customer-service/stops/" in page


def test_an_off_state_that_is_no_path_is_said_and_keeps_nobody_from_stopping() -> None:
    where = running("1.0.0")
    switches.describe(where, scope="writes", told={"fallback": "an endless spinner"}, actor=person())
    room, browser = incident(where), Browser()
    assert "no usable off-state" in text(browser.get(f"/i/{room.ref}/contain/"))
    browser.press(f"/i/{room.ref}/stop/", scope="writes", fallback="an endless spinner")
    room.refresh_from_db()
    assert room.contained_at is not None


def test_after_the_press_the_proof_names_who_fetched_it_and_what_was_done_meanwhile() -> None:
    room, browser = room_of_a_known_switch(), Browser()
    browser.press(f"/i/{room.ref}/stop/", scope="whole", fallback="a human")
    stop = Stop.objects.get(released_at=None)
    page = text(browser.region(f"/i/{room.ref}/contain/", "section#stopped"))
    assert "no instance seen" in page
    assert "not over yet" in page
    measured(stop, 41, reached=2)
    assert "2 of 3 instances have fetched it" in text(browser.region(f"/i/{room.ref}/contain/", "section#act"))
    Containment.objects.filter(stop=stop).update(reached=3)
    Stop.objects.filter(pk=stop.pk).update(decided_at=stop.engaged_at - timedelta(seconds=60))
    act(stop.engaged_at - timedelta(seconds=9), "open_ticket")
    page = text(browser.region(f"/i/{room.ref}/contain/", "section#stopped"))
    for said in ("half within 20.5 s", "last 41.0 s", "51 calls", "1 × <span class=\"mono\">open_ticket</span>",
                 "Containment theater", "nothing acts any more"):  # fmt: skip
        assert said in page, said
    assert "nothing acts after 101 s" in text(browser.region(f"/i/{room.ref}/contain/", "section#act"))


def test_what_acts_a_minute_after_the_stop_is_an_alarm() -> None:
    where = running("1.0.0", "2.0.0")
    room, browser = incident(where), Browser()
    browser.press(f"/i/{room.ref}/stop/", scope="whole")
    stop = Stop.objects.get()
    act(stop.engaged_at + timedelta(seconds=3), "open_ticket")
    stop_watch.watch(stop.engaged_at + timedelta(seconds=10))
    assert 'role="alert"' not in text(browser.region(f"/i/{room.ref}/contain/", "section#act"))
    act(stop.engaged_at + timedelta(seconds=75), "open_ticket")
    stop_watch.watch(stop.engaged_at + timedelta(seconds=80))
    page = text(browser.region(f"/i/{room.ref}/contain/", "section#act"))
    assert '<p class="banner boxed crit" role="alert">' in page
    assert "still running after the stop" in page
    assert "2 calls" in text(browser.region(f"/i/{room.ref}/contain/", "section#stopped"))


def test_the_reason_is_prefilled_from_what_ran_before_and_settles_what_is_owed() -> None:
    where = running("1.0.0", "2.0.0")
    room, browser = incident(where), Browser()
    for number in range(10):
        act(room.opened_at - timedelta(seconds=9), **({"error.type": "boom"} if number == 0 else {}))
    browser.press(f"/i/{room.ref}/stop/", scope="whole")
    stop = Stop.objects.get()
    page = text(browser.region(f"/i/{room.ref}/contain/", "section#stopped"))
    assert "% of its runs went wrong and" in page
    fields: dict[str, Any] = {"stop": stop.pk, "wrong_share_percent": "10", "right_share_percent": "90"}
    assert browser.press(f"/i/{room.ref}/stop/reason/", **fields, reason="").status_code == 422
    assert (
        browser.press(f"/i/{room.ref}/stop/reason/", **fields, reason="no narrower scope holds it").status_code == 302
    )
    assert Owed.objects.get(incident=room, about=f"stop:{stop.pk}").given_at is not None
    browser.press(f"/i/{room.ref}/stop/plan/", stop=stop.pk, criteria="replays pass")
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert "<strong>It may act again when:</strong> replays pass" in page
    assert browser.press(f"/i/{room.ref}/release/", scope="whole", reason="").status_code == 422
    assert browser.press(f"/i/{room.ref}/release/", scope="whole", reason="they passed").status_code == 302
    other = incident(running("1.0.0", key="other"))
    assert browser.press(f"/i/{other.ref}/stop/plan/", stop=stop.pk, criteria="c").status_code == 404


def test_corrupted_data_offers_to_stop_writes_in_triage() -> None:
    room, browser = incident(running("1.0.0", "2.0.0")), Browser()
    triage = f"/i/{room.ref}/triage/"
    assert "Stop writes" not in text(browser.get(triage))
    browser.press(f"/i/{room.ref}/triage/answer/", branch="data")
    assert "Stop writes</button>" in text(browser.get(triage))
    browser.press(f"/i/{room.ref}/stop/", scope="writes")
    assert Stop.objects.get().kill_switch.scope == "writes"
    assert "Stop writes</button>" not in text(browser.get(triage))


def test_where_nothing_is_left_to_go_back_to_everybody_can_be_sent_to_a_human() -> None:
    room, browser = incident(running("1.0.0")), Browser()
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert "Send to a human</button>" in page
    browser.press(f"/i/{room.ref}/stop/", scope="whole", fallback="a human")
    assert KillSwitch.objects.get().fallback == "a human"
    assert "Send to a human</button>" not in text(browser.get(f"/i/{room.ref}/contain/"))


def test_a_standing_stop_costs_the_page_no_more_than_its_fifteen_questions(
    django_assert_max_num_queries: Any,
) -> None:
    room, browser = room_of_a_known_switch(), Browser()
    browser.press(f"/i/{room.ref}/stop/", scope="whole", fallback="a human")
    with django_assert_max_num_queries(15):
        browser.get(f"/i/{room.ref}/contain/")
