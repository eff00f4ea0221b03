"""Outbound to what others run: one file per kind of system, behind one small interface."""

from __future__ import annotations

from rollouts.connectors.base import Answer, Job, Kind, Line, Misconfigured, Settings
from rollouts.connectors.cdevents import CDEvents
from rollouts.connectors.langfuse import LangfuseLabel
from rollouts.connectors.redis import RedisKeys
from rollouts.connectors.webhook import Webhook

KINDS: dict[str, Kind] = {
    "webhook": Webhook(),
    "redis": RedisKeys(),
    "langfuse": LangfuseLabel(),
    "cdevents": CDEvents(),
}

__all__ = ["KINDS", "Answer", "Job", "Kind", "Line", "Misconfigured", "Settings"]
