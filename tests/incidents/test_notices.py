"""Destinations hear what happens, from the same transaction as the record: which of them, of what, in which words."""

from __future__ import annotations

import json

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, SiteRole, Team
from incidents.models import Destination, Incident, Notice, TimelineEntry
from incidents.notifications import events
from incidents.operations import acknowledge, contain, delivery, moves, note, notices, severity, timeline
from tests.factories.accounts import CLOCKWORK, person
from tests.factories.incidents import destination, incident, resolved, someone
from tests.factories.rollouts import deployment as a_deployment
from tests.factories.rollouts import running
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db
ADMIN = SiteRole.ADMIN


def kinds(of: Destination) -> list[str]:
    """The kinds of entries it is owed notices of, in order."""
    rows = Notice.objects.filter(destination=f"destination:{of.pk}").order_by("pk")
    return list(rows.values_list("entry__kind", flat=True))


# -- who hears what --------------------------------------------------------------------------------------------------


def test_what_happens_is_told_and_what_is_detail_is_not() -> None:
    all_of_it = destination()
    room = incident(running("1.0.0", "2.0.0"), severity="SEV2")
    note.add(room, actor=person(), text="We look into it.")
    acknowledge.acknowledge(room, actor=person())
    contain.roll_back(room, actor=person())
    moves.sweep()
    assert kinds(all_of_it) == ["opened", "acknowledged", "rollback"]


def test_a_destination_hears_only_of_the_events_it_wants() -> None:
    some = destination(events=["resolved"])
    resolved(incident())
    assert kinds(some) == ["resolved"]


def test_mild_incidents_are_not_told_where_only_bad_ones_count() -> None:
    bad = destination(least_severity="SEV2")
    incident(severity="SEV3")
    incident(severity="SEV2")
    assert kinds(bad) == ["opened"]


def test_whoever_heard_that_it_was_bad_hears_that_it_no_longer_is() -> None:
    bad = destination(least_severity="SEV1")
    room = incident(severity="SEV1")
    severity.set_severity(room, actor=person(), severity="SEV3")
    acknowledge.acknowledge(room, actor=person())
    assert kinds(bad) == ["opened", "severity"]


def test_a_team_s_destination_hears_of_its_agents_only() -> None:
    team = Team.objects.create(slug="payments", name="Payments")
    theirs, everybodys = destination(team=team), destination(address="https://hooks.example/all")
    about = a_deployment()
    about.bundle.agent.team = team
    about.bundle.agent.save()
    incident(about)
    incident(a_deployment("another"))
    assert (kinds(theirs), kinds(everybodys)) == (["opened"], ["opened", "opened"])


def test_nobody_is_told_of_their_own_act() -> None:
    mara = someone("Mara")
    hers, theirs = destination("email", mara.email.upper()), destination("email", "ops@example.com")
    room = incident(severity="SEV2")
    acknowledge.acknowledge(room, actor=Actor.of_user(mara))
    assert kinds(hers) == ["opened"]
    assert kinds(theirs) == ["opened", "acknowledged"]


def test_drills_never_leave_the_house() -> None:
    there = destination()
    room = incident()
    Notice.objects.all().delete()
    Incident.objects.filter(pk=room.pk).update(kind="drill", ref="DRL-1")
    acknowledge.acknowledge(Incident.objects.get(pk=room.pk), actor=person())
    assert kinds(there) == []


def test_a_disabled_destination_hears_nothing() -> None:
    gone = destination()
    Destination.objects.filter(pk=gone.pk).update(disabled_at="2026-11-20T00:00:00Z")
    incident()
    assert kinds(gone) == []


def test_an_act_that_is_undone_is_not_told() -> None:
    there = destination()
    with transaction.atomic():
        incident()
        transaction.set_rollback(True)
    assert kinds(there) == []


def test_a_batch_of_alerts_costs_as_many_statements_however_many_there_are() -> None:
    for number in range(5):
        destination(address=f"https://hooks.example/{number}")
    sender = integration()[0]
    costs = []
    for count in (1, 40):
        alerts = [alert(f"{count}-{number}", agent=f"unknown-{count}-{number}") for number in range(count)]
        with CaptureQueriesContext(connection) as queries:
            send(sender, *[notification(one, group=f"g{count}-{number}") for number, one in enumerate(alerts)])
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert Notice.objects.count() == 41 * 5


