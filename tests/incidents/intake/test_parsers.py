"""What monitors send, read as it is meant: payloads of others, and the generic form."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from incidents import reading
from incidents.intake import fields
from incidents.reading import AlertSignal, Said
from tests.intakes import FIXTURES, alert, fixture, notification

EXPECTED: dict[str, Any] = (
    json.loads((FIXTURES / "alerts" / "expected.json").read_text())
    if (FIXTURES / "alerts" / "expected.json").is_file()
    else {"alertmanager/am025-single-firing.json": {}}  # skipped by name where the fixtures are missing
)
#: Those of PagerDuty's Events API are read in test_events_door.py.
SOURCES = reading.PARSERS.keys() - {"pagerduty-events-v2"}


def read(source: str, body: Any, **settings: Any) -> list[AlertSignal]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = reading.read(source, raw, settings)
    assert not found.error
    return list(found.signals)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.split("/")[0] in SOURCES])
def test_a_payload_somebody_else_s_monitor_sent_is_read_as_expected(name: str) -> None:
    source = name.split("/")[0]
    body = fixture(name)
    expected = EXPECTED[name]
    signals = read(source, body)
    assert len(signals) == len(expected["events"])
    for event, signal in zip(expected["events"], signals, strict=True):
        assert signal.said == event["status"]
        assert signal.title == event["title"]
        assert signal.severity == event["severity"]
        assert list(signal.links) == event["links"]
        for name, found in (("started_at", signal.started_at), ("ended_at", signal.ended_at)):
            sent = event.get(name)
            assert found == (datetime.fromisoformat(sent).astimezone(UTC) if sent else None)
        if event["dedup_key"].startswith("DERIVE"):
            assert re.fullmatch(r"[0-9a-f]{64}", signal.dedup_key)
        else:
            assert signal.dedup_key == event["dedup_key"]
        assert signal.not_shown == (expected.get("truncated") or 0)
        assert str(expected.get("group_key", "")) in signal.group_key
    assert [signal.dedup_key for signal in read(source, body)] == [signal.dedup_key for signal in signals]


def test_zabbix_s_problem_and_its_end_are_one_alert() -> None:
    problem = json.loads(fixture("generic/zabbix-problem.json"))
    over = problem | {"status": "OK", "link": problem["link"].replace("eventid=10528", "eventid=10529")}
    (first,), (second,) = read("generic", problem), read("generic", over)
    assert (first.said, second.said) == (Said.FIRING, Said.RESOLVED)
    assert first.dedup_key == second.dedup_key


def test_the_documented_generic_fields_are_read() -> None:
    (signal,) = read(
        "generic",
        {
            "id": "a-1",
            "title": "Refunds fail",
            "status": "firing",
            "severity": "high",
            "started_at": 1_795_183_200,
            "reference": "customer-service/prod/default/2.1.0",
            "metric": "refund_success_rate",
            "comparator": "<",
            "threshold": 0.95,
            "value": "0.71",
            "window": "15m",
            "url": "https://monitor.example/a-1",
            "labels": {"region": "eu"},
        },
    )
    assert (signal.dedup_key, signal.title, signal.severity) == ("a-1", "Refunds fail", "high")
    assert signal.started_at == datetime.fromtimestamp(1_795_183_200, UTC)
    assert signal.names.reference == "customer-service/prod/default/2.1.0"
    assert signal.header == {
        "metric": "refund_success_rate",
        "comparator": "<",
        "threshold": 0.95,
        "value": 0.71,
        "window": "15m",
    }
    assert signal.links == ("https://monitor.example/a-1",)


@pytest.mark.parametrize("body", [{"id": "x"}, [{"id": "x"}], {"alerts": [{"id": "x"}]}])
def test_one_object_a_list_and_an_envelope_are_read_alike(body: Any) -> None:
    assert [signal.dedup_key for signal in read("generic", body)] == ["x"]


def test_what_an_object_leaves_out_is_taken_from_its_envelope() -> None:
    first, second = read(
        "generic", {"agent": "forge", "group": "g", "alerts": [{"id": 1}, {"id": 2, "agent": "other"}]}
    )
    assert (first.names.agent, second.names.agent) == ("forge", "other")
    assert {first.group_key, second.group_key} == {"g"}


def test_other_field_names_are_a_setting() -> None:
    body = {"uid": "x", "headline": "Refunds fail", "app": "forge"}
    (signal,) = read("generic", body, fields={"key": "uid", "title": ["headline"], "agent": ["app"]})
    assert (signal.dedup_key, signal.title, signal.names.agent) == ("x", "Refunds fail", "forge")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("resolved", Said.RESOLVED),
        ("OK", Said.RESOLVED),
        ("closed", Said.RESOLVED),
        ("no_data", Said.FIRING),
        ("anything", Said.FIRING),
        (None, Said.FIRING),
        ("acknowledged", Said.HELD),
        ("deleted", Said.HELD),
    ],
)
def test_only_an_explicit_end_ends(word: str | None, said: Said) -> None:
    assert read("generic", {"id": "x", "status": word})[0].said == said


@pytest.mark.parametrize(
    "sent", [None, "", 0, "0", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", [], True, 1e30]
)
def test_no_time_is_no_time(sent: Any) -> None:
    assert fields.time_or_none(sent) is None


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2026-11-20T14:15:00Z", "2026-11-20T14:15:00+00:00"),
        ("2026-11-20T14:15:00.123456789Z", "2026-11-20T14:15:00.123456+00:00"),
        ("2016-08-01T13:27:08.008+03:00", "2016-08-01T10:27:08.008+00:00"),
        ("2026-11-20T14:15:00", "2026-11-20T14:15:00+00:00"),
        (1795184100, "2026-11-20T14:15:00+00:00"),
        (1795184100000, "2026-11-20T14:15:00+00:00"),
        ("1795184100.5", "2026-11-20T14:15:00.5+00:00"),
    ],
)
def test_times_are_read_as_sent(sent: Any, meant: str) -> None:
    assert fields.time_or_none(sent) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("0.95", 0.95),
        ("95", 95),
        (95, 95),
        ("-1.5e3", -1500.0),
        ("95%", "95%"),
        ("", None),
        (True, "true"),
        ([1], None),
    ],
)
def test_a_number_is_a_number_only_when_plainly_one(sent: Any, read_as: Any) -> None:
    assert fields.number_or_text(sent) == read_as
    assert type(fields.number_or_text(sent)) is type(read_as)


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "ftp://x/y",
        "https://",
        "https://wiki/{app}",
        "see https://x.example",
        "https://x y",
        5,
        None,
    ],
)
def test_what_is_no_whole_web_address_is_no_link(text: Any) -> None:
    assert not fields.is_link(text)


def test_two_receivers_with_one_group_key_are_two_groups() -> None:
    first = read("alertmanager", notification(alert(), group="{}/{}:{}", receiver="a"))
    second = read("alertmanager", notification(alert(), group="{}/{}:{}", receiver="b"))
    assert first[0].group_key != second[0].group_key


def test_keys_too_long_for_their_columns_stay_apart() -> None:
    first, second = fields.bounded_key("k" * 400 + "1"), fields.bounded_key("k" * 400 + "2")
    assert len(first) == len(second) == 300
    assert first != second
