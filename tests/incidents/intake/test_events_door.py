"""PagerDuty's Events API v2 at our door: its answers, its events, its changes, and what it never does here."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings

from accounts import clock
from incidents import reading
from incidents.intake import pagerduty
from incidents.models import Alert, ChangeEvent, Incident, Integration, Page, Receipt
from incidents.operations import changes, integrations, replay
from incidents.reading import AlertSignal, ChangeSignal, Said
from rollouts.telemetry import questions
from rollouts.telemetry.facts import Change
from tests.factories.accounts import SHELL, person
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment
from tests.intakes import fixture, integration, post, running, send

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS, CHANGES = "/v2/enqueue", "/v2/change/enqueue"


@pytest.fixture
def key(db: None) -> str:
    return integration(pagerduty.SOURCE)[1]


def event(key: str, action: str = "trigger", dedup_key: str | None = "k1", **more: Any) -> dict[str, Any]:
    """An event as PagerDuty's documentation has it."""
    payload = {"summary": "Refunds fail", "source": "refunds-eu-1", "severity": "critical"}
    said: dict[str, Any] = {"routing_key": key, "event_action": action}
    if dedup_key is not None:
        said["dedup_key"] = dedup_key
    if action == "trigger":
        said["payload"] = payload | more.pop("payload", {})
    return said | more


# -- events ----------------------------------------------------------------------------------------------------------


def test_a_trigger_opens_an_incident_and_is_answered_as_pagerduty_answers(key: str) -> None:
    about = deployment()
    details = {"agent": "customer-service", "metric": "refund_success", "threshold": "95", "value": 71.5}
    answer = post(EVENTS, event(key, payload={"custom_details": details, "timestamp": "2026-11-20T14:15:00.5+01:00"}))
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "k1"}
    room = Incident.objects.get()
    assert (room.title, room.severity, room.deployment) == ("Refunds fail", "SEV1", about)
    assert (room.header_metric, room.header_threshold, room.header_value) == ("refund_success", 95, 71.5)
    assert Alert.objects.get().started_at == datetime(2026, 11, 20, 13, 15, 0, 500_000, UTC)


def test_without_a_key_of_its_own_an_alert_gets_one_that_ends_it(key: str) -> None:
    made = post(EVENTS, event(key, dedup_key=None)).json()["dedup_key"]
    assert len(made) == 32
    assert post(EVENTS, event(key, dedup_key=None)).json()["dedup_key"] != made
    assert post(EVENTS, event(key, "resolve", made)).json()["dedup_key"] == made
    assert Alert.objects.get(dedup_key=made).firing is False


def test_a_resolve_ends_the_alert_and_leaves_its_title(key: str) -> None:
    post(EVENTS, event(key))
    said = event(key, "resolve") | {"payload": {"summary": "[RESOLVED] other", "source": "x", "severity": "info"}}
    assert post(EVENTS, said).status_code == 202
    alert = Alert.objects.get()
    assert (alert.title, alert.firing, alert.severity_sent) == ("Refunds fail", False, "critical")
    room = Incident.objects.get()
    assert room.recovered_at is not None
    assert room.timeline.get(kind="alert_resolved").text == "1 alert resolved: Refunds fail"


def test_what_begins_and_ends_in_one_moment_keeps_its_title_too(key: str) -> None:
    of = Integration.objects.get()
    send(of, event(key), event(key, "resolve"))
    entry = Incident.objects.get().timeline.get(kind="alert_resolved")
    assert entry.text == "1 alert resolved: Refunds fail"


def test_an_acknowledge_stands_on_the_timeline_and_stops_no_page(key: str) -> None:
    on_call(someone("Mara"))
    post(EVENTS, event(key))
    assert post(EVENTS, event(key, "acknowledge")).status_code == 202
    room = Incident.objects.get()
    assert (room.acknowledged_at, room.step) == (None, "detect")
    entry = room.timeline.latest("sequence")
    assert (entry.kind, entry.actor_kind) == ("alert", "automation")
    assert entry.text == "1 alert acknowledged by the sender, not here: Refunds fail"
    assert Page.objects.filter(done_at=None, given_up_at=None).count() == 1


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_is_about_nothing_known_is_taken_and_the_receipt_says_so(key: str, action: str) -> None:
    answer = post(EVENTS, event(key, action, "never heard"))
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "never heard")
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.error) == ("processed", "Nothing here goes by this key, so nothing was done.")
    assert not Incident.objects.exists()


def test_the_severity_s_word_decides_how_bad_it_is(key: str) -> None:
    for word in pagerduty.SEVERITIES:
        post(EVENTS, event(key, dedup_key=word, payload={"severity": word}))
    said = dict(Alert.objects.values_list("severity_sent", "incident__severity"))
    assert said == {"critical": "SEV1", "error": "SEV2", "warning": "SEV3", "info": "SEV4"}