# -- in which words --------------------------------------------------------------------------------------------------


def entry_of(kind: str, room: Incident) -> TimelineEntry:
    entry = timeline.append(timeline.lock(room), kind, "What <b>happened</b> & why\n\nX-Header: no", actor=CLOCKWORK)
    return TimelineEntry.objects.select_related("incident__deployment__bundle").get(pk=entry.pk)


@pytest.mark.parametrize("kind", events.EVENTS)
def test_every_event_says_how_bad_what_which_and_where(kind: str) -> None:
    room = incident(severity="SEV1", title="Refunds <!channel> & *twice*\r\nBcc: all@example.com")
    entry = entry_of(kind, room)
    for to in Destination.Kind.values:
        subject, body = events.written(to, entry, "notice-1-1")
        assert subject.startswith(f"SEV1 {room.ref} {events.EVENTS[kind].lower()}: Refunds")
        assert "\n" not in subject
        assert "\r" not in subject
        for wanted in ("SEV1", room.ref, f"/i/{room.ref}/"):
            assert wanted in body, (to, wanted)


def test_a_sentence_that_ended_is_gone_on_with() -> None:
    entry = timeline.append(
        timeline.lock(incident()), "resolved", "Resolved (prompt change): Rolled back.", actor=CLOCKWORK
    )
    assert f"Resolved (prompt change): Rolled back, by {entry.actor_label}" in events.written("email", entry, "id")[1]


def test_slack_is_told_in_words_that_mention_nobody() -> None:
    _, body = events.written("slack", entry_of("opened", incident(title="<!channel> & <@U1> <http://x|y>")), "id")
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt; &lt;http://x|y&gt;" in body
    assert body.count("<") == 1, "the link to the room is the only one"
    assert len(body.splitlines()) == 2


def test_a_webhook_gets_the_whole_event_as_documented() -> None:
    room = incident(severity="SEV1")
    entry = entry_of("rollback", room)
    said = json.loads(events.written("webhook", entry, "notice-7-1")[1])
    assert said["schema"] == "lastgood.event/1"
    assert said == {
        "schema": "lastgood.event/1",
        "id": "notice-7-1",
        "kind": "rollback",
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "incident": {
            "ref": room.ref,
            "title": room.title,
            "severity": "SEV1",
            "step": "detect",
            "status": "open",
            "deployment": "customer-service/prod",
            "url": said["incident"]["url"],
        },
        "actor": {"kind": "automation", "label": CLOCKWORK.label},
        "text": f"SEV1 {room.ref}: What <b>happened</b> & why X-Header: no, by {CLOCKWORK.label}",
        "data": {},
    }


def test_the_words_are_chosen_once_and_stay_the_same_at_every_try() -> None:
    destination("email", "ops@example.com", events=["opened"])
    room = incident()
    delivery.send_due()
    (sent,) = mail.outbox
    stored = Notice.objects.get()
    assert (sent.subject, sent.body) == (stored.subject, stored.body)
    assert sent.extra_headers["Message-ID"].startswith(f"<notice-{stored.pk}-")
    assert room.title in sent.body


# -- again -----------------------------------------------------------------------------------------------------------


def test_what_was_set_aside_is_sent_again_when_a_person_says_so() -> None:
    destination("email", "ops@example.com", events=["opened"])
    incident()
    Notice.objects.update(given_up_at="2026-11-20T00:00:00Z", attempts=16)
    assert delivery.send_due() == 0
    row = notices.retry(Notice.objects.get(), actor=person())
    assert (row.attempts, row.given_up_at) == (0, None)
    assert delivery.send_due() == 1
    assert len(mail.outbox) == 1
    assert AuditEntry.objects.filter(verb="send again").exists()
    with pytest.raises(OperationRefused, match="has been sent"):
        notices.retry(Notice.objects.get(), actor=person())


def test_what_is_being_sent_is_not_sent_beside_it() -> None:
    destination("email", "ops@example.com")
    incident()
    Notice.objects.update(claimed_until="2099-01-01T00:00:00Z")
    with pytest.raises(OperationRefused, match="being sent just now"):
        notices.retry(Notice.objects.get(), actor=person())


def test_who_only_looks_sends_nothing_again() -> None:
    destination("email", "ops@example.com")
    incident()
    with pytest.raises(NotPermitted):
        notices.retry(Notice.objects.get(), actor=person(SiteRole.VIEWER))
