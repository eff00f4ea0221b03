from django.db import migrations

#: The same function, with eval sets, cases, runs and results. See docs/adr/0002-practice-data.md.
FUNCTION = """
CREATE OR REPLACE FUNCTION rollouts_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bundles bigint[];
    versions bigint[];
    deployments bigint[];
    sets bigint[];
    taken jsonb := '{}';
    n bigint;
BEGIN
    PERFORM 1 FROM rollouts_agent WHERE id = given AND practice FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % is not a practice agent: its record is never removed', given;
    END IF;
    SELECT coalesce(array_agg(id), '{}') INTO bundles FROM rollouts_bundle WHERE agent_id = given;
    SELECT coalesce(array_agg(id), '{}') INTO versions FROM rollouts_bundleversion WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO deployments FROM rollouts_deployment WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO sets FROM rollouts_evalset WHERE bundle_id = ANY (bundles);
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_') AND tgrelid = ANY (ARRAY[
            'rollouts_activation', 'rollouts_bundleversion', 'rollouts_evalsetversion', 'rollouts_gateresult',
            'rollouts_regressioncase', 'rollouts_rollback', 'rollouts_waiver']::regclass[])), true);
    UPDATE rollouts_deployment SET active_id = NULL, standing_rollback_id = NULL WHERE id = ANY (deployments);
    DELETE FROM rollouts_rollbackleg USING rollouts_rollback AS pressed
        WHERE rollback_id = pressed.id AND pressed.deployment_id = ANY (deployments);
    DELETE FROM rollouts_rollback WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('rollbacks', n);
    DELETE FROM rollouts_stop USING rollouts_killswitch AS switch
        WHERE kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('stops', n);
    DELETE FROM rollouts_killswitch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_propagation USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_waiver USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_activation WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('activations', n);
    DELETE FROM rollouts_instance WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_evalresult USING rollouts_evalrun AS pass
        WHERE run_id = pass.id AND pass.version_id = ANY (versions);
    DELETE FROM rollouts_evalrun WHERE version_id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('eval_runs', n);
    DELETE FROM rollouts_evalsetversion WHERE eval_set_id = ANY (sets);
    DELETE FROM rollouts_regressioncase WHERE eval_set_id = ANY (sets);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('cases', n);
    DELETE FROM rollouts_evalset WHERE id = ANY (sets);
    DELETE FROM rollouts_gateresult WHERE version_id = ANY (versions);
    DELETE FROM rollouts_deployment WHERE id = ANY (deployments);
    DELETE FROM rollouts_bundleversion WHERE id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('versions', n);
    DELETE FROM rollouts_bundle WHERE id = ANY (bundles);
    DELETE FROM rollouts_agent WHERE id = given;
    PERFORM set_config('pgtrigger.ignore', '{}', true);
    RETURN taken;
END;
$$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION rollouts_remove_practice(given bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bundles bigint[];
    versions bigint[];
    deployments bigint[];
    taken jsonb := '{}';
    n bigint;
BEGIN
    PERFORM 1 FROM rollouts_agent WHERE id = given AND practice FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % is not a practice agent: its record is never removed', given;
    END IF;
    SELECT coalesce(array_agg(id), '{}') INTO bundles FROM rollouts_bundle WHERE agent_id = given;
    SELECT coalesce(array_agg(id), '{}') INTO versions FROM rollouts_bundleversion WHERE bundle_id = ANY (bundles);
    SELECT coalesce(array_agg(id), '{}') INTO deployments FROM rollouts_deployment WHERE bundle_id = ANY (bundles);
    -- For the statements below, which name practice rows only, the record may be taken back.
    PERFORM set_config('pgtrigger.ignore', (
        SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
        WHERE starts_with(tgname, 'pgtrigger_append_only_') AND tgrelid = ANY (ARRAY[
            'rollouts_activation', 'rollouts_bundleversion', 'rollouts_gateresult', 'rollouts_rollback',
            'rollouts_waiver']::regclass[])), true);
    UPDATE rollouts_deployment SET active_id = NULL, standing_rollback_id = NULL WHERE id = ANY (deployments);
    DELETE FROM rollouts_rollbackleg USING rollouts_rollback AS pressed
        WHERE rollback_id = pressed.id AND pressed.deployment_id = ANY (deployments);
    DELETE FROM rollouts_rollback WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('rollbacks', n);
    DELETE FROM rollouts_stop USING rollouts_killswitch AS switch
        WHERE kill_switch_id = switch.id AND switch.deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('stops', n);
    DELETE FROM rollouts_killswitch WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_propagation USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_waiver USING rollouts_activation AS flip
        WHERE activation_id = flip.id AND flip.deployment_id = ANY (deployments);
    DELETE FROM rollouts_activation WHERE deployment_id = ANY (deployments);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('activations', n);
    DELETE FROM rollouts_instance WHERE deployment_id = ANY (deployments);
    DELETE FROM rollouts_gateresult WHERE version_id = ANY (versions);
    DELETE FROM rollouts_deployment WHERE id = ANY (deployments);
    DELETE FROM rollouts_bundleversion WHERE id = ANY (versions);
    GET DIAGNOSTICS n = ROW_COUNT;
    taken := taken || jsonb_build_object('versions', n);
    DELETE FROM rollouts_bundle WHERE id = ANY (bundles);
    DELETE FROM rollouts_agent WHERE id = given;
    PERFORM set_config('pgtrigger.ignore', '{}', true);
    RETURN taken;
END;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0012_practice_scenarios"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, BEFORE),
    ]
