"""What each door of this app needs."""

from __future__ import annotations

from accounts.permissions import Permission, declare


def register() -> None:
    declare(
        {
            "url:home": Permission.PUBLIC,
            "url:api:openapi-json": Permission.PUBLIC,
            "url:api:api-root": Permission.PUBLIC,
            "url:account_login": Permission.PUBLIC,
            "url:account_logout": Permission.PUBLIC,
            "url:account_signup": Permission.PUBLIC,  # closed by the adapter
            "url:account_reset_password*": Permission.PUBLIC,
            "url:account_inactive": Permission.PUBLIC,
            "url:account_*": Permission.PERSON,
            "url:mfa_authenticate": Permission.PUBLIC,
            "url:mfa_*": Permission.PERSON,
            "url:accounts:sign_in_link": Permission.PUBLIC,
            "url:accounts:approve_session": Permission.PERSON,
            "url:api:login_start": Permission.PUBLIC,
            "url:api:login_poll": Permission.PUBLIC,
            "url:accounts:preferences": Permission.PERSON,
        }
    )
