"""A page that fails leaves a traceback for whoever runs this, and no line holds a secret."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys

from accounts.secrets import new_secret
from workbench.logs import Discreet

PROGRAM = """
import logging, sys
import django
django.setup()
from django.conf import settings
assert not settings.DEBUG
secret = sys.argv[1]
try:
    raise ValueError(f"could not read {secret}")
except ValueError:
    logging.getLogger("django.request").error("Internal Server Error: %s", f"/sign-in/{secret}/", exc_info=True)
logging.getLogger("django.request").warning("Conflict: %s", f"/oncall/ack/{secret}/")
logging.getLogger("httpx").info("POST /intake/generic/%s", secret)
logging.getLogger("incidents.anything").warning("refused %s", {"key": secret})
"""


def test_failures_are_written_with_their_traceback_and_without_secrets() -> None:
    for prefix in ("lgt", "lgr", "lgs", "lga", "lgi", "lgp", "lgd"):
        secret = new_secret(prefix)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, secret],
            capture_output=True,
            text=True,
            check=True,
            env={"DJANGO_SETTINGS_MODULE": "workbench.test_settings", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        )
        said = done.stderr
        assert f"ERROR django.request: Internal Server Error: /sign-in/{prefix}_…/" in said
        assert f"ValueError: could not read {prefix}_…" in said
        assert f"refused {{'key': '{prefix}_…'}}" in said
        assert "Conflict" not in said
        assert "POST" not in said
        assert secret[10:30] not in said
        if prefix == "lgt":
            assert "Traceback" in said


def test_the_secret_of_a_webhook_is_left_out_too() -> None:
    secret = "whsec_" + base64.b64encode(b"/" * 16 + b"\xff" * 16).decode()
    said = Discreet().format(logging.makeLogRecord({"msg": f"signed with {secret}, sent"}))
    assert said == "signed with whsec_…, sent"
