"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.views.preferences import preferences

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("settings/preferences/", preferences, name="preferences"),
]
