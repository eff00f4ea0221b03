"""Where a scenario has got to: what is to be shipped next, whether the world outside has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rollouts.practice.doors import Pace
from rollouts.practice.scenarios import Scenario


class Phase(StrEnum):
    """The fleet ships ``first`` in setup, is healthy, releases, and is over some time after it recovered."""

    SETUP = "setup"
    HEALTHY = "healthy"
    RELEASING = "releasing"
    RELEASED = "released"
    OVER = "over"


@dataclass(slots=True)
class Turns:
    """The clock of one scenario; times are the caller's monotonic seconds and begin anew in a later process."""

    scenario: Scenario
    pace: Pace
    phase: Phase = Phase.SETUP
    moved: bool = False
    mended: bool = False
    fixed: list[str] = field(default_factory=list)
    _since: float | None = None
    _fenced_since: float | None = None
    _calm_since: float | None = None

    @classmethod
    def remembered(cls, scenario: Scenario, pace: Pace, report: Mapping[str, Any]) -> Turns:
        """Where an earlier process of the same run left off."""
        phase = str(report.get("phase") or "")
        return cls(
            scenario,
            pace,
            Phase(phase) if phase in Phase else Phase.SETUP,
            moved=bool(report.get("moved")),
            mended=bool(report.get("mended")),
            fixed=list(report.get("fixed") or []),
        )

    def told(self) -> dict[str, Any]:
        return {"phase": self.phase.value, "moved": self.moved, "mended": self.mended, "fixed": self.fixed}

    @property
    def broken_outside(self) -> bool:
        return self.moved and not self.mended

    def healthy_for(self, measured: bool, now: float) -> bool:
        """Whether the first version has run long enough; counts from the first measured rate."""
        if self._since is None and measured:
            self._since = now
        return self._since is not None and now - self._since >= self.pace.baseline

    def look(self, *, fenced: bool, firing: bool, has_fired: bool, now: float) -> None:
        """Let the world outside change, be mended once it is fenced off, and the scenario end once all is calm."""
        if self.phase != Phase.RELEASED:
            return
        self._since = now if self._since is None else self._since
        if self.scenario.outside and not self.moved and now - self._since >= self.pace.outside:
            self.moved = True
        self._fenced_since = (self._fenced_since or now) if fenced and self.broken_outside else None
        if self._fenced_since is not None and now - self._fenced_since >= self.pace.mended:
            self.mended = True
        self._calm_since = (self._calm_since or now) if has_fired and not firing else None
        if self._calm_since is not None and now - self._calm_since >= self.pace.over:
            self.phase = Phase.OVER

    def released(self, now: float) -> None:
        self.phase, self._since = Phase.RELEASED, now

    def begun(self) -> None:
        self.phase, self._since = Phase.HEALTHY, None

    def go_on(self) -> None:
        """Wanted again after it was over: live on."""
        if self.phase == Phase.OVER:
            self.phase, self._calm_since = Phase.RELEASED, None
