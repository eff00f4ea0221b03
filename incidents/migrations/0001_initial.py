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
        ("rollouts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Integration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="The <source> of /intake/<source>/<key>.", max_length=40)),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("hint", models.CharField(max_length=12)),
                ("settings", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=accounts.clock.now)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ref", models.CharField(max_length=20, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("incident", "Incident"), ("hazard", "Hazard"), ("drill", "Drill")],
                        default="incident",
                        max_length=8,
                    ),
                ),
                ("title", models.CharField(max_length=300)),
                (
                    "severity",
                    models.CharField(
                        choices=[("SEV1", "Sev1"), ("SEV2", "Sev2"), ("SEV3", "Sev3"), ("SEV4", "Sev4")],
                        default="SEV3",
                        max_length=4,
                    ),
                ),
                (
                    "detection_source",
                    models.CharField(
                        choices=[
                            ("guardrail", "Guardrail, automatic"),
                            ("alert", "Alert"),
                            ("drift", "Drift or pin check"),
                            ("offline_eval", "Offline eval after release"),
                            ("canary", "Canary"),
                            ("ab_test", "A/B test"),
                            ("downstream_error", "Downstream error"),
                            ("finance", "Finance or reconciliation"),
                            ("support_ticket", "Support ticket"),
                            ("customer_eval", "Customer eval"),
                            ("account_team", "Account team"),
                            ("public_post", "Public post"),
                            ("employee", "Employee gut feeling or tester dissent"),
                            ("provider_notice", "Provider notice"),
                            ("regulator", "Regulator or court"),
                            ("agent", "The agent itself"),
                        ],
                        default="alert",
                        max_length=20,
                    ),
                ),
                ("header_at", models.DateTimeField(blank=True, null=True)),
                ("header_reference", models.CharField(blank=True, max_length=300, null=True)),
                ("header_metric", models.CharField(blank=True, max_length=200, null=True)),
                ("header_comparator", models.CharField(blank=True, max_length=20, null=True)),
                (
                    "header_threshold",
                    models.JSONField(blank=True, help_text="A number, or the text as sent.", null=True),
                ),
                ("header_value", models.JSONField(blank=True, help_text="A number, or the text as sent.", null=True)),
                ("header_window", models.CharField(blank=True, max_length=60, null=True)),
                (
                    "rollback_answer",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("stop_the_bleed", "Stop the bleed"),
                            ("not_help", "Not help"),
                            ("not_sure", "Not sure"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "branch",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("version", "Version regressed"),
                            ("data", "Data corrupted"),
                            ("tool", "Downstream tool"),
                            ("user", "User side"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "diagnosis",
                    models.CharField(
                        choices=[
                            ("spec_gap", "Spec gap"),
                            ("missing_capability", "Missing capability"),
                            ("scope_creep", "Scope creep"),
                            ("oversight_failure", "Oversight failure"),
                            ("compounding_error", "Compounding error"),
                            ("model_level", "Model level"),
                            ("perceptual", "Perceptual"),
                            ("not_the_agent", "Not the agent"),
                            ("unknown", "Unknown"),
                        ],
                        default="unknown",
                        max_length=20,
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("model_update", "Model update"),
                            ("consumer_schema_change", "Consumer schema change"),
                            ("input_shift", "Input shift"),
                            ("adversarial", "Adversarial input"),
                            ("partial_bundle", "Partial bundle change"),
                            ("alias_drift", "Alias drift"),
                            ("hot_edit", "Hot edit"),
                            ("retrieval_change", "Retrieval or index change"),
                            ("parameter_change", "Parameter or default change"),
                            ("serving_route", "Serving route"),
                            ("downstream_tool", "Downstream tool"),
                            ("user_side", "User side"),
                            ("data_corruption", "Data corruption"),
                            ("permissions", "Permissions"),
                            ("unknown", "Not known yet"),
                        ],
                        default="unknown",
                        max_length=24,
                    ),
                ),
                ("resolution", models.TextField(blank=True)),
                (
                    "started_at",
                    models.DateTimeField(blank=True, help_text="When the harm began, as far as known.", null=True),
                ),
                ("opened_at", models.DateTimeField()),
                (
                    "acknowledged_at",
                    models.DateTimeField(blank=True, help_text="First acknowledgement by a person.", null=True),
                ),
                ("triaged_at", models.DateTimeField(blank=True, null=True)),
                ("triage_skipped_at", models.DateTimeField(blank=True, null=True)),
                ("triage_skip_reason", models.TextField(blank=True)),
                ("contained_at", models.DateTimeField(blank=True, null=True)),
                ("containment_waived_at", models.DateTimeField(blank=True, null=True)),
                ("containment_waiver_reason", models.TextField(blank=True)),
                ("recovered_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("documented_at", models.DateTimeField(blank=True, null=True)),
                ("document_skipped_at", models.DateTimeField(blank=True, null=True)),
                ("document_skip_reason", models.TextField(blank=True)),
                (
                    "last_sequence",
                    models.PositiveIntegerField(default=0, help_text="Of the timeline; bumped under this row's lock."),
                ),
                ("last_digest", models.CharField(blank=True, max_length=64)),
                (
                    "step",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                models.Q(("acknowledged_at__isnull", False), _negated=True), then=models.Value("detect")
                            ),
                            models.When(
                                models.Q(
                                    ("triaged_at__isnull", False),
                                    ("triage_skipped_at__isnull", False),
                                    _connector="OR",
                                    _negated=True,
                                ),
                                then=models.Value("triage"),
                            ),
                            models.When(
                                models.Q(
                                    ("contained_at__isnull", False),
                                    ("containment_waived_at__isnull", False),
                                    _connector="OR",
                                    _negated=True,
                                ),
                                then=models.Value("contain"),
                            ),
                            models.When(
                                models.Q(("resolved_at__isnull", False), _negated=True), then=models.Value("resolve")
                            ),
                            models.When(
                                models.Q(
                                    ("documented_at__isnull", False),
                                    ("document_skipped_at__isnull", False),
                                    _connector="OR",
                                    _negated=True,
                                ),
                                then=models.Value("document"),
                            ),
                            default=models.Value("closed"),
                        ),
                        output_field=models.CharField(
                            choices=[
                                ("detect", "Detect"),
                                ("triage", "Triage"),
                                ("contain", "Contain"),
                                ("resolve", "Resolve"),
                                ("document", "Document"),
                                ("closed", "Closed"),
                            ],
                            max_length=8,
                        ),
                    ),
                ),
                (
                    "status",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                models.Q(
                                    ("acknowledged_at__isnull", False),
                                    models.Q(
                                        ("triaged_at__isnull", False),
                                        ("triage_skipped_at__isnull", False),
                                        _connector="OR",
                                    ),
                                    models.Q(
                                        ("contained_at__isnull", False),
                                        ("containment_waived_at__isnull", False),
                                        _connector="OR",
                                    ),
                                    ("resolved_at__isnull", False),
                                    models.Q(
                                        ("documented_at__isnull", False),
                                        ("document_skipped_at__isnull", False),
                                        _connector="OR",
                                    ),
                                ),
                                then=models.Value("closed"),
                            ),
                            models.When(models.Q(("resolved_at__isnull", False)), then=models.Value("resolved")),
                            models.When(recovered_at__isnull=False, then=models.Value("recovered")),
                            models.When(contained_at__isnull=False, then=models.Value("contained")),
                            default=models.Value("open"),
                        ),
                        output_field=models.CharField(
                            choices=[
                                ("open", "Open"),
                                ("contained", "Contained"),
                                ("recovered", "Recovered"),
                                ("resolved", "Resolved"),
                                ("closed", "Closed"),
                            ],
                            max_length=9,
                        ),
                    ),
                ),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Present holder.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="rollouts.deployment",
                    ),
                ),
                (
                    "repeat_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="repeats",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["-opened_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("surface", models.CharField(max_length=8)),
                ("lapsed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="acknowledgements",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="AcknowledgeLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="incidents.incident"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dedup_key", models.CharField(max_length=300)),
                ("group_key", models.CharField(blank=True, max_length=500)),
                ("title", models.CharField(max_length=300)),
                ("firing", models.BooleanField(default=True)),
                ("severity_sent", models.CharField(blank=True, max_length=60)),
                ("labels", models.JSONField(default=dict)),
                ("annotations", models.JSONField(default=dict)),
                ("links", models.JSONField(default=list)),
                (
                    "not_shown",
                    models.PositiveIntegerField(default=0, help_text="Alerts of the same group the sender left out."),
                ),
                ("started_at", models.DateTimeField()),
                ("started_at_assumed", models.BooleanField(default=False, help_text="Not sent: the time of receipt.")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("first_received_at", models.DateTimeField()),
                ("last_received_at", models.DateTimeField()),
                ("received_count", models.PositiveIntegerField(default=1)),
                (
                    "content_digest",
                    models.CharField(help_text="Of what was said, to tell a repeat from a change.", max_length=64),
                ),
                (
                    "grouped_by",
                    models.CharField(help_text="Why it is in this incident, as a sentence.", max_length=200),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "deployment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="rollouts.deployment",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="alerts", to="incidents.incident"
                    ),
                ),
                (
                    "integration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="alerts", to="incidents.integration"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="MachineMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=16)),
                ("object_id", models.BigIntegerField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="machine_moves",
                        to="incidents.incident",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OnCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_at", models.DateTimeField()),
                ("to_at", models.DateTimeField(blank=True, null=True)),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="on_call",
                        to="accounts.team",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="on_call", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["from_at"],
            },
        ),
        migrations.CreateModel(
            name="Owed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("severity", "Set severity"),
                            ("deployment", "Say which agent"),
                            ("investigation", "Investigate the rollback"),
                            ("reason", "Give the reason"),
                        ],
                        max_length=14,
                    ),
                ),
                ("about", models.CharField(blank=True, max_length=60)),
                ("text", models.CharField(max_length=300)),
                ("since", models.DateTimeField()),
                ("given_at", models.DateTimeField(blank=True, null=True)),
                ("answer", models.TextField(blank=True)),
                (
                    "given_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="owed", to="incidents.incident"
                    ),
                ),
            ],
            options={
                "ordering": ["since", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Page",
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
                ("round", models.PositiveSmallIntegerField(default=1)),
                ("created_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=200)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="pages", to="incidents.incident"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Postmortem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("summary", models.TextField(blank=True)),
                ("root_cause", models.TextField(blank=True)),
                ("impact", models.TextField(blank=True)),
                ("resolution", models.TextField(blank=True)),
                ("prevention", models.TextField(blank=True)),
                ("updated_at", models.DateTimeField()),
                (
                    "incident",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="postmortem", to="incidents.incident"
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("received_at", models.DateTimeField()),
                ("body", models.BinaryField()),
                ("content_type", models.CharField(blank=True, max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[("processed", "Processed"), ("quarantined", "Quarantined"), ("replayed", "Replayed")],
                        max_length=12,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("replayed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "integration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="receipts", to="incidents.integration"
                    ),
                ),
                (
                    "replayed_by",
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
            name="AlertReceipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(help_text="opened, updated, duplicate, resolved or suppressed.", max_length=10),
                ),
                (
                    "alert",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="receipt_links", to="incidents.alert"
                    ),
                ),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="alert_links", to="incidents.receipt"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Responder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "duty",
                    models.CharField(
                        choices=[
                            ("commander", "Commander"),
                            ("operations", "Operations"),
                            ("comms", "Comms"),
                            ("scribe", "Scribe"),
                        ],
                        max_length=10,
                    ),
                ),
                ("from_at", models.DateTimeField()),
                ("to_at", models.DateTimeField(blank=True, null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="responders", to="incidents.incident"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="duties", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TimelineEntry",
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
                ("sequence", models.PositiveIntegerField()),
                ("at", models.DateTimeField(help_text="When it happened.")),
                ("recorded_at", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("declared", "Declared"),
                            ("alert", "Alert"),
                            ("alert_resolved", "Alert Resolved"),
                            ("note", "Note"),
                            ("correction", "Correction"),
                            ("severity", "Severity"),
                            ("duty", "Duty"),
                            ("acknowledged", "Acknowledged"),
                            ("lapsed", "Lapsed"),
                            ("triage", "Triage"),
                            ("triaged", "Triaged"),
                            ("skipped", "Skipped"),
                            ("contained", "Contained"),
                            ("rollback", "Rollback"),
                            ("leg", "Leg"),
                            ("roll_forward", "Roll Forward"),
                            ("stop", "Stop"),
                            ("release", "Release"),
                            ("promotion", "Promotion"),
                            ("deployment", "Deployment"),
                            ("recovered", "Recovered"),
                            ("firing_again", "Firing Again"),
                            ("resolved", "Resolved"),
                            ("documented", "Documented"),
                            ("reopened", "Reopened"),
                            ("page", "Page"),
                            ("notice", "Notice"),
                            ("owed", "Owed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("text", models.TextField()),
                ("data", models.JSONField(default=dict)),
                ("is_key", models.BooleanField(default=True, help_text="Shown by default; machine detail is not.")),
                ("source", models.CharField(blank=True, max_length=60)),
                ("previous_digest", models.CharField(blank=True, max_length=64)),
                ("digest", models.CharField(max_length=64)),
                (
                    "corrects",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="incidents.timelineentry",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="timeline", to="incidents.incident"
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
                "ordering": ["-sequence"],
            },
        ),
        migrations.CreateModel(
            name="Notice",
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
                ("destination", models.CharField(max_length=300)),
                ("subject", models.CharField(max_length=300)),
                ("body", models.TextField()),
                ("created_at", models.DateTimeField()),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="incidents.timelineentry",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)), fields=["deployment"], name="incident_open_by_deployment"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolved_at", None),
                    ("containment_waived_at__isnull", False),
                    ("contained_at__isnull", False),
                    _connector="OR",
                ),
                name="incident_resolved_only_after_containment",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("triage_skipped_at", None), models.Q(("triage_skip_reason", ""), _negated=True), _connector="OR"
                ),
                name="incident_triage_skip_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("containment_waived_at", None),
                    models.Q(("containment_waiver_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="incident_containment_waiver_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("document_skipped_at", None),
                    models.Q(("document_skip_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="incident_document_skip_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("acknowledged_at", None), ("acknowledged_at__gte", models.F("opened_at")), _connector="OR"
                ),
                name="incident_acknowledged_after_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("acknowledged_by", None), ("acknowledged_at__isnull", False), _connector="OR"),
                name="incident_holder_has_acknowledged",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("resolved_at", None), ("resolved_at__gte", models.F("opened_at")), _connector="OR"),
                name="incident_resolved_after_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["SEV1", "SEV2", "SEV3", "SEV4"])), name="incident_severity_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("ref__regex", "^(INC|DRL)-[0-9]+$")), name="incident_ref_shape"
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("closed_at", None)), fields=["integration", "group_key"], name="alert_open_by_group"
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("integration", "dedup_key"),
                name="one_open_alert_per_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="machinemove",
            constraint=models.UniqueConstraint(fields=("kind", "object_id"), name="machine_move_recorded_once"),
        ),
        migrations.AddConstraint(
            model_name="oncall",
            constraint=models.CheckConstraint(
                condition=models.Q(("to_at", None), ("to_at__gt", models.F("from_at")), _connector="OR"),
                name="on_call_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="owed",
            constraint=models.UniqueConstraint(fields=("incident", "kind", "about"), name="owed_once"),
        ),
        migrations.AddIndex(
            model_name="page",
            index=models.Index(
                condition=models.Q(("done_at", None), ("given_up_at", None)), fields=["due_at"], name="page_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="page",
            constraint=models.UniqueConstraint(fields=("incident", "user", "round"), name="page_once_per_round"),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("status", "quarantined")), fields=["-id"], name="receipt_quarantined"
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(fields=["integration", "-id"], name="receipt_by_integration"),
        ),
        migrations.AddConstraint(
            model_name="alertreceipt",
            constraint=models.UniqueConstraint(fields=("receipt", "alert"), name="receipt_names_alert_once"),
        ),
        migrations.AddConstraint(
            model_name="responder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("to_at", None)), fields=("incident", "duty"), name="one_holder_per_duty"
            ),
        ),
        migrations.AddConstraint(
            model_name="responder",
            constraint=models.CheckConstraint(
                condition=models.Q(("to_at", None), ("to_at__gte", models.F("from_at")), _connector="OR"),
                name="duty_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="timelineentry",
            constraint=models.UniqueConstraint(fields=("incident", "sequence"), name="timeline_sequence_once"),
        ),
        migrations.AddConstraint(
            model_name="timelineentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("source", ""), _negated=True),
                fields=("incident", "source"),
                name="timeline_source_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="timelineentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="ce10a0c99b8f917a53c42f1ba80f2f0f34b83d91",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_973d6",
                    table="incidents_timelineentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="timelineentry",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
                    hash="3a9ee8a8a3e3fddb31bad0c5e979f21f9be7d9d3",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_a01ed",
                    table="incidents_timelineentry",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("done_at", None), ("given_up_at", None)), fields=["due_at"], name="notice_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(fields=("entry", "destination"), name="notice_once_per_destination"),
        ),
    ]
