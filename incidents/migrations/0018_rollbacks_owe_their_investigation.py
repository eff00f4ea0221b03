from django.db import migrations

#: Rollbacks recorded before each owed its investigation: owed wherever the postmortem is still to be closed, and asked
#: on the pages that were begun before them.
FORWARD = """
INSERT INTO incidents_owed (incident_id, kind, about, text, since, answer)
SELECT i.id, 'investigation', 'rollback:' || min(m.object_id),
    'Investigate the rollback: answer its questions in the postmortem', min(m.recorded_at), ''
FROM incidents_incident i
JOIN incidents_machinemove m ON m.incident_id = i.id AND m.kind = 'rollback'
WHERE i.kind <> 'drill' AND i.documented_at IS NULL AND i.document_skipped_at IS NULL
    AND NOT EXISTS (SELECT FROM incidents_owed o WHERE o.incident_id = i.id AND o.kind = 'investigation')
GROUP BY i.id
ON CONFLICT DO NOTHING;
INSERT INTO incidents_escapeanswer (postmortem_id, question, verdict, answer, version, updated_at)
SELECT p.id, question, '', '', 1, p.updated_at
FROM incidents_postmortem p
CROSS JOIN unnest(ARRAY['canary', 'tests', 'change', 'wave']) AS question
WHERE EXISTS (SELECT FROM incidents_machinemove m WHERE m.incident_id = p.incident_id AND m.kind = 'rollback')
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0017_rows_of_older_postmortems")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
