"""The whole workbench on one port, for an ASGI server."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # before the doors are imported: they use models

from workbench.doors import everything  # noqa: E402

application = everything(django_application)
