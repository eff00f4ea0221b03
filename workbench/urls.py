"""Which app answers which path."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from workbench import health, reference
from workbench.api import api

urlpatterns = [
    path("", RedirectView.as_view(url="/live"), name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("api/docs", reference.docs, name="api_docs"),
    path("api/", api.urls),
    path("", include("accounts.urls")),
    path("", include("rollouts.urls")),
    path("", include("incidents.urls")),
]

handler404 = "workbench.errors.not_found"
