"""Webhooks on the wire: signed, bounded, never elsewhere. The servers are real and stand on loopback."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from accounts.outbound import wire
from accounts.outbound.signing import new_secret, retry_after, signature
from incidents.notifications.base import Message, TransportError
from incidents.notifications.webhook import WebhookTransport
from tests import hooks

SECRET = new_secret()


@pytest.fixture
def hook(settings: Any) -> Iterator[hooks.Hook]:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.listening() as listening:
        yield listening


def message(address: str) -> Message:
    return Message(address, "subject", '{"text":"zażółć"}', "notice-7-1", SECRET)


def test_a_message_is_signed_so_that_any_library_of_standard_webhooks_verifies_it(hook: hooks.Hook) -> None:
    assert WebhookTransport().send(message(hook.url)) == "It answered 200: thanks"
    ((headers, body),) = hook.got
    assert hooks.verified(SECRET, headers, body) == {"text": "zażółć"}
    assert headers["webhook-id"] == "notice-7-1"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{hook.port}"
    with pytest.raises(AssertionError):
        hooks.verified(SECRET, headers, body + b" ")
    with pytest.raises(AssertionError):
        hooks.verified(new_secret(), headers, body)
    with pytest.raises(AssertionError):
        hooks.verified(SECRET, headers, body, now=time.time() + 3600)


def test_the_signature_is_the_one_of_the_standard_s_own_example() -> None:
    """The worked example of the specification's libraries."""
    said = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_has_256_random_bits() -> None:
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == 32
    assert new_secret() != SECRET


def test_a_broken_secret_sends_nothing(hook: hooks.Hook) -> None:
    with pytest.raises(TransportError, match="Rotate the secret"):
        WebhookTransport().send(Message(hook.url, "", "{}", "id", "whsec_?"))
    assert hook.got == []


def test_loopback_is_refused_unless_the_operator_allows_it(hook: hooks.Hook, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = []
    with pytest.raises(TransportError, match="no public address"):
        WebhookTransport().send(message(hook.url))
    assert hook.got == []


def test_a_redirect_is_a_failure_that_names_where_and_nobody_follows_it(hook: hooks.Hook) -> None:
    with hooks.listening() as secret_place:
        hook.status, hook.headers = 302, {"Location": f"http://127.0.0.1:{secret_place.port}/latest/meta-data"}
        with pytest.raises(TransportError, match=r"302 and points to http://127\.0\.0\.1:\d+/latest/meta-data"):
            WebhookTransport().send(message(hook.url))
        assert secret_place.got == []


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_every_other_answer_is_a_failure_with_its_first_words(hook: hooks.Hook, status: int) -> None:
    hook.status, hook.body = status, b"no\x00pe \x1b[31m" + b"x" * 5000
    with pytest.raises(TransportError, match=rf"^It answered {status}: no pe \[31mx+…$") as error:
        WebhookTransport().send(message(hook.url))
    assert len(str(error.value)) < 250


def test_the_wait_that_was_asked_for_is_read(hook: hooks.Hook) -> None:
    hook.status, hook.headers = 429, {"Retry-After": "120"}
    with pytest.raises(TransportError) as error:
        WebhookTransport().send(message(hook.url))
    assert error.value.retry_after == 120


@pytest.mark.django_db
def test_retry_after_may_be_a_date_or_nonsense(noon: Any) -> None:
    assert retry_after("Fri, 20 Nov 2026 12:02:00 GMT") == pytest.approx(120, abs=5)
    assert retry_after("Fri, 20 Nov 2020 12:02:00 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after("9" * 400) is None
    assert retry_after("") is None


def test_one_byte_every_now_and_then_does_not_hold_a_sender_beyond_its_time(
    hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 1.0)
    hook.trickle = 0.1
    begun = time.monotonic()
    with pytest.raises(TransportError, match="No whole answer within"):
        WebhookTransport().send(message(hook.url))
    assert time.monotonic() - begun < 2


def test_an_endless_answer_is_read_to_64_kilobytes(hook: hooks.Hook) -> None:
    hook.body = b"x" * 3_000_000
    assert WebhookTransport().send(message(hook.url)).startswith("It answered 200: xxx")
    assert len(wire.post(hook.url, b"{}", {}).body) == wire.ANSWER_BYTES


def test_a_target_that_is_not_there_is_said_so(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match="The connection failed"):
            WebhookTransport().send(message(f"http://127.0.0.1:{free.getsockname()[1]}/"))


def test_what_does_not_speak_http_is_said_so(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 1.0)
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.mail_server() as other, pytest.raises(TransportError, match="No whole answer"):
        WebhookTransport().send(message(f"http://127.0.0.1:{other.port}/"))


def test_the_name_is_asked_once_and_the_checked_address_is_the_one_connected_to(hook: hooks.Hook) -> None:
    """DNS that changes between the check and the connection: there is no second question it could answer."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    transport = WebhookTransport(resolve=changing)
    there = message(f"http://hooks.example:{hook.port}/")
    transport.send(there)
    assert asked == ["hooks.example"]
    assert hook.got[0][0]["host"] == f"hooks.example:{hook.port}", "the machine is told the name it was called by"
    with pytest.raises(TransportError, match=r"hooks.example is 10\.0\.0\.1"):
        transport.send(there)
    assert asked == ["hooks.example"] * 2, "every send asks and checks anew"
    assert len(hook.got) == 1


def test_a_second_address_is_tried_when_the_first_is_dead(hook: hooks.Hook, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.0/8")]
    transport = WebhookTransport(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert transport.send(message(f"http://hooks.example:{hook.port}/")).startswith("It answered 200")


def test_no_proxy_of_the_environment_sees_the_message(hook: hooks.Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    with hooks.listening() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        WebhookTransport().send(message(hook.url))
        assert proxy.got == []
