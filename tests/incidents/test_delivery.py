"""What has to leave the house: to whom, once, whatever breaks on the way."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core import mail
from django.db import connection

from accounts import permissions
from accounts.actors import Actor
from accounts.models import SiteRole, Team, User
from accounts.operations import people
from incidents import receivers, tasks
from incidents.models import AcknowledgeLink, Incident, Notice, Page
from incidents.notifications import hint, registry
from incidents.notifications.base import Message, TransportError
from incidents.operations import acknowledge, contain, delivery, duty, paging, resolve, severity, timeline
from rollouts import signals
from tests.clock import MovableClock
from tests.factories.accounts import SHELL, person
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment as a_deployment

pytestmark = pytest.mark.django_db


@pytest.fixture
def mara(db: None) -> User:
    user = someone("Mara")
    on_call(user)
    return user


class BadTransport:
    """Fails for some addresses, carries the rest; a real transport of another kind, not a stand-in for ours."""

    def __init__(self, error: Exception, *addresses: str) -> None:
        self.error, self.addresses, self.carried = error, set(addresses), list[Message]()

    def send(self, message: Message) -> str:
        if message.address in self.addresses:
            raise self.error
        self.carried.append(message)
        return "carried"


@pytest.fixture
def carry(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(error: Exception, *addresses: str) -> BadTransport:
        transport = BadTransport(error, *addresses)
        monkeypatch.setitem(registry.TRANSPORTS, "email", transport)
        return transport

    return use


# -- whom ----------------------------------------------------------------------------------------------------------


def test_whoever_is_on_call_for_the_agents_team_is_paged() -> None:
    about, team = a_deployment(), Team.objects.create(slug="payments", name="Payments")
    about.bundle.agent.team = team
    about.bundle.agent.save()
    theirs, general = someone("Theirs"), someone("General")
    on_call(theirs, team)
    on_call(general)
    assert paging.people_to_page(about) == [theirs]
    assert paging.people_to_page(None) == [general]
    assert paging.people_to_page(a_deployment("other")) == [general]


def test_nobody_is_on_call_before_or_after_their_shift(noon: datetime) -> None:
    early, late, gone = someone("Early"), someone("Late"), someone("Gone", is_active=False)
    on_call(early, from_at=noon - timedelta(hours=2), to_at=noon - timedelta(hours=1))
    on_call(late, from_at=noon + timedelta(hours=1))
    on_call(gone)
    assert paging.on_call(None) == []
    assert not paging.is_on_call(early)
    assert paging.on_call(None, noon + timedelta(hours=2)) == [late]


def test_a_page_for_somebody_who_was_kept_out_since_wakes_whoever_is_on_call_now(mara: User) -> None:
    ada = someone("Ada", SiteRole.ADMIN)
    room = incident(severity="SEV1")
    assert [page.user for page in room.pages.all()] == [mara]
    people.disable(mara, actor=SHELL)
    delivery.send_due()
    delivery.send_due()
    assert [sent.to for sent in mail.outbox] == [[ada.email]]
    assert [page.user for page in room.pages.all()] == [ada]


def test_with_nobody_on_call_every_admin_is_paged() -> None:
    admin = someone("Ada", SiteRole.ADMIN)
    someone("Ex", SiteRole.ADMIN, is_active=False)
    someone("Rae")
    assert paging.people_to_page(None) == [admin]


@pytest.mark.parametrize(("level", "pages"), [("SEV1", 1), ("SEV2", 1), ("SEV3", 0), ("SEV4", 0)])
def test_people_are_woken_for_sev1_and_sev2_only(mara: User, level: str, pages: int) -> None:
    incident(severity=level)
    assert Page.objects.count() == pages


def test_nobody_is_woken_by_their_own_act(mara: User) -> None:
    incident(severity="SEV1", actor=Actor.of_user(mara))
    assert not Page.objects.exists()


# -- what ----------------------------------------------------------------------------------------------------------


def test_a_page_says_how_bad_what_and_where_and_lets_its_reader_acknowledge(mara: User) -> None:
    room = incident(
        severity="SEV1",
        title="Refunds <twice>\nsecond line",
        header={"metric": "schema_valid", "comparator": "<", "threshold": 95, "value": 71.5},
    )
    assert delivery.send_due() == 1
    (sent,) = mail.outbox
    assert sent.to == [mara.email]
    assert sent.subject == f"SEV1 {room.ref}: Refunds <twice> second line"
    for wanted in ("SEV1", "Refunds <twice>", "customer-service/prod", "schema_valid is 71.5, limit < 95", "/i/"):
        assert wanted in sent.body
    secret = sent.body.split("/oncall/ack/")[1].split("/")[0]
    assert acknowledge.use_link(secret).acknowledged_by == mara
    room.refresh_from_db()
    entry = room.timeline.get(kind="page")
    assert (entry.text, entry.actor_kind, entry.is_key) == ("Paged Mara by e-mail", "automation", False)
    assert timeline.first_broken(room) is None


def test_a_page_is_sent_once(mara: User) -> None:
    incident(severity="SEV1")
    assert delivery.send_due() == 1
    assert delivery.send_due() == 0
    assert len(mail.outbox) == 1


def test_a_page_waits_until_it_is_due(mara: User, noon: datetime, clock: MovableClock) -> None:
    severity.set_severity(incident(severity="SEV3"), actor=person(), severity="SEV1")
    assert delivery.send_due() == 0
    clock.advance(seconds=11)
    assert delivery.send_due() == 1


@pytest.mark.parametrize("meanwhile", ["acknowledged", "lowered", "resolved"])
def test_what_needs_nobody_any_more_wakes_nobody(mara: User, meanwhile: str) -> None:
    room = incident(severity="SEV1")
    if meanwhile == "acknowledged":
        acknowledge.acknowledge(room, actor=person())
    elif meanwhile == "lowered":
        severity.set_severity(room, actor=person(), severity="SEV3")
    else:
        contain.waive(room, actor=person(), reason="r")
        resolve.resolve(room, actor=person(), origin="unknown", resolution="r", no_case_reason="c")
    delivery.send_due()
    assert mail.outbox == []
    assert not Page.objects.exists(), "a page that never left must not stand there as sent"


def test_raising_undone_in_time_wakes_nobody(mara: User, noon: datetime, clock: MovableClock) -> None:
    room, actor = incident(severity="SEV3"), person()
    severity.set_severity(room, actor=actor, severity="SEV1")
    clock.advance(seconds=5)
    severity.set_severity(room, actor=actor, severity="SEV3")
    clock.advance(seconds=10)
    delivery.send_due()
    assert mail.outbox == []
    severity.set_severity(room, actor=actor, severity="SEV1")
    clock.advance(seconds=11)
    delivery.send_due()
    assert [message.to for message in mail.outbox] == [[mara.email]], "raised for good: now somebody is woken"


def test_a_notice_leaves_as_it_was_written() -> None:
    jo = someone("Jo")
    room = duty.assign(incident(), actor=person(name="Mara"), user=jo, duty="scribe")
    delivery.send_due()
    (sent,) = mail.outbox
    assert sent.to == [jo.email]
    assert "Mara made you scribe" in sent.body
    assert f"/i/{room.ref}/" in sent.body


# -- when it breaks ------------------------------------------------------------------------------------------------


def test_a_refused_message_is_tried_again_later_and_set_aside_in_the_end(
    mara: User, carry: Any, noon: datetime, clock: MovableClock
) -> None:
    carry(TransportError("server away"), mara.email)
    incident(severity="SEV1")
    delivery.send_due()
    page = Page.objects.get()
    assert page.error == "server away"
    assert page.done_at is None
    assert delivery.send_due() == 0
    for _ in range(7):
        clock.advance(minutes=16)
        assert delivery.send_due() == 1
    page.refresh_from_db()
    assert page.given_up_at is not None
    clock.advance(hours=1)
    assert delivery.send_due() == 0
    assert not Incident.objects.get().timeline.filter(kind="page").exists()


def test_a_poisoned_row_does_not_keep_the_others(carry: Any) -> None:
    people = [someone(name) for name in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus")]
    for user in people:
        on_call(user)
    transport = carry(RuntimeError("boom"), people[0].email)
    incident(severity="SEV1")
    delivery.send_due()
    assert [message.address for message in transport.carried] == [user.email for user in people[1:]]
    assert Page.objects.get(user=people[0]).error == "RuntimeError: boom"


def test_a_destination_nobody_serves_fails_with_a_sentence() -> None:
    jo = someone("Jo")
    duty.assign(incident(), actor=person(), user=jo, duty="scribe")
    Notice.objects.update(destination="pigeon:7")
    delivery.send_due()
    assert "pigeon" in Notice.objects.get().error


def test_whoever_dies_between_claim_and_sending_is_replaced_after_a_while(
    mara: User, noon: datetime, clock: MovableClock
) -> None:
    incident(severity="SEV1")
    assert len(Page.objects.claim(noon + timedelta(seconds=5), hold=delivery.HOLD)) == 1  # … and killed here
    clock.advance(seconds=10)
    assert delivery.send_due() == 0
    clock.advance(seconds=100)
    assert delivery.send_due() == 1
    clock.advance(seconds=100)
    assert delivery.send_due() == 0
    assert len(mail.outbox) == 1


def test_a_worker_killed_before_the_hint_leaves_the_row_to_the_clock(mara: User) -> None:
    incident(severity="SEV1")  # no callback of on_commit runs in this test: nobody was told
    tasks.send_due()
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_of_four_workers_sending_at_once_one_sends_each_message() -> None:
    for number in range(6):
        on_call(someone(f"Person {number}"))
    incident(severity="SEV1")
    barrier, counts = threading.Barrier(4), list[int]()

    def work() -> None:
        try:
            barrier.wait(10)
            counts.append(delivery.send_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(counts) == 6
    assert sorted(message.to[0] for message in mail.outbox) == sorted(page.user.email for page in Page.objects.all())
    assert AcknowledgeLink.objects.count() == 6
    room = Incident.objects.get()
    assert room.timeline.filter(kind="page").count() == 6
    assert timeline.first_broken(room) is None


def test_mail_without_a_server_is_a_file(mara: User, settings: Any, tmp_path: Path) -> None:
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": str(tmp_path)},
        }
    }
    room = incident(severity="SEV1")
    delivery.send_due()
    (file,) = tmp_path.iterdir()
    assert room.ref in file.read_text()


def test_a_mail_server_that_is_away_is_a_transport_error(mara: User, settings: Any) -> None:
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 9, "timeout": 2},
        }
    }
    incident(severity="SEV1")
    delivery.send_due()
    assert "ConnectionRefusedError" in Page.objects.get().error


def test_the_hint_reaches_the_broker_and_a_broker_that_is_away_harms_nothing(
    mara: User, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(name: str, **options: object) -> None:
        asked.append(name)
        raise ConnectionError("broker away")

    monkeypatch.setattr(current_app, "send_task", away)
    with django_capture_on_commit_callbacks(execute=True):
        incident(severity="SEV1")
    with hint._under_way[hint.SEND]:  # released when the hint's thread is through
        assert asked == [hint.SEND]
    assert delivery.send_due() == 1


def test_the_scheduled_tasks_exist() -> None:
    assert {entry["task"] for entry in tasks.SCHEDULE.values()} == {tasks.sweep.name, tasks.send_due.name}
    assert tasks.send_due.name == hint.SEND
    tasks.sweep()


def test_connecting_twice_listens_once() -> None:
    receivers.connect()
    receivers.connect()
    assert permissions.on_call_hooks.count(paging.is_on_call) == 1
    assert len(signals.incident_of_hooks) == 1
