from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("incidents", "0018_rollbacks_owe_their_investigation")]

    operations = [
        migrations.AddField(
            model_name="inferencerow",
            name="spec",
            field=models.CharField(
                blank=True,
                choices=[
                    ("incomplete", "Incomplete: it did not say (spec gap)"),
                    ("complete", "Complete: it said so and was not followed (execution gap)"),
                ],
                db_default="",
                help_text="Was the spec complete?",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="postmortem",
            name="access_blocked_minutes",
            field=models.PositiveIntegerField(
                blank=True, help_text="How long responders waited for an access they lacked.", null=True
            ),
        ),
        migrations.AddField(
            model_name="postmortem",
            name="false_acks",
            field=models.PositiveIntegerField(
                blank=True, help_text="Acknowledgements behind which nobody looked.", null=True
            ),
        ),
        migrations.AddField(
            model_name="postmortem",
            name="slowed_by",
            field=models.TextField(blank=True, db_default="", help_text="What else slowed the response."),
        ),
    ]
