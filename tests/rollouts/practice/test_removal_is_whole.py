"""Removing practice, table by table: a world of practice beside the same world of a real agent.

A new model needs no line here, but a row: where the world below has none in its table, the test says so.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.db.models.fields.related import ForeignKey

from accounts import clock
from accounts.actors import Actor
from accounts.models import SiteRole, acted_by
from incidents.models import (
    ActionItem,
    Cause,
    ChangeEvent,
    EscapeAnswer,
    Factor,
    Incident,
    InferenceRow,
    LayerFinding,
    MovedVariable,
    Notice,
    Owed,
    Page,
    Postmortem,
    PostmortemRevision,
    PostmortemSection,
    Presence,
    Receipt,
    SendAttempt,
    SignOff,
    SlackCard,
)
from incidents.operations import acknowledge, contain, duty, moves, note
from rollouts.models import (
    Agent,
    BundleVersion,
    Containment,
    ConversationTreatment,
    Deployment,
    Drift,
    DriftWatch,
    EvalResult,
    EvalRun,
    EvalSet,
    EvalSetVersion,
    GateResult,
    Instance,
    LegDecision,
    LegEvidence,
    PromptRules,
    Propagation,
    PushWarning,
    RegressionCase,
    StopFetch,
)
from rollouts.operations import kill_switch, practice
from rollouts.operations.promote import promote
from rollouts.practice.bundles import KEY
from tests.factories.accounts import CLOCKWORK, SHELL, person
from tests.factories.incidents import on_call
from tests.factories.leg_rows import leave_legs_worked
from tests.factories.rollouts import deployment, running, version
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db
REAL = "payments"
#: Tables that stand for no agent and no incident; practice leaves them as they are.
SITE_WIDE = {
    "rollouts_environment",
    "rollouts_practicerun",
    "incidents_integration",
    "incidents_destination",
    "incidents_oncall",
    "incidents_review",
    "incidents_standardchange",
    "incidents_slackidentity",
    "incidents_slackdelivery",
    "incidents_slackhealth",
}


def tables() -> dict[str, type[Model]]:
    """Every table of the two apps that is about agents or incidents, those between two models included."""
    found = {
        model._meta.db_table: model
        for label in ("rollouts", "incidents")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    return {table: model for table, model in found.items() if table not in SITE_WIDE}


def reaches_the_removed(model: type[Model], seen: frozenset[type[Model]] = frozenset()) -> bool:
    """Whether a row of ``model`` hangs on an agent or an incident, over however many foreign keys."""
    if model in {Agent, Incident}:
        return True
    targets = {field.related_model for field in model._meta.fields if isinstance(field, ForeignKey)}
    return any(
        isinstance(target, type) and target not in seen and reaches_the_removed(target, seen | {model})
        for target in targets
    )


def contents() -> dict[str, list[Any]]:
    """Every row of every such table."""
    found: dict[str, list[Any]] = {}
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"SELECT to_jsonb(told) FROM {table} AS told ORDER BY to_jsonb(told)::text")
            found[table] = [row[0] for row in cursor.fetchall()]
    return found


def evals(bad: BundleVersion, ref: str) -> RegressionCase:
    """A case, its set, a finished run with its gate."""
    acted: dict[str, Any] = {"at": clock.now(), **acted_by(CLOCKWORK)}
    made: dict[str, Any] = {"created_at": clock.now(), **acted_by(CLOCKWORK)}
    golden = EvalSet.objects.create(bundle=bad.bundle, last_number=1)
    case = RegressionCase.objects.create(
        eval_set=golden, key="c1", title="c1", inputs={}, check_kind="rubric", check_body={"text": "kind"},
        incident_ref=ref, bad_version=bad, **made,
    )  # fmt: skip
    fixed = EvalSetVersion.objects.create(eval_set=golden, number=1, case_ids=[case.pk], digest="d", **made)
    gate = GateResult.objects.create(version=bad, gate="more", state="red", **acted)
    run = EvalRun.objects.create(
        version=bad, eval_set_version=fixed, source="junit", expected_total=1, failed=1, gate_result=gate,
        due_at=clock.now(), done_at=clock.now(), **made,
    )  # fmt: skip
    EvalResult.objects.create(run=run, case=case, outcome="fail")
    return case


def postmortem(room: Incident, at_fault: BundleVersion, author: Actor) -> None:
    """A published page with a row of every kind."""
    assert author.user is not None
    edited: dict[str, Any] = {"updated_at": clock.now()}
    page = Postmortem.objects.create(incident=room, **edited)
    PostmortemSection.objects.create(postmortem=page, name="summary", text="t", **edited)
    Presence.objects.create(postmortem=page, user=author.user, seen_at=clock.now())
    ActionItem.objects.create(postmortem=page, position=1, text="do", kind="guard", **edited)
    InferenceRow.objects.create(postmortem=page, position=1, version_at_fault=at_fault, **edited)
    MovedVariable.objects.create(postmortem=page, variable="prompt", **edited)
    LayerFinding.objects.create(postmortem=page, layer="model", **edited)
    EscapeAnswer.objects.create(postmortem=page, question="canary", **edited)
    Factor.objects.create(postmortem=page, position=1, text="f", **edited)
    acted: dict[str, Any] = {"at": clock.now(), **acted_by(author)}
    revision = PostmortemRevision.objects.create(postmortem=page, number=1, content={}, digest="d", **acted)
    SignOff.objects.create(revision=revision, role="commander", **acted)


def identity(bad: BundleVersion, live: Deployment) -> None:
    """What checks and drift leave behind."""
    PromptRules.objects.create(bundle=bad.bundle, forbidden=["x"], at=clock.now(), **acted_by(CLOCKWORK))
    PushWarning.objects.create(version=bad, check_name="x", path="x", message="x", severity="warning")
    Drift.objects.create(
        deployment=live, kind="version", declared="a", seen="b", first_seen_at=clock.now(), last_seen_at=clock.now(),
        count=1, source="x",
    )  # fmt: skip
    DriftWatch.objects.create(deployment=live, due_at=clock.now(), looked_until=clock.now())


def world(key: str) -> Incident:
    """One agent with a row in every table that can speak of it."""
    running("1.0.0", "1.1.0", key=key)
    waived = version(key, "1.2.0-rc1")
    promote(
        deployment(key, "staging"), waived, actor=person(SiteRole.APPROVER), waiver_reason="practice",
        waiver_expires_at=clock.now().replace(year=clock.now().year + 1),
    )  # fmt: skip
    live = deployment(key)
    responder, monitor = person(SiteRole.ADMIN), integration()[0]
    assert responder.user is not None
    on_call(responder.user)
    send(monitor, notification(alert(key, agent=key), group=key))
    room = Incident.objects.get(deployment=live)
    acknowledge.acknowledge(room, actor=responder)
    acknowledge.make_link(room, responder.user)
    duty.assign(room, actor=responder, user=responder.user, duty="scribe")
    note.add(room, actor=responder, text="seen")
    leave_legs_worked(contain.roll_back(room, actor=responder))
    stopped = kill_switch.stop(live, actor=responder, scope="writes")
    StopFetch.objects.create(stop=stopped, name="eu-1", fetched_at=clock.now())
    Containment.objects.create(stop=stopped, measured_at=clock.now())
    moves.sweep()
    Owed.objects.get_or_create(incident=room, kind="reason", about="x", defaults={"text": "x", "since": clock.now()})
    Instance.objects.create(deployment=live, name="eu-1", fetched_at=clock.now(), last_seen_at=clock.now())
    Propagation.objects.get_or_create(activation=live.activations.latest("pk"), defaults={"measured_at": clock.now()})
    bad = BundleVersion.objects.get(bundle=live.bundle, label="1.1.0")
    case = evals(bad, room.ref)
    identity(bad, live)
    cause = Cause.objects.create(
        incident=room, origin="partial_bundle", confidence="known", at=clock.now(), **acted_by(responder)
    )
    cause.cases.add(case)
    postmortem(room, bad, responder)
    receipt = Receipt.objects.create(integration=monitor, received_at=clock.now(), body=b"{}", status="processed")
    change = ChangeEvent.objects.create(
        integration=monitor, receipt=receipt, deployment=live, summary="deploy", at=clock.now()
    )
    change.incidents.add(room)
    SlackCard.objects.create(incident=room, channel="C1", due_at=clock.now())
    entry = room.timeline.latest("sequence")
    notice, _ = Notice.objects.get_or_create(
        entry=entry, destination="email:x@example.com",
        defaults={"subject": "s", "body": "b", "created_at": clock.now(), "due_at": clock.now()},
    )  # fmt: skip
    SendAttempt.objects.create(notice=notice, at=clock.now(), ok=True, took_ms=1)
    SendAttempt.objects.create(
        page=Page.objects.filter(incident=room).earliest("pk"), at=clock.now(), ok=True, took_ms=1
    )
    moves.sweep()
    return room


def test_everything_about_practice_goes_and_every_row_of_a_real_agent_stays_as_it_was() -> None:
    world(REAL)
    before = contents()
    practice.begin(actor=SHELL)
    room = world(KEY)
    filled = contents()
    empty = [
        table
        for table, model in tables().items()
        if reaches_the_removed(model) and len(filled[table]) <= len(before[table])
    ]
    assert empty == [], "practice leaves no row here in this test: give the world above one"

    practice.remove(actor=SHELL)
    after = contents()
    assert {table for table in before if after[table] != before[table]} == set()
    assert not Incident.objects.filter(ref=room.ref).exists()


def test_what_a_real_incident_says_of_practice_loses_the_reference_and_stays() -> None:
    real = world(REAL)
    practice.begin(actor=SHELL)
    practised = world(KEY)
    bad = BundleVersion.objects.get(bundle__key=KEY, label="1.1.0")
    case = RegressionCase.objects.get(bad_version=bad)
    cause = Cause.objects.get(incident=real)
    cause.cases.add(case)
    InferenceRow.objects.filter(postmortem__incident=real).update(version_at_fault=bad)
    change = ChangeEvent.objects.get(deployment__bundle__key=REAL)
    change.incidents.add(practised)
    note.add(real, actor=person(), text="As in practice.")

    practice.remove(actor=SHELL)
    assert [kept.bad_version.bundle.key for kept in cause.cases.all() if kept.bad_version] == [REAL]
    assert InferenceRow.objects.get(postmortem__incident=real).version_at_fault is None
    assert list(change.incidents.all()) == [real]


def test_the_record_is_append_only_again_for_the_new_tables_too() -> None:
    real = world(REAL)
    practice.begin(actor=SHELL)
    practice.remove(actor=SHELL)
    for rows in (
        RegressionCase.objects.all(),
        EvalSetVersion.objects.all(),
        PostmortemRevision.objects.filter(postmortem__incident=real),
        SignOff.objects.all(),
        LegEvidence.objects.all(),
        LegDecision.objects.all(),
        ConversationTreatment.objects.all(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows._raw_delete("default")
