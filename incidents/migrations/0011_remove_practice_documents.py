from django.db import migrations

#: The same function, with causes, postmortems, change events, cards and send attempts. See docs/adr/0002-practice-data.md.
FUNCTION = """
CREATE OR REPLACE FUNCTION incidents_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    deployments bigint[];
    shared bigint[];
    gone bigint[];
    silenced bigint[];
    papers bigint[];
    told bigint[];
    pages_written bigint[];
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
    SELECT coalesce(array_agg(id), '{}') INTO told FROM incidents_changeevent WHERE deployment_id = ANY (deployments);
    SELECT coalesce(array_agg(id), '{}') INTO pages_written FROM incidents_postmortem WHERE incident_id = ANY (gone);
    -- A receipt goes when it spoke of nothing else.
    SELECT coalesce(array_agg(DISTINCT l.receipt_id), '{}') INTO papers FROM incidents_alertreceipt l
        WHERE l.alert_id = ANY (silenced) AND NOT EXISTS (
            SELECT FROM incidents_alertreceipt o
            WHERE o.receipt_id = l.receipt_id AND o.alert_id <> ALL (silenced))
        AND NOT EXISTS (
            SELECT FROM incidents_changeevent c WHERE c.receipt_id = l.receipt_id AND c.id <> ALL (told));
    SELECT papers || coalesce(array_agg(c.receipt_id), '{}') INTO papers FROM incidents_changeevent c
        WHERE c.id = ANY (told) AND c.receipt_id <> ALL (papers) AND NOT EXISTS (
            SELECT FROM incidents_alertreceipt o
            WHERE o.receipt_id = c.receipt_id AND o.alert_id <> ALL (silenced));
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_')
          AND tgrelid = ANY (ARRAY[
              'incidents_timelineentry', 'incidents_postmortemrevision', 'incidents_signoff']::regclass[])), true);
    UPDATE incidents_incident SET deployment_id = NULL WHERE id = ANY (shared);
    UPDATE incidents_incident SET repeat_of_id = NULL WHERE repeat_of_id = ANY (gone) AND id <> ALL (gone);
    -- What a real agent's record says about practice loses the reference, and stays.
    UPDATE incidents_inferencerow SET version_at_fault_id = NULL
        FROM rollouts_bundleversion v JOIN rollouts_bundle b ON b.id = v.bundle_id
        WHERE version_at_fault_id = v.id AND b.agent_id = given AND postmortem_id <> ALL (pages_written);
    DELETE FROM incidents_cause_cases USING incidents_cause AS cause
        WHERE cause_id = cause.id AND cause.incident_id = ANY (gone);
    DELETE FROM incidents_cause_cases
        USING rollouts_regressioncase r JOIN rollouts_evalset s ON s.id = r.eval_set_id
            JOIN rollouts_bundle b ON b.id = s.bundle_id
        WHERE regressioncase_id = r.id AND b.agent_id = given;
    DELETE FROM incidents_cause WHERE incident_id = ANY (gone);
    DELETE FROM incidents_changeevent_incidents WHERE incident_id = ANY (gone) OR changeevent_id = ANY (told);
    DELETE FROM incidents_changeevent WHERE id = ANY (told);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('changes', n);
    DELETE FROM incidents_alertreceipt WHERE alert_id = ANY (silenced);
    DELETE FROM incidents_receipt WHERE id = ANY (papers);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('receipts', n);
    DELETE FROM incidents_alert WHERE id = ANY (silenced);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('alerts', n);
    DELETE FROM incidents_sendattempt
        USING incidents_notice AS sent JOIN incidents_timelineentry AS entry ON entry.id = sent.entry_id
        WHERE notice_id = sent.id AND entry.incident_id = ANY (gone);
    DELETE FROM incidents_sendattempt USING incidents_page AS sent
        WHERE page_id = sent.id AND sent.incident_id = ANY (gone);
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
    DELETE FROM incidents_slackcard WHERE incident_id = ANY (gone);
    DELETE FROM incidents_signoff USING incidents_postmortemrevision AS published
        WHERE revision_id = published.id AND published.postmortem_id = ANY (pages_written);
    DELETE FROM incidents_postmortemrevision WHERE postmortem_id = ANY (pages_written);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('postmortem_revisions', n);
    DELETE FROM incidents_postmortemsection WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_presence WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_actionitem WHERE postmortem_id = ANY (pages_written);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('actions', n);
    DELETE FROM incidents_inferencerow WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_movedvariable WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_layerfinding WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_escapeanswer WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_factor WHERE postmortem_id = ANY (pages_written);
    DELETE FROM incidents_postmortem WHERE id = ANY (pages_written);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('postmortems', n);
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
BEFORE = """
CREATE OR REPLACE FUNCTION incidents_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
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
        ("incidents", "0010_keys_that_end_and_words_of_notes"),
        ("rollouts", "0013_remove_practice_evals"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, BEFORE),
    ]
