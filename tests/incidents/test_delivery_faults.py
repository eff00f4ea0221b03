"""When the other side is slow, broken or gone: nothing is lost, nothing else waits, and people see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import override_settings

from accounts.outbound import wire
from incidents.models import Notice, Page, SendAttempt
from incidents.operations import delivery, destinations, notices, timeline
from tests import hooks
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import destination, incident, last, on_call, someone
from tests.fake_slack import CHANNEL, fake_slack

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook(settings: Any) -> Iterator[hooks.Hook]:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.listening() as listening:
        yield listening


@pytest.fixture
def mail_by(settings: Any) -> Any:
    """Send mail through this server."""

    def use(server: hooks.MailServer) -> None:
        options = {"host": "127.0.0.1", "port": server.port, "timeout": 5}
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}

    return use


def test_every_try_is_kept_with_its_answer(hook: hooks.Hook, noon: datetime, clock: MovableClock) -> None:
    destination(address=hook.url)
    incident()
    hook.status = 503
    delivery.send_due()
    hook.status = 200
    clock.advance(seconds=5)
    delivery.send_due()
    tries = SendAttempt.objects.order_by("pk")
    assert [(each.ok, each.answer) for each in tries] == [
        (False, "It answered 503: thanks"),
        (True, "It answered 200: thanks"),
    ]
    assert all(each.took_ms > 0 for each in tries)
    first, second = hook.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"], "a receiver can fold what it gets twice"
    assert first[1] == second[1]


def test_a_target_that_asks_for_time_gets_it(hook: hooks.Hook, noon: datetime, clock: MovableClock) -> None:
    destination(address=hook.url)
    incident()
    hook.status, hook.headers = 429, {"Retry-After": "600"}
    delivery.send_due()
    clock.advance(minutes=9)
    assert delivery.send_due() == 0
    clock.advance(minutes=2)
    assert delivery.send_due() == 1
    hook.headers = {"Retry-After": "99999999"}
    clock.advance(minutes=11)
    delivery.send_due()
    assert Notice.objects.get().due_at < noon + timedelta(hours=2), "nobody puts us off for ever"


def test_a_target_that_hangs_costs_one_try_and_keeps_nobody_else(
    hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.3)
    hanging = destination(address=hook.url)
    hook.trickle = 0.1
    with hooks.listening() as quick:
        destination(address=quick.url)
        for number in range(6):
            incident(title=f"number {number}")
        delivery.send_due()
        assert len(quick.got) == 6
    assert len(hook.got) == 1
    waiting = Notice.objects.filter(destination=f"destination:{hanging.pk}", done_at=None)
    assert waiting.count() == 6
    assert sorted(waiting.values_list("attempts", flat=True)) == [0, 0, 0, 0, 0, 1]
    assert waiting.filter(claimed_until=None, due_at__gt=noon).count() == 6


def test_what_cannot_be_sent_is_set_aside_and_the_room_says_so(
    hook: hooks.Hook, noon: datetime, clock: MovableClock
) -> None:
    destination(address=hook.url, name="Status page")
    room = incident()
    hook.status, hook.body = 500, b"<script>alert(1)</script>"
    for _ in range(delivery.NOTICE_TRIES):
        assert delivery.send_due() == 1
        clock.advance(minutes=16)
    assert delivery.send_due() == 0
    assert Notice.objects.get().given_up_at is not None
    entry = last(room)
    assert entry.kind == "notice"
    assert entry.text.startswith("Notice to Status page could not be sent: It answered 500: <script>")
    room.refresh_from_db()
    assert timeline.first_broken(room) is None
    hook.status = 200
    notices.retry(Notice.objects.get(), actor=person())
    assert delivery.send_due() == 1
    assert Notice.objects.get().done_at is not None


def test_a_page_that_reached_nobody_is_told_in_the_room(mail_by: Any, noon: datetime, clock: MovableClock) -> None:
    on_call(someone("Mara"))
    room = incident(severity="SEV1")
    with hooks.mail_server("550 no such person here") as server:
        mail_by(server)
        for _ in range(delivery.PAGE_TRIES):
            assert delivery.send_due() == 1
            clock.advance(minutes=16)
        assert server.mails == []
    assert Page.objects.get().given_up_at is not None
    assert last(room).text.startswith("Page to Mara could not be sent: SMTPRecipientsRefused")
    assert SendAttempt.objects.filter(page__isnull=False, ok=False).count() == delivery.PAGE_TRIES


def test_a_mail_server_that_refuses_keeps_the_notice_due_until_it_takes_it(
    mail_by: Any, noon: datetime, clock: MovableClock
) -> None:
    destination("email", "ops@example.com")
    incident()
    with hooks.mail_server("450 greylisted, come again") as server:
        mail_by(server)
        delivery.send_due()
        notice = Notice.objects.get()
        assert notice.done_at is None
        assert "greylisted" in notice.error
        server.refuse = ""
        clock.advance(seconds=5)
        delivery.send_due()
        (sent,) = server.mails
    assert f"Message-ID: <{delivery.message_id(notice)}@" in sent
    assert Notice.objects.get().done_at is not None


def test_a_mail_that_is_sent_twice_carries_one_message_id(mail_by: Any, noon: datetime, clock: MovableClock) -> None:
    """Its worker died after the server took it and before the row said so: mail systems fold what they know."""
    destination("email", "ops@example.com")
    incident()
    with hooks.mail_server() as server:
        mail_by(server)
        delivery.send_due()
        Notice.objects.update(done_at=None, claimed_until=noon + timedelta(seconds=90))
        assert delivery.send_due() == 0
        clock.advance(seconds=100)
        delivery.send_due()
        one, two = ([line for line in mail.splitlines() if "Message-ID" in line] for mail in server.mails)
    assert one == two != []


def test_a_claim_that_has_ended_is_left_to_who_claims_next(
    hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    monkeypatch.setattr(delivery, "HOLD", timedelta(seconds=0.2))
    monkeypatch.setattr(delivery, "RUN_SECONDS", 0.1)
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.3)
    destination(address=hook.url)
    hook.trickle = 0.1
    with hooks.listening() as quick:
        incident()
        destination(address=quick.url)
        incident()
        delivery.send_due(noon)
        assert quick.got == []


def test_a_slack_channel_is_told_and_its_pause_is_kept(noon: datetime, clock: MovableClock) -> None:
    destination("slack", CHANNEL, events=["opened"])
    room = incident(title="<!channel> refunds")
    with fake_slack() as slack, override_settings(**slack.settings):
        slack.fail("chat.postMessage", status=429, retry_after=60)
        delivery.send_due()
        clock.advance(seconds=30)
        assert delivery.send_due() == 0
        clock.advance(seconds=40)
        assert delivery.send_due() == 1
        (said,) = slack.root()
    assert said["text"].startswith(f"*SEV3 {room.ref}* Opened")
    assert "<!channel>" not in said["text"]


def test_a_test_of_a_hanging_target_ends(hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.3)
    there = destination(address=hook.url)
    hook.trickle = 0.1
    trial = destinations.test(there, actor=person("admin"))
    assert not trial.ok
    assert trial.took_ms < 2000
