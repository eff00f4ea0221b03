"""The database is the referee: every constraint is tried, and every eternal row refuses to change or go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from accounts import clock
from accounts.models import IdempotencyKey, Membership, PersonSession, SiteRole
from accounts.operations import login
from incidents.models import Incident, Page
from incidents.operations import contain, duty
from rollouts.models import Bundle, BundleVersion, Deployment, Instance, PracticeRun
from rollouts.operations import gates
from rollouts.operations.promote import promote
from tests.factories.accounts import TeamFactory, UserFactory, person, token
from tests.factories.incidents import incident, on_call
from tests.factories.rollouts import deployment, running, version
from tests.intakes import alert, integration, notification, send
from workbench.models import Tick

pytestmark = pytest.mark.django_db(transaction=True)
OURS = ("accounts", "rollouts", "incidents", "workbench")

#: constraint → what a copy of a row that is there says differently, by column, as SQL. Nothing: the copy itself.
ATTACKS: dict[str, dict[str, str]] = {
    # accounts
    "idempotency_key_once_per_caller": {},
    "membership_once_per_team": {},
    "api_token_scopes_known": {"scopes": "'{everything}'", "digest": "'x'"},
    "person_session_approved_by_a_person": {
        "approved_at": "now()", "user_id": "NULL", "device_digest": "'x'", "user_code": "'x'",
    },
    "user_email_unique_ignoring_case": {"email": "upper(email)"},
    "user_roles_known": {"roles": "'{king}'", "email": "'x@example.com'"},
    # rollouts
    "bundle_variant_once_per_agent": {"key": "'a.copy'"},
    "version_number_once_per_bundle": {"label": "'another'"},
    "version_label_once_per_bundle": {"number": "99"},
    "version_label_is_not_a_number": {"label": "'123'", "number": "99"},
    "diff_sign_off_is_a_persons": {"gate": "'diff'", "actor_kind": "'automation'"},
    "deployment_once_per_environment": {"standing_rollback_id": "NULL"},
    "rollback_stands_in_one_deployment": {"bundle_id": "(SELECT max(id) FROM rollouts_bundle)"},
    "instance_once_per_deployment": {},
    "kill_switch_once_per_scope": {},
    "kill_switch_scope_known": {"scope": "'everything'"},
    "one_open_stop_per_kill_switch": {},
    "stop_released_by_a_person": {"released_at": "now()", "released_by_id": "NULL"},
    "one_open_practice_run": {},
    "practice_run_ends_after_start": {"ended_at": "started_at - interval '1 s'"},
    "leg_once_per_rollback": {},
    "leg_waived_by_name": {"state": "'waived'", "closed_by_id": "NULL", "kind": "'another'"},
    # incidents
    "incident_resolved_only_after_containment": {
        "ref": "'INC-999'", "resolved_at": "now()", "contained_at": "NULL", "containment_waived_at": "NULL",
    },
    "incident_triage_skip_has_reason": {"ref": "'INC-999'", "triage_skipped_at": "now()"},
    "incident_containment_waiver_has_reason": {"ref": "'INC-999'", "containment_waived_at": "now()"},
    "incident_document_skip_has_reason": {"ref": "'INC-999'", "document_skipped_at": "now()"},
    "incident_acknowledged_after_opened": {"ref": "'INC-999'", "acknowledged_at": "opened_at - interval '1 s'"},
    "incident_holder_has_acknowledged": {
        "ref": "'INC-999'", "acknowledged_at": "NULL", "acknowledged_by_id": "(SELECT min(id) FROM accounts_user)",
    },
    "incident_resolved_after_opened": {
        "ref": "'INC-999'", "resolved_at": "opened_at - interval '1 s'", "contained_at": "now()",
    },
    "incident_severity_known": {"ref": "'INC-999'", "severity": "'SEV9'"},
    "incident_ref_shape": {"ref": "'INC-x'"},
    "one_open_alert_per_key": {},
    "integration_previous_key_has_an_end": {"digest": "'x'", "previous_digest": "'y'"},
    "receipt_names_alert_once": {},
    "owed_once": {},
    "timeline_sequence_once": {"source": "''"},
    "timeline_source_once": {"sequence": "999"},
    "machine_move_recorded_once": {},
    "page_once_per_round": {},
    "notice_once_per_destination": {},
    "one_holder_per_duty": {},
    "duty_ends_after_start": {"to_at": "from_at - interval '1 s'"},
    "on_call_ends_after_start": {"to_at": "from_at"},
    # workbench
    "tick_is_one_row": {"id": "2"},
}  # fmt: skip


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OURS]


def constraints() -> dict[str, type[models.Model]]:
    return {constraint.name: model for model in our_models() for constraint in model._meta.constraints}


@pytest.fixture
def everything() -> None:
    """One row of each table, made by the operations that make real ones."""
    mara, jo = UserFactory(name="Mara"), UserFactory(name="Jo")
    Membership.objects.create(team=TeamFactory(), user=mara)
    token()
    login.start()
    IdempotencyKey.objects.create(caller="user:1", key="k", request_digest="d")
    on_call(mara)
    deployed = running("1.0.0", "2.0.0")
    approver = person(SiteRole.APPROVER)
    gates.record(BundleVersion.objects.latest("pk"), "diff", "green", actor=approver)
    promote(
        deployment("another", "staging"),
        version("another"),
        actor=approver,
        waiver_reason="no evals yet",
        waiver_expires_at=clock.now() + timedelta(days=1),
    )
    Bundle.objects.create(agent=deployed.bundle.agent, variant="runs-nowhere", key="customer-service.runs-nowhere")
    room = incident(deployed, severity="SEV1")
    contain.roll_back(room, actor=person())
    contain.stop(room, actor=person(), scope="whole")
    duty.assign(room, actor=person(), user=jo, duty="scribe")
    send(integration()[0], notification(alert(severity="?")))
    Instance.objects.create(deployment=deployed, name="one", fetched_at=clock.now(), last_seen_at=clock.now())
    PracticeRun.objects.create(started_at=clock.now(), active_until=clock.now())
    Tick.objects.create(at=clock.now())
    assert Page.objects.exists()
    assert Incident.objects.count() == 2
    assert PersonSession.objects.exists()


def copy(table: str, changed: dict[str, str]) -> str:
    """SQL that inserts the table's telling row once more, with a number of its own and ``changed``."""
    telling = {
        "rollouts_deployment": "WHERE standing_rollback_id IS NOT NULL",
        "incidents_timelineentry": "WHERE source <> ''",
    }.get(table, "")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = 'public'"
            " AND is_generated = 'NEVER' AND (column_name <> 'id' OR column_name = ANY (%s))",
            [table, list(changed)],
        )
        columns = [name for (name,) in cursor.fetchall()]
    assert changed.keys() <= {*columns}, changed
    values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} {telling} ORDER BY id LIMIT 1"


