"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.views import sign_in
from accounts.views.preferences import preferences

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("sign-in/<str:secret>/", sign_in.sign_in_link, name="sign_in_link"),
    path("login/approve/<str:user_code>/", sign_in.approve_session, name="approve_session"),
    path("settings/preferences/", preferences, name="preferences"),
]
