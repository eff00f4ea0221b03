"""The whole workbench on one port, for an ASGI server."""

from __future__ import annotations

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # before the doors are imported: they use models

from workbench.doors import Application, everything  # noqa: E402

application = everything(cast(Application, django_application))  # the same protocol, typed a little differently
