"""The whole workbench on one port, for an ASGI server."""

from __future__ import annotations

import os
import warnings
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # before the doors are imported: they use models

from django.conf import settings  # noqa: E402

from workbench.doors import Application, everything  # noqa: E402
from workbench.turns import Turns  # noqa: E402

# Static files are read from disk piece by piece, which whitenoise does synchronously; a terminal need not hear of it.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
pages = Turns(cast(Application, django_application), settings.DATABASE_POOL)  # the same protocol, typed differently
application = everything(pages)
