from django.db import migrations

#: A resolved incident named one origin; it becomes its one known cause, as of when it was resolved.
FORWARD = """
INSERT INTO incidents_cause (incident_id, origin, confidence, note, at, no_case_reason, proof_waived_reason,
    actor_kind, actor_label, surface)
SELECT i.id, i.origin, 'known', '', coalesce(i.resolved_at, i.opened_at), '', '', 'automation', 'Lastgood', 'command'
FROM incidents_incident i
WHERE i.origin <> 'unknown' AND NOT EXISTS (
    SELECT FROM incidents_cause c WHERE c.incident_id = i.id AND c.withdrawn_at IS NULL)
"""
BACK = """
UPDATE incidents_incident i SET origin = c.origin
FROM (SELECT DISTINCT ON (incident_id) incident_id, origin FROM incidents_cause
      WHERE withdrawn_at IS NULL AND origin NOT IN ('unknown', 'prompt_change')
      ORDER BY incident_id, array_position(ARRAY['known', 'likely', 'possible'], confidence::text), id) c
WHERE c.incident_id = i.id
"""


class Migration(migrations.Migration):
    dependencies = [("incidents", "0012_proof_of_a_cause_is_waived_by_a_person")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
