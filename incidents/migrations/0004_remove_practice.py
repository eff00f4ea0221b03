from django.db import migrations

#: Removes the incidents, alerts and receipts that are about one practice agent. See docs/adr/0002-practice-data.md.
FUNCTION = """
CREATE FUNCTION incidents_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    deployments bigint[];
    shared bigint[];
    gone bigint[];
    silenced bigint[];
    papers bigint[];
    taken jsonb := '{}';
    n bigint;
BEGIN
    PERFORM 1 FROM rollouts_agent WHERE id = given AND practice FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % is not a practice agent: its record is never removed', given;
    END IF;
    SELECT coalesce(array_agg(d.id), '{}') INTO deployments
        FROM rollouts_deployment d JOIN rollouts_bundle b ON b.id = d.bundle_id WHERE b.agent_id = given;
    -- An incident that also holds an alert about a real agent is that agent's record too: it stays.
    SELECT coalesce(array_agg(i.id), '{}') INTO shared FROM incidents_incident i
        WHERE i.deployment_id = ANY (deployments) AND EXISTS (
            SELECT FROM incidents_alert a
            WHERE a.incident_id = i.id AND a.deployment_id IS NOT NULL AND a.deployment_id <> ALL (deployments));
    SELECT coalesce(array_agg(id), '{}') INTO gone FROM incidents_incident
        WHERE deployment_id = ANY (deployments) AND id <> ALL (shared);
    SELECT coalesce(array_agg(id), '{}') INTO silenced FROM incidents_alert
        WHERE deployment_id = ANY (deployments) OR incident_id = ANY (gone);
    -- A receipt goes when it spoke of nothing else.
    SELECT coalesce(array_agg(DISTINCT l.receipt_id), '{}') INTO papers FROM incidents_alertreceipt l
        WHERE l.alert_id = ANY (silenced) AND NOT EXISTS (
            SELECT FROM incidents_alertreceipt o
            WHERE o.receipt_id = l.receipt_id AND o.alert_id <> ALL (silenced));
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_')
          AND tgrelid = 'incidents_timelineentry'::regclass), true);
    UPDATE incidents_incident SET deployment_id = NULL WHERE id = ANY (shared);
    UPDATE incidents_incident SET repeat_of_id = NULL WHERE repeat_of_id = ANY (gone) AND id <> ALL (gone);
    DELETE FROM incidents_alertreceipt WHERE alert_id = ANY (silenced);
    DELETE FROM incidents_receipt WHERE id = ANY (papers);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('receipts', n);
    DELETE FROM incidents_alert WHERE id = ANY (silenced);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('alerts', n);
    DELETE FROM incidents_notice USING incidents_timelineentry AS entry
        WHERE entry_id = entry.id AND entry.incident_id = ANY (gone);
    DELETE FROM incidents_timelineentry WHERE incident_id = ANY (gone);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('timeline_entries', n);
    DELETE FROM incidents_page WHERE incident_id = ANY (gone);
    DELETE FROM incidents_responder WHERE incident_id = ANY (gone);
    DELETE FROM incidents_acknowledgement WHERE incident_id = ANY (gone);
    DELETE FROM incidents_acknowledgelink WHERE incident_id = ANY (gone);
    DELETE FROM incidents_owed WHERE incident_id = ANY (gone);
    DELETE FROM incidents_postmortem WHERE incident_id = ANY (gone);
    DELETE FROM incidents_machinemove WHERE incident_id = ANY (gone)
        OR kind IN ('promotion', 'roll_forward') AND object_id IN (
            SELECT id FROM rollouts_activation WHERE deployment_id = ANY (deployments))
        OR kind = 'rollback' AND object_id IN (
            SELECT id FROM rollouts_rollback WHERE deployment_id = ANY (deployments))
        OR kind = 'leg' AND object_id IN (
            SELECT l.id FROM rollouts_rollbackleg l JOIN rollouts_rollback r ON r.id = l.rollback_id
            WHERE r.deployment_id = ANY (deployments))
        OR kind IN ('stop', 'release') AND object_id IN (
            SELECT s.id FROM rollouts_stop s JOIN rollouts_killswitch k ON k.id = s.kill_switch_id
            WHERE k.deployment_id = ANY (deployments));
    DELETE FROM incidents_incident WHERE id = ANY (gone);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('incidents', n);
    PERFORM set_config('pgtrigger.ignore', '{}', true);
    RETURN taken;
END;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0003_newest_alerts_by_key_and_group"),
        ("rollouts", "0007_remove_practice"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION incidents_remove_practice(bigint)"),
    ]
