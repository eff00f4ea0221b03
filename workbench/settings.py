"""One settings file; every value that differs between installations is read from the environment here.

``DATABASE_URL`` unset means the embedded PostgreSQL under ``LASTGOOD_VAR``; ``CELERY_BROKER_URL`` unset means
kombu's pgmq transport on that same database. Nothing else differs between a laptop and many machines.
"""

from __future__ import annotations

import os
import re
import shlex
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from workbench import logs

BASE_DIR = Path(__file__).resolve().parent.parent


def env_text(name: str, default: str = "") -> str:
    """The variable ``name``; empty counts as unset."""
    return os.environ.get(name) or default


def env_int(name: str, default: int) -> int:
    """The variable ``name`` as a whole number; raises ImproperlyConfigured naming the variable otherwise."""
    value = env_text(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def env_bool(name: str, default: bool) -> bool:
    """The variable ``name`` as a switch: 1/true/yes/on or 0/false/no/off."""
    value = env_text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def env_list(name: str, default: str = "") -> list[str]:
    """The variable ``name`` split at commas, blanks dropped."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_networks(name: str) -> list[IPv4Network | IPv6Network]:
    """The variable ``name`` as networks, such as ``10.0.0.0/8,fd00::/8``; a lone address is a network of one."""
    try:
        return [ip_network(part) for part in env_list(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be networks such as 10.20.0.0/16: {error}.") from None


def env_command(name: str) -> list[str]:
    """The variable ``name`` as an argument vector, split as a shell would."""
    try:
        return shlex.split(env_text(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} cannot be read as a command: {error}.") from None


def env_handed_on(name: str) -> list[str]:
    """Names of variables that a command of somebody else's may know; our own secrets are refused by name."""
    named = env_list(name)
    ours = {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "EMAIL_HOST_PASSWORD", "LASTGOOD_TOKEN"}
    if withheld := [word for word in named if word in ours or word.startswith("SLACK_")]:
        raise ImproperlyConfigured(f"{name} names {', '.join(withheld)}, which no such command may know.")
    return named


# -- where things live ---------------------------------------------------------------------------------------------
VAR = Path(env_text("LASTGOOD_VAR", str(BASE_DIR / "var"))).expanduser().resolve()
HOST = env_text("HOST", "127.0.0.1")
PORT = env_int("PORT", 8000)
BASE_URL = env_text("LASTGOOD_BASE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
DEBUG = env_bool("DEBUG", False)
PRACTICE = env_bool("PRACTICE", True)


def secret_key() -> str:
    """``SECRET_KEY``, else the key that the first start wrote below ``VAR`` (mode 0600)."""
    if given := env_text("SECRET_KEY"):
        return given
    from workbench.embedded import EmbeddedError, read_or_make_secret

    try:
        return read_or_make_secret(VAR)
    except EmbeddedError as error:
        raise ImproperlyConfigured(str(error)) from error


SECRET_KEY = secret_key()
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "*" if "DATABASE_URL" not in os.environ else "localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

# -- apps ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "pgtrigger",
    "ninja",
    "accounts",
    "rollouts",
    "incidents",
    "workbench",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.PermissionMiddleware",
]
ROOT_URLCONF = "workbench.urls"
ASGI_APPLICATION = "workbench.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "incidents.context.chrome",
            ],
        },
    },
]


# -- database ------------------------------------------------------------------------------------------------------
def parse_database_url(url: str) -> dict[str, Any]:
    """``postgresql://user:password@host:port/name?option=value`` as Django's connection settings."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://; Lastgood needs PostgreSQL 15 or later.")
    options = dict(parse_qsl(parts.query))
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


EMBEDDED = not env_text("DATABASE_URL")
DATABASE_POOL = env_int("DATABASE_POOL", 8)


def default_database() -> dict[str, Any]:
    """Connection settings of the one database: the given server's, or the embedded one's socket."""
    if EMBEDDED:
        from workbench.embedded import connection_settings

        chosen = connection_settings(VAR)
    else:
        chosen = parse_database_url(env_text("DATABASE_URL"))
    # A pool, because sync views under ASGI leak a connection per thread with persistent ones.
    chosen["OPTIONS"] = {"pool": {"min_size": 0, "max_size": DATABASE_POOL, "timeout": 5, "max_idle": 60}} | chosen.get(
        "OPTIONS", {}
    )
    return {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 0, **chosen}


DATABASES = {"default": default_database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- broker --------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env_text("CELERY_BROKER_URL")  # empty: kombu's pgmq transport on the database above

# -- people --------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/live"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")

# -- headers -------------------------------------------------------------------------------------------------------
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# -- time, language, static files ----------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = env_text("STATIC_ROOT") or None  # unset: whitenoise serves the checked-in files as they are
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# -- logs ---------------------------------------------------------------------------------------------------------
LOGGING = logs.LOGGING

# -- mail ----------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", "lastgood@localhost")
if env_text("EMAIL_HOST"):
    MAILERS: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {
                "host": env_text("EMAIL_HOST"),
                "port": env_int("EMAIL_PORT", 587),
                "username": env_text("EMAIL_HOST_USER"),
                "password": env_text("EMAIL_HOST_PASSWORD"),
                "use_tls": env_bool("EMAIL_USE_TLS", True),
                "timeout": 10,
            },
        }
    }
else:  # no mail server named: messages are files a person can read
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": str(VAR / "mail")},
        }
    }

# -- Slack (docs/slack.md) -------------------------------------------------------------------------------------------
SLACK_BOT_TOKEN = env_text("SLACK_BOT_TOKEN")  # empty: not connected, and everything says so
SLACK_SIGNING_SECRET = env_text("SLACK_SIGNING_SECRET")
SLACK_APP_TOKEN = env_text("SLACK_APP_TOKEN")  # Socket Mode, for installations Slack cannot reach
SLACK_API_URL = env_text("SLACK_API_URL", "https://slack.com/api/").rstrip("/") + "/"
SLACK_CHANNEL = env_text("SLACK_CHANNEL")
SLACK_COMMAND = env_list("SLACK_COMMAND", "/incident")
if SLACK_CHANNEL and not re.fullmatch(r"[CG][A-Z0-9]{2,19}", SLACK_CHANNEL):
    raise ImproperlyConfigured(f"SLACK_CHANNEL must be a channel's id, such as C0123ABCD, not {SLACK_CHANNEL!r}.")

# -- webhooks ------------------------------------------------------------------------------------------------------
WEBHOOK_ALLOW_PRIVATE = env_networks("WEBHOOK_ALLOW_PRIVATE")  # empty: webhooks reach public addresses only

# -- processes -----------------------------------------------------------------------------------------------------
WEB_WORKERS = env_int("WEB_WORKERS", 1)
WORKER_THREADS = env_int("WORKER_THREADS", 4)

# -- evals ---------------------------------------------------------------------------------------------------------
EVAL_COMMAND = env_command("EVAL_COMMAND")  # empty: the practice runner
EVAL_TIME_LIMIT = env_int("EVAL_TIME_LIMIT", 900)  # seconds
EVAL_ENV = env_handed_on("EVAL_ENV")  # names of variables that the command is handed

# -- doors ---------------------------------------------------------------------------------------------------------
INTAKE_MAX_BYTES = env_int("INTAKE_MAX_BYTES", 5 * 1024 * 1024)
OTLP_MAX_BYTES = env_int("OTLP_MAX_BYTES", 16 * 1024 * 1024)
TELEMETRY_RETENTION_DAYS = env_int("TELEMETRY_RETENTION_DAYS", 35)
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
STREAM_LIMIT = env_int("STREAM_LIMIT", 3000)
