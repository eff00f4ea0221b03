"""The pieces of the page that are saved alone: a text, a row. Each is one form with the version it was read at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Field, Model
from django.urls import reverse

from accounts.models import User
from incidents import postmortem_forms as forms
from incidents.models import (
    ActionItem,
    EscapeAnswer,
    Factor,
    Incident,
    InferenceRow,
    LayerFinding,
    MovedVariable,
    Postmortem,
    PostmortemSection,
)
from incidents.models.postmortem import Edited
from rollouts.text_diff import Span, compare_texts, matched

HINTS = {
    PostmortemSection.Name.SUMMARY: "Three sentences for a stranger: what happened, to whom, what changed since.",
    PostmortemSection.Name.IMPACT: "Who saw what, how much, how long.",
    PostmortemSection.Name.ROOT_CAUSE: "Name the system, not the person. Several factors are usual: list them below.",
    PostmortemSection.Name.RESOLUTION: "What made it right, and how it was proven.",
    PostmortemSection.Name.PREVENTION: "What keeps it from happening again, and what was added to the suite.",
    PostmortemSection.Name.DETECTION: "From its start until somebody knew. Who knew earlier, and how?",
    PostmortemSection.Name.SIDE_EFFECTS: "Records, messages, money, cached answers: what no rollback undoes.",
    PostmortemSection.Name.CUSTOMERS: "What they saw, what they asked, what they were told, and when.",
    PostmortemSection.Name.LESSONS: "What went well, where luck helped, what surprised.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of row. ``name`` is the operations' and the address's word; ``word`` names one row to a reader."""

    name: str
    word: str
    model: type[Edited]
    form: type[forms.RowForm]
    key: str = ""
    removable: bool = False

    def key_of(self, item: Edited) -> str | int:
        """How the operations name this row: by its key, such as the variable ``prompt``, else by its id."""
        return str(getattr(item, self.key)) if self.key else item.pk

    @property
    def keys(self) -> list[str]:
        """Every key a row of this kind may have, in the order of the page."""
        column = self.model._meta.get_field(self.key)
        return [*dict(column.choices or ())] if isinstance(column, Field) else []

    def title(self, item: Model, position: int) -> str:
        """What one row is called: the variable, layer or question it is about, else its place."""
        if isinstance(item, MovedVariable):
            return item.get_variable_display()
        if isinstance(item, LayerFinding):
            return item.get_layer_display()
        if isinstance(item, EscapeAnswer):
            return item.get_question_display()
        if isinstance(item, ActionItem):
            return f"A{position}"
        return f"{self.word} {position}"

    def form_of(self, item: Model) -> type[forms.RowForm]:
        if isinstance(item, EscapeAnswer) and item.question == EscapeAnswer.Question.CHANGE:
            return forms.VerdictForm
        return self.form


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("inferences", "Inference", InferenceRow, forms.InferenceForm, removable=True),
        Kind("variables", "Variable", MovedVariable, forms.VariableForm, key="variable"),
        Kind("layers", "Layer", LayerFinding, forms.LayerForm, key="layer"),
        Kind("escapes", "Question", EscapeAnswer, forms.EscapeForm, key="question"),
        Kind("factors", "Factor", Factor, forms.FactorForm, removable=True),
        Kind("actions", "Action", ActionItem, forms.ActionForm),
    )
}


