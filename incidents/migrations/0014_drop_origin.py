from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("incidents", "0013_origins_become_causes")]

    operations = [migrations.RemoveField(model_name="incident", name="origin")]
