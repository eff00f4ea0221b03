"""The rules that every further prompt of a bundle has to keep to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts.models import Bundle, PromptRules
from rollouts.push_checks import Rules

MOST = 50  # sections, and phrases, of one bundle
LONGEST_SECTION, LONGEST_PHRASE = 100, 200
LONGEST_PROMPT = 1_000_000


def of(bundle: Bundle) -> Rules:
    """Those of ``bundle``; empty where nobody has set any."""
    row = PromptRules.objects.filter(bundle=bundle).first()
    return Rules() if row is None else Rules(row.max_characters, tuple(row.sections), tuple(row.forbidden))


@transaction.atomic
def change(
    bundle: Bundle,
    *,
    actor: Actor,
    max_characters: int | None,
    sections: Sequence[str],
    forbidden: Sequence[str],
    at: datetime | None = None,
) -> PromptRules:
    """Set all rules of ``bundle`` anew. What has been pushed stays; what is active is not looked at again."""
    require(actor, Permission.APPROVE)
    at = at or clock.now()
    if max_characters is not None and not 1 <= max_characters <= LONGEST_PROMPT:
        raise OperationRefused(f"The longest prompt is 1 to {LONGEST_PROMPT:,} characters, or not limited.", status=422)
    values = {
        "max_characters": max_characters,
        "sections": _lines(sections, "section", LONGEST_SECTION),
        "forbidden": _lines(forbidden, "phrase", LONGEST_PHRASE),
    }
    Bundle.objects.select_for_update(no_key=True).get(pk=bundle.pk)
    before = PromptRules.objects.filter(bundle=bundle).first()
    rules, _ = PromptRules.objects.update_or_create(bundle=bundle, defaults={**values, "at": at, **acted_by(actor)})
    audit.record(
        actor,
        "change prompt rules",
        bundle.key,
        data={"before": before.as_json() if before else None, "after": rules.as_json()},
        at=at,
    )
    return rules


def _lines(given: Sequence[str], what: str, longest: int) -> list[str]:
    """Without blanks around them, empty ones and repetitions."""
    kept = list(dict.fromkeys(filter(None, (" ".join(line.split()) for line in given))))
    if len(kept) > MOST:
        raise OperationRefused(f"At most {MOST} of each; these are {len(kept)}.", status=422)
    if any(len(line) > longest for line in kept):
        raise OperationRefused(f"A {what} has at most {longest} characters.", status=422)
    return kept