@dataclass(frozen=True, slots=True)
class Both:
    """One field as two people wrote it, and what differs."""

    label: str
    theirs: str
    mine: str
    spans: list[Span]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody saved first."""

    by: str
    at: datetime
    fields: list[Both]


@dataclass(slots=True)
class Unit:
    """One form of the page. ``version`` is what it will say it was read at, ``base`` what its texts were read at."""

    id: str
    kind: str
    title: str
    place: str
    page_url: str
    url: str
    version: int
    item: Any = None
    form: Any = None
    text: str = ""
    hint: str = ""
    remove_url: str = ""
    evidence_url: str = ""
    finish_url: str = ""
    drop_url: str = ""
    nobodies: Sequence[tuple[str, str]] = ()
    findings: Sequence[Any] = ()
    conflict: Conflict | None = None
    paused: bool = False
    base: int = 0

    @property
    def is_text(self) -> bool:
        return self.kind == "sections"

    @property
    def list_id(self) -> str:
        """The list a new row of this kind is put at the end of."""
        return "" if self.is_text else f"rows-{self.kind}"

    @property
    def saved_at(self) -> datetime | None:
        return self.item.updated_at if self.item is not None else None

    @property
    def saved_by(self) -> User | None:
        return self.item.updated_by if self.item is not None else None

    @property
    def template(self) -> str:
        names = {"sections": "section", "actions": "action"}
        return f"incidents/postmortem/{names.get(self.kind, 'row')}.html"


def section_id(name: str) -> str:
    return f"s-{name.replace('_', '-')}"


def row_id(kind: str, key: str | int) -> str:
    return f"{kind}-{key}".replace("_", "-")


def address(incident: Incident, name: str, *rest: object) -> str:
    return reverse(f"incidents:{name}", args=[incident.ref, *rest])


def section(incident: Incident, name: str, item: PostmortemSection | None, text: str | None = None) -> Unit:
    """The unit of one text; ``text`` stands in its box instead of what is saved."""
    label = PostmortemSection.Name(name)
    return Unit(
        id=section_id(name),
        kind="sections",
        title=label.label,
        place=name,
        page_url=address(incident, "postmortem"),
        url=address(incident, "postmortem_section", name),
        version=item.version if item else 0,
        item=item,
        text=(item.text if item else "") if text is None else text,
        hint=HINTS[label],
    )


def initial(item: Edited, names: Sequence[str]) -> dict[str, Any]:
    """What a row's form shows: its columns, related rows by key."""
    found = {}
    for name in names:
        column = item._meta.get_field(name)
        found[name] = getattr(item, getattr(column, "attname", name))
    return found


def row(incident: Incident, kind: Kind, item: Edited, lists: forms.Lists, position: int, data: Any = None) -> Unit:
    """The unit of one row; ``data`` is a form as it was sent."""
    own = kind.form_of(item)
    key = kind.key_of(item)
    name = row_id(kind.name, key)
    names = [*own.base_fields]
    unit = Unit(
        id=name,
        kind=kind.name,
        title=kind.title(item, position),
        place=kind.name,
        page_url=address(incident, "postmortem"),
        url=address(incident, "postmortem_row", kind.name, key),
        version=item.version,
        item=item,
        form=own(data, row=name, lists=lists, initial=initial(item, names)),
    )
    if kind.removable:
        unit.remove_url = address(incident, "postmortem_remove", kind.name, key)
    if isinstance(item, ActionItem):
        unit.finish_url = address(incident, "postmortem_finish", item.pk)
        unit.drop_url = address(incident, "postmortem_drop", item.pk)
    if isinstance(item, InferenceRow) and item.trace_id and item.day:
        unit.evidence_url = address(incident, "run", item.day.isoformat(), item.trace_id)
    return unit


def ownership(incident: Incident, item: Postmortem, lists: forms.Lists, data: Any = None) -> Unit:
    """The unit of the page's own columns."""
    names = [*forms.OwnershipForm.base_fields]
    return Unit(
        id="ownership-row",
        kind="ownership",
        title="Who made, reviewed and owns what changed",
        place="ownership",
        page_url=address(incident, "postmortem"),
        url=address(incident, "postmortem_ownership"),
        version=item.version,
        item=item,
        form=forms.OwnershipForm(data, row="ownership-row", lists=lists, initial=initial(item, names)),
        nobodies=[("made_by", "Made by"), ("reviewed_by", "Reviewed by"), ("next_owner", "Next owner")],
    )


def clash(mine: Mapping[str, str], theirs: Mapping[str, Any], labels: Mapping[str, str]) -> list[Both]:
    """The fields in which two people differ."""
    found = []
    for name, label in labels.items():
        yours, other = str(mine.get(name) or ""), str(theirs.get(name) if theirs.get(name) is not None else "")
        yours, other = yours.replace("\r\n", "\n"), other.replace("\r\n", "\n")
        if yours != other:
            found.append(Both(label, other, yours, compare_texts(other, yours)))
    return found


def union(theirs: str, mine: str) -> str:
    """Both texts in one: lines they share once, then theirs and yours where they differ."""
    old, new = theirs.splitlines(), mine.splitlines()
    lines: list[str] = []
    for tag, i1, i2, j1, j2 in matched(old, new):
        lines += old[i1:i2]
        if tag != "equal":
            lines += new[j1:j2]
    return "\n".join(lines)
