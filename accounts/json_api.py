"""What every app's JSON API shares: strict bodies, who asks, and lists that come page by page."""

from __future__ import annotations

from typing import Annotated

from django.db import models
from django.http import HttpRequest
from ninja import Query, Schema
from pydantic import AfterValidator, ConfigDict, StrictStr

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.strict_json import storable

PAGE = 100
#: What answers with a secret say of themselves: no cache keeps them, nor do we for a repeated request.
NO_STORE = "no-store"

Text = Annotated[StrictStr, AfterValidator(storable)]
Limit = Annotated[int, Query(ge=1, le=PAGE, description="How many at most.")]
Cursor = Annotated[str | None, Query(description="The `next` of the page before.")]
NameCursor = Annotated[Text | None, Query(description="The `next` of the page before.")]
OfAgent = Annotated[Text | None, Query(description="Only those of the agent of this name.")]


class Strict(Schema):
    """A body that may hold nothing but its named members."""

    model_config = ConfigDict(extra="forbid")


def actor_of(request: HttpRequest) -> Actor:
    """The one PermissionMiddleware let in; for routes that are not public."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def page[Row: models.Model](rows: models.QuerySet[Row], cursor: str | None, limit: int) -> tuple[list[Row], str | None]:
    """Rows older than ``cursor``, newest first, and the cursor of what follows; None at the end."""
    if cursor is not None:
        if (before := whole_number(cursor)) is None:
            raise OperationRefused("A cursor is the `next` of a page before.", status=422)
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], str(found[limit - 1].pk) if len(found) > limit else None
