from django.db import migrations


class Migration(migrations.Migration):
    """Where INC-n and DRL-n get their n."""

    dependencies = [("incidents", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE incidents_inc_number; CREATE SEQUENCE incidents_drl_number;",
            "DROP SEQUENCE incidents_inc_number; DROP SEQUENCE incidents_drl_number;",
        ),
    ]
