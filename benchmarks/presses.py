"""Run as a process of its own: makes a bundle that agents resolve, and flips it when told.

``python -m benchmarks.presses`` prints ``{"key"}`` (a resolver key of prod) and then, for each line it reads,
flips ``bench/prod`` back or forward and prints ``{"decided", "committed", "epoch"}`` (Unix times).
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import django
from django.db import transaction

KEY = "bench"
TEXT = "You answer questions about orders. Be brief. " * 25


def body(number: int) -> dict[str, Any]:
    """About 2 kB when served, as a small agent's bundle is."""
    return {
        "label": f"{number}.0.0",
        "prompt": {"text": f"{TEXT}{number}", "few_shots": []},
        "model": {
            "provider": "anthropic",
            "snapshot": "claude-sonnet-4-5-20250929",
            "parameters": {"temperature": 0.2},
        },
        "tools": [{"name": "get_order", "description": "Looks an order up.", "input_schema": {"type": "object"}}],
        "metadata": {"author": "Ada", "reviewer": "Grace", "in_flight_policy": "complete_old"},
    }


def main() -> None:
    django.setup()
    from accounts.actors import Actor
    from accounts.models import SiteRole, User
    from accounts.operations import keys
    from rollouts.models import Deployment, Environment
    from rollouts.operations import gates
    from rollouts.operations.promote import promote
    from rollouts.operations.push import push
    from rollouts.operations.roll_back import roll_back
    from rollouts.operations.roll_forward import roll_forward

    roles = [SiteRole.ADMIN, SiteRole.APPROVER, SiteRole.COMMANDER]
    user = User.objects.create(name="Bench", email="bench@example.com", roles=roles)
    actor = Actor.of_user(user)
    for number in (1, 2):
        version, _ = push(KEY, body(number), actor=actor)
        gates.record(version, "evals", "green", actor=actor)
        for environment in ("staging", "prod"):
            target = Deployment.objects.get(bundle__key=KEY, environment_id=environment)
            promote(target, version, actor=actor)
    _, secret = keys.issue_resolver_key("bench", "prod", issuer=user, actor=actor)
    print(json.dumps({"key": secret}), flush=True)

    where = Deployment.objects.get(bundle__key=KEY, environment_id="prod")
    committed: list[float] = []
    back = True
    for _ in sys.stdin:
        decided = time.time()
        with transaction.atomic():
            transaction.on_commit(lambda: committed.append(time.time()))  # before what else waits for the commit
            (roll_back if back else roll_forward)(where, actor=actor)
        back = not back
        epoch = Environment.objects.values_list("epoch", flat=True).get(name="prod")
        print(json.dumps({"decided": decided, "committed": committed[-1], "epoch": epoch}), flush=True)
    os._exit(0)  # the broker's pool would wait for its threads


if __name__ == "__main__":
    main()
