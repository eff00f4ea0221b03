"""Settings of the test run: the same file, on a throw-away cluster whose clock tests may move."""

from __future__ import annotations

import os
from pathlib import Path

# Never the cluster of a workbench that somebody uses: LASTGOOD_VAR is not honoured here, LASTGOOD_TEST_VAR is.
os.environ["LASTGOOD_VAR"] = os.environ.get("LASTGOOD_TEST_VAR") or f"{Path(__file__).resolve().parent.parent}/var/test"

from workbench.settings import *  # noqa: F403

SECRET_KEY = "only-for-tests"
CELERY_BROKER_URL = "memory://"  # a task left by a committed test waits in memory and nobody runs it
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES["default"]["OPTIONS"] = {  # no pool: tests count and drop connections
    name: value for name, value in DATABASES["default"]["OPTIONS"].items() if name != "pool"
} | {"options": "-c search_path=public,clock,pg_catalog"}
SLACK_BOT_TOKEN = SLACK_SIGNING_SECRET = SLACK_APP_TOKEN = SLACK_CHANNEL = ""  # a test that wants Slack connects one
