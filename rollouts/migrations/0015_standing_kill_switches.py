import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

#: The same function, with what instances fetched of a stop, and the rows that are otherwise never deleted.
#: See docs/adr/0002-practice-data.md.
FUNCTION = """
CREATE OR REPLACE FUNCTION rollouts_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bundles bigint[];
    versions bigint[];
    deployments bigint[];
    sets bigint[];
    taken jsonb := '{}';
    n bigint;
BEGIN
    PERFORM 1 FROM rollouts_agent WHERE id = given AND practice FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % is not a practice agent: its record is never removed', given;
    END IF;
    SELECT coalesce(array_agg(id), '{}') INTO bundles FROM rollouts_bundle WHERE agent_id = given;
    SELECT coalesce(array_agg(id), '{}') INTO versions FROM rollouts_bundleversion WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO deployments FROM rollouts_deployment WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO sets FROM rollouts_evalset WHERE bundle_id = ANY (bundles);
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_') AND tgrelid = ANY (ARRAY[
            'rollouts_activation', 'rollouts_bundleversion', 'rollouts_evalsetversion', 'rollouts_gateresult',
            'rollouts_pushwarning', 'rollouts_regressioncase', 'rollouts_rollback', 'rollouts_waiver']::regclass[])
        OR starts_with(tgname, 'pgtrigger_never_deleted_') AND tgrelid = ANY (ARRAY[
            'rollouts_killswitch', 'rollouts_stop']::regclass[])), true);
    UPDATE rollouts_deployment SET active_id = NULL, standing_rollback_id = NULL WHERE id = ANY (deployments);
    DELETE FROM rollouts_rollbackleg USING rollouts_rollback AS pressed
        WHERE rollback_id = pressed.id AND pressed.deployment_id = ANY (deployments);
    DELETE FROM rollouts_rollback WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('rollbacks', n);
    DELETE FROM rollouts_stopfetch USING rollouts_stop AS pressed, rollouts_killswitch AS switch
        WHERE stop_id = pressed.id AND kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    DELETE FROM rollouts_containment USING rollouts_stop AS pressed, rollouts_killswitch AS switch
        WHERE stop_id = pressed.id AND kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    DELETE FROM rollouts_stop USING rollouts_killswitch AS switch
        WHERE kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('stops', n);
    DELETE FROM rollouts_killswitch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_propagation USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_waiver USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_activation WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('activations', n);
    DELETE FROM rollouts_drift WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_driftwatch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_promptrules WHERE bundle_id = ANY (bundles);
    DELETE FROM rollouts_pushwarning WHERE version_id = ANY (versions);
    DELETE FROM rollouts_instance WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_evalresult USING rollouts_evalrun AS pass
        WHERE run_id = pass.id AND pass.version_id = ANY (versions);
    DELETE FROM rollouts_evalrun WHERE version_id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('eval_runs', n);
    DELETE FROM rollouts_evalsetversion WHERE eval_set_id = ANY (sets);
    DELETE FROM rollouts_regressioncase WHERE eval_set_id = ANY (sets);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('cases', n);
    DELETE FROM rollouts_evalset WHERE id = ANY (sets);
    DELETE FROM rollouts_gateresult WHERE version_id = ANY (versions);
    DELETE FROM rollouts_deployment WHERE id = ANY (deployments);
    DELETE FROM rollouts_bundleversion WHERE id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('versions', n);
    DELETE FROM rollouts_bundle WHERE id = ANY (bundles);
    DELETE FROM rollouts_agent WHERE id = given;
    PERFORM set_config('pgtrigger.ignore', '{}', true);
    RETURN taken;
END;
$$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION rollouts_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bundles bigint[];
    versions bigint[];
    deployments bigint[];
    sets bigint[];
    taken jsonb := '{}';
    n bigint;
BEGIN
    PERFORM 1 FROM rollouts_agent WHERE id = given AND practice FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % is not a practice agent: its record is never removed', given;
    END IF;
    SELECT coalesce(array_agg(id), '{}') INTO bundles FROM rollouts_bundle WHERE agent_id = given;
    SELECT coalesce(array_agg(id), '{}') INTO versions FROM rollouts_bundleversion WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO deployments FROM rollouts_deployment WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO sets FROM rollouts_evalset WHERE bundle_id = ANY (bundles);
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_') AND tgrelid = ANY (ARRAY[
            'rollouts_activation', 'rollouts_bundleversion', 'rollouts_evalsetversion', 'rollouts_gateresult',
            'rollouts_pushwarning', 'rollouts_regressioncase', 'rollouts_rollback', 'rollouts_waiver']::regclass[])), true);
    UPDATE rollouts_deployment SET active_id = NULL, standing_rollback_id = NULL WHERE id = ANY (deployments);
    DELETE FROM rollouts_rollbackleg USING rollouts_rollback AS pressed
        WHERE rollback_id = pressed.id AND pressed.deployment_id = ANY (deployments);
    DELETE FROM rollouts_rollback WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('rollbacks', n);
    DELETE FROM rollouts_stop USING rollouts_killswitch AS switch
        WHERE kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('stops', n);
    DELETE FROM rollouts_killswitch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_propagation USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_waiver USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_activation WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('activations', n);
    DELETE FROM rollouts_drift WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_driftwatch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_promptrules WHERE bundle_id = ANY (bundles);
    DELETE FROM rollouts_pushwarning WHERE version_id = ANY (versions);
    DELETE FROM rollouts_instance WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_evalresult USING rollouts_evalrun AS pass
        WHERE run_id = pass.id AND pass.version_id = ANY (versions);
    DELETE FROM rollouts_evalrun WHERE version_id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('eval_runs', n);
    DELETE FROM rollouts_evalsetversion WHERE eval_set_id = ANY (sets);
    DELETE FROM rollouts_regressioncase WHERE eval_set_id = ANY (sets);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('cases', n);
    DELETE FROM rollouts_evalset WHERE id = ANY (sets);
    DELETE FROM rollouts_gateresult WHERE version_id = ANY (versions);
    DELETE FROM rollouts_deployment WHERE id = ANY (deployments);
    DELETE FROM rollouts_bundleversion WHERE id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('versions', n);
    DELETE FROM rollouts_bundle WHERE id = ANY (bundles);
    DELETE FROM rollouts_agent WHERE id = given;
    PERFORM set_config('pgtrigger.ignore', '{}', true);
    RETURN taken;
END;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0014_bundle_identity"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Containment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("instances", models.PositiveIntegerField(default=0, help_text="Heard of before the stop.")),
                ("reached", models.PositiveIntegerField(default=0)),
                ("p50_ms", models.FloatField(null=True)),
                ("p95_ms", models.FloatField(null=True)),
                ("max_ms", models.FloatField(null=True)),
                ("measured_at", models.DateTimeField()),
                ("acts_after", models.PositiveIntegerField(null=True)),
                ("late_acts", models.PositiveIntegerField(null=True)),
                ("acting_instances", models.PositiveIntegerField(null=True)),
                ("last_act_at", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField(null=True, help_text="When telemetry was last asked.")),
            ],
        ),
        migrations.CreateModel(
            name="StopFetch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("region", models.CharField(blank=True, max_length=64)),
                ("fetched_at", models.DateTimeField()),
                ("previous_seen_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["fetched_at", "pk"],
            },
        ),
        migrations.AddField(
            model_name="killswitch",
            name="actions_per_second",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="blast_seconds",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="calls_per_second",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="latency_budget_seconds",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="messages_per_second",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="off_state_url",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="probe_ms",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="probe_problem",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="probe_status",
            field=models.PositiveSmallIntegerField(blank=True, help_text="Null: there was no answer.", null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="probed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="killswitch",
            name="usd_per_second",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="stop",
            name="reasoned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="stop",
            name="reasoned_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="stop",
            name="restore_criteria",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="stop",
            name="restore_expected_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="stop",
            name="restore_planned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="stop",
            name="restore_planned_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="stop",
            name="right_share_percent",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="stop",
            name="wide_reason",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="stop",
            name="wrong_share_percent",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="stop",
            index=models.Index(
                condition=models.Q(("reasoned_at__isnull", False)), fields=["reasoned_at"], name="stop_by_reason"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitch",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'never deleted: a kill switch never expires; stop and release it instead';",
                    hash="8a31b610325f6af33832d06b3d5ca79c509b05cc",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_791e5",
                    table="rollouts_killswitch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="killswitch",
            trigger=pgtrigger.compiler.Trigger(
                name="never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'never deleted: a kill switch never expires; stop and release it instead';",
                    hash="c97de4030cecdbd4741220662efe7430b2a16c77",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_never_truncated_7e85d",
                    table="rollouts_killswitch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="stop",
            trigger=pgtrigger.compiler.Trigger(
                name="never_deleted",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'never deleted: a stop is part of the record';",
                    hash="cfa660e0e3582d218232b744e240ed6271bb0607",
                    operation="DELETE",
                    pgid="pgtrigger_never_deleted_2599e",
                    table="rollouts_stop",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="stop",
            trigger=pgtrigger.compiler.Trigger(
                name="never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'never deleted: a stop is part of the record';",
                    hash="1679037af394546e4f6b73a3e6905558b065d2f1",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_never_truncated_66de6",
                    table="rollouts_stop",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("actions_per_second", None),
                        models.Q(("actions_per_second__gte", 0), ("actions_per_second__lt", float("inf"))),
                        _connector="OR",
                    ),
                    models.Q(
                        ("calls_per_second", None),
                        models.Q(("calls_per_second__gte", 0), ("calls_per_second__lt", float("inf"))),
                        _connector="OR",
                    ),
                    models.Q(
                        ("usd_per_second", None),
                        models.Q(("usd_per_second__gte", 0), ("usd_per_second__lt", float("inf"))),
                        _connector="OR",
                    ),
                    models.Q(
                        ("messages_per_second", None),
                        models.Q(("messages_per_second__gte", 0), ("messages_per_second__lt", float("inf"))),
                        _connector="OR",
                    ),
                ),
                name="kill_switch_rates_are_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("latency_budget_seconds", None),
                        models.Q(("latency_budget_seconds__gte", 0), ("latency_budget_seconds__lt", float("inf"))),
                        _connector="OR",
                    ),
                    models.Q(
                        ("blast_seconds", None),
                        models.Q(("blast_seconds__gte", 0), ("blast_seconds__lt", float("inf"))),
                        _connector="OR",
                    ),
                ),
                name="kill_switch_times_are_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="stop",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reasoned_at", None),
                    models.Q(
                        ("reasoned_by__isnull", False),
                        ("right_share_percent__isnull", False),
                        ("right_share_percent__range", (0, 100)),
                        ("wrong_share_percent__isnull", False),
                        ("wrong_share_percent__range", (0, 100)),
                    ),
                    _connector="OR",
                ),
                name="wide_stop_compares_shares",
            ),
        ),
        migrations.AddConstraint(
            model_name="stop",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("restore_planned_at", None),
                    models.Q(models.Q(("restore_criteria", ""), _negated=True), ("restore_planned_by__isnull", False)),
                    _connector="OR",
                ),
                name="restore_plan_has_criteria_and_a_person",
            ),
        ),
        migrations.AddField(
            model_name="containment",
            name="stop",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="containment", to="rollouts.stop"
            ),
        ),
        migrations.AddField(
            model_name="stopfetch",
            name="stop",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="fetches", to="rollouts.stop"
            ),
        ),
        migrations.AddConstraint(
            model_name="stopfetch",
            constraint=models.UniqueConstraint(fields=("stop", "name"), name="stop_fetched_once_per_instance"),
        ),
        migrations.RunSQL(FUNCTION, BEFORE),
    ]
