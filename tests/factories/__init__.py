"""Makers of rows for tests, one module per app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model
from factory.django import DjangoModelFactory


class Factory[Row: Model](DjangoModelFactory[Row]):
    """Calling a factory returns a saved row; the library's own types do not say so."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:

        def __new__(cls, **fields: Any) -> Row: ...  # type: ignore[misc]
