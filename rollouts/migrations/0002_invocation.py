import django.contrib.postgres.fields
from django.db import migrations, models

TABLE = """
CREATE SEQUENCE rollouts_invocation_id_seq;
CREATE TABLE rollouts_invocation (
    day date NOT NULL,
    id bigint NOT NULL DEFAULT nextval('rollouts_invocation_id_seq'),
    at timestamptz NOT NULL,
    duration_ms double precision,
    received_at timestamptz NOT NULL,
    trace_id varchar(32) NOT NULL,
    span_id varchar(16) NOT NULL,
    parent_span_id varchar(16) NOT NULL DEFAULT '',
    name varchar(200) NOT NULL,
    operation varchar(40) NOT NULL DEFAULT '',
    bundle_key varchar(201) NOT NULL DEFAULT '',
    version_number integer CHECK (version_number >= 0),
    version_label varchar(64) NOT NULL DEFAULT '',
    environment varchar(64) NOT NULL DEFAULT '',
    instance varchar(200) NOT NULL DEFAULT '',
    region varchar(64) NOT NULL DEFAULT '',
    conversation_id varchar(200) NOT NULL DEFAULT '',
    provider varchar(64) NOT NULL DEFAULT '',
    request_model varchar(200) NOT NULL DEFAULT '',
    response_model varchar(200) NOT NULL DEFAULT '',
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cost_usd numeric(14, 6),
    finish_reasons varchar(64)[] NOT NULL DEFAULT '{}',
    error_type varchar(200) NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT '',
    failed boolean,
    tool_name varchar(200) NOT NULL DEFAULT '',
    tool_succeeded boolean,
    refused boolean,
    schema_valid boolean,
    evaluations jsonb NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (day, id),
    CONSTRAINT invocation_once_per_span UNIQUE (day, trace_id, span_id)
) PARTITION BY RANGE (day);
ALTER SEQUENCE rollouts_invocation_id_seq OWNED BY rollouts_invocation.id;
CREATE INDEX invocation_by_bundle ON rollouts_invocation (bundle_key, environment, at);
CREATE TABLE rollouts_invocation_default PARTITION OF rollouts_invocation DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE rollouts_invocation")],
            state_operations=[
                migrations.CreateModel(
                    name="Invocation",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "day", "id", blank=True, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("day", models.DateField()),
                        ("id", models.BigIntegerField()),
                        ("at", models.DateTimeField(help_text="When the span began.")),
                        ("duration_ms", models.FloatField(null=True)),
                        ("received_at", models.DateTimeField()),
                        ("trace_id", models.CharField(max_length=32)),
                        ("span_id", models.CharField(max_length=16)),
                        ("parent_span_id", models.CharField(blank=True, max_length=16)),
                        ("name", models.CharField(max_length=200)),
                        ("operation", models.CharField(blank=True, max_length=40)),
                        ("bundle_key", models.CharField(blank=True, max_length=201)),
                        ("version_number", models.PositiveIntegerField(null=True)),
                        ("version_label", models.CharField(blank=True, max_length=64)),
                        ("environment", models.CharField(blank=True, max_length=64)),
                        ("instance", models.CharField(blank=True, max_length=200)),
                        ("region", models.CharField(blank=True, max_length=64)),
                        ("conversation_id", models.CharField(blank=True, max_length=200)),
                        ("provider", models.CharField(blank=True, max_length=64)),
                        ("request_model", models.CharField(blank=True, max_length=200)),
                        ("response_model", models.CharField(blank=True, max_length=200)),
                        ("input_tokens", models.BigIntegerField(null=True)),
                        ("output_tokens", models.BigIntegerField(null=True)),
                        ("cache_read_tokens", models.BigIntegerField(null=True)),
                        ("cost_usd", models.DecimalField(decimal_places=6, max_digits=14, null=True)),
                        (
                            "finish_reasons",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=64), default=list
                            ),
                        ),
                        ("error_type", models.CharField(blank=True, max_length=200)),
                        ("error_message", models.TextField(blank=True)),
                        (
                            "failed",
                            models.BooleanField(
                                help_text="Error status, a failed tool, or a failed evaluation.", null=True
                            ),
                        ),
                        ("tool_name", models.CharField(blank=True, max_length=200)),
                        ("tool_succeeded", models.BooleanField(null=True)),
                        ("refused", models.BooleanField(null=True)),
                        ("schema_valid", models.BooleanField(null=True)),
                        ("evaluations", models.JSONField(default=dict)),
                        ("attributes", models.JSONField(default=dict)),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["bundle_key", "environment", "at"], name="invocation_by_bundle")
                        ],
                    },
                ),
            ],
        ),
    ]
