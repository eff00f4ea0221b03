import django.contrib.postgres.fields
from django.db import migrations, models

TABLE = """
CREATE TABLE rollouts_agentrun (
    day date NOT NULL,
    trace_id varchar(32) NOT NULL,
    bundle_key varchar(201) NOT NULL,
    environment varchar(64) NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    span_id varchar(16) NOT NULL,
    said_failed boolean,
    part_failed boolean NOT NULL DEFAULT false,
    judged_failed boolean NOT NULL DEFAULT false,
    failed boolean NOT NULL GENERATED ALWAYS AS (
        CASE WHEN judged_failed THEN true WHEN said_failed IS NOT NULL THEN said_failed ELSE part_failed END
    ) STORED,
    version_number integer CHECK (version_number >= 0),
    version_label varchar(64) NOT NULL DEFAULT '',
    instance varchar(200) NOT NULL DEFAULT '',
    region varchar(64) NOT NULL DEFAULT '',
    conversation_id varchar(200) NOT NULL DEFAULT '',
    request_model varchar(200) NOT NULL DEFAULT '',
    response_model varchar(200) NOT NULL DEFAULT '',
    error_type varchar(200) NOT NULL DEFAULT '',
    error_message varchar(300) NOT NULL DEFAULT '',
    finish_reason varchar(64) NOT NULL DEFAULT '',
    tools varchar(200)[] NOT NULL DEFAULT '{}',
    failed_tools varchar(200)[] NOT NULL DEFAULT '{}',
    schema_valid boolean,
    refused boolean,
    PRIMARY KEY (day, trace_id, bundle_key)
) PARTITION BY RANGE (day);
CREATE INDEX agent_run_by_bundle ON rollouts_agentrun (bundle_key, environment, at);
CREATE TABLE rollouts_agentrun_default PARTITION OF rollouts_agentrun DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0004_instance_previously_seen"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE rollouts_agentrun")],
            state_operations=[
                migrations.CreateModel(
                    name="AgentRun",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "day",
                                "trace_id",
                                "bundle_key",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("day", models.DateField()),
                        ("trace_id", models.CharField(max_length=32)),
                        ("bundle_key", models.CharField(max_length=201)),
                        ("environment", models.CharField(blank=True, max_length=64)),
                        ("at", models.DateTimeField(help_text="When its first span began.")),
                        ("span_id", models.CharField(max_length=16)),
                        ("said_failed", models.BooleanField(null=True)),
                        ("part_failed", models.BooleanField(default=False)),
                        ("judged_failed", models.BooleanField(default=False)),
                        (
                            "failed",
                            models.GeneratedField(
                                db_persist=True,
                                expression=models.Case(
                                    models.When(judged_failed=True, then=models.Value(True)),
                                    models.When(said_failed__isnull=False, then=models.F("said_failed")),
                                    default=models.F("part_failed"),
                                ),
                                output_field=models.BooleanField(),
                            ),
                        ),
                        ("version_number", models.PositiveIntegerField(null=True)),
                        ("version_label", models.CharField(blank=True, max_length=64)),
                        ("instance", models.CharField(blank=True, max_length=200)),
                        ("region", models.CharField(blank=True, max_length=64)),
                        ("conversation_id", models.CharField(blank=True, max_length=200)),
                        ("request_model", models.CharField(blank=True, max_length=200)),
                        ("response_model", models.CharField(blank=True, max_length=200)),
                        ("error_type", models.CharField(blank=True, max_length=200)),
                        ("error_message", models.CharField(blank=True, max_length=300)),
                        ("finish_reason", models.CharField(blank=True, max_length=64)),
                        (
                            "tools",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list
                            ),
                        ),
                        (
                            "failed_tools",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list
                            ),
                        ),
                        ("schema_valid", models.BooleanField(null=True)),
                        ("refused", models.BooleanField(null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["bundle_key", "environment", "at"], name="agent_run_by_bundle")
                        ],
                    },
                ),
            ],
        ),
    ]
