"""Alerts become receipts, alerts, incidents, entries and pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts import clock
from accounts.models import SiteRole
from incidents.models import Alert, AlertReceipt, DetectionSource, Incident, Owed, Page, Receipt, TimelineEntry
from incidents.operations import integrations, timeline
from incidents.operations.receive import receive
from tests.factories.accounts import SHELL, UserFactory
from tests.factories.incidents import on_call
from tests.factories.rollouts import deployment as a_deployment
from tests.intakes import alert, fixture, integration, notification, request, send, statuses

pytestmark = pytest.mark.django_db


def kinds(incident: Incident) -> list[str]:
    return list(incident.timeline.order_by("sequence").values_list("kind", flat=True))


def test_an_alert_opens_an_incident_with_header_entry_debts_and_pages() -> None:
    person = UserFactory()
    on_call(person)
    monitor, _ = integration()
    (answer,) = send(monitor, fixture("alertmanager/am025-single-firing.json"))

    incident = Incident.objects.get()
    assert answer.status == 200
    assert answer.as_json() == {
        "receipt": Receipt.objects.get().pk,
        "alerts": [{"key": "fb8b21ab9e9c7a9d", "status": "opened", "incident": incident.ref}],
    }
    assert (incident.title, incident.severity) == ("LLM error rate above 5% for support-agent", "SEV1")
    assert (incident.step, incident.status, incident.detection_source) == ("detect", "open", DetectionSource.ALERT)
    assert incident.header["reference"] == "support-agent"
    assert incident.header["at"] == datetime(2026, 11, 20, 18, 6, 8, 161866, UTC)
    assert incident.deployment is None
    assert [owed.kind for owed in incident.owed.all()] == [Owed.Kind.DEPLOYMENT]
    assert kinds(incident) == ["opened"]
    assert timeline.first_broken(incident) is None
    entry = incident.timeline.get()
    assert (entry.actor_kind, entry.actor_label, entry.surface) == ("automation", "Alertmanager", "intake")
    assert [page.user for page in Page.objects.all()] == [person]
    sent = Alert.objects.get()
    assert sent.grouped_by
    assert sent.links == [
        "http://prometheus.example.internal:9090/graph?g0.expr=sum%28rate%28gen_ai_errors_total%5B5m%5D%29%29&g0.tab=1",
        "https://runbooks.example.com/llm-error-rate",
    ]


def test_the_header_holds_what_was_sent_numbers_where_they_are_plain() -> None:
    made = a_deployment("customer-service")
    monitor, _ = integration()
    sent = {
        "reference": "customer-service/prod/default/2.1.0",
        "metric": "refund_success_rate",
        "comparator": "<",
        "threshold": "0.95",
        "current_value": "71 %",
        "window": "15m",
    }
    send(monitor, notification(alert(annotations=sent)))
    incident = Incident.objects.get()
    assert incident.deployment == made
    assert incident.header == {
        "at": datetime(2026, 11, 20, 14, 15, 0, 500000, UTC),
        "reference": "customer-service/prod/default/2.1.0",
        "metric": "refund_success_rate",
        "comparator": "<",
        "threshold": 0.95,
        "value": "71 %",
        "window": "15m",
    }
    assert not incident.owed.exists()


def test_a_repeat_counts_and_changes_nothing_else() -> None:
    monitor, _ = integration()
    assert statuses(send(monitor, *[notification(alert())] * 3)) == ["opened", "duplicate", "duplicate"]
    assert statuses(send(monitor, notification(alert()))) == ["duplicate"]
    sent = Alert.objects.get()
    assert (sent.received_count, sent.receipt_links.count(), Receipt.objects.count()) == (4, 4, 4)
    assert TimelineEntry.objects.count() == 1


def test_eight_alerts_of_one_group_are_one_incident() -> None:
    monitor, _ = integration()
    (answer,) = send(monitor, fixture("alertmanager/am025-group-8-firing.json"))
    assert statuses([answer]) == ["opened"] + ["updated"] * 7
    assert {said["incident"] for said in answer.alerts} == {Incident.objects.get().ref}
    assert Alert.objects.count() == 8
    assert "7 more alerts" in TimelineEntry.objects.get().text
    assert Alert.objects.filter(grouped_by__contains="one group").count() == 7


def test_alerts_the_sender_left_out_are_counted_and_said() -> None:
    monitor, _ = integration()
    send(monitor, fixture("alertmanager/am025-truncated-3-of-8.json"))
    assert [sent.not_shown for sent in Alert.objects.all()] == [5, 5, 5]
    assert "5 not shown" in TimelineEntry.objects.get().text


def test_when_every_alert_has_resolved_it_is_recovered_and_firing_again_clears_that() -> None:
    monitor, _ = integration()
    send(monitor, notification(alert("a"), alert("b")))
    (answer,) = send(monitor, notification(alert("a", "resolved")))
    incident = Incident.objects.get()
    assert statuses([answer]) == ["resolved"]
    assert incident.recovered_at is None

    send(monitor, notification(alert("b", "resolved", title="Other words now")))
    incident.refresh_from_db()
    assert incident.status == "recovered"
    assert Alert.objects.get(dedup_key="b").title == "Refund success below 90 % (b)"
    assert Alert.objects.get(dedup_key="b").ended_at == datetime(2026, 11, 20, 14, 25, tzinfo=UTC)
    assert statuses(send(monitor, notification(alert("b", "resolved")))) == ["duplicate"]

    assert statuses(send(monitor, notification(alert("b")))) == ["updated"]
    incident.refresh_from_db()
    assert (incident.status, incident.recovered_at) == ("open", None)
    assert kinds(incident) == ["opened", "alert_resolved", "alert_resolved", "recovered", "firing_again"]
    assert timeline.first_broken(incident) is None


def test_firing_and_resolving_in_one_transaction_leave_the_same_record() -> None:
    monitor, _ = integration()
    bodies = [notification(alert()), notification(alert(status="resolved")), notification(alert())]
    assert statuses(send(monitor, *bodies)) == ["opened", "resolved", "updated"]
    incident = Incident.objects.get()
    assert kinds(incident) == ["opened", "alert_resolved", "recovered", "firing_again"]
    assert incident.recovered_at is None
    assert Alert.objects.get().firing


def test_a_resolved_alert_never_seen_is_recorded_and_opens_nothing() -> None:
    monitor, _ = integration()
    (answer,) = send(monitor, fixture("alertmanager/am025-single-resolved.json"))
    assert answer.alerts == [{"key": "fb8b21ab9e9c7a9d", "status": "resolved", "incident": None}]
    assert Receipt.objects.get().status == Receipt.Status.PROCESSED
    assert not Incident.objects.exists()


def test_after_its_incident_was_resolved_a_repeat_opens_another_that_names_it() -> None:
    monitor, _ = integration()
    send(monitor, notification(alert()))
    first = Incident.objects.get()
    now = clock.now()
    Incident.objects.update(acknowledged_at=now, contained_at=now, resolved_at=now)
    Alert.objects.update(closed_at=now)

    (answer,) = send(monitor, notification(alert()))
    second = Incident.objects.exclude(pk=first.pk).get()
    assert statuses([answer]) == ["opened"]
    assert second.repeat_of == first
    assert first.ref in second.timeline.get().text
    assert Alert.objects.count() == 2


def test_an_alert_about_a_known_deployment_joins_its_open_incident_whoever_sends_it() -> None:
    made = a_deployment("customer-service")
    first, _ = integration()
    second, _ = integration("generic")
    send(first, notification(alert(agent="customer-service")))
    (answer,) = send(second, {"id": "x", "title": "Refunds fail", "agent": "customer-service", "severity": "low"})
    incident = Incident.objects.get()
    assert incident.deployment == made
    assert statuses([answer]) == ["updated"]
    assert kinds(incident) == ["opened", "alert"]


def test_an_alert_does_not_join_a_contained_incident_of_its_deployment() -> None:
    a_deployment("customer-service")
    monitor, _ = integration()
    send(monitor, notification(alert("a", agent="customer-service"), group="g1"))
    Incident.objects.update(contained_at=clock.now())
    (answer,) = send(monitor, notification(alert("b", agent="customer-service"), group="g2"))
    assert statuses([answer]) == ["opened"]
    (answer,) = send(monitor, notification(alert("c"), group="g1"))
    assert statuses([answer]) == ["updated"], "but its group still joins it"


def test_a_severity_is_raised_by_a_worse_alert_and_never_lowered() -> None:
    person = UserFactory(roles=[SiteRole.ADMIN])
    monitor, _ = integration()
    send(monitor, notification(alert("a", severity="warning")))
    assert not Page.objects.exists()
    send(monitor, notification(alert("b", severity="P1")))
    incident = Incident.objects.get()
    assert incident.severity == "SEV1"
    assert kinds(incident) == ["opened", "alert", "severity"]
    assert Page.objects.get().user == person
    send(monitor, notification(alert("c", severity="info")))
    incident.refresh_from_db()
    assert incident.severity == "SEV1"


def test_a_severity_a_person_lowered_is_not_raised_again_by_repeats() -> None:
    monitor, _ = integration()
    send(monitor, notification(alert()))
    Incident.objects.update(severity="SEV3")
    send(monitor, notification(alert()), notification(alert(title="Still failing")))
    assert Incident.objects.get().severity == "SEV3"


@pytest.mark.parametrize("word", ["", "weird", "none"])
def test_a_severity_missing_or_unknown_is_sev3_and_owed(word: str) -> None:
    monitor, _ = integration()
    send(monitor, notification(alert(severity=word)))
    incident = Incident.objects.get()
    assert incident.severity == "SEV3"
    assert incident.owed.filter(kind=Owed.Kind.SEVERITY).exists()


def test_an_integration_has_its_own_words() -> None:
    made = a_deployment("customer-service")
    monitor, _ = integration(
        fields={"agent": ["app"], "environment": "stage"},
        severities={"Weird": "SEV2"},
        environments={"eu-live": "prod"},
    )
    send(monitor, notification(alert(severity="weird", app="customer-service", stage="eu-live")))
    incident = Incident.objects.get()
    assert (incident.severity, incident.deployment) == ("SEV2", made)


def test_a_held_word_is_recorded_and_stops_nothing() -> None:
    monitor, _ = integration("generic")
    send(monitor, {"id": "x", "title": "Refunds fail", "severity": "high"})
    (answer,) = send(monitor, {"id": "x", "title": "Refunds fail", "status": "acknowledged"})
    incident = Incident.objects.get()
    assert answer.alerts[0]["status"] == "suppressed"
    assert "acknowledged" in answer.alerts[0]["rule"]
    assert incident.acknowledged_at is None
    assert Alert.objects.get().received_count == 2


def test_one_request_that_cannot_be_stored_does_not_take_its_neighbours_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, _ = integration()
    good, bad = request(monitor, notification(alert("a"))), request(monitor, notification(alert("b")))
    poison = bad.reading.signals[0]
    object.__setattr__(poison, "title", "half a pair \ud800")
    answers = receive([good, bad])
    assert [answer.status for answer in answers] == [200, 202]
    assert Receipt.objects.get(pk=answers[1].receipt or 0).status == Receipt.Status.QUARANTINED
    assert Incident.objects.count() == 1


def test_a_revoked_key_is_refused_and_nothing_stored() -> None:
    monitor, _ = integration()
    integrations.revoke(monitor, actor=SHELL)
    (answer,) = send(monitor, notification(alert()))
    assert answer.status == 401
    assert not Receipt.objects.exists()


def test_the_count_of_receipts_is_the_count_of_links() -> None:
    monitor, _ = integration()
    twice = notification(alert("a"), alert("a"), alert("b"))
    assert statuses(send(monitor, twice, twice)) == [
        "opened",
        "duplicate",
        "updated",
        "duplicate",
        "duplicate",
        "duplicate",
    ]
    for sent in Alert.objects.all():
        assert sent.received_count == sent.receipt_links.count() == 2
    assert set(AlertReceipt.objects.values_list("status", flat=True)) == {"opened", "updated", "duplicate"}
