"""Is it alive, can it work, and how much: for load balancers, people and Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu import Connection
from kombu.exceptions import KombuError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from accounts import clock
from workbench.models import Tick

TICK_LATE = timedelta(seconds=60)
_migrated = False


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. It asks nothing of anything else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part works, 503 otherwise; ``checks`` has one sentence for each part, ``ok`` or why not."""
    checks = {"database": check_database()}
    if checks["database"] == "ok":
        rest: dict[str, Callable[[], str]] = {
            "migrations": check_migrations,
            "broker": check_broker,
            "clock": check_clock,
        }
        checks |= {name: check() for name, check in rest.items()}
    ready = all(said == "ok" for said in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counts, in Prometheus' text format."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"PostgreSQL does not answer: {str(error).strip().splitlines()[0]}"
    return "ok"


def check_migrations() -> str:
    """Asked until it is true, then remembered: a running process never becomes unmigrated."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return f"{len(missing)} migrations are not applied: run manage.py prepare."
        _migrated = True
    return "ok"


def check_broker() -> str:
    if not settings.CELERY_BROKER_URL:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL")
            row = cursor.fetchone()
        return "ok" if row and row[0] else "The queue's tables are missing: run manage.py prepare."
    broker = Connection(settings.CELERY_BROKER_URL, connect_timeout=1)
    try:
        broker.ensure_connection(max_retries=1, timeout=2)
    except (KombuError, OSError) as error:  # kombu wraps what each transport raises
        return f"The broker does not answer: {error}"
    finally:
        broker.release()
    return "ok"


def check_clock() -> str:
    last = Tick.objects.values_list("at", flat=True).first()
    if last is None:
        return "No tick yet: the clock or the worker has not run."
    late = clock.now() - last
    if late > TICK_LATE:
        return f"The last tick is {int(late.total_seconds())} seconds old: the clock or the worker does not run."
    return "ok"