def test_a_component_is_where_it_happened_when_nothing_else_is_named(key: str) -> None:
    about = deployment("support-agent", "staging")
    post(EVENTS, event(key, payload={"component": "support-agent", "custom_details": {"env": "staging"}}))
    assert Incident.objects.get().deployment == about


def test_client_links_and_pictures_are_kept(key: str) -> None:
    more: dict[str, Any] = {
        "client": "Grafana",
        "client_url": "https://grafana.example/d/1",
        "links": [{"href": "https://runbooks.example/r", "text": "Runbook"}, {"href": "javascript:alert(1)"}],
        "images": [{"src": "https://grafana.example/p.png"}],
    }
    post(EVENTS, event(key, **more))
    alert = Alert.objects.get()
    assert alert.links == ["https://runbooks.example/r", "https://grafana.example/d/1"]
    assert alert.annotations["client"] == "Grafana"
    assert alert.annotations["images"] == more["images"]
    assert alert.labels == {"source": "refunds-eu-1"}


def test_an_event_that_comes_four_times_is_one_alert(key: str) -> None:
    for _ in range(4):
        post(EVENTS, event(key))
    alert = Alert.objects.get()
    assert alert.received_count == 4
    assert Incident.objects.get().timeline.count() == 1


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"event_action": "explode"}, "'event_action' must be trigger, acknowledge or resolve"),
        ({"event_action": None}, "'event_action' must be trigger, acknowledge or resolve"),
        ({"payload": None}, "'payload' is missing or blank"),
        ({"payload": "text"}, "'payload' is missing or blank"),
        ({"payload": {"source": "s", "severity": "info"}}, "'payload.summary' is missing or blank"),
        ({"payload": {"summary": " ", "source": "s", "severity": "info"}}, "'payload.summary' is missing or blank"),
        ({"payload": {"summary": "s", "severity": "info"}}, "'payload.source' is missing or blank"),
        ({"payload": {"summary": "s", "source": "s"}}, "'payload.severity' is missing or blank"),
        ({"payload": {"summary": "s", "source": "s", "severity": "purple"}}, "'payload.severity' must be one of"),
        ({"event_action": "resolve", "dedup_key": ""}, "'dedup_key' is missing or blank"),
    ],
)
def test_a_bad_event_is_refused_in_pagerduty_s_words_and_kept(key: str, changed: dict[str, Any], error: str) -> None:
    answer = post(EVENTS, event(key) | changed)
    assert answer.status_code == 400
    said = answer.json()
    assert (said["status"], said["message"]) == ("invalid event", "Event object is invalid")
    assert any(error in each for each in said["errors"])
    receipt = Receipt.objects.get()
    assert receipt.status == "quarantined"
    assert error in receipt.error
    assert not Incident.objects.exists()


def test_every_fault_of_an_event_is_named(key: str) -> None:
    errors = post(EVENTS, event(key) | {"payload": {"component": "x"}}).json()["errors"]
    assert len(errors) == 3


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b'{"a":1,"a":2}', b"\xff", b'{"event_action":"trigger"}']
)
def test_what_cannot_be_read_or_has_no_key_is_refused_and_not_kept(body: bytes) -> None:
    for door in (EVENTS, CHANGES):
        answer = post(door, body)
        assert answer.status_code == 400
        assert answer.json()["errors"]
    assert not Receipt.objects.exists()


def test_an_unknown_key_is_refused_and_nothing_kept(key: str) -> None:
    _, others = integration("alertmanager")
    for wrong in ("nobody", others, key + "x", "\x00"):
        for door in (EVENTS, CHANGES):
            answer = post(door, event(wrong))
            assert answer.status_code == 401
            assert answer.json()["status"] == "invalid key"
    assert not Receipt.objects.exists()


def test_a_revoked_key_is_refused_at_once(key: str) -> None:
    post(EVENTS, event(key))
    row = Receipt.objects.get().integration
    integrations.revoke(row, actor=SHELL)
    assert post(EVENTS, event(key)).status_code == 401


def test_other_paths_and_methods_are_refused(key: str) -> None:
    assert post("/v2/alerts", event(key)).status_code == 404
    assert post(EVENTS, b"", method="GET").status_code == 405
    assert post(EVENTS + "/", event(key)).status_code == 202


def test_a_key_is_never_stored_in_what_people_can_read(key: str) -> None:
    post(EVENTS, event(key))
    hidden = json.dumps(event(key)).replace(key, "".join(f"\\u{ord(sign):04x}" for sign in key)).encode()
    assert post(EVENTS, hidden).status_code == 202
    post(CHANGES, {"routing_key": key, "payload": {"summary": "s"}})
    assert Receipt.objects.count() == 3
    for receipt in Receipt.objects.all():
        assert key.encode() not in bytes(receipt.body)
        assert json.loads(bytes(receipt.body))["routing_key"] == f"{key[:12]}…"


