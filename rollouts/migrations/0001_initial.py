import django.contrib.postgres.fields
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import accounts.clock


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Environment",
            fields=[
                ("name", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("position", models.PositiveSmallIntegerField(unique=True)),
                ("epoch", models.BigIntegerField(default=0)),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(max_length=100, unique=True)),
                ("description", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=accounts.clock.now)),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="agents",
                        to="accounts.team",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Bundle",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("variant", models.CharField(default="default", max_length=100)),
                ("key", models.CharField(max_length=201, unique=True)),
                ("last_number", models.PositiveIntegerField(default=0)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="bundles", to="rollouts.agent"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BundleVersion",
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
                ("number", models.PositiveIntegerField()),
                ("label", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("behaviour_digest", models.CharField(max_length=64)),
                ("part_digests", models.JSONField()),
                ("body", models.JSONField(help_text="The pushed body, without its label.")),
                ("created_at", models.DateTimeField()),
                (
                    "bundle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="rollouts.bundle"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                (
                    "stack",
                    django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), default=list),
                ),
                (
                    "warm_hours",
                    models.PositiveIntegerField(default=48, help_text="How long a replaced version stays warm."),
                ),
                (
                    "active",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollouts.bundleversion",
                    ),
                ),
                (
                    "bundle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="deployments", to="rollouts.bundle"
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="rollouts.environment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Activation",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("promotion", "Promotion"),
                            ("rollback", "Rollback"),
                            ("roll_forward", "Roll Forward"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                ("epoch", models.BigIntegerField()),
                ("duration_ms", models.FloatField(null=True)),
                ("text_digest", models.CharField(max_length=64)),
                ("rollout_state", models.CharField(default="full", max_length=16)),
                ("share_percent", models.FloatField(default=100)),
                ("baseline_id", models.CharField(blank=True, max_length=100)),
                ("cohort_id", models.CharField(blank=True, max_length=100)),
                ("downstream_contract_version", models.CharField(blank=True, max_length=100)),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "previous",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollouts.bundleversion",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activations",
                        to="rollouts.bundleversion",
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activations",
                        to="rollouts.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="GateResult",
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
                ("gate", models.CharField(max_length=40)),
                ("state", models.CharField(choices=[("green", "Green"), ("red", "Red")], max_length=5)),
                ("detail", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gate_results",
                        to="rollouts.bundleversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Instance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("region", models.CharField(blank=True, max_length=64)),
                ("version_number", models.PositiveIntegerField(null=True)),
                ("epoch", models.BigIntegerField(default=0)),
                ("fetched_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="instances", to="rollouts.deployment"
                    ),
                ),
            ],
            options={
                "ordering": ["region", "name"],
            },
        ),
        migrations.CreateModel(
            name="KillSwitch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scope", models.CharField(max_length=120)),
                (
                    "fallback",
                    models.TextField(
                        blank=True, help_text="What customers get instead: the usable path without the agent."
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="kill_switches",
                        to="rollouts.deployment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Propagation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("instances", models.PositiveIntegerField(default=0, help_text="Alive when the pointer moved.")),
                ("reached", models.PositiveIntegerField(default=0)),
                ("p50_ms", models.FloatField(null=True)),
                ("p95_ms", models.FloatField(null=True)),
                ("max_ms", models.FloatField(null=True)),
                ("measured_at", models.DateTimeField()),
                (
                    "activation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="propagation",
                        to="rollouts.activation",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rollback",
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
                ("reason", models.TextField(blank=True)),
                ("pressed_in", models.CharField(blank=True, max_length=32)),
                ("decided_at", models.DateTimeField()),
                ("flipped_at", models.DateTimeField()),
                ("committed_ms", models.FloatField()),
                ("epoch", models.BigIntegerField()),
                ("in_flight_policy", models.CharField(blank=True, max_length=16)),
                (
                    "activation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rollback", to="rollouts.activation"
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rollbacks", to="rollouts.deployment"
                    ),
                ),
                (
                    "from_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="rollouts.bundleversion"
                    ),
                ),
                (
                    "to_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="rollouts.bundleversion"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="deployment",
            name="standing_rollback",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="rollouts.rollback",
            ),
        ),
        migrations.CreateModel(
            name="RollbackLeg",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("flip", "Flip"),
                            ("prefix_cache", "Prefix cache"),
                            ("semantic_cache", "Semantic cache"),
                            ("histories", "Histories"),
                            ("baseline", "Baseline"),
                            ("experiment", "Experiment"),
                            ("downstream", "Downstream"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("blocked", "Blocked"),
                            ("waived", "Waived"),
                            ("not_applicable", "Not applicable"),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("sentence", models.TextField(help_text="What this leg is about here, or why it does not apply.")),
                ("reason", models.TextField(blank=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closed_by_label", models.CharField(blank=True, max_length=100)),
                (
                    "closed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="legs", to="rollouts.rollback"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="Stop",
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
                ("reason", models.TextField(blank=True)),
                ("fallback", models.TextField(blank=True)),
                ("pressed_in", models.CharField(blank=True, max_length=32)),
                ("decided_at", models.DateTimeField()),
                ("engaged_at", models.DateTimeField()),
                ("committed_ms", models.FloatField()),
                ("epoch", models.BigIntegerField()),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("release_reason", models.TextField(blank=True)),
                (
                    "kill_switch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="stops", to="rollouts.killswitch"
                    ),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Waiver",
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
                ("gates", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40))),
                ("reason", models.TextField()),
                ("expires_at", models.DateTimeField()),
                ("at", models.DateTimeField()),
                (
                    "activation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="waiver", to="rollouts.activation"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="bundle",
            constraint=models.UniqueConstraint(fields=("agent", "variant"), name="bundle_variant_once_per_agent"),
        ),
        migrations.AddIndex(
            model_name="bundleversion",
            index=models.Index(fields=["bundle", "digest"], name="version_by_digest"),
        ),
        migrations.AddConstraint(
            model_name="bundleversion",
            constraint=models.UniqueConstraint(fields=("bundle", "number"), name="version_number_once_per_bundle"),
        ),
        migrations.AddConstraint(
            model_name="bundleversion",
            constraint=models.UniqueConstraint(fields=("bundle", "label"), name="version_label_once_per_bundle"),
        ),
        migrations.AddConstraint(
            model_name="bundleversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("label__regex", "^[A-Za-z0-9._-]{1,64}$"), models.Q(("label__regex", "^[0-9]+$"), _negated=True)
                ),
                name="version_label_is_not_a_number",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bundleversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="b17269e7892400745c3fb8fa7268d3fb82a818e6",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_a3702",
                    table="rollouts_bundleversion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bundleversion",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="923fbaa5cdc2cbf7ab26e427f98fad1799be9e1b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_7603b",
                    table="rollouts_bundleversion",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="activation",
            index=models.Index(fields=["deployment", "-id"], name="activation_by_deployment"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="activation",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="dc25f417f09839fa7599343d02e5e62b97d9af98",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_de1b3",
                    table="rollouts_activation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="activation",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="dd131d8ad713f08e76031449b8129ed235fd490d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_908c9",
                    table="rollouts_activation",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="gateresult",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("gate", "diff"), _negated=True), ("actor_kind", "person"), _connector="OR"
                ),
                name="diff_sign_off_is_a_persons",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gateresult",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="afb90d8f2a2bd4bee41fa31e3fe8d91f4c630b9a",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ee3da",
                    table="rollouts_gateresult",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="instance",
            constraint=models.UniqueConstraint(fields=("deployment", "name"), name="instance_once_per_deployment"),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.UniqueConstraint(fields=("deployment", "scope"), name="kill_switch_once_per_scope"),
        ),
        migrations.AddConstraint(
            model_name="killswitch",
            constraint=models.CheckConstraint(
                condition=models.Q(("scope__regex", "^(whole|writes|(region|tool|cohort):.+)$")),
                name="kill_switch_scope_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="b4bb8ad70411ac55a7839e8fc3b7172e2ce92feb",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_9e606",
                    table="rollouts_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="rollback",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="7bffc519770249ea6920d43b7aaa9d92e954e0fd",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_44cb0",
                    table="rollouts_rollback",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="deployment",
            constraint=models.UniqueConstraint(
                fields=("bundle", "environment"), name="deployment_once_per_environment"
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackleg",
            constraint=models.UniqueConstraint(fields=("rollback", "kind"), name="leg_once_per_rollback"),
        ),
        migrations.AddConstraint(
            model_name="rollbackleg",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "waived"), _negated=True), ("closed_by__isnull", False), _connector="OR"
                ),
                name="leg_waived_by_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="stop",
            constraint=models.UniqueConstraint(
                condition=models.Q(("released_at", None)), fields=("kill_switch",), name="one_open_stop_per_kill_switch"
            ),
        ),
        migrations.AddConstraint(
            model_name="stop",
            constraint=models.CheckConstraint(
                condition=models.Q(("released_at", None), ("released_by__isnull", False), _connector="OR"),
                name="stop_released_by_a_person",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="waiver",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="9543b268084e326ba9cfaea49966d2c9832033a0",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_6fc7a",
                    table="rollouts_waiver",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="waiver",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="e769efb572a985db1492fd9daffd3123de1dc047",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_5ff6a",
                    table="rollouts_waiver",
                    when="BEFORE",
                ),
            ),
        ),
    ]
