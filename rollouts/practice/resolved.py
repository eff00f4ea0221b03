"""What an instance keeps of the object flag it resolved, whatever agent it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bundle:
    """The resolved bundle, or an off-state. ``tools`` are those not stopped; ``writes`` is whether it may write."""

    enabled: bool
    fallback: str = "To a human"
    number: int | None = None
    label: str = ""
    digest: str = ""
    text: str = ""
    model: str = ""
    provider: str = ""
    route: str = ""
    tools: frozenset[str] = frozenset()
    writes: bool = True

    def may_call(self, tool: str) -> bool:
        """Whether it is on, has the tool, and nobody stopped its writes."""
        return self.enabled and self.writes and tool in self.tools


def read(value: Mapping[str, Any]) -> Bundle:
    """The object flag's ``value``; an off-state when it is one."""
    if value.get("enabled") is not True:
        return Bundle(enabled=False, fallback=str(value.get("fallback") or "To a human"))
    version, model = value.get("version") or {}, value.get("model") or {}
    return Bundle(
        enabled=True,
        number=version.get("number"),
        label=str(version.get("label", "")),
        digest=str(version.get("digest", "")),
        text=str((value.get("prompt") or {}).get("text", "")),
        model=str(model.get("snapshot", "")),
        provider=str(model.get("provider", "")),
        route=str(model.get("route", "")),
        tools=frozenset(str(tool.get("name")) for tool in value.get("tools") or [] if isinstance(tool, dict)),
        writes=value.get("writes_enabled") is not False,
    )
