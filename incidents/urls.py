"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from incidents.views import frame

app_name = "incidents"
urlpatterns: list[URLPattern] = [
    path("major/", frame.major, name="major"),
    path("settings/styleguide/", frame.styleguide, name="styleguide"),
]
