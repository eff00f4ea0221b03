"""A test alert goes the whole way and is taken back; words are tried on what came before they count."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, SiteRole
from incidents import reading
from incidents.intake import fields, generic
from incidents.models import Alert, Incident, Page, Receipt, TimelineEntry
from incidents.operations import integrations, trial
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db


def admin() -> Actor:
    return person(SiteRole.ADMIN)


def body(**members: Any) -> bytes:
    return json.dumps({"dedup_key": "k", "title": "Odd", "severity": "page", **members}).encode()


# -- dry runs ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", sorted(reading.PARSERS))
def test_the_sample_of_every_source_would_open_an_incident_about_the_agent(source: str) -> None:
    deployment("support")
    on_call(someone("Mara"))
    made, _ = integration(source)
    tried = trial.run(made, trial.sample(source, "support", clock.now()), actor=admin())
    (come,) = tried.comes
    assert (tried.answer.status, come.status, come.severity) == (200, "opened", "SEV1")
    assert (come.deployment, come.incident, come.wakes) == ("support/prod", "", ("Mara",))
    assert come.header["metric"] == "task_success_rate"
    assert json.loads(tried.said)["alerts"][0]["incident"] is None


def test_nothing_of_it_stays_but_a_receipt_marked_tested() -> None:
    made, _ = integration("generic")
    tried = trial.run(made, body(), actor=admin())
    receipt = Receipt.objects.get()
    assert (receipt.pk, receipt.status, bytes(receipt.body)) == (tried.receipt, "tested", body())
    for table in (Alert, Incident, Page, TimelineEntry):
        assert not table.objects.exists()
    assert AuditEntry.objects.filter(verb="test integration").count() == 1
    assert connection.run_on_commit == []


def test_it_would_join_what_is_open_and_says_why() -> None:
    room = incident(deployment("support"))
    made, _ = integration("generic")
    (come,) = trial.run(made, body(bundle="support"), actor=admin()).comes
    assert (come.status, come.incident) == ("updated", room.ref)
    assert come.grouped_by
    assert room.alerts.count() == 0


def test_what_cannot_be_read_is_said_and_is_not_quarantined() -> None:
    made, _ = integration("alertmanager")
    tried = trial.run(made, b"{", actor=admin())
    assert tried.answer.status == 202
    assert tried.comes == ()
    assert Receipt.objects.get().status == "tested"


def test_a_revoked_integration_and_a_huge_body_are_refused(settings: Any) -> None:
    made, _ = integration("generic")
    settings.INTAKE_MAX_BYTES = 10
    with pytest.raises(OperationRefused, match="At most 10 bytes"):
        trial.run(made, b"x" * 11, actor=admin())
    integrations.revoke(made, actor=admin())
    made.refresh_from_db()
    with pytest.raises(OperationRefused, match="is revoked"):
        trial.run(made, b"{}", actor=admin())


@pytest.mark.parametrize("actor", [person, machine], ids=["responder", "token"])
def test_only_admins_test_and_change(actor: Callable[[], Actor]) -> None:
    made, _ = integration("generic")
    acts: list[Callable[[Actor], object]] = [
        lambda who: trial.run(made, b"{}", actor=who),
        lambda who: integrations.change(made, {"severities": {"page": "SEV1"}}, actor=who),
        lambda who: integrations.end_previous(made, actor=who),
    ]
    for act in acts:
        with pytest.raises(NotPermitted):
            act(actor())


# -- words ---------------------------------------------------------------------------------------------------------
def test_words_are_tried_on_what_came_before_they_count() -> None:
    deployment("support")
    made, _ = integration("alertmanager")
    send(made, notification(alert("one", severity="page-me", app="support")))
    words = {"fields": {"bundle": ["app"]}, "severities": {"page-me": "SEV1"}}
    (difference,) = trial.compare(made, words)
    assert (difference.before.severity, difference.after.severity) == ("SEV3, not said", "SEV1")
    assert (difference.before.deployment, difference.after.deployment) == ("no agent we know", "support/prod")
    assert difference.changed
    assert not trial.compare(made, {})[0].changed
    integrations.change(made, words, actor=admin())
    entry = AuditEntry.objects.get(verb="change integration")
    assert (entry.data["from"], entry.data["to"]) == ({}, words)
    made.refresh_from_db()
    send(made, notification(alert("two", severity="page-me", app="support"), group="g2"))
    assert Incident.objects.latest("pk").severity == "SEV1"


def test_an_unreadable_receipt_is_compared_by_its_error() -> None:
    made, _ = integration("generic")
    send(made, b"{")
    (difference,) = trial.compare(made, {})
    assert "JSON" in difference.before.header
    assert not difference.changed


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"other": {}}, "no setting 'other'"),
        ({"fields": {"colour": ["x"]}}, "No field 'colour'"),
        ({"fields": {"agent": [""]}}, "1 to 100 characters"),
        ({"fields": {"agent": {"x": 1}}}, "a list of at most"),
        ({"fields": [1]}, "a table of at most"),
        ({"severities": {"page": "SEV9"}}, "cannot become 'SEV9'"),
        ({"severities": {f"w{n}": "SEV1" for n in range(51)}}, "at most 50"),
        ({"environments": {"eu": "moon"}}, "cannot become 'moon'"),
        ({"environments": {"e\0u": "prod"}}, "1 to 100 characters"),
    ],
)
def test_words_of_another_shape_are_refused(settings: dict[str, Any], sentence: str) -> None:
    made, _ = integration("generic")
    with pytest.raises(OperationRefused, match=sentence) as refused:
        integrations.change(made, settings, actor=admin())
    assert refused.value.status == 422


def test_only_names_that_a_parser_looks_for_can_be_given() -> None:
    assert set(integrations.MAPPED) >= set(fields.FIELDS)
    assert set(integrations.MAPPED) == set(fields.FIELDS) | set(generic.FIELDS)
