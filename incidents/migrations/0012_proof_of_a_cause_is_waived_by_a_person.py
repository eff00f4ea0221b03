import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0011_remove_practice_documents"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="cause",
            name="proof_waived_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="cause",
            name="proof_waived_reason",
            field=models.TextField(blank=True, help_text="Why its cases need no proof."),
        ),
        migrations.AlterField(
            model_name="cause",
            name="origin",
            field=models.CharField(
                choices=[
                    ("model_update", "Model update"),
                    ("consumer_schema_change", "Consumer schema change"),
                    ("input_shift", "Input shift"),
                    ("adversarial", "Adversarial input"),
                    ("partial_bundle", "Partial bundle change"),
                    ("alias_drift", "Alias drift"),
                    ("hot_edit", "Hot edit"),
                    ("prompt_change", "Prompt change"),
                    ("retrieval_change", "Retrieval or index change"),
                    ("parameter_change", "Parameter or default change"),
                    ("serving_route", "Serving route"),
                    ("downstream_tool", "Downstream tool"),
                    ("user_side", "User side"),
                    ("data_corruption", "Data corruption"),
                    ("permissions", "Permissions"),
                    ("unknown", "Not known yet"),
                ],
                max_length=24,
            ),
        ),
        migrations.AddConstraint(
            model_name="cause",
            constraint=models.CheckConstraint(
                condition=models.Q(("proof_waived_reason", ""), ("proof_waived_by__isnull", False), _connector="OR"),
                name="proof_is_waived_by_a_person",
            ),
        ),
    ]
