"""People, teams, keys, the audit log: what both apps stand on."""

from accounts.models.acted import Acted, acted_by
from accounts.models.audit import AuditEntry
from accounts.models.due import DueQuerySet, DueRow
from accounts.models.idempotency import IdempotencyKey
from accounts.models.team import Membership, Team
from accounts.models.token import ApiToken, PersonSession, ResolverKey, Scope, SignInLink
from accounts.models.triggers import append_only, never_deleted
from accounts.models.user import SiteRole, User

__all__ = [
    "Acted",
    "ApiToken",
    "AuditEntry",
    "DueQuerySet",
    "DueRow",
    "IdempotencyKey",
    "Membership",
    "PersonSession",
    "ResolverKey",
    "Scope",
    "SignInLink",
    "SiteRole",
    "Team",
    "User",
    "acted_by",
    "append_only",
    "never_deleted",
]