def test_a_refused_event_can_be_replayed_once_it_is_understood(key: str) -> None:
    post(EVENTS, event(key) | {"payload": {"summary": "s", "source": "s", "severity": "purple"}})
    receipt = Receipt.objects.get()
    fixed = bytes(receipt.body).replace(b"purple", b"critical")
    Receipt.objects.update(body=fixed)
    answer = replay.replay(receipt, actor=person())
    assert answer.alerts[0]["status"] == "opened"


# -- packed ----------------------------------------------------------------------------------------------------------


def test_packed_bodies_are_unpacked_at_every_door(key: str) -> None:
    packed = gzip.compress(json.dumps(event(key)).encode())
    assert post(EVENTS, packed, **{"Content-Encoding": "gzip"}).status_code == 202
    _, other = integration("generic")
    packed = gzip.compress(json.dumps({"title": "Refunds fail", "id": "7"}).encode())
    assert post(f"/intake/generic/{other}", packed, **{"Content-Encoding": "GZIP"}).status_code == 200
    assert Alert.objects.count() == 2


@override_settings(INTAKE_MAX_BYTES=10_000)
def test_what_unpacks_to_too_much_is_refused_before_it_fills_the_memory(key: str) -> None:
    bomb = gzip.compress(b" " * 5_000_000)
    assert len(bomb) < 10_000
    assert post(EVENTS, bomb, **{"Content-Encoding": "gzip"}).status_code == 413


def test_what_is_not_packed_as_it_says_is_refused(key: str) -> None:
    whole = gzip.compress(json.dumps(event(key)).encode())
    for body, encoding, status in (
        (b"{}", "gzip", 400),
        (whole[:-12], "gzip", 400),
        (whole, "br", 415),
        (whole, "identity", 400),
    ):
        assert post(EVENTS, body, **{"Content-Encoding": encoding}).status_code == status
    assert not Receipt.objects.exists()


# -- changes ---------------------------------------------------------------------------------------------------------


def what_changed() -> tuple[Change, ...]:
    """What triage shows of the year for the agent that every test has."""
    now = datetime.now(UTC)
    return questions.changes_before("customer-service", "prod", now, lookback=timedelta(days=366), limit=50)


def change(key: str, **details: str) -> dict[str, Any]:
    return {
        "routing_key": key,
        "payload": {
            "summary": "Deployed checkout 7.2",
            "source": "deploy pipeline",
            "timestamp": "2026-11-20T14:00:00Z",
            "custom_details": details,
        },
        "links": [{"href": "https://ci.example/7", "text": "Build 7"}],
    }


def test_a_change_opens_nothing_and_stands_in_the_open_incidents_of_the_agent_it_names(key: str) -> None:
    about = deployment()
    room, other = incident(about), incident(deployment("another"))
    answer = post(CHANGES, change(key, agent="customer-service"))
    assert (answer.status_code, answer.json()) == (202, {"status": "success", "message": "Change event processed"})
    row = ChangeEvent.objects.get()
    assert (row.deployment, row.summary, row.at_assumed) == (about, "Deployed checkout 7.2", False)
    assert row.links == [{"href": "https://ci.example/7", "text": "Build 7"}]
    assert list(row.incidents.all()) == [room]
    entry = room.timeline.latest("sequence")
    assert (entry.kind, entry.actor_kind) == ("change", "automation")
    assert entry.text == "Changed: Deployed checkout 7.2 (deploy pipeline)"
    assert entry.at == row.at
    assert not other.timeline.filter(kind="change").exists()
    assert Incident.objects.count() == 2
    assert Receipt.objects.get().status == "processed"


def test_a_change_that_names_nobody_is_kept_for_whoever_asks_what_changed(key: str) -> None:
    room = incident(deployment())
    post(CHANGES, change(key, service="a service we do not know"))
    post(CHANGES, {"routing_key": key, "payload": {"summary": "Migrated the index"}})
    assert not room.timeline.filter(kind="change").exists()
    unnamed = ChangeEvent.objects.get(summary="Migrated the index")
    assert (unnamed.deployment, unnamed.at_assumed) == (None, True)
    found = what_changed()
    assert [each.sentence for each in found if each.kind == "told"] == ["Migrated the index", "Deployed checkout 7.2"]