def test_every_constraint_is_tried() -> None:
    assert constraints().keys() == ATTACKS.keys()


@pytest.mark.usefixtures("everything")
def test_every_constraint_refuses_what_must_never_be_true() -> None:
    wrong = []
    for name, model in constraints().items():
        sql = copy(model._meta.db_table, ATTACKS[name])
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql)
                wrong.append((name, f"{cursor.rowcount} rows were taken"))
        except IntegrityError as error:
            refused_by = getattr(error.__cause__, "diag").constraint_name  # noqa: B009
            if refused_by != name:
                wrong.append((name, refused_by))
    assert wrong == []


def eternal() -> list[str]:
    """Tables whose rows are written once."""
    return [
        model._meta.db_table
        for model in our_models()
        if "append_only" in {trigger.name for trigger in getattr(model._meta, "triggers", [])}
    ]


def test_what_the_record_stands_on_is_append_only() -> None:
    assert set(eternal()) == {
        "accounts_auditentry",
        "incidents_timelineentry",
        "rollouts_activation",
        "rollouts_bundleversion",
        "rollouts_gateresult",
        "rollouts_rollback",
        "rollouts_waiver",
    }


@pytest.mark.usefixtures("everything")
def test_an_eternal_row_neither_changes_nor_goes() -> None:
    assert Deployment.objects.exists()
    for table in eternal():
        for verb in ("UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {table}")
                (count,) = cursor.fetchone()
                assert count, f"{table} has no row that could be attacked"
            with (
                pytest.raises(DatabaseError, match=r"append-only|Cannot (update|delete|update or delete) rows"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(verb.format(table))
