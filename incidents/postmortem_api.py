"""The JSON API of the postmortem: the page, its rows and actions, its revisions and exports. Each route calls one
operation."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Body, Header, Router, Status
from pydantic import Field, StrictInt

from accounts.json_api import Strict, Text, actor_of
from incidents import access, answers, exports, links, lint
from incidents.answers import Answer
from incidents.api import Short, Words
from incidents.models import ActionItem, Postmortem, PostmortemRevision, PostmortemSection
from incidents.models.postmortem import Edited
from incidents.operations.postmortems import actions, draft, edit, fields, load, publish, ready
from incidents.operations.postmortems.content import content_of

router = Router(tags=["postmortems"])

Values = Annotated[dict[str, Any], Field(description="Fields by name; those not named stay.")]
Version = Annotated[StrictInt, Field(ge=0, description="The one that was read; 0 for a section nobody has begun.")]
Whole = Annotated[
    dict[str, Any], Body(description="A page as it is read here, or parts of one; see docs/postmortems.md.")
]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag of the page as it was read.")]


class SectionIn(Strict):
    text: Text
    version: Version


class RowIn(Strict):
    version: Version
    values: Values


class NewRowIn(Strict):
    values: Values = {}


class ActionIn(Strict):
    text: Words = Field(description="What will be done.")
    kind: Short = Field(description="wording, guard, eval_case, rate_target, scope, owner or gate")
    owner: Short | None = Field(None, description="An e-mail address; needed before closing.")
    due_on: date | None = Field(None, description="YYYY-MM-DD; needed before closing.")
    verification: Words = Field("", description="How we will know that it worked.")
    tracker_url: Annotated[Text, Field(max_length=500)] = ""


class DropIn(Strict):
    reason: Words


class SignIn(Strict):
    role: Short = Field(description="commander or approver")
    revision: int | None = Field(None, description="Its number; the newest when not given.")


@router.get("/incidents/{ref}/postmortem", response=Answer, url_name="get_postmortem")
def get_postmortem(request: HttpRequest, ref: str, response: HttpResponse) -> Answer:
    """The page by the schema `lastgood.postmortem/1`; `editing` holds what writing needs, and what is still missing.

    The answer can be changed and put back whole, with its ETag as If-Match.
    """
    return shown(access.get_postmortem(actor_of(request), ref), response)


@router.put("/incidents/{ref}/postmortem", response=Answer, url_name="put_postmortem")
def put_postmortem(
    request: HttpRequest, ref: str, body: Whole, response: HttpResponse, if_match: IfMatch = None
) -> Answer:
    """Read a page back: what its parts name is written, the rest stays. Begins the page when nobody has."""
    actor = actor_of(request)
    expected = if_match.strip().removeprefix("W/").strip('"') if if_match is not None else None
    return shown(load.load(access.get_incident(actor, ref), body, actor=actor, expected=expected), response)


@router.post("/incidents/{ref}/postmortem", response={201: Answer}, url_name="begin_postmortem")
def begin_postmortem(request: HttpRequest, ref: str, response: HttpResponse) -> Status[Answer]:
    """Draft the page from the record; asked again it only answers."""
    actor = actor_of(request)
    return Status(201, shown(draft.begin(access.get_incident(actor, ref), actor=actor), response))


@router.patch("/incidents/{ref}/postmortem", response=Answer, url_name="save_postmortem")
def save_postmortem(request: HttpRequest, ref: str, body: RowIn) -> Answer:
    """Ownership, damage rate, autonomy: what the page itself holds."""
    actor = actor_of(request)
    page = edit.save_page(access.get_postmortem(actor, ref), actor=actor, version=body.version, values=body.values)
    return row_of(page, fields.PAGE)


@router.patch("/incidents/{ref}/postmortem/sections/{name}", response=Answer, url_name="save_section")
def save_section(request: HttpRequest, ref: str, name: str, body: SectionIn) -> Answer:
    """Save one text; 409 with both texts when somebody else has written since."""
    actor = actor_of(request)
    page = access.get_postmortem(actor, ref)
    return section_of(edit.save_section(page, actor=actor, name=name, text=body.text, version=body.version))


@router.post("/incidents/{ref}/postmortem/sections/{name}/check", response=Answer, url_name="check_section")
def check_section(request: HttpRequest, ref: str, name: str, version: int) -> Answer:
    """Say that a draft was read and stands. People only."""
    actor = actor_of(request)
    return section_of(edit.check_section(access.get_postmortem(actor, ref), actor=actor, name=name, version=version))


@router.post("/incidents/{ref}/postmortem/rows/{kind}", response={201: Answer}, url_name="add_row")
def add_row(request: HttpRequest, ref: str, kind: str, body: NewRowIn) -> Status[Answer]:
    """Add an inference, a factor or a question (`escapes`)."""
    actor = actor_of(request)
    row = edit.add_row(access.get_postmortem(actor, ref), kind, actor=actor, values=body.values)
    return Status(201, row_of(row, fields.kind_of(kind).fields))


@router.patch("/incidents/{ref}/postmortem/rows/{kind}/{key}", response=Answer, url_name="save_row")
def save_row(request: HttpRequest, ref: str, kind: str, key: str, body: RowIn) -> Answer:
    """Save one row: a variable, layer or question by its key, an inference or factor by its id."""
    actor = actor_of(request)
    page = access.get_postmortem(actor, ref)
    row = edit.save_row(page, kind, key, actor=actor, version=body.version, values=body.values)
    return row_of(row, fields.kind_of(kind).fields)


@router.delete("/incidents/{ref}/postmortem/rows/{kind}/{key}", response={204: None}, url_name="remove_row")
def remove_row(request: HttpRequest, ref: str, kind: str, key: str, version: int) -> Status[None]:
    """Take an inference or a factor off the page."""
    actor = actor_of(request)
    edit.remove_row(access.get_postmortem(actor, ref), kind, key, actor=actor, version=version)
    return Status(204, None)


@router.post("/incidents/{ref}/postmortem/actions", response={201: Answer}, url_name="add_action")
def add_action(request: HttpRequest, ref: str, body: ActionIn) -> Status[Answer]:
    """Add an action."""
    actor = actor_of(request)
    return Status(201, action_of(actions.add(access.get_postmortem(actor, ref), actor=actor, **body.model_dump())))


@router.patch("/incidents/{ref}/postmortem/actions/{int:pk}", response=Answer, url_name="save_action")
def save_action(request: HttpRequest, ref: str, pk: int, body: RowIn) -> Answer:
    """Change an action that is still to be done."""
    actor = actor_of(request)
    action = access.get_action(actor, ref, pk)
    return action_of(actions.save(action, actor=actor, version=body.version, values=body.values))


@router.post("/incidents/{ref}/postmortem/actions/{int:pk}/finish", response=Answer, url_name="finish_action")
def finish_action(request: HttpRequest, ref: str, pk: int) -> Answer:
    """It is done; also after the incident has closed."""
    actor = actor_of(request)
    return action_of(actions.finish(access.get_action(actor, ref, pk), actor=actor))


@router.post("/incidents/{ref}/postmortem/actions/{int:pk}/drop", response=Answer, url_name="drop_action")
def drop_action(request: HttpRequest, ref: str, pk: int, body: DropIn) -> Answer:
    """It will not be done, for a reason that stays."""
    actor = actor_of(request)
    return action_of(actions.drop(access.get_action(actor, ref, pk), actor=actor, reason=body.reason))


@router.post("/incidents/{ref}/postmortem/publish", response={201: Answer}, url_name="publish_postmortem")
def publish_postmortem(request: HttpRequest, ref: str) -> Status[Answer]:
    """Keep the page as it is now; the same page again is the revision it already was. People only."""
    actor = actor_of(request)
    return Status(201, revision_of(publish.publish(access.get_postmortem(actor, ref), actor=actor)))


@router.post("/incidents/{ref}/postmortem/sign", response={201: Answer}, url_name="sign_postmortem")
def sign_postmortem(request: HttpRequest, ref: str, body: SignIn) -> Status[Answer]:
    """Put your name under a revision. People only."""
    actor = actor_of(request)
    revision = access.get_revision(actor, ref, body.revision)
    publish.sign(revision, actor=actor, role=body.role)
    return Status(201, revision_of(revision))


@router.get("/incidents/{ref}/postmortem/revisions", response=Answer, url_name="list_revisions")
def list_revisions(request: HttpRequest, ref: str) -> Answer:
    """What was published, newest first, without the pages."""
    page = access.get_postmortem(actor_of(request), ref)
    found = page.revisions.defer("content").prefetch_related("sign_offs__user").select_related("user")
    return {"items": [revision_of(each) for each in found]}


@router.get("/incidents/{ref}/postmortem/revisions/{int:number}", response=Answer, url_name="get_revision")
def get_revision(request: HttpRequest, ref: str, number: int) -> Answer:
    """One revision with the page as it was."""
    revision = access.get_revision(actor_of(request), ref, number)
    return revision_of(revision) | {"content": revision.content}


@router.get("/incidents/{ref}/postmortem.json", url_name="export_json", response=Answer)
def export_json(request: HttpRequest, ref: str) -> HttpResponse:
    """The page as a file that can be read back."""
    content = content_of(access.get_postmortem(actor_of(request), ref))
    return HttpResponse(exports.as_json(content), content_type="application/json")


@router.get("/incidents/{ref}/postmortem.md", url_name="export_markdown", response=str)
def export_markdown(request: HttpRequest, ref: str) -> HttpResponse:
    """The page as Markdown."""
    content = content_of(access.get_postmortem(actor_of(request), ref))
    return HttpResponse(exports.markdown(content), content_type="text/markdown; charset=utf-8")


def shown(page: Postmortem, response: HttpResponse) -> Answer:
    """The page as it stands, with its ETag."""
    page = Postmortem.objects.select_related("incident").get(pk=page.pk)
    response["ETag"] = f'"{load.etag(page)}"'
    content = content_of(page)
    kinds = {
        name: [row_of(row, kind.fields, kind.key) for row in edit.rows_of(page, name)]
        for name, kind in fields.KINDS.items()
    }
    return content | {
        "editing": {
            "version": page.version,
            "sections": {row.name: section_of(row) for row in page.sections.select_related("updated_by")},
            "rows": kinds,
            "actions": [action_of(row) for row in page.actions.select_related("owner", "updated_by")],
            "findings": [each.as_json() for each in lint.findings(content)],
            "unmet": ready.unmet(page.incident, page),
            "url": f"{links.room(page.incident.ref)}postmortem/",
        }
    }


def section_of(row: PostmortemSection) -> Answer:
    return {"name": row.name, "text": row.text, "draft": row.is_draft, **_edited(row)}


def row_of(row: Edited, columns: Any, key: str = "") -> Answer:
    """One row as it stands: its columns, its id, and the version to name when saving over it."""
    named = {key: getattr(row, key)} if key else {}
    return {"id": row.pk, **named, **{name: fields.plain(getattr(row, name)) for name in columns}, **_edited(row)}


def action_of(row: ActionItem) -> Answer:
    return {
        "id": row.pk,
        "number": row.position,
        "text": row.text,
        "kind": row.kind,
        "owner": row.owner.email if row.owner else None,
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "verification": row.verification,
        "tracker_url": row.tracker_url,
        "done_at": answers.moment(row.done_at),
        "dropped_at": answers.moment(row.dropped_at),
        "dropped_reason": row.dropped_reason,
        **_edited(row),
    }


def revision_of(row: PostmortemRevision) -> Answer:
    return {
        "number": row.number,
        "digest": row.digest,
        "at": answers.moment(row.at),
        "by": row.actor_label,
        "signed": [
            {"role": each.role, "by": each.actor_label, "at": answers.moment(each.at)} for each in row.sign_offs.all()
        ],
    }


def _edited(row: Edited) -> Answer:
    by = str(row.updated_by) if row.updated_by else None
    return {"version": row.version, "updated_at": answers.moment(row.updated_at), "updated_by": by}
