"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from rollouts.telemetry import door
from rollouts.views import bundles, fleet, practice

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
    path("bundles/<str:key>/<str:version>/", bundles.version, name="version"),
    path("bundles/<str:key>/<str:version>/promote/", bundles.promote, name="promote"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/<str:key>/", fleet.fleet, name="fleet_of"),
]
