"""Starting, resting and removing practice; what is removed and what is never touched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts import clock
from accounts.actors import Actor, Surface
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from accounts.operations import audit
from incidents.models import (
    Alert,
    AlertReceipt,
    Incident,
    MachineMove,
    Notice,
    Page,
    Receipt,
    SendAttempt,
    TimelineEntry,
)
from incidents.operations import acknowledge, contain, delivery, duty, moves, note, timeline
from rollouts.models import (
    Activation,
    Agent,
    Bundle,
    BundleVersion,
    Deployment,
    Environment,
    Invocation,
    PracticeRun,
    Rollback,
    Stop,
)
from rollouts.operations import kill_switch, practice
from rollouts.operations.roll_back import roll_back
from rollouts.practice.bundles import KEY
from tests.factories.accounts import machine, person, token
from tests.factories.incidents import destination, incident, on_call
from tests.factories.rollouts import running
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db
SHELL = Actor.automation("manage.py practice", Surface.COMMAND)
FLEET = (Scope.READ, Scope.PUSH, Scope.APPROVER, Scope.TELEMETRY)


def admin() -> Actor:
    return person(SiteRole.ADMIN)


def span_row(key: str = KEY) -> None:
    at = clock.now()
    Invocation.objects.create(
        day=at.date(), id=Invocation.objects.count() + 1, at=at, received_at=at, trace_id="a" * 32,
        span_id=f"{Invocation.objects.count():016x}", name="invoke_agent", bundle_key=key,
    )  # fmt: skip


def lived_through() -> Incident:
    """A practice run with something in every table it can fill."""
    practice.begin(actor=SHELL)
    deployment = running("2.0.3", "2.1.0")
    monitor, _ = integration()
    responder = person(SiteRole.ADMIN)
    assert responder.user is not None
    on_call(responder.user)
    destination("email", "ops@example.com")
    send(monitor, notification(alert(agent=KEY)))
    found = Incident.objects.get()
    acknowledge.acknowledge(found, actor=responder)
    acknowledge.make_link(found, responder.user)
    duty.assign(found, actor=responder, user=responder.user, duty="scribe")
    note.add(found, actor=responder, text="seen")
    contain.roll_back(found, actor=responder)
    kill_switch.stop(deployment, actor=responder, scope="writes")
    moves.sweep()
    delivery.send_due()
    span_row()
    return found


def left(*keep: type) -> dict[str, int]:
    """Rows that practice left, by table."""
    models = [
        Incident, Alert, AlertReceipt, Receipt, TimelineEntry, MachineMove, Page, Notice, SendAttempt,
        Agent, Bundle, BundleVersion, Deployment, Activation, Rollback, Stop, Invocation,
    ]  # fmt: skip
    counts = {model.__name__: model._default_manager.count() for model in models if model not in keep}
    return {name: count for name, count in counts.items() if count}


# -- starting and resting ------------------------------------------------------------------------------------------
def test_the_first_start_begins_practice_where_nothing_ever_was_and_goes_on_with_it_later() -> None:
    run = practice.begin_if_empty(actor=SHELL)
    assert run is not None
    assert Agent.objects.get().practice
    later = clock.now() + timedelta(hours=3)
    again = practice.begin_if_empty(actor=SHELL, at=later)
    assert again == run
    assert again.active_until == later + practice.ACTIVE
    assert PracticeRun.objects.count() == 1


def test_practice_does_not_begin_by_itself_where_agents_are_at_work_or_after_it_was_removed() -> None:
    running("1.0.0", key="payments")
    assert practice.begin_if_empty(actor=SHELL) is None
    practice.begin(actor=SHELL)
    practice.remove(actor=SHELL)
    assert practice.begin_if_empty(actor=SHELL) is None
    assert practice.status() is None


def test_practice_refuses_the_name_of_a_real_agent() -> None:
    running("1.0.0")
    with pytest.raises(OperationRefused, match="that is a real one"):
        practice.begin(actor=admin())
    assert not practice.may_start()


def test_starting_again_wakes_a_resting_fleet() -> None:
    practice.begin(actor=admin())
    practice.rest(actor=admin())
    status = practice.status()
    assert status is not None
    assert status.state == "resting"
    practice.begin(actor=admin())
    assert PracticeRun.objects.count() == 1
    woken = practice.status()
    assert woken is not None
    assert woken.is_awake


def test_the_fleet_rests_after_half_an_hour() -> None:
    run = practice.begin(actor=SHELL)
    fleet = machine(*FLEET)
    assert practice.report(run.pk, {}, actor=fleet)["wanted"]
    late = run.started_at + practice.ACTIVE
    assert not practice.report(run.pk, {}, actor=fleet, at=late)["wanted"]
    status = practice.status(at=late)
    assert status is not None
    assert status.is_resting


def test_there_is_nothing_to_rest_or_remove_without_practice() -> None:
    with pytest.raises(OperationRefused, match="no practice"):
        practice.rest(actor=admin())
    with pytest.raises(OperationRefused, match="no practice"):
        practice.remove(actor=admin())


@pytest.mark.parametrize("verb", [practice.begin, practice.rest, practice.push_fix])
def test_admins_the_shell_and_tokens_that_may_promote_start_and_stop_practice(verb: Any) -> None:
    for actor in (person(SiteRole.COMMANDER), machine(Scope.READ, Scope.PUSH, Scope.CONTAIN)):
        with pytest.raises(NotPermitted):
            verb(actor=actor)
    practice.begin(actor=machine(Scope.APPROVER))


@pytest.mark.parametrize("verb", [practice.remove, practice.begin_if_empty])
def test_only_admins_and_the_shell_remove_practice(verb: Any) -> None:
    for actor in (person(SiteRole.COMMANDER), machine()):
        with pytest.raises(NotPermitted):
            verb(actor=actor)


# -- reports -------------------------------------------------------------------------------------------------------
def test_what_the_fleet_reported_is_what_its_next_process_goes_on_from() -> None:
    run = practice.begin(actor=SHELL)
    fleet = machine(*FLEET)
    practice.report(run.pk, {"phase": "released", "next_order": 7}, actor=fleet)
    answer = practice.report(None, {"phase": "resting"}, actor=fleet)
    assert answer == {
        "run": run.pk,
        "wanted": True,
        "report": {"phase": "released", "next_order": 7},
        "scenario": "refund-limit",
        "wishes": [],
    }


def test_a_report_of_an_earlier_run_changes_nothing() -> None:
    old = practice.begin(actor=SHELL)
    practice.remove(actor=SHELL)
    fleet = machine(*FLEET)
    assert practice.report(old.pk, {"phase": "released"}, actor=fleet) == {"run": None, "wanted": False, "report": {}}
    new = practice.begin(actor=SHELL)
    practice.report(old.pk, {"phase": "released"}, actor=fleet)
    new.refresh_from_db()
    assert new.report == {}


def test_a_report_needs_the_fleets_scope_and_a_bounded_size() -> None:
    run = practice.begin(actor=SHELL)
    with pytest.raises(NotPermitted):
        practice.report(run.pk, {}, actor=machine(Scope.READ))
    with pytest.raises(OperationRefused, match="64 KiB"):
        practice.report(run.pk, {"text": "x" * practice.REPORT_LIMIT}, actor=machine(*FLEET))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "are starting"),
        ({"phase": "healthy", "rate": 0.98}, "within a minute"),
        ({"phase": "released", "rate": 0.9, "queued": 9, "bad_instances": 20}, "9 wait. Its monitor will"),
        ({"phase": "released", "rate": 0.71, "firing_since": "t", "bad_instances": 20}, "71 %, 0 wait. Open"),
        ({"phase": "released", "rate": 0.8, "firing_since": "t", "bad_instances": 0}, "success 80 %."),
        ({"phase": "released", "rate": 0.98, "counts": {"retried": 200, "retried_refunded": 200}}, "200 of 200"),
        ({"phase": "released", "rate": None}, "to a human"),
    ],
)
def test_the_banner_says_what_the_fleet_is_doing(told: dict[str, Any], words: str) -> None:
    run = practice.begin(actor=SHELL)
    practice.report(run.pk, told, actor=machine(*FLEET))
    status = practice.status()
    assert status is not None
    assert words in status.sentence


def test_a_fleet_that_does_not_report_is_called_silent() -> None:
    run = practice.begin(actor=SHELL)
    practice.report(run.pk, {}, actor=machine(*FLEET))
    status = practice.status(at=clock.now() + timedelta(minutes=1))
    assert status is not None
    assert status.state == "silent"


# -- removing ------------------------------------------------------------------------------------------------------
def test_removing_practice_leaves_nothing_but_the_audit_log() -> None:
    lived_through()
    entries = AuditEntry.objects.count()
    epochs = dict(Environment.objects.values_list("name", "epoch"))
    taken = practice.remove(actor=admin())
    assert left() == {}
    assert taken["incidents"] == taken["alerts"] == taken["receipts"] == taken["rollbacks"] == 1
    assert taken["versions"] == 2
    assert AuditEntry.objects.count() == entries + 1
    last = AuditEntry.objects.first()
    assert last is not None
    assert (last.verb, last.data) == ("remove practice data", taken)
    assert audit.first_broken() is None
    assert all(epoch > epochs[name] for name, epoch in Environment.objects.values_list("name", "epoch"))


def test_what_is_not_practice_survives_its_removal_byte_for_byte() -> None:
    lived_through()
    real = incident(running("1.0.0", "1.1.0", key="payments"), severity="SEV2")
    responder = person(SiteRole.ADMIN)
    contain.roll_back(real, actor=responder)
    moves.sweep()
    span_row("payments")
    entries = list(real.timeline.order_by("pk").values())
    before = left()
    practice.remove(actor=admin())
    after = left()
    assert list(real.timeline.order_by("pk").values()) == entries
    real.refresh_from_db()
    assert timeline.first_broken(real) is None
    assert (after["Rollback"], after["Incident"], after["Invocation"], after["BundleVersion"]) == (1, 1, 1, 2)
    assert before["Rollback"] == 2


def test_an_incident_that_also_holds_a_real_agents_alert_stays_without_its_practice_deployment() -> None:
    found = lived_through()
    real = running("1.0.0", key="payments")
    Alert.objects.create(
        integration=integration()[0], incident=found, deployment=real, dedup_key="real", title="real",
        started_at=clock.now(), first_received_at=clock.now(), last_received_at=clock.now(),
        content_digest="", grouped_by="",
    )  # fmt: skip
    practice.remove(actor=admin())
    found.refresh_from_db()
    assert found.deployment is None
    assert [kept.deployment for kept in found.alerts.all()] == [real]
    assert timeline.first_broken(found) is None


def test_a_receipt_that_also_spoke_of_a_real_agent_stays() -> None:
    practice.begin(actor=SHELL)
    running("2.0.3")
    running("1.0.0", key="payments")
    both = [alert("a", agent=KEY), alert("b", agent="payments")]
    send(integration()[0], notification(*both))
    practice.remove(actor=admin())
    assert Receipt.objects.count() == 1
    assert [link.alert.dedup_key for link in AlertReceipt.objects.all()] == ["b"]


@pytest.mark.parametrize("function", ["rollouts_remove_practice", "incidents_remove_practice"])
def test_the_database_removes_no_agent_that_is_not_marked(function: str) -> None:
    deployment = running("1.0.0", key="payments")
    with (
        pytest.raises(DatabaseError, match="not a practice agent"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT {function}(%s)", [deployment.bundle.agent_id])
    assert BundleVersion.objects.count() == 1


@pytest.mark.parametrize("mark", [True, False])
def test_the_mark_of_practice_is_given_at_birth_and_never_changed(mark: bool) -> None:
    agent = Agent.objects.create(slug="a", practice=mark)
    with pytest.raises(DatabaseError), transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(practice=not mark)
    agent.description = "may change"
    agent.save()


def test_the_record_is_append_only_again_after_a_removal() -> None:
    lived_through()
    practice.remove(actor=admin())
    real = running("1.0.0", key="payments")
    roll_forward_target = running("1.1.0", key="payments")
    roll_back(roll_forward_target, actor=person(SiteRole.ADMIN))
    for rows in (Rollback.objects.all(), Activation.objects.filter(deployment=real), BundleVersion.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows._raw_delete("default")


def test_every_table_that_refers_to_a_removed_one_is_removed_from_too() -> None:
    """A later table with a foreign key into practice data must be added to the two functions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(pg_get_functiondef(oid), '') FROM pg_proc WHERE proname LIKE '%%remove_practice'"
        )
        body = cursor.fetchone()[0]
        cursor.execute(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype='f'"
        )
        links = cursor.fetchall()
    emptied = {word for word in body.replace(";", " ").split() if word.startswith(("rollouts_", "incidents_"))}
    removed = {table for table in emptied if f"DELETE FROM {table}" in body}
    assert {"incidents_incident", "rollouts_agent", "incidents_timelineentry"} <= removed
    assert {source for source, target in links if target in removed} - removed == set()


