"""The permission registry: what each door needs, and who has it.

Every URL name, API route, ASGI door, Slack verb and management command is named once, in its app's
``access.py``, through :func:`declare`. What is not named is refused, and a test walks them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from accounts.actors import Actor, ActorKind, Surface
from accounts.errors import NotPermitted
from accounts.models import Scope, SiteRole

if TYPE_CHECKING:
    from accounts.models import User


class Permission(StrEnum):
    """What a door needs. Which roles and token scopes give it stands in ``GRANTS``."""

    PUBLIC = "public"  # anybody
    KEYED = "keyed"  # the door checks a key of its own (intake, resolver, telemetry)
    VIEW = "view"
    DECLARE = "declare"  # say that something is wrong, or what one saw: everybody may
    RESPOND = "respond"
    ACKNOWLEDGE = "acknowledge"  # people only, like everything without a scope
    COMMAND = "command"
    CONTAIN = "contain"
    RELEASE = "release"
    PUSH = "push"
    APPROVE = "approve"
    SIGN = "sign"
    REPORT = "report"  # tell what agents did; tokens only
    PERSON = "person"  # any signed-in person, about themselves
    PRACTICE = "practice"  # start and stop simulated incidents: whoever may promote could do as much by hand
    ADMIN = "admin"
    SHELL = "shell"  # whoever has a shell on the server


RESPONDERS = frozenset({SiteRole.RESPONDER, SiteRole.COMMANDER})
EVERYBODY = frozenset(SiteRole)
#: permission → (site roles, token scopes); admin has every role.
GRANTS: dict[Permission, tuple[frozenset[SiteRole], frozenset[Scope]]] = {
    Permission.VIEW: (EVERYBODY, frozenset({Scope.READ})),
    Permission.DECLARE: (EVERYBODY, frozenset({Scope.RESPOND})),
    Permission.RESPOND: (RESPONDERS, frozenset({Scope.RESPOND})),
    Permission.ACKNOWLEDGE: (RESPONDERS, frozenset()),
    Permission.COMMAND: (RESPONDERS, frozenset()),
    Permission.CONTAIN: (RESPONDERS | {SiteRole.APPROVER}, frozenset({Scope.CONTAIN})),
    Permission.RELEASE: (RESPONDERS | {SiteRole.APPROVER}, frozenset()),
    Permission.PUSH: (RESPONDERS | {SiteRole.APPROVER}, frozenset({Scope.PUSH})),
    Permission.APPROVE: (frozenset({SiteRole.APPROVER}), frozenset({Scope.APPROVER})),
    Permission.SIGN: (frozenset({SiteRole.APPROVER}), frozenset()),
    Permission.REPORT: (frozenset(), frozenset({Scope.TELEMETRY})),
    Permission.PERSON: (EVERYBODY, frozenset()),
    Permission.PRACTICE: (frozenset({SiteRole.ADMIN}), frozenset({Scope.APPROVER})),
    Permission.ADMIN: (frozenset({SiteRole.ADMIN}), frozenset()),
}
#: Whoever is on call may do these whatever their roles: they were woken for it.
FOR_ON_CALL = frozenset({Permission.CONTAIN, Permission.ACKNOWLEDGE})

_declared: dict[str, Permission] = {}
#: Filled by ``incidents``: whether this person is on call, for one deployment or (None) for anything at all.
on_call_hooks: list[Callable[[User, Any], bool]] = []


def declare(doors: Mapping[str, Permission]) -> None:
    """Name what doors need: ``url:<view name>`` (wildcards allowed), ``asgi:<path prefix>``, ``command:<name>``.

    ``url:<view name> <METHOD>`` is for one method of a path that others share.
    """
    for door, permission in doors.items():
        if _declared.setdefault(door, permission) != permission:
            raise ValueError(f"{door} is declared twice, as {_declared[door]} and {permission}")


def needed_for(door: str) -> Permission | None:
    """The permission of ``door``; None when nobody declared it."""
    if door in _declared:
        return _declared[door]
    matches = [pattern for pattern in _declared if "*" in pattern and fnmatchcase(door, pattern)]
    return _declared[max(matches, key=len)] if matches else None


def needed_for_view(name: str, method: str) -> Permission | None:
    """What a view called by ``method`` needs: ``url:<name> <METHOD>`` where that is declared, else ``url:<name>``.

    Django knows a path by one name, so a path that both reads and writes declares its writing method apart.
    """
    return _declared.get(f"url:{name} {method}") or needed_for(f"url:{name}")


def is_on_call(user: User, deployment: Any = None) -> bool:
    return user.is_active and any(hook(user, deployment) for hook in on_call_hooks)


def allows(actor: Actor | None, permission: Permission, deployment: Any = None) -> bool:
    """Whether ``actor`` has ``permission``; some are also open to whoever is on call (for ``deployment``)."""
    if permission in {Permission.PUBLIC, Permission.KEYED}:
        return True
    if actor is None or permission == Permission.SHELL:
        return False
    roles, scopes = GRANTS[permission]
    if actor.token is not None:
        return bool(scopes & actor.scopes)
    if actor.person is None:
        # A part of Lastgood itself: no request can claim to be one. It may stop harm, and nothing else; a command
        # was typed by whoever has a shell on the server, and may do what an admin may.
        shell = {Permission.ADMIN, Permission.PRACTICE} if actor.surface == Surface.COMMAND else set()
        may = {Permission.CONTAIN} | shell
        return actor.kind == ActorKind.AUTOMATION and permission in may
    if actor.person.has_role(*roles):
        return True
    return permission in FOR_ON_CALL and is_on_call(actor.person, deployment)


def require(actor: Actor | None, permission: Permission, deployment: Any = None) -> None:
    """Raise NotPermitted, with who can, unless ``actor`` has ``permission``."""
    if not allows(actor, permission, deployment):
        raise NotPermitted(refusal(actor, permission))


def refusal(actor: Actor | None, permission: Permission) -> str:
    """One sentence: why not, and who can."""
    if permission == Permission.SHELL:
        return "This runs on the server only."
    roles, scopes = GRANTS.get(permission, (frozenset(), frozenset()))
    who = " or ".join(sorted(role.value for role in roles - {SiteRole.ADMIN})) or "admin"
    if roles == EVERYBODY:
        who = "a signed-in person"
    if actor is not None and actor.token is not None:
        if not scopes:
            return f"A token cannot do this: it takes a person ({who}). Sign in, or run lastgood login."
        return f"This token lacks the scope {' or '.join(sorted(scope.value for scope in scopes))}."
    return f"This needs the role {who}. Ask an admin."
