"""The pointer row of a deployment: whoever flips it holds it, and nobody waits for it without end."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from accounts.errors import OperationRefused

#: How long (milliseconds) a press waits for whoever holds what it has to change.
PATIENCE_MS = 3000


def flips[**Asked, Got](operation: Callable[Asked, Got]) -> Callable[Asked, Got]:
    """``operation`` in one transaction whose every wait for a lock is bounded; past that it is refused, undone.

    A transaction that somebody forgot (a console, a backup, a migration) must not make a press hang: a person who
    gets no answer cannot tell whether the agent was taken back.
    """

    @wraps(operation)
    def bounded(*asked: Asked.args, **named: Asked.kwargs) -> Got:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
                return operation(*asked, **named)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise OperationRefused(
                "This deployment is being changed by somebody else. Nothing was done; press again."
            ) from error

    return bounded
