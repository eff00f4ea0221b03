"""What the editor shows: its pieces in their order, who is here, what is saved, and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from accounts.permissions import Permission, allows
from incidents import lint
from incidents import postmortem_forms as forms
from incidents.models import ActionItem, EscapeAnswer, PostmortemRevision, PostmortemSection, SignOff
from incidents.operations.postmortems import ready
from incidents.operations.postmortems.content import content_of
from incidents.views.postmortems import article, units
from incidents.views.postmortems.checking import Remark, anchor_of, checked
from incidents.views.postmortems.loading import Loaded, load
from incidents.views.postmortems.units import KINDS, Unit, address
from incidents.views.visit import Visit

Name = PostmortemSection.Name
#: Who has not been heard of for so long is no longer here; the page says so every 20 seconds.
HERE = timedelta(seconds=60)


@dataclass(slots=True)
class Group:
    """Rows of one kind under a heading."""

    id: str
    title: str
    hint: str
    tab: str
    units: list[Unit] = field(default_factory=list)
    add_url: str = ""
    add_word: str = ""
    choices: Sequence[tuple[str, str]] = ()
    findings: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Where the facts of the record stand on the page."""

    tab: str = "Record"
    is_record: bool = True
    units: None = None


GROUPS = {
    "inferences": ("What the agent inferred", "One row per inference that went wrong.", "Inference", "Add inference"),
    "variables": (
        "What moved",
        "Nine things that change behaviour. Unknown is an answer until it is known.",
        "Moved",
        "",
    ),
    "factors": ("Contributing factors", "Several are usual. Each with how sure you are.", "Factors", "Add factor"),
    "layers": ("Layers", "Each examined: implicated, cleared or unknown.", "Layers", ""),
    "ownership": (
        "Ownership, damage, friction",
        "Who made, reviewed and owns what changed; what the harm cost; what slowed the response.",
        "Owners",
        "",
    ),
    "escapes": ("Why it got through", "Every rollback asks the first three.", "Escapes", "Ask"),
    "actions": ("Actions", "Each with an owner, a date, and how we will know.", "Actions", "Add action"),
}
#: The page from top to bottom.
ORDER = (
    Name.SUMMARY,
    "record",
    "inferences",
    "variables",
    Name.IMPACT,
    Name.DETECTION,
    Name.ROOT_CAUSE,
    "factors",
    "layers",
    "ownership",
    "escapes",
    Name.RESOLUTION,
    Name.SIDE_EFFECTS,
    Name.PREVENTION,
    "actions",
    Name.CUSTOMERS,
    Name.LESSONS,
)
TABS = {
    Name.DETECTION: "Detection",
    Name.SIDE_EFFECTS: "Side effects",
    Name.CUSTOMERS: "Customers",
    Name.LESSONS: "Lessons",
}


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody else who has the page open, and where in it they are."""

    user: str
    place: str


@dataclass(frozen=True, slots=True)
class Draft:
    """How far the draft has come: its number grows with everything that is saved."""

    number: int
    saved_at: datetime
    saved_by: User | None


def loaded(visit: Visit) -> Loaded | None:
    return visit.once("postmortem", lambda: load(visit.incident))


def lists(visit: Visit) -> forms.Lists:
    def ask() -> forms.Lists:
        found = loaded(visit)
        return forms.Lists(visit.incident, (action.owner_id for action in (found.of("actions") if found else [])))

    return visit.once("lists", ask)


def may_write(visit: Visit) -> bool:
    """Whether the one who looks may write here now."""
    ended = visit.incident.documented_at or visit.incident.document_skipped_at
    return not ended and allows(visit.actor, Permission.RESPOND)


def units_of(visit: Visit, found: Loaded) -> dict[str, list[Unit]]:
    """Every piece of the page by the part of it: a text's name, a kind of rows, ``ownership``."""
    incident, offered = visit.incident, lists(visit)
    texts = {row.name: row for row in found.of("sections")}
    pieces = {name: [units.section(incident, name, texts.get(name))] for name in Name.values}
    pieces["ownership"] = [units.ownership(incident, found.postmortem, offered)]
    for name, kind in KINDS.items():
        rows = found.of(name)
        if kind.key:
            order = kind.keys
            rows = sorted(rows, key=lambda row: order.index(str(kind.key_of(row))))
        pieces[name] = [units.row(incident, kind, row, offered, place) for place, row in enumerate(rows, 1)]
    for unit in (unit for found_units in pieces.values() for unit in found_units):
        if unit.item is not None and unit.item.updated_by_id:
            unit.item.updated_by = offered.everybody.get(unit.item.updated_by_id)
    return pieces


def parts(visit: Visit, found: Loaded, pieces: dict[str, list[Unit]]) -> list[Any]:
    """The page from top to bottom: texts, groups of rows, and where the record's facts stand."""
    shown: list[Any] = []
    for name in ORDER:
        if name == "record":
            shown.append(Record())
        elif name in GROUPS:
            title, hint, tab, add = GROUPS[name]
            url = address(visit.incident, "postmortem_add", name) if add else ""
            group = Group(name, title, hint, tab, pieces[name], url, add)
            if name == "escapes":
                asked = {unit.item.question for unit in group.units}
                group.choices = [each for each in EscapeAnswer.Question.choices if each[0] not in asked]
                group.add_url = url if group.choices else ""
            elif name == "actions":
                group.choices = ActionItem.Kind.choices
            shown.append(group)
        else:
            shown += pieces[name]
    return shown


