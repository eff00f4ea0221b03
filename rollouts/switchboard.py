"""Every kill switch of a deployment as it stands: what it gives customers, what it costs, when it was last proven.

Reading only. The whole agent and its writes can always be stopped, so their rows stand here even where nobody has
described them yet: red, since nobody has measured them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts import clock
from rollouts import damage, off_state
from rollouts.damage import Floor, Judged
from rollouts.models import Containment, Deployment, KillSwitch, Stop
from rollouts.off_state import Probe

#: Scopes that every agent has.
ALWAYS = ("whole", "writes")


@dataclass(frozen=True, slots=True)
class Row:
    """One switch. ``measured`` is the newest stop that everybody was seen to have followed, ``latest`` the newest."""

    deployment: Deployment
    scope: str
    switch: KillSwitch | None
    engaged: Stop | None
    latest: Stop | None
    measured: Containment | None
    at: datetime

    @property
    def fallback(self) -> str:
        return self.switch.fallback if self.switch else ""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why the off-state is no usable path; empty when it is one (R089)."""
        return off_state.findings(self.fallback, probe=probe_of(self.switch), within_ms=answer_ms(self.switch))

    @property
    def seconds(self) -> float | None:
        """The last measured latency, from the decision until nothing acted any more."""
        return self.measured.seconds if self.measured else None

    @property
    def measured_at(self) -> datetime | None:
        return self.measured.stop.engaged_at if self.measured else None

    @property
    def took(self) -> str:
        """The last measured latency in words; empty while there is none."""
        return damage.latency(self.seconds) if self.seconds is not None else ""

    @property
    def goes_on(self) -> bool:
        """Whether something acts although this was stopped more than a minute ago."""
        held = containment_of(self.engaged) if self.engaged else None
        return held is not None and held.goes_on(self.at)

    @property
    def judged(self) -> Judged:
        switch = self.switch
        return damage.judge(
            self.seconds,
            blast_seconds=switch.blast_seconds if switch else None,
            budget_seconds=switch.latency_budget_seconds if switch else None,
        )

    @property
    def floors(self) -> tuple[Floor, ...]:
        """The least damage that the next press will still do."""
        return damage.floors(self.switch.rates if self.switch else {}, self.seconds)

    @property
    def rates(self) -> list[tuple[str, float]]:
        """(unit in words, amount) of each known rate."""
        if self.switch is None:
            return []
        words = {name: many for name, (_, many) in damage.UNITS.items()}
        return [(f"{words[name]}/s", amount) for name, amount in self.switch.rates.items() if amount is not None]

    @property
    def days_off(self) -> int | None:
        """How many whole days it has been stopped (R091)."""
        return (self.at - self.engaged.engaged_at) // timedelta(days=1) if self.engaged else None

    @property
    def overdue(self) -> bool:
        """Whether it was expected back by now."""
        due = self.engaged.restore_expected_on if self.engaged else None
        return due is not None and self.at.date() > due


def probe_of(switch: KillSwitch | None) -> Probe | None:
    """What the address of the off-state said; None while it has none, or nobody has asked."""
    if switch is None or not switch.off_state_url or switch.probed_at is None:
        return None
    return Probe(switch.probe_status, switch.probe_ms, switch.probe_problem)


def answer_ms(switch: KillSwitch | None) -> float:
    """How long that address may take: the switch's latency budget, or five seconds."""
    seconds = switch.latency_budget_seconds if switch else None
    return (seconds or off_state.ANSWER_SECONDS) * 1000


def rows(deployments: Iterable[Deployment], at: datetime | None = None) -> dict[int, list[Row]]:
    """By deployment: the whole agent first, then its writes, then by name. Three questions however many there are."""
    wanted, at = list(deployments), at or clock.now()
    switches = list(KillSwitch.objects.filter(deployment__in=wanted).order_by("scope"))
    stops = (
        Stop.objects.filter(kill_switch__in=switches)
        .select_related("containment", "restore_planned_by", "reasoned_by")
        .order_by("kill_switch_id", "-pk")
    )
    of_switch: dict[int, list[Stop]] = {}
    for stop in _newest(stops):
        of_switch.setdefault(stop.kill_switch_id, []).append(stop)
    found: dict[int, list[Row]] = {}
    for deployment in wanted:
        own = {switch.scope: switch for switch in switches if switch.deployment_id == deployment.pk}
        scopes = [*ALWAYS, *(scope for scope in own if scope not in ALWAYS)]
        found[deployment.pk] = [_row(deployment, scope, own.get(scope), of_switch, at) for scope in scopes]
    return found


def row(deployment: Deployment, scope: str, at: datetime | None = None) -> Row:
    """One switch, whether or not anybody has described it."""
    found = {each.scope: each for each in rows([deployment], at)[deployment.pk]}
    return found.get(scope) or Row(deployment, scope, None, None, None, None, at or clock.now())


def _row(
    deployment: Deployment, scope: str, switch: KillSwitch | None, of_switch: dict[int, list[Stop]], at: datetime
) -> Row:
    stops = of_switch.get(switch.pk, []) if switch else []
    for stop in stops:
        if switch is not None:
            stop.kill_switch = switch
    measured = next((held for stop in stops if (held := containment_of(stop)) and held.seconds is not None), None)
    engaged = next((stop for stop in stops if stop.released_at is None), None)
    return Row(deployment, scope, switch, engaged, stops[0] if stops else None, measured, at)


def containment_of(stop: Stop) -> Containment | None:
    """What was measured of ``stop``; None while nothing was."""
    found: Containment | None = getattr(stop, "containment", None)
    return found


def _newest(stops: Iterable[Stop], each: int = 20) -> Iterable[Stop]:
    """The newest few stops of each switch, from stops in that order."""
    counts: dict[int, int] = {}
    for stop in stops:
        counts[stop.kill_switch_id] = counts.get(stop.kill_switch_id, 0) + 1
        if counts[stop.kill_switch_id] <= each:
            yield stop
