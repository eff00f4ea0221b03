from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("incidents", "0008_move_postmortem_texts")]

    operations = [
        migrations.RemoveField(model_name="postmortem", name="impact"),
        migrations.RemoveField(model_name="postmortem", name="prevention"),
        migrations.RemoveField(model_name="postmortem", name="resolution"),
        migrations.RemoveField(model_name="postmortem", name="root_cause"),
        migrations.RemoveField(model_name="postmortem", name="summary"),
    ]
