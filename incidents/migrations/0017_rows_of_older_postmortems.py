from django.db import migrations

#: A page that was written before its rows were: each layer and variable is not known yet, and every rollback asks.
FORWARD = """
INSERT INTO incidents_layerfinding (postmortem_id, layer, finding, evidence, owner, version, updated_at)
SELECT p.id, layer, 'unknown', '', '', 1, p.updated_at
FROM incidents_postmortem p
CROSS JOIN unnest(ARRAY['context', 'instruction', 'model', 'tools', 'evaluation', 'governance', 'permissions']) AS layer
ON CONFLICT DO NOTHING;
INSERT INTO incidents_movedvariable (postmortem_id, variable, moved, before, after, evidence, version, updated_at)
SELECT p.id, variable, 'unknown', '', '', '', 1, p.updated_at
FROM incidents_postmortem p
CROSS JOIN unnest(ARRAY['prompt', 'model', 'judge', 'retrieval', 'tools', 'traffic', 'parameters', 'harness', 'route'])
    AS variable
ON CONFLICT DO NOTHING;
INSERT INTO incidents_escapeanswer (postmortem_id, question, verdict, answer, version, updated_at)
SELECT p.id, question, '', '', 1, p.updated_at
FROM incidents_postmortem p
CROSS JOIN unnest(ARRAY['canary', 'tests', 'change', 'wave']) AS question
WHERE EXISTS (SELECT FROM incidents_machinemove m WHERE m.incident_id = p.incident_id AND m.kind = 'rollback')
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0016_failures_are_of_so_many_tries")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
