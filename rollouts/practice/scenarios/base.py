"""What a scenario is: what is shipped when, how customers fare, and what its card says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rollouts.practice.resolved import Bundle
from rollouts.practice.spans import ENVIRONMENT, Trace

type Body = Mapping[str, Any]


class Where(NamedTuple):
    """One instance: its name, its region, and its place among the twenty."""

    instance: str
    region: str
    place: int


#: (bundle, number of the customer, instance, whether the world outside has changed) → what is seen of it.
type Serve = Callable[[Bundle, int, Where, bool], Trace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One incident that the fleet can live through.

    ``first`` is promoted in turn before customers come; ``release`` at the turn of the story, or nothing. When
    ``outside``, something else changes soon after the turn, and whoever is ``touched`` meets it; it is mended some
    time after nobody meets it any more. The first ``pool`` instances resolve ``key``, the rest ``others``.

    Refused customers are tried again where ``retries``, by instances that are ``able``. ``fixes`` are candidates that
    are pushed when somebody asks, with ``cases``; ``known`` are the cases that the set holds from the beginning.

    Where ``slow``, an instance that runs the release looks for something newer only now and then. ``switches`` are
    described as the API takes them, by scope.
    """

    name: str
    title: str
    happens: str
    teaches: str
    contain: str
    minutes: int
    key: str
    metric: str
    measures: str
    alert: str
    trouble: str
    serve: Serve
    versions: Mapping[str, Body]
    first: tuple[str, ...]
    release: str = ""
    outside: bool = False
    touched: Callable[[Bundle, Where], bool] = lambda bundle, where: True
    pool: int = 20
    others: str = ""
    retries: bool = False
    able: Callable[[Bundle], bool] = lambda bundle: True
    fixes: tuple[str, ...] = ()
    cases: tuple[Mapping[str, Any], ...] = ()
    known: tuple[Mapping[str, Any], ...] = ()
    slow: bool = False
    switches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def agent(self) -> str:
        return self.key.partition(".")[0]

    @property
    def variant(self) -> str:
        return self.key.partition(".")[2] or "default"

    def reference(self, label: str) -> str:
        """``forge/prod/system/1.4.0``."""
        return f"{self.agent}/{ENVIRONMENT}/{self.variant}/{label}"

    def key_of(self, where: Where) -> str:
        """Which bundle this instance resolves."""
        return self.others if self.others and where.place >= self.pool else self.key


def body(
    label: str,
    text: str,
    change: tuple[str, str],
    *,
    tools: list[dict[str, Any]],
    code: str,
    snapshot: str = "gpt-4.1-2025-04-14",
    route: str = "openai/us-east",
    few_shots: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """A body that can be promoted to prod; ``change`` is (what, what it is expected to do)."""
    return {
        "label": label,
        "prompt": {"text": text, "few_shots": few_shots or []},
        "model": {
            "provider": "openai",
            "snapshot": snapshot,
            "parameters": {"temperature": 0.2, "max_tokens": 600},
            "route": route,
        },
        "tools": tools,
        "retrieval": {},
        "harness": {"code": code, "context_policy": "last 20 turns"},
        "metadata": {
            "in_flight_policy": "cancel_retry",
            "author": "Ines Okafor",
            "reviewer": "Tomas Lindqvist",
            "eval_set": "golden",
            "change": {"what": change[0], "expect": change[1], "threshold": 0.95},
        },
    }


def tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    }


def outcome_case(key: str, title: str, inputs: Any, outcome: str, bad: str = "") -> dict[str, Any]:
    """A case as the API takes it: what the agent has to come to; ``bad`` is the label that does not."""
    return {
        "key": key,
        "title": title,
        "inputs": inputs,
        "check": {"kind": "assertion", "body": {"path": "outcome", "operator": "equals", "value": outcome}},
        **({"bad_version": bad} if bad else {}),
    }


def spread(number: int, kinds: Mapping[str, int], step: int = 37) -> str:
    """Which kind the customer of that number is: of every hundred, so many of each, evenly mixed; else blank."""
    place = number * step % 100
    for kind, count in kinds.items():
        if place < count:
            return kind
        place -= count
    return ""
