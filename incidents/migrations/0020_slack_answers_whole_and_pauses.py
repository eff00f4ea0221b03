"""Keep what Slack is answered whole, and until when it wants to be left alone."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("incidents", "0019_spec_and_friction")]

    operations = [
        migrations.AlterField(
            model_name="slackdelivery",
            name="outcome",
            field=models.TextField(
                blank=True, help_text="The answer, once the act is done; said again until it is taken."
            ),
        ),
        migrations.AddField(
            model_name="slackdelivery",
            name="to_channel",
            field=models.BooleanField(db_default=False, default=False, help_text="Whether everybody sees the answer."),
        ),
        migrations.AddField(
            model_name="slackhealth",
            name="probed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="slackhealth",
            name="pauses",
            field=models.JSONField(db_default=Value({}, models.JSONField()), default=dict),
        ),
    ]
