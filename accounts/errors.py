"""Refusals: what an operation says when it will not do what was asked."""

from __future__ import annotations

from typing import Any


class OperationRefused(Exception):
    """An operation will not do this; ``str()`` is one sentence for the person who asked.

    ``status`` is the HTTP answer a door gives (409 unless said), ``details`` are further members of its JSON
    body, such as ``{"reasons": [...]}`` of a refused promotion.
    """

    def __init__(self, message: str, *, status: int = 409, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details or {}


class NotPermitted(OperationRefused):
    """The actor may not do this; the sentence says who can."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=403)


class NotFound(OperationRefused):
    """There is nothing by that name here; the sentence says what was looked for."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=404)