# -- doors ---------------------------------------------------------------------------------------------------------
def test_the_buttons_start_and_remove_practice_for_an_admin_only(client: Client) -> None:
    for role, status in ((SiteRole.COMMANDER, 403), (SiteRole.ADMIN, 302)):
        user = person(role).user
        assert user is not None
        client.force_login(user)
        assert client.post("/practice/start/").status_code == status
    assert practice.status() is not None
    assert client.get("/practice/reset/").status_code == 405
    assert client.post("/practice/rest/").status_code == 302
    assert client.post("/practice/reset/").status_code == 302
    assert practice.status() is None
    assert client.post("/practice/reset/").status_code == 302  # refused, and said on the board


def test_the_fleets_token_reports_and_a_reading_one_looks(client: Client) -> None:
    run = practice.begin(actor=SHELL)
    secret = token(*FLEET)[1]
    told = client.post(
        "/api/v1/practice/report",
        {"run": run.pk, "report": {"phase": "healthy", "rate": 0.98}},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert told.json()["run"] == run.pk
    assert told.json()["wanted"]
    assert told.json()["report"] == {"phase": "healthy", "rate": 0.98}
    seen = client.get("/api/v1/practice", headers={"Authorization": f"Bearer {token(Scope.READ)[1]}"})
    assert seen.json()["practice"]["rate"] == 0.98


def test_the_banner_is_asked_again_and_goes_when_practice_has_gone(client: Client) -> None:
    practice.begin(actor=SHELL)
    user = person(SiteRole.VIEWER).user
    assert user is not None
    client.force_login(user)
    shown = client.get("/practice/banner/")
    assert "Practice data" in shown.content.decode()
    assert client.get("/practice/banner/", headers={"HX-PTag": shown["HX-PTag"]}).status_code == 304
    practice.remove(actor=SHELL)
    assert "hidden" in client.get("/practice/banner/").content.decode()
