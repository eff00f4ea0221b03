import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.fields.json
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

#: The same function, with push warnings, prompt rules and drift. See docs/adr/0002-practice-data.md.
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
            'rollouts_regressioncase', 'rollouts_rollback', 'rollouts_waiver']::regclass[])), true);
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
        ("rollouts", "0013_remove_practice_evals"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Drift",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("model", "Another model answers"),
                            ("alias", "The alias moved"),
                            ("version", "Another version runs"),
                            ("content", "The content differs"),
                        ],
                        max_length=7,
                    ),
                ),
                ("about", models.CharField(blank=True, max_length=200)),
                ("declared", models.CharField(max_length=200)),
                ("seen", models.CharField(max_length=200)),
                ("unreviewed", models.BooleanField(default=False)),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("count", models.PositiveBigIntegerField()),
                ("source", models.CharField(help_text="Who told: telemetry, or whoever reported it.", max_length=200)),
                ("day", models.DateField(null=True)),
                ("trace_id", models.CharField(blank=True, max_length=32)),
            ],
            options={
                "ordering": ["-last_seen_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="DriftWatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField()),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "given_up_at",
                    models.DateTimeField(blank=True, help_text="Set aside after too many failures.", null=True),
                ),
                ("error", models.TextField(blank=True)),
                ("looked_until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="PromptRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "actor_kind",
                    models.CharField(
                        choices=[("person", "Person"), ("automation", "Automation"), ("agent", "Agent")], max_length=10
                    ),
                ),
                ("actor_label", models.CharField(max_length=100)),
                (
                    "surface",
                    models.CharField(
                        choices=[
                            ("web", "Web"),
                            ("api", "Api"),
                            ("cli", "Cli"),
                            ("slack", "Slack"),
                            ("intake", "Intake"),
                            ("clock", "Clock"),
                            ("command", "Command"),
                        ],
                        max_length=8,
                    ),
                ),
                ("max_characters", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "sections",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100), default=list
                    ),
                ),
                (
                    "forbidden",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200), default=list
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="PushWarning",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("check_name", models.CharField(max_length=40)),
                ("path", models.TextField(help_text="Dotted, below the body.")),
                ("message", models.TextField()),
                ("severity", models.CharField(choices=[("error", "Error"), ("warning", "Warning")], max_length=7)),
                ("line", models.PositiveIntegerField(help_text="In the prompt's text, from 1.", null=True)),
                ("column", models.PositiveIntegerField(null=True)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddIndex(
            model_name="bundleversion",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("prompt", "part_digests"), name="version_by_prompt"
            ),
        ),
        migrations.AddField(
            model_name="drift",
            name="deployment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="drifts", to="rollouts.deployment"
            ),
        ),
        migrations.AddField(
            model_name="driftwatch",
            name="deployment",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="drift_watch", to="rollouts.deployment"
            ),
        ),
        migrations.AddField(
            model_name="promptrules",
            name="bundle",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="prompt_rules", to="rollouts.bundle"
            ),
        ),
        migrations.AddField(
            model_name="promptrules",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="pushwarning",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="warnings", to="rollouts.bundleversion"
            ),
        ),
        migrations.AddIndex(
            model_name="drift",
            index=models.Index(fields=["deployment", "-last_seen_at"], name="drift_by_deployment"),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.UniqueConstraint(
                fields=("deployment", "kind", "about", "declared", "seen"), name="drift_once_per_difference"
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(("declared", models.F("seen")), _negated=True), name="drift_is_a_difference"
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_seen_at__gte", models.F("first_seen_at"))), name="drift_last_seen_after_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(condition=models.Q(("count__gte", 1)), name="drift_was_seen"),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["model", "alias", "version", "content"])), name="drift_kind_known"
            ),
        ),
        migrations.AddIndex(
            model_name="driftwatch",
            index=models.Index(fields=["due_at"], name="drift_watch_due"),
        ),
        migrations.AddConstraint(
            model_name="promptrules",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_characters", None), ("max_characters__gte", 1), _connector="OR"),
                name="prompt_rules_allow_some_text",
            ),
        ),
        migrations.AddConstraint(
            model_name="pushwarning",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["error", "warning"])), name="push_warning_severity_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="pushwarning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("column", None), ("line", None)),
                    models.Q(("column__gte", 1), ("column__isnull", False), ("line__gte", 1), ("line__isnull", False)),
                    _connector="OR",
                ),
                name="push_warning_place_is_whole",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pushwarning",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="16b4dabe0f6da52b8ead298d9a19f07f7f3f912f",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_df686",
                    table="rollouts_pushwarning",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pushwarning",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="36073542dbbb3cb36d676411c51bae329f049d25",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_6860f",
                    table="rollouts_pushwarning",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.RunSQL(FUNCTION, BEFORE),
    ]
