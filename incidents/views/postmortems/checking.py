"""What is still missing, and what a reader would stumble over: each with the place of the page where to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from incidents import lint
from incidents.models import EscapeAnswer, Incident, Step
from incidents.operations.postmortems import ready
from incidents.views.postmortems import units
from incidents.views.postmortems.loading import Loaded
from incidents.views.postmortems.units import Unit
from incidents.views.visit import panel_url


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding with the place of the page it stands at."""

    anchor: str
    finding: lint.Finding


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that closing needs: whether it is there, and where to do it: on this page, or at ``elsewhere``."""

    done: bool
    text: str
    anchor: str
    about: str = ""
    elsewhere: str = ""

    @property
    def url(self) -> str:
        return self.elsewhere or f"#{self.anchor}"


def checked(incident: Incident, found: Loaded, said: dict[str, Any], remarks: list[Remark]) -> list[Check]:
    """Everything that closing needs, done or not, in the order of the page."""
    orders = ready.unmet(incident, found.postmortem, said)
    places = {remark.finding.sentence: remark.anchor for remark in remarks}
    checks = []
    for name, order in ready.REQUIRED_TEXTS.items():
        checks.append(Check(order not in orders, order, units.section_id(name)))
    for question in EscapeAnswer.OWED if said["rollbacks"] else ():
        order = f"Answer: {question.label}"
        checks.append(Check(order not in orders, order, units.row_id("escapes", question)))
    checks += [Check(False, order, places[order]) for order in orders if order in places]
    resolving = panel_url(incident, Step.RESOLVE)
    checks += [Check(False, order, "sign", "resolve", resolving) for order in ready.unresolved(incident)]
    known = {check.text for check in checks}
    rest = [order for order in orders if order not in known]
    published = bool(found.of("revisions")) and not any(order.startswith("Publish") for order in rest)
    checks.append(Check(published, "Publish the page.", "sign", "publish"))
    left = [order for order in rest if not order.startswith("Publish")]
    checks += [Check(False, order, "sign", "rest") for order in left]
    return checks


def anchor_of(where: str, pieces: dict[str, list[Unit]]) -> str:
    """The id of the element that a finding is about: ``actions.2`` is the second action."""
    kind, _, name = where.partition(".")
    if kind == "sections":
        return units.section_id(name)
    if name.isdigit() and kind in pieces and 0 < int(name) <= len(pieces[kind]):
        return pieces[kind][int(name) - 1].id
    return units.row_id(kind, name) if name and kind != "ownership" else kind
