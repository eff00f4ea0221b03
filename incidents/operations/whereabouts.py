"""Which deployment an alert means: its sender's words, looked up among those we know. Unknown is never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from incidents.reading import Names
from rollouts.models import Deployment
from rollouts.names import DEFAULT_VARIANT, Key

DEFAULT_ENVIRONMENT = "prod"
#: Other words for our environments; an integration's ``settings["environments"]`` adds to them.
ENVIRONMENTS = {"production": "prod", "live": "prod", "stage": "staging", "development": "dev"}
Place = tuple[str, str]  # bundle key, environment


def places(names: Names, settings: Mapping[str, Any]) -> Iterator[Place]:
    """What the names could mean, the most exact first: reference, bundle, agent (with variant), service."""
    environment = environment_of(names.environment, settings)
    if names.reference:
        parts = names.reference.split("/")
        if len(parts) == 4:
            yield str(Key(parts[0], parts[2] or DEFAULT_VARIANT)), environment_of(parts[1], settings)
        elif len(parts) == 2:
            yield parts[0], environment_of(parts[1], settings)
        elif len(parts) == 1:
            yield parts[0].partition("@")[0], environment
    if names.bundle:
        key, slash, named = names.bundle.partition("/")
        yield key.partition("@")[0], environment_of(named, settings) if slash else environment
    if names.agent:
        yield str(Key(names.agent, names.variant or DEFAULT_VARIANT)), environment
    if names.service:
        yield names.service, environment


def environment_of(word: str | None, settings: Mapping[str, Any]) -> str:
    """Our name for the sender's environment; prod when it sent none."""
    word = (word or DEFAULT_ENVIRONMENT).lower()
    own = settings.get("environments")
    own = own if isinstance(own, Mapping) else {}
    return str(own.get(word) or ENVIRONMENTS.get(word, word))


def find(wanted: Iterable[Place]) -> dict[Place, Deployment]:
    """Those that exist, with bundle and agent, in one query."""
    asked = set(wanted)
    if not asked:
        return {}
    found = Deployment.objects.filter(
        bundle__key__in={key for key, _ in asked}, environment__in={environment for _, environment in asked}
    ).select_related("bundle__agent")
    return {(deployment.bundle.key, deployment.environment_id): deployment for deployment in found}
