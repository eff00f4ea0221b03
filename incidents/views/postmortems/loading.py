"""A postmortem with everything written into it, in one question: the page has a dozen tables behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Model, OuterRef
from django.db.models.functions import JSONObject

from incidents.models import (
    ActionItem,
    EscapeAnswer,
    Factor,
    Incident,
    InferenceRow,
    LayerFinding,
    MovedVariable,
    Postmortem,
    PostmortemRevision,
    PostmortemSection,
    Presence,
    SignOff,
)

#: What the page shows → the table, how rows lead to the postmortem, their order, and columns left behind.
TABLES: dict[str, tuple[type[Model], dict[str, Any], list[str], set[str]]] = {
    "sections": (PostmortemSection, {}, ["pk"], set()),
    "inferences": (InferenceRow, {"removed_at": None}, ["position", "pk"], set()),
    "variables": (MovedVariable, {}, ["pk"], set()),
    "layers": (LayerFinding, {}, ["pk"], set()),
    "escapes": (EscapeAnswer, {}, ["pk"], set()),
    "factors": (Factor, {"removed_at": None}, ["position", "pk"], set()),
    "actions": (ActionItem, {}, ["position", "pk"], set()),
    "presences": (Presence, {}, ["pk"], set()),
    "revisions": (PostmortemRevision, {}, ["-number"], {"content"}),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The page and its rows by the name of their table; ``signed`` are signatures by revision."""

    postmortem: Postmortem
    rows: dict[str, list[Any]]
    signed: dict[int, list[SignOff]]

    def of(self, name: str) -> list[Any]:
        return self.rows[name]


def load(incident: Incident) -> Loaded | None:
    """The page of ``incident``; None while nobody has begun it. Who wrote what is known by id only."""
    asked = {f"all_{name}": packed(*table, through="postmortem") for name, table in TABLES.items()}
    asked["all_signed"] = packed(SignOff, {}, ["pk"], set(), through="revision__postmortem")
    page = Postmortem.objects.filter(incident=incident).annotate(**asked).first()
    if page is None:
        return None
    rows = {name: [revived(table[0], row) for row in getattr(page, f"all_{name}")] for name, table in TABLES.items()}
    page.incident = incident
    for each in rows.values():
        for row in each:
            row.postmortem = page
    signed: dict[int, list[SignOff]] = {}
    for row in page.all_signed:  # type: ignore[attr-defined]  # annotated above
        signature = revived(SignOff, row)
        signed.setdefault(signature.revision_id, []).append(signature)
    return Loaded(page, rows, signed)


def packed(
    table: type[Model], where: dict[str, Any], order: list[str], without: set[str], *, through: str
) -> ArraySubquery:
    """The rows of ``table`` that belong to the postmortem of the outer query, as an array of JSON objects."""
    names = [column.attname for column in table._meta.concrete_fields if column.name not in without]
    rows = table._default_manager.filter(**{through: OuterRef("pk")}, **where).order_by(*order)
    return ArraySubquery(rows.values(row=JSONObject(**{name: name for name in names})))


def revived(table: type[Model], row: dict[str, Any]) -> Any:
    """The row again, from JSON; columns left behind are asked for when read."""
    columns = [column for column in table._meta.concrete_fields if column.attname in row]
    values = [column.to_python(row[column.attname]) for column in columns]
    return table.from_db("default", [column.attname for column in columns], values)
