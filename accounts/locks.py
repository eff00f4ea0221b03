"""Waiting for rows that somebody else holds, but not without end."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from accounts.errors import OperationRefused

#: How long (milliseconds) a press waits for whoever holds what it has to change; twice that behind other waiters,
#: since PostgreSQL counts the wait for a place in line apart.
PATIENCE_MS = 2000


def patient[**Asked, Got](refusal: str) -> Callable[[Callable[Asked, Got]], Callable[Asked, Got]]:
    """An operation in one transaction whose every wait for a lock is bounded; past that it is undone and refused.

    A transaction that somebody forgot (a console, a backup, a migration) must not make a press hang: a person who
    gets no answer cannot tell whether the agent was taken back. ``refusal`` is the sentence they get instead.
    """

    def decorate(operation: Callable[Asked, Got]) -> Callable[Asked, Got]:
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
                raise OperationRefused(refusal) from error

        return bounded

    return decorate
