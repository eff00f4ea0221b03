"""The database is the referee: every constraint is tried, and every eternal row refuses to change or go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.models import IdempotencyKey, Membership, PersonSession, SiteRole, User, acted_by
from accounts.operations import login
from incidents.models import (
    Cause,
    Destination,
    Incident,
    Page,
    Postmortem,
    Review,
    SendAttempt,
    SlackHealth,
    SlackIdentity,
)
from incidents.operations import contain, duty
from rollouts.models import (
    Bundle,
    BundleVersion,
    Deployment,
    Drift,
    EvalResult,
    EvalRun,
    EvalSet,
    EvalSetVersion,
    Instance,
    PracticeRun,
    PromptRules,
    PushWarning,
    RegressionCase,
    Stop,
    StopFetch,
)
from rollouts.operations import gates
from rollouts.operations.promote import promote
from tests.constraint_attacks import ATTACKS
from tests.factories.accounts import TeamFactory, UserFactory, person, token
from tests.factories.incidents import incident, on_call
from tests.factories.leg_rows import leave_legs_worked
from tests.factories.rollouts import deployment, running, version
from tests.intakes import alert, integration, notification, send
from workbench.models import Tick

pytestmark = pytest.mark.django_db(transaction=True)
OURS = ("accounts", "rollouts", "incidents", "workbench")


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
    leave_legs_worked(contain.roll_back(room, actor=person()))
    contain.stop(room, actor=person(), scope="whole")
    duty.assign(room, actor=person(), user=jo, duty="scribe")
    send(integration()[0], notification(alert(severity="?")))
    Instance.objects.create(deployment=deployed, name="one", fetched_at=clock.now(), last_seen_at=clock.now())
    StopFetch.objects.create(stop=Stop.objects.latest("pk"), name="one", fetched_at=clock.now())
    PracticeRun.objects.create(started_at=clock.now(), active_until=clock.now())
    Tick.objects.create(at=clock.now())
    leave_what_checks_found(deployed)
    leave_cases_and_a_page(room, jo)
    leave_the_house(room, jo)
    assert Page.objects.exists()
    assert Incident.objects.count() == 2
    assert PersonSession.objects.exists()


def leave_what_checks_found(deployed: Deployment) -> None:
    """What pushes and drift write."""
    at, by = clock.now(), acted_by(person())
    PromptRules.objects.create(bundle=deployed.bundle, at=at, **by)
    PushWarning.objects.create(
        version=BundleVersion.objects.latest("pk"), check_name="c", path="p", message="m", severity="warning"
    )
    Drift.objects.create(
        deployment=deployed, kind="version", declared="1", seen="2", first_seen_at=at, last_seen_at=at, count=1,
        source="s",
    )  # fmt: skip


def leave_cases_and_a_page(room: Incident, jo: User) -> None:
    """What Resolve, Document and Review write."""
    at, by = clock.now(), acted_by(Actor.of_user(jo))
    made = BundleVersion.objects.latest("pk")
    cases = EvalSet.objects.create(bundle=made.bundle)
    case = RegressionCase.objects.create(
        eval_set=cases, key="c", title="c", inputs={}, check_kind="rubric", check_body={}, created_at=at, **by
    )
    frozen = EvalSetVersion.objects.create(
        eval_set=cases, number=1, case_ids=[case.pk], digest="d", created_at=at, **by
    )
    run = EvalRun.objects.create(
        version=made, eval_set_version=frozen, source="command", created_at=at, due_at=at, **by
    )
    EvalResult.objects.create(run=run, case=case, outcome="pass")
    Cause.objects.create(incident=room, origin="hot_edit", confidence="known", at=at, **by)
    page = Postmortem.objects.create(incident=room, updated_at=at)
    page.sections.create(name="summary", updated_at=at)
    page.presences.create(user=jo, seen_at=at)
    page.inferences.create(position=1, updated_at=at)
    page.variables.create(variable="prompt", updated_at=at)
    page.layers.create(layer="tools", updated_at=at)
    page.escapes.create(question="canary", updated_at=at)
    page.actions.create(position=1, text="a", kind="guard", updated_at=at)
    revision = page.revisions.create(number=1, content={}, digest="d", at=at, **by)
    revision.sign_offs.create(role="commander", at=at, **by)
    review = Review.objects.create(quarter="2026Q4", started_at=at, **by)
    review.decisions.create(pattern="p", changed=False, text="t", at=at, **by)


def leave_the_house(room: Incident, jo: User) -> None:
    """What notifications and Slack write."""
    at = clock.now()
    Destination.objects.create(kind="email", name="all", address="a@example.com", created_at=at, created_by=jo)
    SendAttempt.objects.create(page=Page.objects.latest("pk"), at=at, ok=True, took_ms=1)
    SlackIdentity.objects.create(user=jo, team_id="T1", slack_user_id="U1", linked_at=at)
    SlackHealth.objects.create()


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
        "incidents_postmortemrevision",
        "incidents_signoff",
        "incidents_standardchange",
        "incidents_timelineentry",
        "rollouts_activation",
        "rollouts_bundleversion",
        "rollouts_conversationtreatment",
        "rollouts_evalsetversion",
        "rollouts_gateresult",
        "rollouts_pushwarning",
        "rollouts_legdecision",
        "rollouts_legevidence",
        "rollouts_regressioncase",
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


def never_deleted() -> list[str]:
    """Tables whose rows may change and never go."""
    return [
        model._meta.db_table
        for model in our_models()
        if "never_deleted" in {trigger.name for trigger in getattr(model._meta, "triggers", [])}
    ]


@pytest.mark.usefixtures("everything")
def test_a_kill_switch_and_its_stops_never_go() -> None:
    assert set(never_deleted()) == {"rollouts_killswitch", "rollouts_stop"}
    for table in never_deleted():
        for verb in ("DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with (
                pytest.raises(DatabaseError, match="never deleted"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(verb.format(table))