def test_however_many_changes_name_nobody_those_of_the_agent_are_told(key: str) -> None:
    row, at = Integration.objects.get(), clock.now() - timedelta(minutes=5)
    post(CHANGES, change(key, agent=deployment().bundle.key))
    named = ChangeEvent.objects.get()
    ChangeEvent.objects.filter(pk=named.pk).update(at=at)
    for number in range(changes.MOST + 1):
        receipt = Receipt.objects.create(integration=row, received_at=at, body=b"{}", status="processed")
        later = at + timedelta(seconds=1)
        ChangeEvent.objects.create(integration=row, receipt=receipt, summary=f"unnamed {number}", at=later)
    assert named.summary in {each.sentence for each in what_changed()}


def test_what_changed_shows_the_changes_of_the_agent_and_only_a_few_others(key: str) -> None:
    deployment()
    deployment("another")
    for number in range(8):
        post(CHANGES, {"routing_key": key, "payload": {"summary": f"unnamed {number}"}})
    post(CHANGES, change(key, agent="customer-service"))
    post(CHANGES, change(key, agent="another"))
    post(CHANGES, change(key, agent="customer-service", env="staging"))
    found = what_changed()
    told = [each for each in found if each.kind == "told"]
    assert len([each for each in told if each.sentence.startswith("unnamed")]) == 5
    assert [each.bundle_key for each in told if not each.sentence.startswith("unnamed")][:1] == ["customer-service"]
    assert "another" not in {each.bundle_key for each in told}


def test_a_change_from_the_future_happened_when_it_came(key: str) -> None:
    said = change(key)
    said["payload"]["timestamp"] = "9999-01-01T00:00:00Z"
    post(CHANGES, said)
    row = ChangeEvent.objects.get()
    assert row.at_assumed
    assert row.at.year < 9999


@pytest.mark.parametrize("payload", [None, {}, "text", {"source": "s"}, {"summary": ""}])
def test_a_change_that_says_nothing_is_refused_and_kept(key: str, payload: Any) -> None:
    answer = post(CHANGES, {"routing_key": key, "payload": payload})
    assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")
    assert Receipt.objects.get().status == "quarantined"
    assert not ChangeEvent.objects.exists()


def test_events_and_changes_of_one_moment_are_each_dealt_with(key: str) -> None:
    async def go() -> list[int]:
        async with running() as client:
            sent = [
                client.post(EVENTS, json=event(key, dedup_key=f"k{number}"))
                if number % 2
                else client.post(CHANGES, json={"routing_key": key, "payload": {"summary": f"c{number}"}})
                for number in range(40)
            ]
            return [answer.status_code for answer in await asyncio.gather(*sent)]

    assert set(asyncio.run(go())) == {202}
    assert (Alert.objects.count(), ChangeEvent.objects.count(), Receipt.objects.count()) == (20, 20, 40)


# -- payloads of others ----------------------------------------------------------------------------------------------


def read(name: str) -> Any:
    found = reading.read(pagerduty.SOURCE, fixture(f"pagerduty-events-v2/{name}.json"), {})
    assert not found.error
    return found.change or found.signals[0]


def test_alertmanager_s_trigger_and_resolve_are_one_alert() -> None:
    first, second = read("am025-trigger"), read("am025-resolve")
    assert isinstance(first, AlertSignal)
    assert first.dedup_key == second.dedup_key == "f80abdbbbb4439072826a089ec442492063bcb7aac20d89688e0f99d1f569df4"
    assert (first.said, second.said) == (Said.FIRING, Said.RESOLVED)
    assert first.title == "[FIRING:1] LLMErrorRateHigh (production gpt-4o-mini support-agent critical)"
    assert (first.severity, first.names.service, first.labels["class"]) == (
        "critical", "support-agent", "LLMErrorRateHigh",
    )  # fmt: skip
    assert first.links == (
        "http://alertmanager.example.internal:9093", "http://alertmanager.example.internal:9093/#/alerts?receiver=pd",
    )  # fmt: skip


def test_python_pagerduty_s_events_are_read() -> None:
    trigger, held = read("python-pagerduty-trigger"), read("python-pagerduty-acknowledge")
    assert (trigger.title, trigger.severity, trigger.links) == ("testing 123", "warning", ())
    assert trigger.annotations == {"this": "that", "images": [{"url": "https://http.cat/502.jpg"}]}
    assert (held.said, held.word, held.dedup_key) == (Said.HELD, "acknowledged", "abc123")


def test_go_pagerduty_s_change_event_is_read() -> None:
    change = read("go-pagerduty-change-event")
    assert isinstance(change, ChangeSignal)
    assert (change.summary, change.source) == ("Summary can't be blank", "Test runner")
    assert change.at == datetime(2020, 10, 19, 3, 6, 16, 318_000, UTC)
    assert [link["href"] for link in change.links] == [
        "https://acme.pagerduty.dev/build/2", "https://acme2.pagerduty.dev/build/2",
    ]  # fmt: skip
