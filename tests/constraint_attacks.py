"""How each constraint of the database is attacked; ``test_constraints`` presses them all."""

from __future__ import annotations

#: constraint → what a copy of a row that is there says differently, by column, as SQL. Nothing: the copy itself.
ATTACKS: dict[str, dict[str, str]] = {
    # accounts
    "idempotency_key_once_per_caller": {},
    "membership_once_per_team": {},
    "api_token_scopes_known": {"scopes": "'{everything}'", "digest": "'x'"},
    "person_session_approved_by_a_person": {
        "approved_at": "now()", "user_id": "NULL", "device_digest": "'x'", "user_code": "'x'",
    },
    "user_email_unique_ignoring_case": {"email": "upper(email)"},
    "user_roles_known": {"roles": "'{king}'", "email": "'x@example.com'"},
    # rollouts
    "bundle_variant_once_per_agent": {"key": "'a.copy'"},
    "version_number_once_per_bundle": {"label": "'another'"},
    "version_label_once_per_bundle": {"number": "99"},
    "version_label_is_not_a_number": {"label": "'123'", "number": "99"},
    "diff_sign_off_is_a_persons": {"gate": "'diff'", "actor_kind": "'automation'"},
    "deployment_once_per_environment": {"standing_rollback_id": "NULL"},
    "rollback_stands_in_one_deployment": {"bundle_id": "(SELECT max(id) FROM rollouts_bundle)"},
    "instance_once_per_deployment": {},
    "kill_switch_once_per_scope": {},
    "kill_switch_scope_known": {"scope": "'everything'"},
    "kill_switch_rates_are_amounts": {"scope": "'writes'", "usd_per_second": "'nan'"},
    "kill_switch_times_are_amounts": {"scope": "'writes'", "blast_seconds": "-1"},
    "one_open_stop_per_kill_switch": {},
    "stop_released_by_a_person": {"released_at": "now()", "released_by_id": "NULL"},
    "wide_stop_compares_shares": {
        "released_at": "now()", "released_by_id": "(SELECT min(id) FROM accounts_user)", "reasoned_at": "now()",
        "reasoned_by_id": "(SELECT min(id) FROM accounts_user)", "wrong_share_percent": "0.1",
    },
    "restore_plan_has_criteria_and_a_person": {
        "released_at": "now()", "released_by_id": "(SELECT min(id) FROM accounts_user)", "restore_planned_at": "now()",
        "restore_planned_by_id": "(SELECT min(id) FROM accounts_user)",
    },
    "stop_fetched_once_per_instance": {},
    "one_open_practice_run": {},
    "practice_run_ends_after_start": {"ended_at": "started_at - interval '1 s'"},
    "leg_once_per_rollback": {},
    "leg_waived_by_name": {"state": "'waived'", "closed_by_id": "NULL", "kind": "'another'"},
    # evals
    "eval_set_name_once_per_bundle": {},
    "case_key_once_per_set": {},
    "case_repeats_in_reason": {"key": "'another'", "repeats": "0"},
    "case_key_shape": {"key": "'with blanks'"},
    "eval_set_version_number_once": {},
    "eval_run_ends_once": {"cancelled_at": "now()", "done_at": "now()"},
    "eval_result_once_per_try": {},
    # incidents
    "incident_resolved_only_after_containment": {
        "ref": "'INC-999'", "resolved_at": "now()", "contained_at": "NULL", "containment_waived_at": "NULL",
    },
    "incident_triage_skip_has_reason": {"ref": "'INC-999'", "triage_skipped_at": "now()"},
    "incident_containment_waiver_has_reason": {"ref": "'INC-999'", "containment_waived_at": "now()"},
    "incident_document_skip_has_reason": {"ref": "'INC-999'", "document_skipped_at": "now()"},
    "incident_acknowledged_after_opened": {"ref": "'INC-999'", "acknowledged_at": "opened_at - interval '1 s'"},
    "incident_holder_has_acknowledged": {
        "ref": "'INC-999'", "acknowledged_at": "NULL", "acknowledged_by_id": "(SELECT min(id) FROM accounts_user)",
    },
    "incident_resolved_after_opened": {
        "ref": "'INC-999'", "resolved_at": "opened_at - interval '1 s'", "contained_at": "now()",
    },
    "incident_severity_known": {"ref": "'INC-999'", "severity": "'SEV9'"},
    "incident_ref_shape": {"ref": "'INC-x'"},
    "one_open_alert_per_key": {},
    "integration_previous_key_has_an_end": {"digest": "'x'", "previous_digest": "'y'"},
    "receipt_names_alert_once": {},
    "owed_once": {},
    "timeline_sequence_once": {"source": "''"},
    "timeline_source_once": {"sequence": "999"},
    "machine_move_recorded_once": {},
    "page_once_per_round": {},
    "notice_once_per_destination": {},
    "one_holder_per_duty": {},
    "duty_ends_after_start": {"to_at": "from_at - interval '1 s'"},
    "on_call_ends_after_start": {"to_at": "from_at"},
    # causes and postmortems
    "cause_once_per_origin": {},
    "proof_is_waived_by_a_person": {"origin": "'permissions'", "proof_waived_reason": "'x'"},
    "no_case_is_said_by_a_person": {"origin": "'permissions'", "no_case_reason": "'x'", "no_case_by_id": "NULL"},
    "section_once_per_postmortem": {},
    "presence_once_per_person": {},
    "revision_number_once": {},
    "revision_published_by_a_person": {"number": "99", "actor_kind": "'automation'"},
    "signed_once_per_role": {},
    "sign_off_is_a_persons": {"role": "'approver'", "actor_kind": "'automation'"},
    "action_dropped_for_a_reason": {"dropped_at": "now()"},
    "action_ends_once": {"done_at": "now()", "dropped_at": "now()", "dropped_reason": "'x'"},
    "inference_fails_at_most_as_often_as_tried": {"failures": "3", "replays": "2"},
    "fix_fails_at_most_as_often_as_tried": {"fixed_failures": "3", "fixed_replays": "2"},
    "variable_once_per_postmortem": {},
    "layer_once_per_postmortem": {},
    "escape_asked_once": {},
    # reviews
    "review_quarter_shape": {"quarter": "'2026-4'"},
    "review_closed_with_its_figures": {"quarter": "'2026Q3'", "closed_at": "now()", "snapshot": "NULL"},
    "changed_standard_is_named": {"changed": "true", "standard": "''"},
    "standard_decided_by_a_person": {"actor_kind": "'agent'"},
    # leaving the house
    "destination_once_per_address": {},
    "attempt_is_of_one_message": {"notice_id": "NULL", "page_id": "NULL"},
    "slack_user_is_one_person": {"user_id": "(SELECT max(id) FROM accounts_user)"},
    "slack_health_is_one_row": {"id": "2"},
    # workbench
    "tick_is_one_row": {"id": "2"},
}  # fmt: skip
