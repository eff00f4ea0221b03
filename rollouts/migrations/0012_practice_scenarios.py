from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0011_evals"),
    ]

    operations = [
        migrations.AddField(
            model_name="practicerun",
            name="scenario",
            field=models.CharField(default="refund-limit", max_length=20),
        ),
        migrations.AddField(
            model_name="practicerun",
            name="fix_asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="practicerun",
            name="ended_at",
            field=models.DateTimeField(blank=True, help_text="When another began or its data were removed.", null=True),
        ),
    ]
