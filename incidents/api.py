"""The JSON API of this app: edges only, each route calls one operation."""

from __future__ import annotations

from ninja import Router

router = Router()