def here(visit: Visit, found: Loaded) -> list[Here]:
    """Who else has the page open."""
    words = dict(Name.choices) | {name: values[2] for name, values in GROUPS.items()}
    me, people = visit.actor.person, lists(visit).everybody
    return [
        Here(str(people[each.user_id]), words.get(each.section, ""))
        for each in found.of("presences")
        if each.seen_at > visit.at - HERE and each.user_id in people and (me is None or each.user_id != me.pk)
    ]


def draft(found: Loaded, pieces: dict[str, list[Unit]]) -> Draft:
    """When the page was last saved, by whom, and how often."""
    items = [unit.item for each in pieces.values() for unit in each if unit.item is not None]
    newest = max(items, key=lambda item: item.updated_at)
    return Draft(sum(item.version for item in items), newest.updated_at, newest.updated_by)


def newest(found: Loaded) -> PostmortemRevision | None:
    """The newest revision."""
    return next(iter(found.of("revisions")), None)


def signing(visit: Visit, found: Loaded) -> dict[str, Any]:
    """The newest revision, who signed it in which role, and the roles that are still to sign."""
    revision = newest(found)
    signed = found.signed.get(revision.pk, []) if revision is not None else []
    twice = visit.once("signed_twice", lambda: ready.signed_twice(visit.incident))
    wanted = list(SignOff.Role) if twice else []
    open_roles = [role for role in SignOff.Role if role not in {each.role for each in signed}]
    return {
        "revision": revision,
        "next_number": revision.number + 1 if revision is not None else 1,
        "signed": signed,
        "roles": open_roles,
        "both_roles": bool(wanted),
        "enough": bool(signed) and not (set(wanted) & set(open_roles)),
    }


def content(visit: Visit, found: Loaded) -> dict[str, Any]:
    """The whole page as it would be published now."""
    return visit.once("content", lambda: content_of(found.postmortem))


def panel(visit: Visit) -> dict[str, Any]:
    """Everything the Document step shows: the editor to whoever may write, else what is written.

    What takes many questions (the record, remarks, what is missing) comes once the page stands, or by ``?record=1``.
    """
    found = loaded(visit)
    if found is None:
        return {"postmortem": None}
    context: dict[str, Any] = {"postmortem": found.postmortem} | signing(visit, found)
    if not may_write(visit):
        revision = newest(found)
        ended = visit.incident.documented_at is not None
        shown = revision.content if ended and revision is not None else content(visit, found)
        return context | {"editing": False} | article.article(shown)
    pieces = units_of(visit, found)
    sent: Unit | None = visit.known.get("sent")
    if sent is not None:
        for each in pieces.values():
            each[:] = [sent if unit.id == sent.id else unit for unit in each]
    context |= status(visit, found, pieces, whole=bool(visit.request.GET.get("record")))
    shown_parts = parts(visit, found, pieces)
    for part in shown_parts:
        if isinstance(part, Group):
            part.findings = [each for each in context.get("remarks", ()) if each.anchor == part.id]
    return context | {
        "editing": True,
        "parts": shown_parts,
        "tabs": [*(tab_of(part) for part in shown_parts), ("sign", "Sign")],
    }


def status(visit: Visit, found: Loaded, pieces: dict[str, list[Unit]], *, whole: bool) -> dict[str, Any]:
    """The line above the page; ``whole``: with remarks, what is missing and what the record knows."""
    context: dict[str, Any] = {
        "draft": draft(found, pieces),
        "here": here(visit, found),
        "units": [unit for each in pieces.values() for unit in each],
        "checks": None,
    }
    if not whole:
        return context
    said = content(visit, found)
    remarks = [Remark(anchor_of(each.where, pieces), each) for each in lint.findings(said)]
    for unit in context["units"]:
        unit.findings = [remark for remark in remarks if remark.anchor == unit.id]
    checks = checked(visit.incident, found, said, remarks)
    missing = [each for each in checks if not each.done]
    words = f"Ready {len(checks) - len(missing)}/{len(checks)}"
    stale = any(each.about == "publish" for each in missing)
    return (
        context
        | article.article(said)
        | {
            "remarks": remarks,
            "checks": checks,
            "missing": missing,
            "words_ready": words,
            "stale": stale,
        }
    )


def record(visit: Visit) -> dict[str, Any]:
    """What the record knows, for its own region."""
    found = loaded(visit)
    return article.article(content(visit, found)) if found is not None else {}


def tab_of(part: Any) -> tuple[str, str]:
    """The place of a part of the page and its short name."""
    if isinstance(part, Unit):
        return part.id, TABS.get(Name(part.place), part.title)
    return ("pm-record", part.tab) if isinstance(part, Record) else (part.id, part.tab)
