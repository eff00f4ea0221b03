"""What the environments of a bundle run, ready to be compared."""

from __future__ import annotations

from django.db.models import Q

from rollouts.environments import PUSHED, Running
from rollouts.models import Bundle, BundleVersion


def running(bundle: Bundle) -> dict[str, Running]:
    """Environment → the version that is active there, and what was pushed last; two queries, without the bodies."""
    pointers = dict(
        bundle.deployments.filter(active__isnull=False)
        .order_by("environment__position")
        .values_list("environment_id", "active_id")
    )
    wanted = Q(number=bundle.last_number) | Q(pk__in=pointers.values())
    rows = BundleVersion.objects.filter(wanted, bundle=bundle).values_list(
        "pk", "number", "label", "behaviour_digest", "part_digests", "body__model__snapshot"
    )
    by_pk = {pk: Running(number, label, digest, parts, str(name)) for pk, number, label, digest, parts, name in rows}
    found = {name: by_pk[pk] for name, pk in pointers.items()}
    newest = next((each for each in by_pk.values() if each.number == bundle.last_number), None)
    return {**found, PUSHED: newest} if newest is not None and found else found
