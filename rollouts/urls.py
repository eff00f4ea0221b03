"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from rollouts.telemetry import door
from rollouts.views import practice

app_name = "rollouts"
urlpatterns: list[URLPattern] = [
    path("v1/traces", door.traces, name="traces"),
    path("api/public/otel/v1/traces", door.langfuse_traces, name="langfuse_traces"),
    re_path(r"^(?:api/public/otel/)?v1/(?:logs|metrics)$", door.signal_not_taken, name="signal_not_taken"),
    path("practice/start/", practice.practice_start, name="practice_start"),
    path("practice/rest/", practice.practice_rest, name="practice_rest"),
    path("practice/reset/", practice.practice_reset, name="practice_reset"),
]
