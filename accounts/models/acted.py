"""Columns of every row that somebody or something wrote on purpose."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from accounts.actors import Actor, ActorKind, Surface


class Acted(models.Model):
    """Abstract: who did this, as what kind of actor, through which door."""

    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    actor_label = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    surface = models.CharField(max_length=8, choices=Surface)

    class Meta:
        abstract = True


def acted_by(actor: Actor) -> dict[str, Any]:
    """The values of :class:`Acted`'s columns for ``actor``."""
    return {
        "actor_kind": actor.kind,
        "actor_label": actor.label[:100],
        "user": actor.user,
        "surface": actor.surface,
    }
