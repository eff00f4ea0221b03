"""A cohort of 100 000 conversations: gathered from telemetry, counted, treated, listed and exported."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django
from django.db import transaction

from benchmarks import stand

CONVERSATIONS = 100_000
TURNS = 2
ASKED = 500


def main() -> list[dict[str, Any]]:
    """One row per act, on a database of its own."""
    with stand.database() as url:
        command = [sys.executable, "-m", "benchmarks.histories", "measure"]
        done = subprocess.run(
            command, cwd=stand.ROOT, env=stand.environment(url), stdout=subprocess.PIPE, text=True, check=True
        )
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure() -> list[dict[str, Any]]:
    from accounts import clock
    from accounts.actors import Actor
    from accounts.models import SiteRole, User
    from rollouts import leg_answers
    from rollouts.models import Deployment
    from rollouts.operations import cohorts, leg_decisions, leg_state
    from rollouts.operations.looks import histories
    from rollouts.operations.roll_back import roll_back

    user = User.objects.create_user("bench@example.com", name="Bench", roles=[SiteRole.ADMIN, SiteRole.APPROVER])
    actor = Actor.of_user(user)
    ship(actor)
    where = Deployment.objects.get(bundle__key="bench", environment_id="prod")
    at = clock.now()
    fill(at, where.stack[-1])
    made, _ = roll_back(where, actor=actor, at=at + timedelta(minutes=1))
    with transaction.atomic():
        leg = leg_state.locked(made.legs.get(kind="histories").pk)
    rows = [
        timed("gathered from telemetry", lambda: histories.gather(leg, made.flipped_at)),
        timed("counted by cohort", lambda: cohorts.counted(made)[0].conversations),
        timed("treated", lambda: leg_decisions.treat(made, actor=actor, cohort="all", treatment="reset").conversations),
        timed("listed, the first 100", lambda: len(list(cohorts.of(made, "all").order_by("-pk")[:100]))),
    ]
    for form in leg_answers.FORMATS:
        before = resident()
        found = timed(f"exported as {form}", lambda form=form: asyncio.run(lines(made, form)))  # type: ignore[misc]  # no type for it
        rows.append(found | {"beside": f"{resident() - before:.0f} MB more memory", "aim": "bounded memory"})
    begun = time.perf_counter()
    for number in range(ASKED):
        leg_answers.taint(where, f"c{number}")
    each = (time.perf_counter() - begun) / ASKED * 1000
    rows.append({"name": "histories: is this conversation tainted?", "value": f"{each:.2f} ms each", "ratio": None})
    return rows


def ship(actor: Any) -> None:
    """Two versions of an agent, the second live in prod."""
    from rollouts.models import Deployment
    from rollouts.operations import gates
    from rollouts.operations.promote import promote
    from rollouts.operations.push import push

    for label in ("1.0.0", "2.0.0"):
        body = {
            "label": label,
            "prompt": {"text": f"Answer briefly, take {label}."},
            "model": {"provider": "anthropic", "snapshot": "claude-sonnet-4-5-20250929"},
            "metadata": {"author": "Ada", "reviewer": "Grace", "in_flight_policy": "complete_old"},
        }
        version, _ = push("bench", body, actor=actor)
        gates.record(version, "evals", "green", actor=actor)
        for environment in ("staging", "prod"):
            promote(Deployment.objects.get(bundle__key="bench", environment_id=environment), version, actor=actor)


def fill(at: Any, number: int) -> None:
    """Runs of so many conversations, as folded telemetry holds them."""
    from django.db import connection

    from rollouts.telemetry import partitions

    partitions.ensure_partitions({at.date()})
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rollouts_agentrun (day, trace_id, bundle_key, environment, at, span_id, version_number,"
            " version_label, conversation_id, region)"
            " SELECT %s, md5(n::text), 'bench', 'prod', %s, left(md5(n::text), 16), %s, '2.0.0', 'c' || n %% %s, 'eu'"
            " FROM generate_series(1, %s) AS n",
            [at.date(), at + timedelta(seconds=29.9), number, CONVERSATIONS, CONVERSATIONS * TURNS],
        )
        cursor.execute("ANALYZE rollouts_agentrun")


async def lines(made: Any, form: str) -> int:
    from rollouts import leg_answers

    count = 0
    async for part in leg_answers.export(made, "all", form):
        count += part.count(b"\n")
    return count - (form == "csv")


def timed(name: str, act: Callable[[], int]) -> dict[str, Any]:
    begun = time.perf_counter()
    count = act()
    took = time.perf_counter() - begun
    return {"name": f"histories: {name}", "value": f"{count:,} in {took:.2f} s", "beside": "", "ratio": None}


def resident() -> float:
    """Megabytes, at their highest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        django.setup()
        print(json.dumps(measure()))
    else:
        for line in main():
            print(line)
