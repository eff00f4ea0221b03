from django.db import migrations

FORWARD = """
INSERT INTO incidents_postmortemsection (postmortem_id, name, text, is_draft, version, updated_at, updated_by_id)
SELECT p.id, s.name, s.text, false, 1, p.updated_at, p.updated_by_id
FROM incidents_postmortem p
CROSS JOIN LATERAL (VALUES ('summary', p.summary), ('impact', p.impact), ('root_cause', p.root_cause),
    ('resolution', p.resolution), ('prevention', p.prevention)) AS s (name, text)
WHERE s.text <> ''
"""
BACK = """
UPDATE incidents_postmortem p SET
    summary = coalesce((SELECT text FROM incidents_postmortemsection WHERE postmortem_id = p.id AND name = 'summary'), ''),
    impact = coalesce((SELECT text FROM incidents_postmortemsection WHERE postmortem_id = p.id AND name = 'impact'), ''),
    root_cause = coalesce((SELECT text FROM incidents_postmortemsection WHERE postmortem_id = p.id AND name = 'root_cause'), ''),
    resolution = coalesce((SELECT text FROM incidents_postmortemsection WHERE postmortem_id = p.id AND name = 'resolution'), ''),
    prevention = coalesce((SELECT text FROM incidents_postmortemsection WHERE postmortem_id = p.id AND name = 'prevention'), '')
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0007_cases_postmortems_reviews_and_slack")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
