"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from rollouts.telemetry import door
from rollouts.views import bundles, connectors, evals, fleet, practice, rollbacks, switches

app_name = "rollouts"
urlpatterns: list[URLPattern] = [
    path("v1/traces", door.traces, name="traces"),
    path("api/public/otel/v1/traces", door.langfuse_traces, name="langfuse_traces"),
    re_path(r"^(?:api/public/otel/)?v1/(?:logs|metrics)$", door.signal_not_taken, name="signal_not_taken"),
    path("practice/", practice.page, name="practice"),
    path("practice/banner/", practice.banner, name="practice_banner"),
    path("practice/start/", practice.practice_start, name="practice_start"),
    path("practice/rest/", practice.practice_rest, name="practice_rest"),
    path("practice/fix/", practice.practice_fix, name="practice_fix"),
    path("practice/reset/", practice.practice_reset, name="practice_reset"),
    path("bundles/", bundles.bundle_list, name="bundles"),
    path("bundles/<str:key>/", bundles.bundle, name="bundle"),
    re_path(
        r"^bundles/(?P<key>[^/]+)/diff/(?P<old>[A-Za-z0-9_.-]+?)\.\.(?P<new>[A-Za-z0-9_-][A-Za-z0-9_.-]*)/$",
        bundles.compare,
        name="diff",
    ),
    path("bundles/<str:key>/prompt-rules/", bundles.change_rules, name="prompt_rules"),
    path("bundles/<str:key>/evals/", evals.evals, name="evals"),
    path("bundles/<str:key>/evals/<str:name>/<str:case>/", evals.case, name="case"),
    path("bundles/<str:key>/evals/<str:name>/<str:case>/remove/", evals.remove_case, name="remove_case"),
    path("bundles/<str:key>/stops/", switches.switches, name="switches"),
    path("bundles/<str:key>/stops/<str:environment>/", switches.describe_switch, name="describe_switch"),
    path("bundles/<str:key>/stops/<str:environment>/probe/", switches.probe_switch, name="probe_switch"),
    path("stops/<int:stop>/reason/", switches.stop_reason, name="stop_reason"),
    path("stops/<int:stop>/restore/", switches.restore_plan, name="restore_plan"),
    path("bundles/<str:key>/<str:version>/", bundles.version, name="version"),
    path("bundles/<str:key>/<str:version>/run/", evals.request_run, name="request_run"),
    path("bundles/<str:key>/<str:version>/junit/", evals.file_junit, name="file_junit"),
    path("bundles/<str:key>/<str:version>/promote/", bundles.promote, name="promote"),
    path("runs/<int:run>/", evals.run, name="run"),
    path("runs/<int:run>/cancel/", evals.cancel_run, name="cancel_run"),
    path("runs/<int:run>/again/", evals.run_failed_again, name="run_failed_again"),
    path("rollbacks/<int:pk>/", rollbacks.rollback, name="rollback"),
    path("rollbacks/<int:pk>/legs/<str:kind>/", rollbacks.leg_press, name="leg_press"),
    path("rollbacks/<int:pk>/treat/", rollbacks.treat, name="treat"),
    path("rollbacks/<int:pk>/conversations/", rollbacks.conversations, name="conversations"),
    path("rollbacks/<int:pk>/conversations.<str:form>", rollbacks.export, name="export"),
    path("settings/connectors/", connectors.connectors, name="connectors"),
    path("settings/connectors/add/<str:kind>/", connectors.add, name="add_connector"),
    path("settings/connectors/<int:pk>/", connectors.press, name="connector_press"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/<str:key>/", fleet.fleet, name="fleet_of"),
]
